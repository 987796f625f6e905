/*
 * What is seen of the tree of regions: flat lists of ranges, made again after each change; address spaces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/region-int.h"
#include "util/cutils.h"

__extension__ typedef __int128 Wide;     /* bases of aliases may lie below zero while the tree is walked */

typedef struct Span { Wide first, last; } Span;

/* --- flattening ------------------------------------------------------------------------------------- */

static void add_range(GArray *view, guint at, const IoRegion *r, Wide base, Span s, bool readonly)
{
    FlatRange f = { s.first, s.last, s.first - base, r, readonly };

    g_array_insert_val(view, at, f);
}

/* The region's own range goes where nothing is yet. */
static void fill_holes(GArray *view, const IoRegion *r, Wide base, Span s, bool readonly)
{
    for (guint i = 0; i < view->len && s.first <= s.last; i++) {
        FlatRange f = g_array_index(view, FlatRange, i);

        if (s.first > (Wide)f.last) {
            continue;
        }
        if (s.first < (Wide)f.first) {
            Span hole = { s.first, MIN(s.last, (Wide)f.first - 1) };

            add_range(view, i, r, base, hole, readonly);
            i++;
        }
        s.first = MAX(s.first, (Wide)f.last + 1);
    }
    if (s.first <= s.last) {
        guint at = view->len;

        while (at && (Wide)g_array_index(view, FlatRange, at - 1).first > s.first) {
            at--;
        }
        add_range(view, at, r, base, s, readonly);
    }
}

/* base: where the region's container begins. */
static void walk(GArray *view, const IoRegion *r, Wide base, Span clip, bool readonly)
{
    Span s;

    if (!r->enabled) {
        return;
    }
    base += r->addr;
    s.first = MAX(clip.first, base);
    s.last = MIN(clip.last, base + r->last);
    readonly = readonly || r->readonly;
    if (s.first > s.last) {
        return;
    }
    if (r->alias) {
        walk(view, r->alias, base - r->alias->addr - r->alias_offset, s, readonly);
        return;
    }
    for (guint i = 0; r->children && i < r->children->len; i++) {
        walk(view, g_ptr_array_index(r->children, i), base, s, readonly);
    }
    if (r->ops || r->block) {
        fill_holes(view, r, base, s, readonly);
    }
}

static void join_neighbours(GArray *view)
{
    guint out = 0;

    for (guint i = 1; i < view->len; i++) {
        FlatRange *a = &g_array_index(view, FlatRange, out), *b = &g_array_index(view, FlatRange, i);

        if (a->region == b->region && a->last + 1 == b->first && a->readonly == b->readonly
            && a->offset + (b->first - a->first) == b->offset) {
            a->last = b->last;
        } else {
            g_array_index(view, FlatRange, ++out) = *b;
        }
    }
    g_array_set_size(view, view->len ? out + 1 : 0);
}

GArray *io_region_flatten(const IoRegion *root)
{
    GArray *view = g_array_new(false, false, sizeof(FlatRange));
    Span all = { 0, UINT64_MAX };

    walk(view, root, -(Wide)root->addr, all, false);
    join_neighbours(view);
    return view;
}

/* The only child that is switched on; *count of those that are, at most 2. */
static const IoRegion *only_child(const IoRegion *r, int *count)
{
    const IoRegion *only = NULL;

    *count = 0;
    for (guint i = 0; r->children && i < r->children->len && *count < 2; i++) {
        const IoRegion *c = g_ptr_array_index(r->children, i);

        if (c->enabled) {
            only = c;
            ++*count;
        }
    }
    return only;
}

const IoRegion *io_region_view_root(const IoRegion *r)
{
    while (r->enabled) {
        const IoRegion *only;
        int count;

        if (r->alias) {
            if (r->alias_offset || r->last < r->alias->last) {
                return r;
            }
            r = r->alias;
            continue;
        }
        if (r->ops || r->block) {
            return r;
        }
        only = only_child(r, &count);
        if (count != 1 || only->addr || only->last > r->last) {
            return count ? r : NULL;
        }
        r = only;
    }
    return NULL;
}

/* --- the two spaces that are accessed ------------------------------------------------------------------- */

static GArray *views[2];
static guint latest[2];        /* the range found last */

static int larger_first(const void *a, const void *b)
{
    uint64_t one = ((const RamPiece *)a)->size, two = ((const RamPiece *)b)->size;

    return one > two ? -1 : one < two;
}

static void publish_ram(const GArray *view)
{
    g_autoptr(GArray) pieces = g_array_new(false, false, sizeof(RamPiece));

    for (guint i = 0; i < view->len; i++) {
        const FlatRange *f = &g_array_index(view, FlatRange, i);

        if (f->region->block) {
            RamPiece p = { f->first, f->last - f->first + 1, f->offset, f->region->block, f->readonly };

            g_array_append_val(pieces, p);
        }
    }
    g_array_sort(pieces, larger_first);
    ram_set_pieces((RamPiece *)pieces->data, pieces->len);
}

void io_view_update(IoSpace space)
{
    GArray *old = views[space];

    views[space] = io_region_flatten(io_region_root(space));
    latest[space] = 0;
    if (space == IO_SPACE_MEM) {
        publish_ram(views[space]);
    }
    if (old) {
        g_array_unref(old);
    }
}

const FlatRange *io_view_find(IoSpace space, uint64_t addr)
{
    const GArray *view = views[space];
    guint low = 0, high = view ? view->len : 0;

    if (latest[space] < high) {
        const FlatRange *f = &g_array_index(view, FlatRange, latest[space]);

        if (addr >= f->first && addr <= f->last) {
            return f;
        }
    }
    while (low < high) {
        guint middle = (low + high) / 2;
        const FlatRange *f = &g_array_index(view, FlatRange, middle);

        if (addr < f->first) {
            high = middle;
        } else if (addr > f->last) {
            low = middle + 1;
        } else {
            latest[space] = middle;
            return f;
        }
    }
    return NULL;
}

void ram_foreach_piece(MemVisitFn *fn, void *opaque)
{
    const GArray *view = views[IO_SPACE_MEM];

    for (guint i = 0; view && i < view->len; i++) {
        const FlatRange *f = &g_array_index(view, FlatRange, i);

        if (f->region->block) {
            fn(f->region->block, f->offset, f->first, f->last - f->first + 1, opaque);
        }
    }
}

/* --- address spaces --------------------------------------------------------------------------------------- */

static GPtrArray *spaces;

const GPtrArray *address_spaces(void)
{
    io_region_root(IO_SPACE_MEM);
    io_region_root(IO_SPACE_PORT);
    return spaces;
}

AddressSpace *address_space_new(const char *name, IoRegion *root)
{
    AddressSpace *as = g_new(AddressSpace, 1);

    *as = (AddressSpace) { g_strdup(name), root };
    if (!spaces) {
        spaces = g_ptr_array_new();
    }
    g_ptr_array_add(spaces, as);
    return as;
}

void address_space_free(AddressSpace *as)
{
    if (as) {
        g_ptr_array_remove(spaces, as);
        g_free(as->name);
        g_free(as);
    }
}
