/*
 * What a PC has in memory: RAM below and above the hole, ROM, and the shadow of the ROM area (PAM) that host bridges
 * switch.
 *
 * The ROM is the file that -bios names, else the usual firmware where that is installed, else blank.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "hw/i386/pc-int.h"
#include "util/cutils.h"

static IoRegion *ram, *smram;

IoRegion *pc_ram(void) { return ram; }
IoRegion *pc_smram(void) { return smram; }
void pc_set_smram(IoRegion *r) { smram = r; }

static RamBlock *rom_block(const char *name, uint64_t size, int fill)
{
    uint8_t *host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert(host != MAP_FAILED);
    if (fill) {
        memset(host, fill, size);
    }
    return ram_block_new(name, host, size);
}

static void map_ram(Machine *m, uint64_t low)
{
    uint64_t size = m->ram_size;

    low = MIN(low, size);
    io_region_map(io_region_new_alias("ram-below-4g", ram, 0, low), 0, 0);
    if (size > low) {
        io_region_map(io_region_new_alias("ram-above-4g", ram, low, size - low), 4 * GiB, 0);
    }
}

#define DEFAULT_FIRMWARE "bios-256k.bin"

/* The file, a multiple of 64 KiB; without one a blank ROM of the usual size. */
static RamBlock *load_firmware(const Machine *m, uint64_t *size)
{
    const char *name = m->firmware ? m->firmware : DEFAULT_FIRMWARE;
    g_autofree char *path = machine_find_file ? machine_find_file(name) : NULL, *data = NULL;
    RamBlock *block;
    gsize len = 0;

    if (path && g_file_get_contents(path, &data, &len, NULL) && len && len % (64 * KiB) == 0 && len <= m->max_fw_size) {
        *size = len;
        block = rom_block("pc.bios", len, 0);
        memcpy(block->host, data, len);
        rom_loaded(name, 4 * GiB - len, len);
        return block;
    }
    if (m->firmware) {
        /* the peer's line, without a program's name */
        fprintf(stderr, "qemu: could not load PC BIOS '%s'\n", name);
        exit(1);
    }
    *size = 256 * KiB;
    return rom_block("pc.bios", *size, 0xff);
}

/* It ends at 4 GiB; its last 128 KiB are seen below 1 MiB as well; 128 KiB for ROMs of devices. */
static void map_rom(const Machine *m, IoRegion *pci)
{
    uint64_t size, isa;
    IoRegion *bios = io_region_new_ram(load_firmware(m, &size), true), *shadow;

    isa = MIN(size, 128 * KiB);
    shadow = io_region_new_alias("isa-bios", bios, size - isa, isa);
    io_region_set_readonly(shadow, true);
    io_region_map_in(pci, shadow, 1 * MiB - isa, 1);
    io_region_map_in(pci, bios, 4 * GiB - size, 0);
    io_region_map_in(pci, io_region_new_ram(rom_block("pc.rom", 128 * KiB, 0), true), 0xc0000, 1);
}

static uint64_t ones_read(void *opaque, uint64_t offset, unsigned size) { return UINT64_MAX; }
static const IoOps ignored_ops = { .read = ones_read };      /* what is written has no effect that is seen */

IoRegion *pc_blackhole(const char *name, uint64_t size)
{
    return io_region_new(IO_SPACE_MEM, name, size, &ignored_ops, NULL);
}

void pc_init_memory(Machine *m, uint64_t low)
{
    IoRegion *pci = io_region_new_container(IO_SPACE_MEM, "pci", IO_REGION_ALL);

    ram = machine_memory_region(m);
    if (ram) {
        map_ram(m, low);
    }
    io_region_map(pci, 0, -1);
    io_region_set_bus(pci);
    map_rom(m, pci);
    io_region_map(io_region_new(IO_SPACE_PORT, "ioport80", 1, &ignored_ops, NULL), 0x80, 0);
    io_region_map(io_region_new(IO_SPACE_PORT, "ioportF0", 1, &ignored_ops, NULL), 0xf0, 0);
}

/* --- PAM -------------------------------------------------------------------------------------------- */

/* Bit 0: reads come from RAM, bit 1: writes go there.  Writes only is not told apart from both. */
static void init_segment(PamSegment *p, uint64_t base, uint64_t size)
{
    static const char *const names[] = { "pam-pci", "pam-rom", "pam-pci", "pam-ram" };

    for (int mode = 0; mode < 4; mode++) {
        p->mode[mode] = io_region_new_alias(names[mode], mode ? ram : io_region_bus(IO_SPACE_MEM), base, size);
        io_region_set_readonly(p->mode[mode], mode == 1);
        io_region_set_enabled(p->mode[mode], mode == 0);
        io_region_map(p->mode[mode], base, 1);
    }
}

void pam_init(PamSegment *pam)
{
    init_segment(&pam[0], 0xf0000, 0x10000);
    for (int i = 1; i < PAM_SEGMENTS; i++) {
        init_segment(&pam[i], 0xc0000 + (i - 1) * 0x4000, 0x4000);
    }
}

void pam_update(PamSegment *pam, const uint8_t *registers)
{
    io_region_begin();
    for (int i = 0; i < PAM_SEGMENTS; i++) {
        unsigned field = i + 1, bits = registers[field / 2] >> (field & 1 ? 4 : 0) & 3;

        for (unsigned mode = 0; mode < 4; mode++) {
            io_region_set_enabled(pam[i].mode[mode], mode == bits);
        }
    }
    io_region_commit();
}
