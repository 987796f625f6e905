/*
 * qcow2: pages of memory for guest data whose place in the file can wait.
 *
 * Pages come from slabs, go to a list of free ones and are used again, the warmest first.  When the last one is given back
 * the slabs go too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "qcow2-keep.h"

#define KEEP_BYTES (16u << 20)       /* at most */
#define SLAB_BYTES (256u << 10)

struct Qcow2Keep {
    GPtrArray *slabs, *free_pages;
    unsigned taken;
};

Qcow2Keep *qcow2_keep_new(void)
{
    Qcow2Keep *k = g_new0(Qcow2Keep, 1);
    k->slabs = g_ptr_array_new_with_free_func(g_free);
    k->free_pages = g_ptr_array_new();
    return k;
}

void qcow2_keep_free(Qcow2Keep *k)
{
    g_ptr_array_unref(k->slabs);
    g_ptr_array_unref(k->free_pages);
    g_free(k);
}

static bool add_slab(Qcow2Keep *k, uint32_t page_bytes)
{
    uint8_t *slab = (k->slabs->len + 1) * SLAB_BYTES <= KEEP_BYTES ? g_try_malloc(SLAB_BYTES) : NULL;
    if (!slab) {
        return false;
    }
    g_ptr_array_add(k->slabs, slab);
    for (uint32_t at = SLAB_BYTES; at >= page_bytes; at -= page_bytes) {
        g_ptr_array_add(k->free_pages, slab + at - page_bytes);
    }
    return true;
}

bool qcow2_keep_take(Qcow2Keep *k, uint32_t page_bytes, uint8_t **pages, unsigned n)
{
    while (k->free_pages->len < n) {
        if (!add_slab(k, page_bytes)) {
            return false;
        }
    }
    for (unsigned i = 0; i < n; i++) {
        pages[i] = g_ptr_array_steal_index(k->free_pages, k->free_pages->len - 1);
    }
    k->taken += n;
    return true;
}

void qcow2_keep_give(Qcow2Keep *k, uint8_t *page)
{
    g_ptr_array_add(k->free_pages, page);
    if (--k->taken == 0) {
        g_ptr_array_set_size(k->free_pages, 0);
        g_ptr_array_set_size(k->slabs, 0);
    }
}
