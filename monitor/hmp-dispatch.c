/*
 * HMP: the dispatch tree of `info mtree -f -d`: ranges as sections of whole pages, found by a tree of nodes with nine
 * bits each.
 *
 * A page that holds several ranges has a section of its own, and the ranges are sections within it.  Nodes are made as
 * sections come; a node that leads to one place only is skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "machine/memory.h"

enum { BITS = 9, ENTRIES = 1 << BITS, LEVELS = 6, PAGE = 4096, NIL = (1 << 26) - 1 };

typedef struct Section {
    uint64_t first, last;
    const IoRegion *region;    /* NULL: a page shared by several, or #0: nothing there */
} Section;

typedef struct Entry { unsigned skip, ptr; } Entry;     /* skip 0: ptr is a section */
typedef struct Node { Entry e[ENTRIES]; } Node;

typedef struct Tree {
    GArray *sections, *nodes;
    Entry root;
} Tree;

static unsigned add_section(Tree *t, uint64_t first, uint64_t last, const IoRegion *region)
{
    Section s = { first, last, region };

    g_array_append_val(t->sections, s);
    return t->sections->len - 1;
}

static unsigned add_node(Tree *t, bool leaf)
{
    Node n;

    for (int i = 0; i < ENTRIES; i++) {
        n.e[i] = leaf ? (Entry) { 0, 0 } : (Entry) { 1, NIL };
    }
    g_array_append_val(t->nodes, n);
    return t->nodes->len - 1;
}

static Entry *entry(Tree *t, unsigned node, unsigned at) { return &g_array_index(t->nodes, Node, node).e[at]; }

/* Point the pages [*page, *page + *left), as far as they lie below the node at e, to a section. */
static Entry set_pages(Tree *t, Entry e, uint64_t *page, uint64_t *left, unsigned section, int level)
{
    uint64_t step = 1ULL << (level * BITS);

    if (e.skip && e.ptr == NIL) {
        e.ptr = add_node(t, level == 0);
    }
    for (unsigned at = (*page >> (level * BITS)) & (ENTRIES - 1); *left && at < ENTRIES; at++) {
        if (!(*page & (step - 1)) && *left >= step) {
            *entry(t, e.ptr, at) = (Entry) { 0, section };
            *page += step;
            *left -= step;
        } else {
            Entry below = set_pages(t, *entry(t, e.ptr, at), page, left, section, level - 1);

            *entry(t, e.ptr, at) = below;
        }
    }
    return e;
}

static void map_pages(Tree *t, uint64_t first, uint64_t pages, unsigned section)
{
    uint64_t page = first / PAGE;

    t->root = set_pages(t, t->root, &page, &pages, section, LEVELS - 1);
}

static unsigned find_section(Tree *t, uint64_t addr)
{
    Entry e = t->root;

    for (int level = LEVELS - 1; e.skip; level--) {
        if (e.ptr == NIL) {
            return 0;
        }
        e = *entry(t, e.ptr, (addr / PAGE >> (level * BITS)) & (ENTRIES - 1));
    }
    return e.ptr;
}

static void add_part(Tree *t, uint64_t first, uint64_t last, const IoRegion *region)
{
    uint64_t page = first & ~(uint64_t)(PAGE - 1);
    unsigned there = find_section(t, page);

    if (!there || g_array_index(t->sections, Section, there).region) {
        map_pages(t, page, 1, add_section(t, page, page + PAGE - 1, NULL));
    }
    add_section(t, first, last, region);
}

static void add_range(Tree *t, const FlatRange *f)
{
    uint64_t first = f->first, whole;

    if (first % PAGE) {
        uint64_t end = MIN(f->last, first | (PAGE - 1));

        add_part(t, first, end, f->region);
        if (end == f->last) {
            return;
        }
        first = end + 1;
    }
    whole = f->last - first == UINT64_MAX ? 1ULL << 52 : (f->last - first + 1) / PAGE;
    if (whole) {
        uint64_t end = first + whole * PAGE - 1;

        map_pages(t, first, whole, add_section(t, first, end, f->region));
        if (end == f->last) {
            return;
        }
        first = end + 1;
    }
    add_part(t, first, f->last, f->region);
}

/* A node with one way on is left out: whoever points to it points further. */
static Entry compact(Tree *t, Entry e)
{
    unsigned ways = 0, only = 0;

    if (e.ptr == NIL) {
        return e;
    }
    for (unsigned at = 0; at < ENTRIES; at++) {
        Entry below = *entry(t, e.ptr, at);

        if (below.ptr == NIL) {
            continue;
        }
        only = at;
        ways++;
        if (below.skip) {
            *entry(t, e.ptr, at) = compact(t, below);
        }
    }
    if (ways == 1) {
        Entry below = *entry(t, e.ptr, only);

        e.ptr = below.ptr;
        e.skip = below.skip ? e.skip + below.skip : 0;
    }
    return e;
}

/* --- printing --------------------------------------------------------------------------------------- */

static void print_sections(Monitor *mon, const Tree *t, const IoRegion *root)
{
    static const char *const notes[] = { " [unassigned]", " [not dirty]", " [ROM]", " [watch]" };

    monitor_printf(mon, "    Physical sections\n");
    for (guint i = 0; i < t->sections->len; i++) {
        const Section *s = &g_array_index(t->sections, Section, i);
        IoRegionInfo r = { .name = "(noname)" };

        if (s->region) {
            io_region_info(s->region, &r);
        }
        monitor_printf(mon, "      #%u @%016" PRIx64 "..%016" PRIx64 " %s%s%s\n", i, s->first, s->last, r.name,
                       i < G_N_ELEMENTS(notes) ? notes[i] : "", s->region && s->region == root ? " [ROOT]" : "");
    }
}

static void print_entry(Monitor *mon, Entry e)
{
    if (e.ptr == NIL) {
        monitor_printf(mon, "skip=%u  ptr=NIL\n", e.skip);
    } else {
        monitor_printf(mon, e.skip ? "skip=%u  ptr=[%u]\n" : "skip=%u  ptr=#%u\n", e.skip, e.ptr);
    }
}

static void print_node(Monitor *mon, const Node *n)
{
    for (int at = 0, end; at < ENTRIES; at = end) {
        for (end = at + 1; end < ENTRIES && n->e[end].ptr == n->e[at].ptr && n->e[end].skip == n->e[at].skip; end++) {
        }
        if (end == at + 1) {
            monitor_printf(mon, "\t%3d       ", at);
        } else {
            monitor_printf(mon, "\t%3d..%-5d", at, end - 1);
        }
        print_entry(mon, n->e[at]);
    }
}

void hmp_print_dispatch(Monitor *mon, const GArray *ranges, const IoRegion *root)
{
    Tree t = { g_array_new(false, false, sizeof(Section)), g_array_new(false, false, sizeof(Node)), { 1, NIL } };

    add_section(&t, 0, UINT64_MAX, NULL);
    for (guint i = 0; i < ranges->len; i++) {
        add_range(&t, &g_array_index(ranges, FlatRange, i));
    }
    t.root = compact(&t, t.root);
    monitor_printf(mon, "  Dispatch\n");
    print_sections(mon, &t, root);
    monitor_printf(mon, "    Nodes (%d bits per level, %d levels) ptr=[%u] skip=%u\n", BITS, LEVELS, t.root.ptr,
                   t.root.skip);
    for (guint i = 0; i < t.nodes->len; i++) {
        monitor_printf(mon, "      [%u]\n", i);
        print_node(mon, &g_array_index(t.nodes, Node, i));
    }
    g_array_unref(t.sections);
    g_array_unref(t.nodes);
}
