/*
 * HMP: `info mtree`: the tree of regions below each address space, or what is seen of it (-f).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "hw/device.h"
#include "machine/memory.h"

#pragma weak io_region_info
#pragma weak io_region_flatten
#pragma weak io_region_view_root
#pragma weak address_spaces

typedef struct Printer {
    Monitor *mon;
    bool owners, disabled, dispatch;
    GPtrArray *targets;        /* of aliases: printed at the end */
} Printer;

static void print_object(Monitor *mon, const char *role, const Object *o)
{
    const Device *d = object_is_a(o, "device") ? (const Device *)o : NULL;
    g_autofree char *path = object_path(o);

    monitor_printf(mon, " %s:{%s", role, d ? "dev" : "obj");
    if (d && d->id) {
        monitor_printf(mon, " id=%s", d->id);
    } else {
        monitor_printf(mon, " path=%s", path ? path : "");
    }
    monitor_printf(mon, "}");
}

static void end_line(const Printer *p, const IoRegionInfo *r, const char *after)
{
    if (p->owners) {
        if (r->owner) {
            print_object(p->mon, "owner", r->owner);
        }
        if (r->parent && r->parent != r->owner) {
            print_object(p->mon, "parent", r->parent);
        }
        if (!r->owner && !r->parent) {
            monitor_printf(p->mon, " orphan");
        }
    }
    monitor_printf(p->mon, "%s\n", after);
}

static const char *kind(bool block, bool rom) { return !block ? "i/o" : rom ? "rom" : "ram"; }

/* --- the tree ------------------------------------------------------------------------------------ */

/* By address, then the one that wins first. */
static GPtrArray *sorted_children(const GPtrArray *children)
{
    GPtrArray *sorted = g_ptr_array_new();

    for (guint i = 0; children && i < children->len; i++) {
        IoRegion *child = g_ptr_array_index(children, i);
        IoRegionInfo one, two;
        guint at = 0;

        io_region_info(child, &one);
        for (; at < sorted->len; at++) {
            io_region_info(g_ptr_array_index(sorted, at), &two);
            if (one.addr < two.addr || (one.addr == two.addr && one.priority > two.priority)) {
                break;
            }
        }
        g_ptr_array_insert(sorted, at, child);
    }
    return sorted;
}

static void print_line(Printer *p, const IoRegionInfo *r, int level, uint64_t first)
{
    monitor_printf(p->mon, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): ", 2 * level, "", first, first + r->last,
                   r->priority,
                   kind(r->block, r->is_rom));
    if (r->alias) {
        IoRegionInfo target;

        io_region_info(r->alias, &target);
        monitor_printf(p->mon, "alias %s @%s %016" PRIx64 "-%016" PRIx64, r->name, target.name, r->alias_offset,
                       r->alias_offset + r->last);
    } else {
        monitor_printf(p->mon, "%s", r->name);
    }
    end_line(p, r, r->enabled ? "" : " [disabled]");
}

static void print_tree(Printer *p, const IoRegion *region, int level, uint64_t base)
{
    g_autoptr(GPtrArray) children = NULL;
    IoRegionInfo r;

    io_region_info(region, &r);
    if (r.alias && !g_ptr_array_find(p->targets, r.alias, NULL)) {
        g_ptr_array_add(p->targets, (void *)r.alias);
    }
    if (r.enabled || p->disabled) {
        print_line(p, &r, level, base + r.addr);
    }
    children = sorted_children(r.children);
    for (guint i = 0; i < children->len; i++) {
        print_tree(p, g_ptr_array_index(children, i), level + 1, base + r.addr);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(AddressSpace *const *)a)->name, (*(AddressSpace *const *)b)->name);
}

