/*
 * Spoiling an image in ways that a repair mends without loss: counts too high or too low, flags, a refcount block that is not found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cutrun.h"
#include "util/cutils.h"

#define OFFSET_MASK 0x00fffffffffffe00ULL
#define COPIED (1ULL << 63)
#define SPARE 6                        /* clusters put behind the end, to leak */

typedef struct Layout { CutImage *image; uint64_t cluster, l1, rt, rt_entries; unsigned l1_size, order; } Layout;

static Layout layout_of(CutImage *image)
{
    const uint8_t *h = image->data;

    return (Layout){
        .image = image, .cluster = 1ULL << load_be32(h + 20), .l1 = load_be64(h + 40), .l1_size = load_be32(h + 36),
        .rt = load_be64(h + 48), .rt_entries = (uint64_t)load_be32(h + 56) << load_be32(h + 20) >> 3,
        .order = load_be32(h + 4) >= 3 ? load_be32(h + 96) : 4,
    };
}

/* Where the count of cluster i is: the block's offset in the file, 0: none. */
static uint64_t block_of(const Layout *l, uint64_t i, uint64_t *index)
{
    uint64_t per_block = l->cluster * 8 >> l->order;

    *index = i % per_block;
    return i / per_block < l->rt_entries ? load_be64(l->image->data + l->rt + i / per_block * 8) : 0;
}

static void set_count(const Layout *l, uint64_t i, uint64_t value)
{
    uint64_t index, block = block_of(l, i, &index);
    uint8_t *p = l->image->data + block;
    unsigned bits = 1u << l->order;

    if (!block) {
        return;
    }
    if (bits < 8) {
        unsigned shift = index * bits % 8;

        p[index * bits / 8] = (p[index * bits / 8] & ~(((1u << bits) - 1) << shift)) | (value & ((1u << bits) - 1)) << shift;
        return;
    }
    for (unsigned b = 0; b < bits / 8; b++) {
        p[index * bits / 8 + b] = b == bits / 8 - 1 ? value : 0;
    }
}

/* Turn the flag of a random entry that has a cluster: of the L1 table, or of an L2 table. */
static void turn_flag(CutRun *r, const Layout *l)
{
    bool wide = r->geometry->subclusters;
    uint64_t at = l->l1 + 8 * cut_pick(r, 0, MAX(l->l1_size, 1u) - 1), e = load_be64(l->image->data + at);

    if (cut_pick(r, 0, 1) && e & OFFSET_MASK) {
        at = (e & OFFSET_MASK) + (wide ? 16 : 8) * cut_pick(r, 0, l->cluster / (wide ? 16 : 8) - 1);
        e = load_be64(l->image->data + at);
    }
    if (e & OFFSET_MASK && !(e & 1ULL << 62)) {
        store_be64(l->image->data + at, e ^ COPIED);
    }
}

void cut_damage(CutRun *r)
{
    Layout l = layout_of(&cut_disks[r->disk]);
    uint64_t clusters = l.image->len / l.cluster;

    cut_image_resize(l.image, (clusters + SPARE) * l.cluster);
    r->only_leaks = cut_pick(r, 0, 2) == 0;
    for (int i = 0; i < 10; i++) {
        uint64_t at = cut_pick(r, 0, clusters - 1);

        switch (r->only_leaks ? 0 : cut_pick(r, 0, 3)) {
        case 0:
            set_count(&l, clusters + cut_pick(r, 0, SPARE - 1), 1);      /* never in use */
            break;
        case 1:
            set_count(&l, at, 0);
            break;
        case 2:
            set_count(&l, at, l.order ? 3 : 1);
            break;
        case 3:
            turn_flag(r, &l);
            break;
        }
    }
    if (!r->only_leaks && cut_pick(r, 0, 3) == 0) {
        store_be64(l.image->data + l.rt, 0);
    }
}
