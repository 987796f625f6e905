/*
 * Changes of qcow2 images that know the format: a field of header, extensions, snapshot table, bitmap directory, L1,
 * L2, refcount table or block gets a value that is zero, largest, misaligned, just past the end, another structure's
 * place, or off by one.  What would only end in "not this format" is put right again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "../../block/qcow2.h"
#include "fuzz.h"

typedef struct Image { uint8_t *data; uint64_t len, cluster; uint64_t random; } Image;

/* A small generator: the same seed makes the same change with every engine. */
static uint64_t draw(Image *m)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random;
}

static uint64_t pick(Image *m, uint64_t n) { return n ? draw(m) % n : 0; }

static bool inside(const Image *m, uint64_t at, uint64_t bytes) { return at <= m->len && bytes <= m->len - at; }

static uint64_t load(const Image *m, uint64_t at)
{
    return inside(m, at, 8) ? load_be64(m->data + at) : 0;
}

static uint64_t bad_value(Image *m, uint64_t old)
{
    const uint8_t *h = m->data;
    uint64_t len = m->len, cluster = m->cluster;
    const uint64_t choices[] = {
        0, 1, 2, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT32_MAX, INT32_MAX, old + 1, old - 1,
        old + cluster, old - cluster, old + 512,
        old ^ (1ULL << pick(m, 64)), len, len + cluster, len - cluster, len & ~(cluster - 1), pick(m, len),
        cluster * pick(m, len / cluster + 2),
        1ULL << 56, (1ULL << 56) - cluster, old | 1ULL << 62, old | 1ULL << 63, old & ~(1ULL << 63), 0x1fffffff,
        old << 1, cluster - 1,
        load_be64(h + 40), load_be64(h + 48), load_be64(h + 64), old + ((uint64_t)1 << 32), (uint64_t)0 - cluster,
    };

    return choices[pick(m, G_N_ELEMENTS(choices))];
}

static void change_field(Image *m, uint64_t at, unsigned bytes)
{
    uint64_t old = 0, v;

    if (!inside(m, at, bytes)) {
        return;
    }
    for (unsigned i = 0; i < bytes; i++) {
        old = old << 8 | m->data[at + i];
    }
    v = bad_value(m, old);
    for (unsigned i = bytes; i-- > 0; v >>= 8) {
        m->data[at + i] = v;
    }
}

static void change_header(Image *m)
{
    static const struct { uint8_t at, bytes; } fields[] = {
        { 4, 4 }, { 8, 8 }, { 16, 4 }, { 20, 4 }, { 24, 8 }, { 32, 4 }, { 36, 4 }, { 40, 8 }, { 48, 8 }, { 56, 4 },
        { 60, 4 }, { 64, 8 },
        { 72, 8 }, { 80, 8 }, { 88, 8 }, { 96, 4 }, { 100, 4 }, { 104, 1 },
    };
    unsigned i = pick(m, G_N_ELEMENTS(fields));

    change_field(m, fields[i].at, fields[i].bytes);
}

/* The data of the extension of that magic (0: of a random one), or 0. */
static uint64_t find_extension(Image *m, uint32_t magic, uint32_t *len)
{
    uint64_t at = load_be32(m->data + 4) >= 3 ? load_be32(m->data + 100) : 72;

    for (unsigned n = 0; n < 20 && inside(m, at, 8); n++) {
        uint32_t kind = load_be32(m->data + at);

        *len = load_be32(m->data + at + 4);
        if (kind == magic || (!magic && (!kind || pick(m, 3) == 0))) {
            return at + 8;
        }
        if (!kind) {
            return 0;
        }
        at += 8 + ALIGN_UP((uint64_t)*len, 8);
    }
    return 0;
}

static void change_extension(Image *m)
{
    uint32_t len;
    uint64_t at = find_extension(m, 0, &len);

    if (at) {
        change_field(m, pick(m, 3) ? at + 4 * pick(m, 6) : at - 8 + 4 * pick(m, 2), 4u << pick(m, 2));
    }
}

static void change_bitmaps(Image *m)
{
    static const struct { uint8_t at, bytes; } fields[] =
        { { 0, 8 }, { 8, 4 }, { 12, 4 }, { 16, 1 }, { 17, 1 }, { 18, 2 }, { 20, 4 }, { 24, 4 } };
    uint32_t len;
    uint64_t at = find_extension(m, QCOW2_EXT_BITMAPS, &len), directory = at ? load(m, at + 16) : 0;
    unsigned i = pick(m, G_N_ELEMENTS(fields));

    if (pick(m, 4)) {
        change_field(m, directory + fields[i].at + 32 * pick(m, 2), fields[i].bytes);
    } else {
        change_field(m, load(m, directory) + 8 * pick(m, 4), 8);
    }
}

static void change_table(Image *m)
{
    uint64_t l1 = load_be64(m->data + 40), rt = load_be64(m->data + 48), sn = load_be64(m->data + 64), at;

    switch (pick(m, 6)) {
    case 0:
        change_field(m, l1 + 8 * pick(m, MIN(load_be32(m->data + 36), 16u)), 8);
        break;
    case 1:
        at = load(m, l1 + 8 * pick(m, 2)) & QCOW2_L1_OFFSET_MASK;
        change_field(m, at + 8 * pick(m, MIN(m->cluster / 8, 40)), 8);
        break;
    case 2:
        change_field(m, rt + 8 * pick(m, 4), 8);
        break;
    case 3:
        at = load(m, rt) & ~511ULL;
        change_field(m, at + pick(m, MIN(m->cluster, 128)), 1u << pick(m, 4));
        break;
    case 4:
        change_field(m, sn + 4 * pick(m, 32), 1u << pick(m, 4));
        break;
    default:
        at = load(m, sn);
        change_field(m, at + 8 * pick(m, 4), 8);
    }
}

/* Without these nothing behind the first test would be reached. */
static void put_right(Image *m)
{
    uint32_t version = load_be32(m->data + 4), bits = load_be32(m->data + 20);

    store_be32(m->data, QCOW2_MAGIC);
    if (version != 2 && version != 3 && pick(m, 8)) {
        store_be32(m->data + 4, 3);
    }
    if ((bits < 9 || bits > 21) && pick(m, 8)) {
        store_be32(m->data + 20, 9);
    }
    if (version == 3 && load_be32(m->data + 100) < 104 && pick(m, 8)) {
        store_be32(m->data + 100, 112);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    Image m = { data, size, 512, seed * 6364136223846793005ULL + 1442695040888963407ULL };

    if (size < 112) {
        return LLVMFuzzerMutate(data, size, max);
    }
    m.cluster = 1ULL << MIN(load_be32(data + 20), 21u);
    for (unsigned n = 1 + pick(&m, 3); n; n--) {
        switch (pick(&m, 8)) {
        case 0:
            change_header(&m);
            break;
        case 1:
            change_extension(&m);
            break;
        case 2:
            change_bitmaps(&m);
            break;
        case 3:
            change_field(&m, pick(&m, m.len), 1u << pick(&m, 4));
            break;
        case 4:
            if (pick(&m, 8) == 0) {
                m.len = MAX(pick(&m, m.len), 112u);
                break;
            }
            G_GNUC_FALLTHROUGH;
        default:
            change_table(&m);
        }
    }
    put_right(&m);
    return m.len;
}