/* Spaces that share a region are told together. */
static void print_trees(Printer *p)
{
    const GPtrArray *all = address_spaces();
    g_autoptr(GPtrArray) roots = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++) {
        IoRegion *root = ((AddressSpace *)g_ptr_array_index(all, i))->root;
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        if (g_ptr_array_find(roots, root, NULL)) {
            continue;
        }
        g_ptr_array_add(roots, root);
        for (guint k = i; k < all->len; k++) {
            if (((AddressSpace *)g_ptr_array_index(all, k))->root == root) {
                g_ptr_array_add(names, g_ptr_array_index(all, k));
            }
        }
        g_ptr_array_sort(names, by_name);
        for (guint k = 0; k < names->len; k++) {
            monitor_printf(p->mon, "address-space: %s\n", ((AddressSpace *)g_ptr_array_index(names, k))->name);
        }
        print_tree(p, root, 1, 0);
        monitor_printf(p->mon, "\n");
    }
    for (guint i = 0; i < p->targets->len; i++) {
        IoRegionInfo r;

        io_region_info(g_ptr_array_index(p->targets, i), &r);
        monitor_printf(p->mon, "memory-region: %s\n", r.name);
        print_tree(p, g_ptr_array_index(p->targets, i), 1, 0);
        monitor_printf(p->mon, "\n");
    }
}

/* --- views ----------------------------------------------------------------------------------------- */

static void print_range(Printer *p, const FlatRange *f)
{
    IoRegionInfo r;

    io_region_info(f->region, &r);
    monitor_printf(p->mon, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", f->first, f->last, r.priority,
                   kind(r.block, f->readonly), r.name);
    if (f->offset) {
        monitor_printf(p->mon, " @%016" PRIx64, f->offset);
    }
    end_line(p, &r, "");
}

static void print_ranges(Printer *p, const IoRegion *view)
{
    g_autoptr(GArray) ranges = io_region_flatten(view);

    for (guint i = 0; i < ranges->len; i++) {
        print_range(p, &g_array_index(ranges, FlatRange, i));
    }
    if (p->dispatch) {
        hmp_print_dispatch(p->mon, ranges, view);
    }
}

static void print_views(Printer *p)
{
    const GPtrArray *all = address_spaces();
    g_autoptr(GPtrArray) views = g_ptr_array_new();

    for (guint i = 0; i < all->len; i++) {
        const IoRegion *view = io_region_view_root(((AddressSpace *)g_ptr_array_index(all, i))->root);
        IoRegionInfo r;

        if (g_ptr_array_find(views, view, NULL)) {
            continue;
        }
        monitor_printf(p->mon, "FlatView #%u\n", views->len);
        g_ptr_array_add(views, (void *)view);
        for (guint k = i; k < all->len; k++) {
            AddressSpace *as = g_ptr_array_index(all, k);

            if (io_region_view_root(as->root) == view) {
                io_region_info(as->root, &r);
                monitor_printf(p->mon, " AS \"%s\", root: %s", as->name, r.name);
                if (r.alias) {
                    io_region_info(r.alias, &r);
                    monitor_printf(p->mon, ", alias %s", r.name);
                }
                monitor_printf(p->mon, "\n");
            }
        }
        if (view) {
            io_region_info(view, &r);
        }
        monitor_printf(p->mon, " Root memory region: %s\n", view ? r.name : "(none)");
        if (view) {
            print_ranges(p, view);
        } else {
            monitor_printf(p->mon, "  No rendered FlatView\n");
        }
        monitor_printf(p->mon, "\n");
    }
}

void hmp_info_mtree(Monitor *mon, const QDict *args)
{
    g_autoptr(GPtrArray) targets = g_ptr_array_new();
    Printer p = {
        .mon = mon, .owners = qdict_get_bool(args, "owner", false), .disabled = qdict_get_bool(args, "disabled", false),
        .dispatch = qdict_get_bool(args, "dispatch_tree", false), .targets = targets,
    };

    if (qdict_get_bool(args, "flatview", false)) {
        print_views(&p);
    } else {
        print_trees(&p);
    }
}
