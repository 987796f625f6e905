/*
 * Guest RAM: blocks, where they are in the guest's address space, dirty bits, copies.
 *
 * The guest may change RAM at any moment: nothing read here is trusted twice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/region-int.h"
#include "util/cutils.h"

#define MAX_PIECES 256u

static RamBlock *blocks;
static bool tracking;          /* atomic */
static bool (*msi_hook)(uint64_t addr, uint32_t data);

RamBlock *ram_block_new(const char *name, uint8_t *host, uint64_t size)
{
    RamBlock *b = g_new0(RamBlock, 1), **tail = &blocks;

    b->name = g_strdup(name);
    b->host = host;
    b->size = b->max_size = size;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = b;
    return b;
}

RamBlock *ram_block_first(void) { return blocks; }

RamBlock *ram_block_find(const char *name)
{
    RamBlock *b;

    for (b = blocks; b && strcmp(b->name, name); b = b->next) {
    }
    return b;
}

/*
 * What of RAM the guest sees, for any thread: an array that the main thread rewrites while the count is odd.  A reader
 * that saw the count change reads again; blocks live for the program, so even a stale piece points to memory.
 */
static RamPiece pieces[MAX_PIECES];
static unsigned n_pieces, generation;

#define PUT(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELEASE)
#define TAKE(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)

void ram_set_pieces(const RamPiece *list, size_t n)
{
    n = MIN(n, MAX_PIECES);                      /* the smallest ones would be missing */
    __atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
    for (size_t i = 0; i < n; i++) {
        PUT(pieces[i].base, list[i].base);
        PUT(pieces[i].size, list[i].size);
        PUT(pieces[i].offset, list[i].offset);
        PUT(pieces[i].block, list[i].block);
        PUT(pieces[i].readonly, list[i].readonly);
    }
    PUT(n_pieces, n);
    __atomic_add_fetch(&generation, 1, __ATOMIC_ACQ_REL);
}

static bool find_piece(uint64_t addr, RamPiece *found)
{
    for (;;) {
        unsigned before = TAKE(generation), n = TAKE(n_pieces);
        bool here = false;

        for (unsigned i = 0; i < n && !here; i++) {
            found->base = TAKE(pieces[i].base);
            found->size = TAKE(pieces[i].size);
            here = addr - found->base < found->size;
            if (here) {
                found->offset = TAKE(pieces[i].offset);
                found->block = TAKE(pieces[i].block);
                found->readonly = TAKE(pieces[i].readonly);
            }
        }
        if (!(before & 1) && TAKE(generation) == before) {
            return here;
        }
    }
}

/* --- dirty bits ------------------------------------------------------------------------------ */

#define WORD_BITS (8 * sizeof(unsigned long))

static uint64_t dirty_words(const RamBlock *b) { return DIV_UP(DIV_UP(b->size, MEM_PAGE_SIZE), WORD_BITS); }

void ram_dirty_start(void)
{
    for (RamBlock *b = blocks; b; b = b->next) {
        if (!b->dirty) {
            b->dirty = g_new0(unsigned long, dirty_words(b));
        }
    }
    __atomic_store_n(&tracking, true, __ATOMIC_SEQ_CST);
}

void ram_dirty_stop(void) { __atomic_store_n(&tracking, false, __ATOMIC_SEQ_CST); }
bool ram_dirty_tracking(void) { return __atomic_load_n(&tracking, __ATOMIC_RELAXED); }

void ram_dirty_set(RamBlock *b, uint64_t offset, uint64_t len)
{
    if (!len || !ram_dirty_tracking()) {
        return;
    }
    for (uint64_t page = offset >> MEM_PAGE_BITS; page <= (offset + len - 1) >> MEM_PAGE_BITS; page++) {
        __atomic_fetch_or(&b->dirty[page / WORD_BITS], 1ul << (page % WORD_BITS), __ATOMIC_SEQ_CST);
    }
}

bool ram_dirty_take(RamBlock *b, uint64_t *page)
{
    uint64_t words = b->dirty ? dirty_words(b) : 0;

    for (uint64_t w = *page / WORD_BITS; w < words; w++) {
        unsigned long bits = __atomic_load_n(&b->dirty[w], __ATOMIC_SEQ_CST);

        if (w == *page / WORD_BITS) {
            bits &= ~0ul << (*page % WORD_BITS);
        }
        if (bits) {
            unsigned bit = __builtin_ctzl(bits);

            __atomic_fetch_and(&b->dirty[w], ~(1ul << bit), __ATOMIC_SEQ_CST);
            *page = w * WORD_BITS + bit;
            return true;
        }
    }
    return false;
}

