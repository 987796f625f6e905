/*
 * The accesses that a processor (or qtest) makes to memory and ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/region-int.h"
#include "util/cutils.h"

static unsigned max_size(const IoRegion *r)
{
    if (r->block) {
        return 8;
    }
    return r->ops->max_size ? r->ops->max_size : r->space == IO_SPACE_PORT ? 4 : 8;
}

static uint64_t mask(unsigned size) { return size >= 8 ? UINT64_MAX : (1ULL << (size * 8)) - 1; }

/* --- one access that lies in one region ------------------------------------------------------------ */

static uint64_t read_registers(const IoRegion *r, uint64_t offset, unsigned size)
{
    unsigned min = MAX(r->ops->min_size, 1);

    if (!r->ops->read) {
        return 0;
    }
    if (size < min) {
        uint64_t wide = r->ops->read(r->opaque, offset & ~(uint64_t)(min - 1), min);

        return (wide >> (8 * (offset & (min - 1)))) & mask(size);
    }
    return r->ops->read(r->opaque, offset, size) & mask(size);
}

static void write_registers(const IoRegion *r, uint64_t offset, uint64_t value, unsigned size)
{
    unsigned min = MAX(r->ops->min_size, 1);

    if (!r->ops->write) {
        return;
    }
    if (size < min) {
        r->ops->write(r->opaque, offset & ~(uint64_t)(min - 1), (value & mask(size)) << (8 * (offset & (min - 1))),
                      min);
    } else {
        r->ops->write(r->opaque, offset, value & mask(size), size);
    }
}

static uint64_t read_range(const FlatRange *f, uint64_t offset, unsigned size)
{
    uint64_t v = 0;

    if (!f->region->block) {
        return read_registers(f->region, offset, size);
    }
    memcpy(&v, f->region->block->host + offset, size);
    return v;
}

static void write_range(const FlatRange *f, uint64_t offset, uint64_t value, unsigned size)
{
    RamBlock *b = f->region->block;

    if (!b) {
        write_registers(f->region, offset, value, size);
    } else if (!f->readonly) {
        memcpy(b->host + offset, &value, size);
        ram_dirty_set(b, offset, size);
    }
}

/* How much of an access at addr goes to the range at once: RAM ends with it, registers with their region. */
static unsigned piece(const FlatRange *f, uint64_t addr, unsigned size)
{
    uint64_t offset = f->offset + (addr - f->first);
    unsigned n = MIN(size, max_size(f->region));

    return n - 1 > (f->region->block ? f->last - addr : f->region->last - offset) ? 1 : n;
}

/* Where no region is: all ones from ports, zeroes from memory. */
static uint64_t space_read(IoSpace space, uint64_t addr, unsigned size)
{
    uint64_t value = 0;

    for (unsigned at = 0, n; at < size; at += n) {
        const FlatRange *f = io_view_find(space, addr + at);
        uint64_t part;

        n = f ? piece(f, addr + at, size - at) : 1;
        part = f ? read_range(f, f->offset + (addr + at - f->first), n) : space == IO_SPACE_PORT ? mask(n) : 0;
        value |= part << (8 * at);
    }
    return value;
}

static void space_write(IoSpace space, uint64_t addr, uint64_t value, unsigned size)
{
    for (unsigned at = 0, n; at < size; at += n) {
        const FlatRange *f = io_view_find(space, addr + at);

        n = f ? piece(f, addr + at, size - at) : 1;
        if (f) {
            write_range(f, f->offset + (addr + at - f->first), value >> (8 * at), n);
        }
    }
}

uint64_t mem_read(uint64_t addr, unsigned size) { return space_read(IO_SPACE_MEM, addr, size); }
void mem_write(uint64_t addr, uint64_t value, unsigned size) { space_write(IO_SPACE_MEM, addr, value, size); }
uint64_t port_read(uint16_t port, unsigned size) { return space_read(IO_SPACE_PORT, port, size); }
void port_write(uint16_t port, uint64_t value, unsigned size) { space_write(IO_SPACE_PORT, port, value, size); }

/* --- any length ------------------------------------------------------------------------------------------ */

static unsigned step(uint64_t addr, uint64_t len) { return len >= 4 && addr % 4 == 0 ? 4 : 1; }

void mem_read_bytes(uint64_t addr, void *buf, uint64_t len)
{
    uint8_t *out = buf;

    while (len) {
        const FlatRange *f = io_view_find(IO_SPACE_MEM, addr);
        uint64_t n;

        if (f && f->region->block) {
            n = MIN(len - 1, f->last - addr) + 1;
            memcpy(out, f->region->block->host + f->offset + (addr - f->first), n);
        } else {
            uint32_t v = mem_read(addr, step(addr, len));

            n = step(addr, len);
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
        const FlatRange *f = io_view_find(IO_SPACE_MEM, addr);
        uint64_t n;

        if (f && f->region->block) {
            uint64_t offset = f->offset + (addr - f->first);

            n = MIN(len - 1, f->last - addr) + 1;
            if (!f->readonly) {
                memcpy(f->region->block->host + offset, in, n);
                ram_dirty_set(f->region->block, offset, n);
            }
        } else {
            uint32_t v = 0;

            n = step(addr, len);
            memcpy(&v, in, n);
            mem_write(addr, v, n);
        }
        in += n;
        addr += n;
        len -= n;
    }
}
