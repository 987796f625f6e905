/*
 * The stream of a machine: header, machine type, memory, one section for each part that has state, an end mark, and a
 * list of all fields for people who look at streams.
 *
 * Order when loading: sections are read into wires of their own; the parts take theirs over only after the end mark.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "machine/memory.h"
#include "machine/runstate.h"
#include "migration/machine-state.h"
#include "migration/vmstate.h"
#include "util/aio.h"

#define MAGIC 0x5145564d       /* "QEVM" */
#define STREAM_VERSION 3

enum { MARK_EOF, MARK_START, MARK_PART, MARK_LAST, MARK_FULL, MARK_SUBSECTION, MARK_DESCRIPTION, MARK_CONFIGURATION,
       MARK_COMMAND, MARK_FOOTER = 0x7e };

/* Numbers of sections; those of devices follow. */
enum { ID_CLOCK, ID_RAM = 2, ID_RUNSTATE = 4, ID_DEVICES };


static char *machine_name;
static bool with_description;

/* --- the clock and the run state -------------------------------------------------------------------- */

typedef struct ClockWire { int64_t ticks, clock; } ClockWire;

static void clock_save(void *obj, void *wire)
{
    ((ClockWire *)wire)->clock = aio_clock_ns(AIO_CLOCK_VIRTUAL);
}

static bool clock_load(void *obj, const void *wire, Error **errp)
{
    int64_t to = ((const ClockWire *)wire)->clock;

    if (to < 0) {
        error_setg(errp, "the clock shows a time before its start");
        return false;
    }
    vm_clock_set(to);
    return true;
}

static const VmField clock_fields[] = {
    VMFN("cpu_ticks_offset", "int64", ClockWire, ticks), VMF_UNUSED(8),
        VMFN("cpu_clock_offset", "int64", ClockWire, clock), { NULL }
};
static const VmDesc clock_desc = {
    .name = "timer", .version = 2, .min_version = 1, .size = sizeof(ClockWire), .fields = clock_fields,
    .save = clock_save,
    .load = clock_load,
};

typedef struct RunstateWire { uint32_t size; char name[100]; } RunstateWire;

static char noted[100], loaded[100];

void machine_state_note_runstate(const char *name) { g_strlcpy(noted, name ? name : "", sizeof(noted)); }
const char *machine_state_loaded_runstate(void) { return *loaded ? loaded : NULL; }

static void runstate_save(void *obj, void *wire)
{
    RunstateWire *w = wire;

    g_strlcpy(w->name, *noted ? noted : vm_state_name(vm_state()), sizeof(w->name));
    w->size = strlen(w->name) + 1;
}

static bool runstate_load(void *obj, const void *wire, Error **errp)
{
    const RunstateWire *w = wire;

    if (!memchr(w->name, 0, sizeof(w->name))) {
        error_setg(errp, "the name of the run state has no end");
        return false;
    }
    for (int s = 0; s < VM_STATE_MAX; s++) {
        if (!strcmp(vm_state_name(s), w->name)) {
            g_strlcpy(loaded, w->name, sizeof(loaded));
            return true;
        }
    }
    error_setg(errp, "Unknown received state %s", w->name);
    return false;
}

static const VmField runstate_fields[] = {
    VMF(RunstateWire, size, "uint32"), VMF_BYTESN("runstate", "buffer", RunstateWire, name), { NULL }
};
static const VmDesc runstate_desc = {
    .name = "globalstate", .version = 1, .min_version = 1, .size = sizeof(RunstateWire), .fields = runstate_fields,
    .save = runstate_save, .load = runstate_load,
};
static VmEntry clock_entry = { .name = (char *)"timer", .desc = &clock_desc };
static VmEntry runstate_entry = { .name = (char *)"globalstate", .desc = &runstate_desc };

void machine_state_init(const char *machine, bool description)
{
    g_free(machine_name);
    machine_name = g_strdup(machine);
    with_description = description;
}

static VmEntry *find_entry(const char *name, uint32_t instance)
{
    if (!instance && !strcmp(name, clock_entry.name)) {
        return &clock_entry;
    }
    return !instance && !strcmp(name, runstate_entry.name) ? &runstate_entry : vmstate_find(name, instance);
}

/* --- writing ------------------------------------------------------------------------------------------ */

static void put_section(VmWriter *w, unsigned mark, uint32_t id)
{
    vm_put(w, mark, 1);
    vm_put(w, id, 4);
}

static void put_section_named(VmWriter *w, unsigned mark, uint32_t id, const char *name, uint32_t instance,
                              uint32_t version)
{
    put_section(w, mark, id);
    vm_put_name(w, name);
    vm_put(w, instance, 4);
    vm_put(w, version, 4);
}

