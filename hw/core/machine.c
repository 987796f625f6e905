/*
 * The machine object: choosing one, its properties, memory and topology.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "hw/core/numa.h"
#include "hw/machine.h"
#include "machine/memory.h"
#include "util/cutils.h"
#include "util/options.h"

#define MACHINE(o) ((Machine *)(o))

static Machine *current;

Machine *machine_current(void) { return current; }

/* --- properties --------------------------------------------------------------------------------- */

static QObject *get_smp(Object *o, const Property *p, Error **errp)
{
    const SmpConfig *s = &MACHINE(o)->smp;
    QDict *d = qdict_new();

    qdict_put_int(d, "cpus", s->cpus);
    qdict_put_int(d, "maxcpus", s->maxcpus);
    qdict_put_int(d, "threads", s->threads);
    qdict_put_int(d, "cores", s->cores);
    qdict_put_int(d, "dies", s->dies);
    qdict_put_int(d, "sockets", s->sockets);
    qdict_put_int(d, "clusters", s->clusters);
    return d;
}

static QObject *get_boot(Object *o, const Property *p, Error **errp)
{
    return MACHINE(o)->boot ? qobject_ref(MACHINE(o)->boot) : qdict_new();
}

static QObject *get_memory(Object *o, const Property *p, Error **errp)
{
    QDict *d = qdict_new();

    qdict_put_int(d, "size", MACHINE(o)->ram_size);
    if (MACHINE(o)->ram_slots) {
        qdict_put_int(d, "slots", MACHINE(o)->ram_slots);
    }
    if (MACHINE(o)->max_ram_size != MACHINE(o)->ram_size) {
        qdict_put_int(d, "max-size", MACHINE(o)->max_ram_size);
    }
    return d;
}

static QObject *get_ram(Object *o, const Property *p, Error **errp) { return object_path_value(MACHINE(o)->ram); }

static bool set_ram(Object *o, const Property *p, const QObject *value, Error **errp)
{
    if (!qobject_get_str(value)) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string", p->name);
        return false;
    }
    g_free(MACHINE(o)->memdev);
    MACHINE(o)->memdev = g_strdup(qobject_get_str(value));
    return true;
}

static QObject *get_nothing(Object *o, const Property *p, Error **errp) { return qstring_new(""); }

#define M_STR(n, f, d) { .name = n, .type = "string", .kind = PROP_STRING, .offset = offsetof(Machine, f), .description = d }
#define M_BOOL(n, f, v, d) { .name = n, .kind = PROP_BOOL, .offset = offsetof(Machine, f), .has_default = true, .def = v, .description = d }

static const Property machine_props[] = {
    M_STR("kernel", kernel, "Linux kernel image file"), M_STR("initrd", initrd, "Linux initial ramdisk file"),
    M_STR("append", append, "Linux kernel command line"), M_STR("dtb", dtb, "Linux kernel device tree file"),
    M_STR("dumpdtb", dumpdtb, "Dump current dtb to a file and quit"),
    M_STR("dt-compatible", dt_compatible, "Overrides the \"compatible\" property of the dt root node"),
    M_STR("firmware", firmware, "Firmware image"),
    M_STR("memory-encryption", memory_encryption, "Set memory encryption object to use"),
    { .name = "phandle-start", .kind = PROP_I64, .offset = offsetof(Machine, phandle_start),
      .description = "The first phandle ID we may generate dynamically" },
    M_BOOL("graphics", graphics, true, "Set on/off to enable/disable graphics emulation"),
    M_BOOL("usb", usb, false, "Set on/off to enable/disable usb"),
    M_BOOL("dump-guest-core", dump_guest_core, true, "Include guest memory in a core dump"),
    M_BOOL("mem-merge", mem_merge, true, "Enable/disable memory merge support"),
    M_BOOL("suppress-vmdesc", suppress_vmdesc, false, "Set on to disable self-describing migration"),
    { .name = "smp", .type = "SMPConfiguration", .kind = PROP_CUSTOM, .get = get_smp, .description = "CPU topology" },
    { .name = "boot", .type = "BootConfiguration", .kind = PROP_CUSTOM, .get = get_boot,
      .description = "Boot configuration" },
    { .name = "memory", .type = "MemorySizeConfiguration", .kind = PROP_CUSTOM, .get = get_memory,
      .description = "Memory size configuration" },
    { .name = "memory-backend", .type = "link<memory-backend>", .kind = PROP_CUSTOM, .get = get_ram, .set = set_ram,
      .description = "Set RAM backendValid value is ID of hostmem based backend" },
    { .name = "confidential-guest-support", .type = "link<confidential-guest-support>", .kind = PROP_CUSTOM,
      .get = get_nothing, .description = "Set confidential guest scheme to support" },
    { .name = "peripheral", .type = "child<container>", .kind = PROP_CUSTOM, .class_only = true },
    { .name = "peripheral-anon", .type = "child<container>", .kind = PROP_CUSTOM, .class_only = true },
    { NULL }
};