uint64_t ram_dirty_count(RamBlock *b)
{
    uint64_t n = 0;

    for (uint64_t w = 0; b->dirty && w < dirty_words(b); w++) {
        n += __builtin_popcountl(__atomic_load_n(&b->dirty[w], __ATOMIC_RELAXED));
    }
    return n;
}

void mem_dirty(uint64_t addr, uint64_t len)
{
    while (len && ram_dirty_tracking()) {
        RamPiece p;
        uint64_t n;

        if (!find_piece(addr, &p)) {
            return;
        }
        n = MIN(len, p.size - (addr - p.base));
        ram_dirty_set(p.block, p.offset + (addr - p.base), n);
        addr += n;
        len -= n;
    }
}

void ram_mark_host(const void *host, uint64_t len)
{
    for (RamBlock *b = blocks; b; b = b->next) {
        uint64_t offset = (const uint8_t *)host - b->host;

        if ((const uint8_t *)host >= b->host && offset < b->size) {
            ram_dirty_set(b, offset, MIN(len, b->size - offset));
            return;
        }
    }
}

/* --- access ----------------------------------------------------------------------------------------- */

void *mem_ram_ptr(uint64_t addr, uint64_t *len, bool for_write, bool shorten)
{
    RamPiece p;
    uint64_t room;

    if (!find_piece(addr, &p) || (p.readonly && for_write)) {
        return NULL;
    }
    room = p.size - (addr - p.base);
    if (*len > room) {
        if (!shorten) {
            return NULL;
        }
        *len = room;
    }
    return p.block->host + p.offset + (addr - p.base);
}

bool mem_guest_address(const void *host, uint64_t *addr)
{
    for (unsigned i = 0; i < n_pieces; i++) {
        uint64_t at = (const uint8_t *)host - (pieces[i].block->host + pieces[i].offset);

        if ((const uint8_t *)host >= pieces[i].block->host + pieces[i].offset && at < pieces[i].size) {
            *addr = pieces[i].base + at;
            return true;
        }
    }
    return false;
}

bool dma_read(uint64_t addr, void *buf, uint64_t len)
{
    while (len) {
        uint64_t n = len;
        void *host = mem_ram_ptr(addr, &n, false, true);

        if (!host) {
            return false;
        }
        memcpy(buf, host, n);
        buf = (char *)buf + n;
        addr += n;
        len -= n;
    }
    return true;
}

bool dma_write(uint64_t addr, const void *buf, uint64_t len)
{
    while (len) {
        uint64_t n = len;
        void *host = mem_ram_ptr(addr, &n, true, true);

        if (!host) {
            return false;
        }
        memcpy(host, buf, n);
        mem_dirty(addr, n);
        buf = (const char *)buf + n;
        addr += n;
        len -= n;
    }
    return true;
}

#define LOAD_STORE(bits)                                                            \
    bool dma_load##bits(uint64_t addr, uint##bits##_t *v)                           \
    {                                                                               \
        uint64_t n = sizeof(*v);                                                    \
        void *host = addr % sizeof(*v) ? NULL : mem_ram_ptr(addr, &n, false, false); \
                                                                                    \
        if (!host) {                                                                \
            return dma_read(addr, v, sizeof(*v));                                   \
        }                                                                           \
        *v = __atomic_load_n((uint##bits##_t *)host, __ATOMIC_ACQUIRE);             \
        return true;                                                                \
    }                                                                               \
    bool dma_store##bits(uint64_t addr, uint##bits##_t v)                           \
    {                                                                               \
        uint64_t n = sizeof(v);                                                     \
        void *host = addr % sizeof(v) ? NULL : mem_ram_ptr(addr, &n, true, false);  \
                                                                                    \
        if (!host) {                                                                \
            return dma_write(addr, &v, sizeof(v));                                  \
        }                                                                           \
        __atomic_store_n((uint##bits##_t *)host, v, __ATOMIC_RELEASE);              \
        mem_dirty(addr, n);                                                         \
        return true;                                                                \
    }

LOAD_STORE(16)
LOAD_STORE(32)
LOAD_STORE(64)

bool dma_map_iov(IoVec *v, uint64_t addr, uint64_t len, bool for_write)
{
    while (len) {
        uint64_t n = len;
        void *host = v->niov < IOV_PIECES_MAX ? mem_ram_ptr(addr, &n, for_write, true) : NULL;

        if (!host) {
            return false;
        }
        iov_add(v, host, n);
        addr += n;
        len -= n;
    }
    return true;
}

void mem_set_msi_hook(bool (*fn)(uint64_t addr, uint32_t data)) { msi_hook = fn; }

void mem_msi_write(uint64_t addr, uint32_t data)
{
    if (!msi_hook || !msi_hook(addr, data)) {
        dma_store32(addr, data);
    }
}
