/*
 * What a PC tells its firmware through fw_cfg, as far as it follows from the machine alone.
 *
 * There are no ACPI tables among the files yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/fw_cfg.h"
#include "hw/i386/cpu-models.h"
#include "hw/i386/pc-int.h"
#include "hw/smbios.h"
#include "util/cutils.h"

typedef struct __attribute__((packed)) E820Entry {
    uint64_t base, size;
    uint32_t type;             /* 1 RAM, 2 reserved */
} E820Entry;

static void add_memory_map(const Machine *m, uint64_t low)
{
    uint64_t below = MIN(m->ram_size, low);
    E820Entry map[3] = {
        { 0xfd00000000, 0x300000000, 2 },        /* where no address reaches on processors of one maker */
        { 0, below, 1 }, { 4 * GiB, m->ram_size - below, 1 },
    };

    fw_cfg_add_file("etc/e820", map, sizeof(E820Entry) * (m->ram_size > below ? 3 : 2), &error_abort);
}

static uint64_t memory_low;

uint64_t pc_low_memory(void) { return memory_low; }

bool pc_describe_machine(Machine *m, const uint8_t *uuid, Error **errp)
{
    uint32_t id[2];

    if (!fw_cfg_present()) {
        return true;
    }
    pc_init_bootorder();
    cpu_model_id(m->cpu_type, id);
    return smbios_put_tables(m, memory_low, uuid, id, errp);
}

void pc_init_fw_cfg(Machine *m, uint64_t low, uint8_t s3, uint8_t s4)
{
    static const uint8_t hpet[] = { 1, 0x01, 0xa2, 0x86, 0x80, 0x00, 0x00, 0xd0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0 },
        no_hpet[] = { 0xff };
    const uint8_t states[] = { 0x80, 0, 0, s3, s4, 0x80 };
    const uint32_t never = UINT32_MAX;
    Device *d = device_new("fw_cfg_io");

    object_add_child(object_container("/machine"), "fw_cfg", &d->obj);
    object_unref(&d->obj);
    device_realize(d, bus_root(), &error_fatal);
    fw_cfg_set64(FW_CFG_RAM_SIZE, m->ram_size);
    fw_cfg_set16(FW_CFG_NB_CPUS, m->smp.cpus);
    fw_cfg_set16(FW_CFG_MAX_CPUS, m->smp.maxcpus);
    fw_cfg_set(FW_CFG_IRQ0_OVERRIDE, &(uint32_t) { 1 }, 4);
    fw_cfg_set(FW_CFG_HPET, m->hpet ? hpet : no_hpet, m->hpet ? 1 + 14 : 1);
    fw_cfg_add_file("bios-geometry", "", 0, &error_abort);
    fw_cfg_add_file("bootorder", "", 0, &error_abort);
    fw_cfg_add_file("etc/boot-fail-wait", &never, sizeof(never), &error_abort);
    fw_cfg_add_file("etc/system-states", states, sizeof(states), &error_abort);
    add_memory_map(m, low);
    memory_low = low;
}
