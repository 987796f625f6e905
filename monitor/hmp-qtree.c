/*
 * HMP: trees: `info qtree` (buses and devices), `info qom-tree` (objects), and the list of models, `info qdm`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "hw/device.h"
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
        return g_strdup_printf("%" PRIu64 " (0x%" PRIx64 ")", u, u);
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

            if (p->internal || p->hidden || p->options_only) {
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

static void print_device(Monitor *mon, const Device *d, int indent)
{
    print_line(mon, indent, "dev: %s, id \"%s\"\n", d->obj.type->name, d->id ? d->id : "");
    print_properties(mon, d, indent + 2);
    for (guint i = 0; d->buses && i < d->buses->len; i++) {
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
