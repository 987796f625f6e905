/*
 * Guest memory in a stream: a list of blocks, then pages in any order, each with the name of its block where that
 * changes.
 *
 * A page's word is its offset in the block; the low bits say what follows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/memory.h"
#include "migration/machine-state.h"
#include "util/cutils.h"
#include "util/iov.h"

enum {
    WORD_ZERO = 0x02,          /* one byte follows: what the page is filled with (0) */
    WORD_SIZES = 0x04,         /* the block list; the rest of the word is the size of all */
    WORD_PAGE = 0x08,          /* the page follows */
    WORD_END = 0x10,
    WORD_SAME_BLOCK = 0x20,    /* no name follows: the block of the page before */
    WORD_FLAGS = MEM_PAGE_SIZE - 1,
};

static RamStatistics statistics;
const RamStatistics *ram_state_statistics(void) { return &statistics; }

static uint64_t size_in_stream(const RamBlock *b) { return DIV_UP(b->size, MEM_PAGE_SIZE) * MEM_PAGE_SIZE; }

/* --- writing ---------------------------------------------------------------------------------- */

void ram_state_put_end(VmWriter *w) { vm_put(w, WORD_END, 8); }

void ram_state_put_blocks(VmWriter *w)
{
    statistics = (RamStatistics) { 0 };
    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        statistics.total += size_in_stream(b);
    }
    vm_put(w, statistics.total | WORD_SIZES, 8);
    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        vm_put_name(w, b->name);
        vm_put(w, size_in_stream(b), 8);
    }
}

static void put_page(VmWriter *w, const RamBlock *b, uint64_t page, const RamBlock **last)
{
    uint64_t offset = page * MEM_PAGE_SIZE, len = MIN(MEM_PAGE_SIZE, b->size - offset);
    bool zero = buffer_is_zero(b->host + offset, len);

    vm_put(w, offset | (zero ? WORD_ZERO : WORD_PAGE) | (*last == b ? WORD_SAME_BLOCK : 0), 8);
    if (*last != b) {
        vm_put_name(w, b->name);
        *last = b;
    }
    if (zero) {
        vm_put(w, 0, 1);
        statistics.zero_pages++;
    } else {
        vm_put_bytes(w, b->host + offset, len);
        vm_put_zeroes(w, MEM_PAGE_SIZE - len);
        statistics.normal_pages++;
    }
}

void ram_state_put_pages(VmWriter *w, bool dirty_only)
{
    const RamBlock *last = NULL;
    uint64_t before = w->total;

    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        for (uint64_t page = 0; !w->ret && page < size_in_stream(b) / MEM_PAGE_SIZE; page++) {
            if (dirty_only && !ram_dirty_take(b, &page)) {
                break;
            }
            put_page(w, b, page, &last);
        }
    }
    statistics.bytes += w->total - before;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* Firmware that other boards of the same name carry as memory; there is no processor here to run it. */
static bool is_rom(const char *name)
{
    return g_str_has_prefix(name, "/rom@") || !strcmp(name, "pc.bios") || !strcmp(name, "pc.rom")
           || g_str_has_suffix(name, ".rom");
}

static bool get_sizes(VmReader *r, uint64_t total, Error **errp)
{
    char name[256];

    while (total) {
        uint64_t size;
        RamBlock *b;

        vm_get_name(r, name);
        size = vm_get(r, 8);
        b = ram_block_find(name);
        if (r->ret) {
            return false;
        }
        if (!b && !is_rom(name)) {
            error_setg(errp, "Unknown ramblock \"%s\", cannot accept migration", name);
            return false;
        }
        if (b && size != size_in_stream(b)) {
            error_setg(errp, "Size mismatch: %s: 0x%" PRIx64 " != 0x%" PRIx64 ": Invalid argument", name, size,
                       size_in_stream(b));
            return false;
        }
        if (!size || size > total) {
            error_setg(errp, "Length mismatch: %s: 0x%" PRIx64 " of 0x%" PRIx64, name, size, total);
            return false;
        }
        total -= size;
    }
    return true;
}

/* *block: NULL for memory that is skipped. */
static bool get_block(VmReader *r, uint64_t flags, RamBlock **block, bool *named, Error **errp)
{
    char name[256];

    if (flags & WORD_SAME_BLOCK) {
        if (!*named) {
            error_setg(errp, "Ack, bad migration stream!");
        }
        return *named;
    }
    vm_get_name(r, name);
    *block = ram_block_find(name);
    *named = true;
    if (!*block && !is_rom(name)) {
        error_setg(errp, "Can't find block %s", name);
        return false;
    }
    return true;
}

static bool get_zero(VmReader *r, uint8_t *host, uint64_t len, Error **errp)
{
    uint8_t fill = vm_get(r, 1);

    if (host && (fill || !buffer_is_zero(host, len)) && !r->ret) {
        memset(host, fill, len);
        ram_mark_host(host, len);
    }
    return true;
}

static bool get_page(VmReader *r, RamBlock *b, uint64_t word, Error **errp)
{
    uint64_t offset = word & ~(uint64_t)WORD_FLAGS, len;
    uint8_t *host = b ? b->host + offset : NULL;

    if (b && offset >= b->size) {
        error_setg(errp, "Illegal RAM offset 0x%" PRIx64, offset);
        return false;
    }
    len = b ? MIN(MEM_PAGE_SIZE, b->size - offset) : 0;
    if (word & WORD_ZERO) {
        return get_zero(r, host, len, errp);
    }
    if (b) {
        vm_get_bytes(r, host, len);
        ram_mark_host(host, len);
    }
    vm_skip(r, MEM_PAGE_SIZE - len);
    return true;
}

bool ram_state_get(VmReader *r, Error **errp)
{
    RamBlock *block = NULL;
    bool named = false;

    while (!r->ret) {
        uint64_t word = vm_get(r, 8), kind = word & WORD_FLAGS & ~(uint64_t)WORD_SAME_BLOCK;

        if (r->ret || word == WORD_END) {
            return !r->ret;
        }
        if (kind != WORD_SIZES && kind != WORD_ZERO && kind != WORD_PAGE) {
            error_setg(errp, "Unknown combination of migration flags: 0x%" PRIx64, word & WORD_FLAGS);
            return false;
        }
        if (kind == WORD_SIZES ? !get_sizes(r, word & ~(uint64_t)WORD_FLAGS, errp)
            : !get_block(r, word, &block, &named, errp) || !get_page(r, block, word, errp)) {
            return false;
        }
    }
    return false;
}
