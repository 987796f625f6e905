/*
 * HMP: trees: `info qtree` (buses and devices), `info qom-tree` (objects), and the list of models, `info qdm`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "hw/pci.h"
#include "util/cutils.h"

/* --- qtree --------------------------------------------------------------------------------------- */

static void print_bus(Monitor *mon, const Bus *bus, int indent);

static void print_line(Monitor *mon, int indent, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

static void print_line(Monitor *mon, int indent, const char *fmt, ...)
{
    va_list ap;

    monitor_printf(mon, "%*s", indent, "");
    va_start(ap, fmt);
    monitor_vprintf(mon, fmt, ap);
    va_end(ap);
}

static char *value_text(const Device *d, const Property *p, const QObject *value)
{
    g_autofree char *size = NULL;
    const char *text = qobject_get_str(value);
    uint64_t u;
    int64_t n;
    bool b;

    if (qobject_get_bool(value, &b)) {
        return g_strdup(b ? "true" : "false");
    }
    if (text && !strcmp(property_type(p), "str") && !strcmp(p->name, "addr")) {
        return g_strdup(text);
    }
    if (text) {
        return g_strdup_printf("\"%s\"", text);
    }
    if (qobject_get_int(value, &n)) {
        if (!strcmp(p->name, "addr") && d->bus && !strcmp(d->bus->kind->name, "PCI")) {
            return g_strdup_printf("%02x.%x", (unsigned)n >> 3, (unsigned)n & 7);
        }
        if (!strcmp(property_type(p), "size")) {
            size = size_to_str(n);
            return g_strdup_printf("%" PRId64 " (%s)", n, size);
        }
        return g_strdup_printf("%" PRId64 " (0x%" PRIx64 ")", n, n);
    }
    if (qobject_get_uint(value, &u)) {
        return g_strdup_printf("%" PRId64 " (0x%" PRIx64 ")", (int64_t)u, u);
    }
    return NULL;
}

/* Of the type itself first, then of those it builds on. */
static void print_properties(Monitor *mon, const Device *d, int indent)
{
    for (const TypeInfo *type = d->obj.type; type; type = type_parent(type)) {
        for (const Property *p = type->props; p && p->name; p++) {
            g_autoptr(QObject) value = NULL;
            g_autofree char *text = NULL;

            if (p->internal || p->hidden || p->options_only || g_str_has_prefix(property_type(p), "link<")
                || g_str_has_prefix(p->name, "bootindex")) {
                continue;
            }
            value = object_get((Object *)&d->obj, p->name, NULL);
            text = value ? value_text(d, p, value) : g_strdup("\"\"");
            if (text) {
                print_line(mon, indent, "%s = %s\n", p->name, text);
            }
        }
    }
}

static void print_texts(Monitor *mon, int indent, const char *texts)
{
    g_auto(GStrv) lines = g_strsplit(texts ? texts : "", "\n", -1);

    for (char **l = lines; *l && **l; l++) {
        print_line(mon, indent, "%s\n", *l);
    }
}

/* Class, address, identity; where each BAR is. */
static void print_pci(Monitor *mon, const Device *d, int indent)
{
    const PciDevice *p = (const PciDevice *)d;
    const char *desc = pci_class_desc(pci_get16(p, PCI_REG_CLASS));
    g_autofree char *class = desc && *desc ? g_strdup(desc)
                             : g_strdup_printf("Class %04x", pci_get16(p, PCI_REG_CLASS));

    print_line(mon, indent, "class %s, addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)\n", class, 0,
               PCI_SLOT(p->devfn),
               PCI_FUNC(p->devfn), pci_get16(p, PCI_REG_VENDOR), pci_get16(p, PCI_REG_DEVICE),
               pci_get16(p, PCI_REG_SUBVENDOR),
               pci_get16(p, PCI_REG_SUBDEVICE));
    for (int i = 0; i < 6; i++) {
        const PciBar *b = &p->bars[i];
        uint64_t base = UINT64_MAX;

        if (b->size) {
            if (!io_region_mapped(b->region, &base)) {
                base = UINT64_MAX;
            }
            print_line(mon, indent, "bar %d: %s at 0x%" PRIx64 " [0x%" PRIx64 "]\n", i,
                       b->type & PCI_BAR_IO ? "i/o" : "mem", base,
                       base + b->size - 1);
        }
    }
}

static void print_device(Monitor *mon, const Device *d, int indent)
{
    const DeviceClass *c = device_class(d);

    print_line(mon, indent, "dev: %s, id \"%s\"\n", d->obj.type->name, d->id ? d->id : "");
    print_texts(mon, indent + 2, c ? c->lines : NULL);
    print_properties(mon, d, indent + 2);
    print_texts(mon, indent + 2, c ? c->mmio : NULL);
    if (object_is_a(&d->obj, "pci-device")) {
        print_pci(mon, d, indent + 2);
    }
    for (guint i = d->buses ? d->buses->len : 0; i-- > 0; ) {
        print_bus(mon, g_ptr_array_index(d->buses, i), indent + 2);
    }
}

static void print_bus(Monitor *mon, const Bus *bus, int indent)
{
    print_line(mon, indent, "bus: %s\n", bus == bus_root() ? "main-system-bus" : bus->obj.name);
    print_line(mon, indent + 2, "type %s\n", bus->kind->type ? bus->kind->type : bus->kind->name);
    for (guint i = bus->devices ? bus->devices->len : 0; i-- > 0; ) {
        print_device(mon, g_ptr_array_index(bus->devices, i), indent + 2);
    }
}

void hmp_info_qtree(Monitor *mon, const QDict *args)
{
    if (bus_root()) {
        print_bus(mon, bus_root(), 0);
    }
}

void hmp_info_qdm(Monitor *mon, const QDict *args) { device_print_models(true); }

/* --- qom-tree ------------------------------------------------------------------------------------- */

static int compare_children(const void *a, const void *b)
{
    return strcmp((*(ObjectChild *const *)a)->name, (*(ObjectChild *const *)b)->name);
}

static void print_object(Monitor *mon, const Object *o, const char *name, int indent)
{
    g_autoptr(GPtrArray) sorted = NULL;

    print_line(mon, indent, "/%s (%s)\n", name, o->type->name);
    if (!o->children) {
        return;
    }
    sorted = g_ptr_array_new();
    for (guint i = 0; i < o->children->len; i++) {
        g_ptr_array_add(sorted, g_ptr_array_index(o->children, i));
    }
    g_ptr_array_sort(sorted, compare_children);
    for (guint i = 0; i < sorted->len; i++) {
        const ObjectChild *c = g_ptr_array_index(sorted, i);

        print_object(mon, c->obj, c->name, indent + 2);
    }
}

void hmp_info_qom_tree(Monitor *mon, const QDict *args)
{
    const char *path = qdict_get_str(args, "path");
    bool ambiguous = false;
    Object *o = object_resolve_path(path ? path : "/machine", &ambiguous);

    if (!o) {
        monitor_printf(mon, ambiguous ? "Warning: Path '%s' is ambiguous.\n" : "Path '%s' could not be resolved.\n",
                       path ? path : "/machine");
        return;
    }
    print_object(mon, o, o->name ? o->name : "", 0);
}