static void put_footer(VmWriter *w, uint32_t id) { put_section(w, MARK_FOOTER, id); }

static void put_header(VmWriter *w)
{
    vm_put(w, MAGIC, 4);
    vm_put(w, STREAM_VERSION, 4);
    vm_put(w, MARK_CONFIGURATION, 1);
    vm_put(w, strlen(machine_name), 4);
    vm_put_bytes(w, machine_name, strlen(machine_name));
}

static void put_entry(VmWriter *w, uint32_t id, const VmEntry *e, GString *description)
{
    g_autofree void *wire = g_malloc0(e->desc->size);

    e->desc->save(e->obj, wire);
    put_section_named(w, MARK_FULL, id, e->name, e->instance, e->desc->version);
    vmstate_put(w, e->desc, wire);
    put_footer(w, id);
    g_string_append_printf(description,
                           "%s{\"name\": \"%s\", \"instance_id\": %" PRIu32 ", \"vmsd_name\": \"%s\", \"version\": %"
                           PRIu32 ", ", id == ID_CLOCK ? "" : ", ", e->name, e->instance, e->desc->name,
                               e->desc->version);
    vmstate_describe(description, e->desc, wire);
    g_string_append(description, "}");
}

static void put_devices(VmWriter *w)
{
    g_autoptr(GString) description = g_string_new(NULL);
    uint32_t id = ID_DEVICES;

    g_string_printf(description, "{\"page_size\": %u, \"devices\": [", MEM_PAGE_SIZE);
    put_entry(w, ID_CLOCK, &clock_entry, description);
    for (const VmEntry *e = vmstate_first(); e; e = e->next) {
        put_entry(w, id++, e, description);
    }
    put_entry(w, ID_RUNSTATE, &runstate_entry, description);
    vm_put(w, MARK_EOF, 1);
    g_string_append(description, "]}");
    if (with_description) {
        vm_put(w, MARK_DESCRIPTION, 1);
        vm_put(w, description->len, 4);
        vm_put_bytes(w, description->str, description->len);
    }
}

void machine_state_begin(VmWriter *w)
{
    put_header(w);
    put_section_named(w, MARK_START, ID_RAM, "ram", 0, RAM_SECTION_VERSION);
    ram_state_put_blocks(w);
    ram_state_put_end(w);
    put_footer(w, ID_RAM);
}

void machine_state_part(VmWriter *w, bool dirty_only)
{
    put_section(w, MARK_PART, ID_RAM);
    ram_state_put_pages(w, dirty_only);
    ram_state_put_end(w);
    put_footer(w, ID_RAM);
}

int machine_state_finish(VmWriter *w, bool dirty)
{
    put_section(w, MARK_LAST, ID_RAM);
    if (dirty) {
        ram_state_put_pages(w, true);
    }
    ram_state_put_end(w);
    put_footer(w, ID_RAM);
    put_devices(w);
    vm_writer_flush(w);
    return w->ret;
}

int machine_state_save(VmWriter *w)
{
    machine_state_begin(w);
    machine_state_part(w, false);
    return machine_state_finish(w, false);
}

/* --- reading -------------------------------------------------------------------------------------------- */

typedef struct Loaded { VmEntry *entry; void *wire; } Loaded;

static void loaded_clear(void *p) { g_free(((Loaded *)p)->wire); }

static bool get_header(VmReader *r, Error **errp)
{
    uint32_t magic = vm_get(r, 4), version = vm_get(r, 4), len;
    g_autofree char *name = NULL;

    if (r->ret) {
        return false;
    }
    if (magic != MAGIC) {
        error_setg(errp, "Not a migration stream");
        return false;
    }
    if (version != STREAM_VERSION) {
        error_setg(errp, version == 2 ? "SaveVM v2 format is obsolete and don't work anymore"
                   : "Unsupported migration stream version");
        return false;
    }
    if (vm_get(r, 1) != MARK_CONFIGURATION) {
        error_setg(errp, "Configuration section missing");
        return false;
    }
    len = vm_get(r, 4);
    if (len > 255) {
        error_setg(errp, "Machine type received has a name of %" PRIu32 " bytes", len);
        return false;
    }
    name = g_malloc0(len + 1);
    vm_get_bytes(r, name, len);
    if (!r->ret && strcmp(name, machine_name)) {
        error_setg(errp, "Machine type received is '%.*s' and local is '%s'", (int)len, name, machine_name);
        return false;
    }
    return !r->ret;
}

static bool get_footer(VmReader *r, uint32_t id, const char *name, Error **errp)
{
    uint32_t got;

    if (vm_get(r, 1) != MARK_FOOTER) {
        error_setg(errp, "Missing section footer for %s", name);
        return false;
    }
    got = vm_get(r, 4);
    if (got != id && !r->ret) {
        error_setg(errp, "Mismatched section id in footer for %s -read 0x%x expected 0x%x", name, got, id);
        return false;
    }
    return !r->ret;
}