static void machine_obj_init(Object *o)
{
    Machine *m = MACHINE(o);

    m->smp = (SmpConfig) { 1, 1, 1, 1, 1, 1, 1 };
}

static const TypeInfo machine_type = {
    .name = "machine", .abstract = true, .size = sizeof(Machine), .props = machine_props, .init = machine_obj_init,
};
QOM_TYPE(machine_type)

/* --- choosing ------------------------------------------------------------------------------------ */

static const TypeInfo *find_machine(bool (*match)(const MachineClass *c, const char *name), const char *name)
{
    g_autoptr(GPtrArray) list = type_list();

    for (guint i = 0; i < list->len; i++) {
        const TypeInfo *t = g_ptr_array_index(list, i);

        if (!t->abstract && type_is_a(t, "machine") && match(type_class(t), name)) {
            return t;
        }
    }
    return NULL;
}

static bool match_name(const MachineClass *c, const char *name)
{
    return !strcmp(c->name, name) || !g_strcmp0(c->alias, name);
}

static bool match_default(const MachineClass *c, const char *name) { return c->is_default; }
const TypeInfo *machine_find(const char *name) { return find_machine(match_name, name); }
const TypeInfo *machine_default(void) { return find_machine(match_default, NULL); }

void machine_print_list(void)
{
    g_autoptr(GPtrArray) list = type_list();

    printf("Supported machines are:\n");
    for (guint i = 0; i < list->len; i++) {
        const TypeInfo *t = g_ptr_array_index(list, i);
        const MachineClass *c = type_is_a(t, "machine") ? type_class(t) : NULL;

        if (t->abstract || !c) {
            continue;
        }
        if (c->alias) {
            printf("%-20s %s (alias of %s)\n", c->alias, c->desc, c->name);
        }
        printf("%-20s %s%s\n", c->name, c->desc, c->is_default ? " (default)" : "");
    }
}

bool machine_create(const TypeInfo *type, const QDict *opts, Error **errp)
{
    current = MACHINE(object_new(type));
    object_set_machine(&current->obj);
    object_unref(&current->obj);
    object_container("/machine/unattached");
    object_container("/machine/peripheral");
    object_container("/machine/peripheral-anon");
    current->ram_size = current->max_ram_size = machine_class(current)->default_ram_size;
    for (size_t i = 0; opts && i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (!strcmp(key, "type") || !strcmp(key, "accel") || !strcmp(key, "help")
            || !strcmp(key, "kernel-irqchip") || !strcmp(key, "kvm-shadow-mem")) {
            continue;
        }
        if (!object_set_text(&current->obj, key, qdict_value_at(opts, i), errp)) {
            return false;
        }
    }
    return true;
}

/* --- memory ------------------------------------------------------------------------------------------ */

