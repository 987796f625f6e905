/*
 * The guest's physical memory and I/O ports: RAM with dirty bits, and regions that devices answer.
 *
 * RAM is added while the machine is built and stays; mem_ram_ptr and the DMA functions may be called
 * from any thread.  Device regions are mapped, unmapped and accessed in the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MACHINE_MEMORY_H
#define MACHINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "util/error.h"
#include "util/iov.h"

/* --- RAM ------------------------------------------------------------------------------------- */

#define MEM_PAGE_BITS 12
#define MEM_PAGE_SIZE (1u << MEM_PAGE_BITS)

typedef struct RamBlock RamBlock;
struct RamBlock {
    char *name;                /* "pc.ram": what a migration stream calls it */
    uint8_t *host;
    uint64_t size;
    unsigned long *dirty;      /* one bit a page; NULL while nobody tracks */
    RamBlock *next;
};

/* host stays owned by the caller (a memory backend) for the life of the program. */
RamBlock *ram_block_new(const char *name, uint8_t *host, uint64_t size);
RamBlock *ram_block_first(void);
RamBlock *ram_block_find(const char *name);
/* Show [offset, offset + size) of the block at guest address base.  Errors: overlap, too many pieces. */
bool mem_map_ram(RamBlock *block, uint64_t offset, uint64_t base, uint64_t size, bool readonly, Error **errp);

/* Dirty tracking: from start on, every write through these functions marks pages; take clears what it returns. */
void ram_dirty_start(void);
void ram_dirty_stop(void);
bool ram_dirty_tracking(void);
void ram_dirty_set(RamBlock *block, uint64_t offset, uint64_t len);    /* any thread */
/* Next dirty page at or after *page, cleared; false when there is none. */
bool ram_dirty_take(RamBlock *block, uint64_t *page);
uint64_t ram_dirty_count(RamBlock *block);

/*
 * Host pointer of guest RAM [addr, addr + len), or NULL if any byte of it is no RAM (or read-only and for_write).
 * *len may shrink to what is contiguous when shorten is set; mark writes with mem_dirty afterwards.
 */
void *mem_ram_ptr(uint64_t addr, uint64_t *len, bool for_write, bool shorten);
void mem_dirty(uint64_t addr, uint64_t len);
/* The same for memory that mem_ram_ptr or dma_map_iov gave out. */
void ram_mark_host(const void *host, uint64_t len);

/* Copies between RAM and a buffer; false (and nothing or a part moved) when the range is not all RAM. Any thread. */
bool dma_read(uint64_t addr, void *buf, uint64_t len);
bool dma_write(uint64_t addr, const void *buf, uint64_t len);
/* Atomic with respect to the guest for naturally aligned 2, 4, 8 bytes, little endian. */
bool dma_load16(uint64_t addr, uint16_t *v);
bool dma_load32(uint64_t addr, uint32_t *v);
bool dma_load64(uint64_t addr, uint64_t *v);
bool dma_store16(uint64_t addr, uint16_t v);
bool dma_store32(uint64_t addr, uint32_t v);
bool dma_store64(uint64_t addr, uint64_t v);
/* Add the host buffers of guest RAM [addr, addr + len) to v; false when it is not all RAM. */
bool dma_map_iov(IoVec *v, uint64_t addr, uint64_t len, bool for_write);

/* --- regions --------------------------------------------------------------------------------------- */

typedef enum IoSpace { IO_SPACE_MEM, IO_SPACE_PORT } IoSpace;

typedef struct IoOps {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    /* Widest access that is handed over; wider ones are split (0: 8 for memory, 4 for ports). */
    unsigned max_size;
    /* Narrowest; narrower reads are cut out of a wider one, narrower writes go through padded (0: 1). */
    unsigned min_size;
} IoOps;

typedef struct IoRegion IoRegion;
/* Names the region for `info mtree`; ops and opaque must outlive it. */
IoRegion *io_region_new(IoSpace space, const char *name, uint64_t size, const IoOps *ops, void *opaque);
void io_region_free(IoRegion *r);                     /* unmaps first; NULL is fine */
/* Regions with higher priority hide others where they overlap, later ones those mapped before. */
void io_region_map(IoRegion *r, uint64_t base, int priority);
void io_region_unmap(IoRegion *r);
/*
 * Each piece of RAM (with its block), and then each mapped region of a space (block NULL), the one that wins before those it
 * hides.
 */
typedef void MemVisitFn(const char *name, uint64_t base, uint64_t size, int priority, const RamBlock *block, uint64_t offset, void *opaque);
void ram_foreach_piece(MemVisitFn *fn, void *opaque);
void io_region_foreach(IoSpace space, MemVisitFn *fn, void *opaque);
bool io_region_mapped(const IoRegion *r, uint64_t *base);

/* Accesses of the processor (or qtest); 1, 2, 4 or 8 bytes.  Nothing there: reads give all ones (ports) or zeroes. */
uint64_t mem_read(uint64_t addr, unsigned size);
void mem_write(uint64_t addr, uint64_t value, unsigned size);
uint64_t port_read(uint16_t port, unsigned size);
void port_write(uint16_t port, uint64_t value, unsigned size);
/* Any length: RAM directly, regions byte by byte. */
void mem_read_bytes(uint64_t addr, void *buf, uint64_t len);
void mem_write_bytes(uint64_t addr, const void *buf, uint64_t len);
/* A store that a device makes as a message: RAM, or the interrupt controller behind the hook. Any thread. */
void mem_msi_write(uint64_t addr, uint32_t data);
void mem_set_msi_hook(bool (*fn)(uint64_t addr, uint32_t data));

#endif