static void load_error(Error **errp, uint32_t instance, const char *name)
{
    g_autofree char *before = *errp ? g_strdup_printf("%s\n", error_get_pretty(*errp)) : g_strdup("");

    g_clear_pointer(errp, error_free);
    error_setg(errp, "%serror while loading state for instance 0x%" PRIx32 " of device '%s'", before, instance, name);
}

static bool get_named(VmReader *r, GArray *all, uint32_t *ram_id, Error **errp)
{
    uint32_t id = vm_get(r, 4), instance, version;
    Loaded l = { 0 };
    char name[256];

    vm_get_name(r, name);
    instance = vm_get(r, 4);
    version = vm_get(r, 4);
    if (r->ret) {
        return false;
    }
    if (!strcmp(name, "ram") && !instance && version == RAM_SECTION_VERSION) {
        *ram_id = id;
        return ram_state_get(r, errp) ? get_footer(r, id, name, errp) : (load_error(errp, instance, name), false);
    }
    l.entry = find_entry(name, instance);
    for (guint i = 0; l.entry && i < all->len; i++) {
        l.entry = g_array_index(all, Loaded, i).entry == l.entry ? NULL : l.entry;          /* one section each */
    }
    if (!l.entry) {
        error_setg(errp, "Unknown savevm section or instance '%s' %" PRIu32 ". Make sure that your current VM setup matches your "
                   "saved VM setup, including any hotplugged devices", name, instance);
        return false;
    }
    if (version > l.entry->desc->version) {
        error_setg(errp, "savevm: unsupported version %" PRIu32 " for '%s' v%" PRIu32, version, name,
                   l.entry->desc->version);
        return false;
    }
    l.wire = g_malloc0(l.entry->desc->size);
    l.entry->desc->save(l.entry->obj, l.wire);
    g_array_append_val(all, l);
    return vmstate_get(r, l.entry->desc, l.wire, version, errp) ? get_footer(r, id, name, errp)
           : (load_error(errp, instance, name), false);
}

static bool get_more_memory(VmReader *r, uint32_t ram_id, Error **errp)
{
    uint32_t id = vm_get(r, 4);

    if (r->ret) {
        return false;
    }
    if (id != ram_id) {
        error_setg(errp, "Unknown savevm section %" PRIu32, id);
        return false;
    }
    return ram_state_get(r, errp) ? get_footer(r, id, "ram", errp) : (load_error(errp, 0, "ram"), false);
}

static bool get_sections(VmReader *r, GArray *all, Error **errp)
{
    uint32_t ram_id = UINT32_MAX;

    for (;;) {
        unsigned mark = vm_get(r, 1);
        bool ok = !r->ret;

        switch (mark) {
        case MARK_EOF: return ok;
        case MARK_START: case MARK_FULL: ok = ok && get_named(r, all, &ram_id, errp); break;
        case MARK_PART: case MARK_LAST: ok = ok && get_more_memory(r, ram_id, errp); break;
        default:
            error_setg(errp, "Unknown savevm section type %u", mark);
            ok = false;
        }
        if (!ok || r->ret) {
            return false;
        }
    }
}

static bool take_over(GArray *all, bool last, Error **errp)
{
    for (guint i = 0; i < all->len; i++) {
        Loaded *l = &g_array_index(all, Loaded, i);

        if (l->entry->desc->last == last && !l->entry->desc->load(l->entry->obj, l->wire, errp)) {
            load_error(errp, l->entry->instance, l->entry->name);
            return false;
        }
    }
    return true;
}

static void get_description(VmReader *r)
{
    const uint8_t *mark = vm_peek(r, 1);

    if (mark && *mark == MARK_DESCRIPTION) {
        vm_skip(r, 1);
        vm_skip(r, vm_get(r, 4));
        r->ret = 0;
    }
}

static void report_lines(const Error *err)
{
    g_auto(GStrv) lines = g_strsplit(error_get_pretty(err), "\n", -1);

    for (char **l = lines; *l; l++) {
        error_report("%s", *l);
    }
}

int machine_state_load(VmReader *r)
{
    g_autoptr(GArray) all = g_array_new(false, false, sizeof(Loaded));
    Error *err = NULL;
    int ret = 0;

    g_array_set_clear_func(all, loaded_clear);
    *loaded = 0;
    if (!get_header(r, &err) || !get_sections(r, all, &err) || !take_over(all, false, &err)
        || !take_over(all, true, &err)) {
        ret = r->ret && !err ? r->ret : -EINVAL;
    } else {
        get_description(r);
    }
    if (err) {
        report_lines(err);
        error_free(err);
    }
    return ret;
}