bool machine_set_memory(Machine *m, const QDict *opts, Error **errp)
{
    uint64_t size = 0, max = 0, slots = 0;

    if (qdict_get_str(opts, "size") && !opt_parse_size("size", qdict_get_str(opts, "size"), &size, errp)) {
        return false;
    }
    if (qdict_get_str(opts, "maxmem") && !opt_parse_size("maxmem", qdict_get_str(opts, "maxmem"), &max, errp)) {
        return false;
    }
    if (qdict_get_str(opts, "slots") && !opt_parse_number("slots", qdict_get_str(opts, "slots"), &slots, errp)) {
        return false;
    }
    if (size) {
        m->ram_size = ALIGN_UP(size, 8192);
        if (m->ram_size < size) {
            error_setg(errp, "ram size too large");
            return false;
        }
    }
    m->max_ram_size = max ? max : m->ram_size;
    m->ram_slots = slots;
    if (max && max < m->ram_size) {
        error_setg(errp, "invalid value of maxmem: maximum memory size (0x%" PRIx64 ") must be at least "
                   "the initial memory size (0x%" PRIx64 ")", max, m->ram_size);
        return false;
    }
    if (slots && (!max || max == m->ram_size)) {
        error_setg(errp, max ? "invalid value of maxmem: memory slots were specified but maximum memory size (0x%" PRIx64
                   ") is equal to the initial memory size" : "slots specified but no max-size", max);
        return false;
    }
    return true;
}

static Object *find_backend(const char *id, Error **errp)
{
    Object *o = object_child(object_container("/objects"), id);

    if (!o || !object_is_a(o, "memory-backend")) {
        error_setg(errp, "Memory backend '%s' not found", id);
        return NULL;
    }
    return o;
}

static IoRegion *backend_region(Object *backend)
{
    uint64_t size;
    uint8_t *host = memory_backend_host(backend, &size);
    Object *before = io_region_set_owner(backend);
    IoRegion *r = io_region_new_ram(ram_block_new(memory_backend_ram_name(backend), host, size), false);

    io_region_set_owner(before);
    return r;
}

IoRegion *machine_memory_region(Machine *m)
{
    uint64_t at = 0;
    IoRegion *whole;
    Object *before;

    if (m->ram) {
        return backend_region(m->ram);
    }
    if (!m->numa || !m->numa->count) {
        return NULL;
    }
    before = io_region_set_owner(&m->obj);
    whole = io_region_new_container(IO_SPACE_MEM, machine_class(m)->default_ram_id, m->ram_size);
    io_region_set_owner(before);
    for (int i = 0; i < m->numa->count; i++) {
        io_region_map_in(whole, backend_region(m->numa->nodes[i].memdev), at, 0);
        at += m->numa->nodes[i].size;
    }
    return whole;
}

/* True when each node brings its own; false and *failed when that is not possible. */
static bool use_nodes_memory(Machine *m, bool *failed, Error **errp)
{
    for (int i = 0; m->numa && i < m->numa->count; i++) {
        const NumaNode *n = &m->numa->nodes[i];

        if (!n->memdev) {
            return false;
        }
        if (((HostMem *)n->memdev)->used) {
            error_setg(errp, "memory backend %s is used multiple times. Each -numa option must use a different memdev value.",
                       n->memdev->name);
            *failed = true;
            return false;
        }
        memory_backend_set_used(n->memdev, true);
    }
    return m->numa && m->numa->count;
}

bool machine_init_memory(Machine *m, Error **errp)
{
    const char *id = machine_class(m)->default_ram_id;
    bool failed = false;
    uint64_t size;

    if (!numa_complete_memory(m, errp)) {
        return false;
    }
    if (use_nodes_memory(m, &failed, errp) || failed) {
        return !failed;
    }
    if (m->memdev) {
        m->ram = find_backend(m->memdev, errp);
        if (!m->ram) {
            return false;
        }
        memory_backend_host(m->ram, &size);
        if (m->ram_size != machine_class(m)->default_ram_size && m->ram_size != size) {
            error_setg(errp, "Machine memory size does not match the size of the memory backend");
            return false;
        }
        m->max_ram_size = m->max_ram_size == m->ram_size ? size : m->max_ram_size;
        m->ram_size = size;
    } else if (m->ram_size && id) {
        g_autoptr(QObject) props = qdict_new();

        qdict_put_int(props, "size", m->ram_size);
        if (m->mem_path) {
            qdict_put_str(props, "mem-path", m->mem_path);
        }
        if (m->mem_prealloc) {
            qdict_put_bool(props, "prealloc", true);
        }
        m->ram = user_object_add(m->mem_path ? "memory-backend-file" : "memory-backend-ram", id, props, false, errp);
        if (!m->ram) {
            return false;
        }
    }
    if (m->ram) {
        memory_backend_set_used(m->ram, true);
    }
    return true;
}

