/*
 * Device regions in memory and port space, and the accesses that a processor makes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/memory.h"
#include "util/cutils.h"

struct IoRegion {
    IoSpace space;
    char *name;
    uint64_t base, size;
    int priority;
    bool mapped;
    const IoOps *ops;
    void *opaque;
};

static GPtrArray *maps[2];     /* mapped regions, the one that wins first */

IoRegion *io_region_new(IoSpace space, const char *name, uint64_t size, const IoOps *ops, void *opaque)
{
    IoRegion *r = g_new0(IoRegion, 1);

    r->space = space;
    r->name = g_strdup(name);
    r->size = size;
    r->ops = ops;
    r->opaque = opaque;
    return r;
}

void io_region_unmap(IoRegion *r)
{
    if (r->mapped) {
        g_ptr_array_remove(maps[r->space], r);
        r->mapped = false;
    }
}

void io_region_free(IoRegion *r)
{
    if (r) {
        io_region_unmap(r);
        g_free(r->name);
        g_free(r);
    }
}

void io_region_map(IoRegion *r, uint64_t base, int priority)
{
    GPtrArray *map;
    guint at = 0;

    io_region_unmap(r);
    if (!maps[r->space]) {
        maps[r->space] = g_ptr_array_new();
    }
    map = maps[r->space];
    while (at < map->len && ((IoRegion *)g_ptr_array_index(map, at))->priority > priority) {
        at++;
    }
    r->base = base;
    r->priority = priority;
    r->mapped = true;
    g_ptr_array_insert(map, at, r);
}

void io_region_foreach(IoSpace space, MemVisitFn *fn, void *opaque)
{
    for (guint i = 0; maps[space] && i < maps[space]->len; i++) {
        const IoRegion *r = g_ptr_array_index(maps[space], i);

        fn(r->name, r->base, r->size, r->priority, NULL, 0, opaque);
    }
}

bool io_region_mapped(const IoRegion *r, uint64_t *base)
{
    *base = r->base;
    return r->mapped;
}

static IoRegion *find_region(IoSpace space, uint64_t addr)
{
    GPtrArray *map = maps[space];

    for (guint i = 0; map && i < map->len; i++) {
        IoRegion *r = g_ptr_array_index(map, i);

        if (addr - r->base < r->size) {
            return r;
        }
    }
    return NULL;
}

static unsigned max_size(const IoRegion *r)
{
    return r->ops->max_size ? r->ops->max_size : r->space == IO_SPACE_PORT ? 4 : 8;
}

static uint64_t mask(unsigned size) { return size >= 8 ? UINT64_MAX : (1ULL << (size * 8)) - 1; }

static uint64_t read_once(IoRegion *r, uint64_t offset, unsigned size)
{
    unsigned min = MAX(r->ops->min_size, 1);

    if (size < min) {
        uint64_t wide = r->ops->read(r->opaque, offset & ~(uint64_t)(min - 1), min);

        return (wide >> (8 * (offset & (min - 1)))) & mask(size);
    }
    return r->ops->read(r->opaque, offset, size) & mask(size);
}

static void write_once(IoRegion *r, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned min = MAX(r->ops->min_size, 1);

    if (size < min) {
        r->ops->write(r->opaque, offset & ~(uint64_t)(min - 1), (value & mask(size)) << (8 * (offset & (min - 1))), min);
    } else {
        r->ops->write(r->opaque, offset, value & mask(size), size);
    }
}

/* Where no region is: all ones from ports, zeroes from memory. */
static uint64_t space_read(IoSpace space, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    for (unsigned at = 0; at < size;) {
        IoRegion *r = find_region(space, addr + at);
        unsigned n = r ? MIN(size - at, max_size(r)) : 1;
        uint64_t part;

        if (r && addr + at - r->base + n > r->size) {
            n = 1;
        }
        part = r ? (r->ops->read ? read_once(r, addr + at - r->base, n) : 0) : space == IO_SPACE_PORT ? mask(n) : 0;
        value |= part << (8 * at);
        at += n;
    }
    return value;
}

static void space_write(IoSpace space, uint64_t addr, uint64_t value, unsigned size)
{
    for (unsigned at = 0; at < size;) {
        IoRegion *r = find_region(space, addr + at);
        unsigned n = r ? MIN(size - at, max_size(r)) : 1;

        if (r && addr + at - r->base + n > r->size) {
            n = 1;
        }
        if (r && r->ops->write) {
            write_once(r, addr + at - r->base, value >> (8 * at), n);
        }
        at += n;
    }
}

uint64_t mem_read(uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    if (!find_region(IO_SPACE_MEM, addr) && dma_read(addr, &value, size)) {
        return value;
    }
    return space_read(IO_SPACE_MEM, addr, size);
}

void mem_write(uint64_t addr, uint64_t value, unsigned size)
{
    if (find_region(IO_SPACE_MEM, addr) || !dma_write(addr, &value, size)) {
        space_write(IO_SPACE_MEM, addr, value, size);
    }
}

uint64_t port_read(uint16_t port, unsigned size) { return space_read(IO_SPACE_PORT, port, size); }
void port_write(uint16_t port, uint64_t value, unsigned size) { space_write(IO_SPACE_PORT, port, value, size); }

/* Bytes from addr on that are plain RAM (or nothing): up to the next region. */
static uint64_t run_without_region(uint64_t addr, uint64_t len)
{
    GPtrArray *map = maps[IO_SPACE_MEM];

    for (guint i = 0; map && i < map->len; i++) {
        IoRegion *r = g_ptr_array_index(map, i);

        if (addr - r->base < r->size) {
            return 0;
        }
        if (r->base > addr) {
            len = MIN(len, r->base - addr);
        }
    }
    return len;
}

void mem_read_bytes(uint64_t addr, void *buf, uint64_t len)
{
    uint8_t *out = buf;

    while (len) {
        uint64_t n = run_without_region(addr, len);
        void *host = n ? mem_ram_ptr(addr, &n, false, true) : NULL;

        if (host) {
            memcpy(out, host, n);
        } else {
            n = len >= 4 && addr % 4 == 0 ? 4 : 1;
            uint32_t v = mem_read(addr, n);
            memcpy(out, &v, n);
        }
        out += n;
        addr += n;
        len -= n;
    }
}

void mem_write_bytes(uint64_t addr, const void *buf, uint64_t len)
{
    const uint8_t *in = buf;

    while (len) {
        uint64_t n = run_without_region(addr, len);
        void *host = n ? mem_ram_ptr(addr, &n, true, true) : NULL;

        if (host) {
            memcpy(host, in, n);
            mem_dirty(addr, n);
        } else {
            uint32_t v = 0;

            n = len >= 4 && addr % 4 == 0 ? 4 : 1;
            memcpy(&v, in, n);
            mem_write(addr, v, n);
        }
        in += n;
        addr += n;
        len -= n;
    }
}
