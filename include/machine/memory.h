/*
 * The guest's physical memory and I/O ports: blocks of RAM with dirty bits, and the tree of regions that says what answers where.
 *
 * Blocks of RAM stay for the life of the program.  Regions are made, mapped and accessed in the main thread; what RAM they show
 * may be asked for (mem_ram_ptr, the DMA functions) from any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MACHINE_MEMORY_H
#define MACHINE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <glib.h>
#include "util/error.h"
#include "util/iov.h"

/* --- RAM ------------------------------------------------------------------------------------- */

#define MEM_PAGE_BITS 12
#define MEM_PAGE_SIZE (1u << MEM_PAGE_BITS)

typedef struct RamBlock RamBlock;
struct RamBlock {
    char *name;                /* "pc.ram": what a migration stream calls it */
    uint8_t *host;
    uint64_t size, max_size;   /* max_size: room kept for growth */
    unsigned long *dirty;      /* one bit a page; NULL while nobody tracks */
    RamBlock *next;
};

/* host stays owned by the caller (a memory backend) for the life of the program. */
RamBlock *ram_block_new(const char *name, uint8_t *host, uint64_t size);
RamBlock *ram_block_first(void);
RamBlock *ram_block_find(const char *name);

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

/* The guest address at which memory that mem_ram_ptr gave out is seen. */
bool mem_guest_address(const void *host, uint64_t *addr);

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
bool dma_map_iov(IoVec *v, uint64_t addr, uint64_t len, bool for_write);     /* false, too, past IOV_PIECES_MAX */

/* --- regions --------------------------------------------------------------------------------------- */

/*
 * A region is an object, a child of its owner (or of /machine/unattached).  It stands for registers, for RAM, for other regions
 * (a container), or shows a part of another region (an alias).  What wins at an address: of the regions in one container the one
 * with the higher priority, then the one that was mapped later; a container's own registers come last.
 */
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
struct Object;
#define IO_REGION_ALL 0                    /* as a size: the whole of the address space */

/* Regions made from now on belong to this object (NULL: nobody); returns the one before.  Realizing a device sets it. */
struct Object *io_region_set_owner(struct Object *owner);
/* Registers; ops and opaque must outlive the region. */
IoRegion *io_region_new(IoSpace space, const char *name, uint64_t size, const IoOps *ops, void *opaque);
IoRegion *io_region_new_container(IoSpace space, const char *name, uint64_t size);
/* A block, owned by its backend; the guest cannot write to a read-only one. */
IoRegion *io_region_new_ram(RamBlock *block, bool readonly);
/* [offset, offset + size) of the target, which must outlive the alias. */
IoRegion *io_region_new_alias(const char *name, IoRegion *target, uint64_t offset, uint64_t size);
void io_region_free(IoRegion *r);                     /* with all that is in it; unmaps first; NULL is fine */

/* "system" or "io"; and where bus regions go: the region named "pci" once a board has made it, else the root. */
IoRegion *io_region_root(IoSpace space);
IoRegion *io_region_bus(IoSpace space);
void io_region_set_bus(IoRegion *bus);
void io_region_map(IoRegion *r, uint64_t base, int priority);      /* in the root */
void io_region_map_in(IoRegion *container, IoRegion *r, uint64_t base, int priority);
void io_region_unmap(IoRegion *r);
void io_region_set_enabled(IoRegion *r, bool enabled);
void io_region_set_readonly(IoRegion *r, bool readonly);
void io_region_set_size(IoRegion *r, uint64_t size);
bool io_region_mapped(const IoRegion *r, uint64_t *base);
/* Several changes that are seen at once. */
void io_region_begin(void);
void io_region_commit(void);

/* --- address spaces: what a device or a processor sees ------------------------------------------------------------- */

/* "memory" and "I/O" are there; others (one for each bus master and processor) are views of some region. */
typedef struct AddressSpace { char *name; IoRegion *root; } AddressSpace;
AddressSpace *address_space_new(const char *name, IoRegion *root);
void address_space_free(AddressSpace *as);            /* NULL is fine */
/* AddressSpace *, oldest first; owned here. */
const GPtrArray *address_spaces(void);

/* --- what is where, for listings ----------------------------------------------------------------------------------- */

typedef struct IoRegionInfo {
    const char *name;
    uint64_t addr, last;                   /* within its container; size - 1 */
    int priority;
    bool enabled, readonly, is_io, is_rom; /* is_io: it has registers */
    const RamBlock *block;                 /* of RAM, or of the RAM an alias ends at */
    const IoRegion *alias;
    uint64_t alias_offset;
    const struct Object *owner, *parent;   /* parent: in the tree of objects */
    const GPtrArray *children;             /* IoRegion *, the one that wins first; may be NULL */
} IoRegionInfo;
void io_region_info(const IoRegion *r, IoRegionInfo *info);

/* One range of a view, and which part of which region is there. */
typedef struct FlatRange {
    uint64_t first, last, offset;
    const IoRegion *region;
    bool readonly;
} FlatRange;
/* The ranges below a region in order of address (FlatRange; g_array_unref). */
GArray *io_region_flatten(const IoRegion *root);
/* The region that decides what is seen through root: the only one in a container, the target of an alias; NULL: nothing is seen. */
const IoRegion *io_region_view_root(const IoRegion *root);
/* Each range of RAM of the "memory" space, in order of address. */
typedef void MemVisitFn(const RamBlock *block, uint64_t offset, uint64_t base, uint64_t size, void *opaque);
void ram_foreach_piece(MemVisitFn *fn, void *opaque);

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