bool machine_init_board(Machine *m, Error **errp)
{
    const MachineClass *c = machine_class(m);

    return numa_complete_processors(m, errp) && (!c->init || c->init(m, errp));
}

/* --- boot order ------------------------------------------------------------------------------------------ */

static bool check_boot_order(const char *order, Error **errp)
{
    unsigned seen = 0;

    for (const char *p = order; *p; p++) {
        if (*p < 'a' || *p > 'p') {
            error_setg(errp, "Invalid boot device '%c'", *p);
            return false;
        }
        if (seen & (1u << (*p - 'a'))) {
            error_setg(errp, "Boot device '%c' was given twice", *p);
            return false;
        }
        seen |= 1u << (*p - 'a');
    }
    return true;
}

bool machine_set_boot_order(Machine *m, const char *order, Error **errp)
{
    if (!machine_class(m)->default_boot_order) {
        error_setg(errp, "no function defined to set boot device list for this architecture");
        return false;
    }
    if (!check_boot_order(order, errp)) {
        return false;
    }
    qdict_put_str(m->boot, "order", order);
    return true;
}

/* How long a firmware shows its picture, or waits before it starts again. */
static bool check_boot_time(const char *key, const char *value, Error **errp)
{
    bool splash = !strcmp(key, "splash-time");
    int64_t n = g_ascii_strtoll(value, NULL, 0);

    if ((splash && (n < 0 || n > 65535)) || (!strcmp(key, "reboot-timeout") && (n < -1 || n > 65535))) {
        error_setg(errp, splash ? "splash-time is invalid,it should be a value between 0 and 65535"
                   : "reboot timeout is invalid,it should be a value between -1 and 65535");
        return false;
    }
    return true;
}

static bool put_boot_bool(QDict *out, const QDict *opts, const char *key, Error **errp)
{
    bool on;

    if (!qdict_has(opts, key)) {
        return true;
    }
    if (!qdict_get_str(opts, key) || !opt_parse_bool(key, qdict_get_str(opts, key), &on, errp)) {
        return false;
    }
    qdict_put_bool(out, key, on);
    return true;
}

bool machine_set_boot(Machine *m, const QDict *opts, bool text, Error **errp)
{
    static const char *const known[] = { "order", "once", "menu", "splash", "splash-time", "reboot-timeout", "strict" };
    QDict *out = qdict_new();

    qobject_unref(m->boot);
    m->boot = out;
    if (machine_class(m)->default_boot_order || !opts) {
        qdict_put_str(out, "order", machine_class(m)->default_boot_order ? machine_class(m)->default_boot_order : "");
    }
    for (size_t i = 0; opts && i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i), *value = qobject_get_str(qdict_value_at(opts, i));
        bool ok = false;

        for (size_t k = 0; k < G_N_ELEMENTS(known); k++) {
            ok |= !strcmp(known[k], key);
        }
        if (!ok || !value) {
            error_setg(errp, "Parameter 'boot.%s' is unexpected", key);
            return false;
        }
        if ((!strcmp(key, "order") || !strcmp(key, "once")) && !check_boot_order(value, errp)) {
            return false;
        }
        if (!check_boot_time(key, value, errp)) {
            return false;
        }
        if (strcmp(key, "menu") && strcmp(key, "strict")) {
            qdict_put_str(out, key, value);
        }
    }
    return !opts || (put_boot_bool(out, opts, "menu", errp) && put_boot_bool(out, opts, "strict", errp));
}
