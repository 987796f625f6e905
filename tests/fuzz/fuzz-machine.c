/*
 * Fuzzing entry: a guest without manners.  The input is a list of operations: ports and memory of all devices, guest RAM,
 * virtio queues set up and kicked with descriptors of any kind, disks' requests running meanwhile; or lines of the qtest protocol.
 *
 * In the machine are all models that there are: virtio-blk, virtio-scsi with a disk and a CD, AHCI, both channels of IDE, the floppy,
 * and of the board interrupt controllers, timers, clock, keyboard, DMA, fw_cfg, power management, a serial port, two watchdogs, pvpanic.
 *
 * The machine is made once and reset before each input.  Its disks are in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../chardev/char-int.h"
#include "accel/qtest.h"
#include "block/graph.h"
#include "fuzz.h"
#include "hw/machine.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "system/system.h"
#include "util/aio.h"

#define RAM_BYTES (16u << 20)
#define FIRST_SLOT 3
#define SLOTS 5
#define BAR_BASE 0xe0000000u
#define BAR_STEP 0x00100000u           /* a slot's memory BARs, 64 KiB each */
#define PORT_BASE 0xc000
#define MOST_OPERATIONS 400

static char *const arguments[] = {
    (char *)"fuzz-machine", (char *)"-machine", (char *)"pc", (char *)"-accel", (char *)"qtest", (char *)"-nodefaults", (char *)"-display", (char *)"none", (char *)"-m", (char *)"16",
    (char *)"-chardev", (char *)"null,id=q",
    (char *)"-blockdev", (char *)"null-co,node-name=d0,size=8388608,read-zeroes=on", (char *)"-blockdev", (char *)"null-co,node-name=d1,size=8388608,read-zeroes=on",
    (char *)"-blockdev", (char *)"null-co,node-name=d2,size=8388608,read-zeroes=on", (char *)"-blockdev", (char *)"null-co,node-name=d3,size=1474560,read-zeroes=on",
    (char *)"-blockdev", (char *)"null-co,node-name=d4,size=8388608,read-zeroes=on", (char *)"-blockdev", (char *)"null-co,node-name=d5,size=8388608,read-zeroes=on",
    (char *)"-device", (char *)"virtio-blk-pci,drive=d0,addr=3", (char *)"-device", (char *)"virtio-scsi-pci,id=s,addr=4",
    (char *)"-device", (char *)"scsi-hd,bus=s.0,drive=d1", (char *)"-device", (char *)"scsi-cd,bus=s.0,drive=d2", (char *)"-device", (char *)"ahci,id=a,addr=5",
    (char *)"-device", (char *)"ide-hd,bus=a.0,drive=d4", (char *)"-device", (char *)"ide-hd,bus=ide.0,drive=d5", (char *)"-device", (char *)"ide-cd,bus=ide.1",
    (char *)"-device", (char *)"floppy,drive=d3", (char *)"-device", (char *)"i6300esb,addr=6", (char *)"-device", (char *)"ib700",
    (char *)"-device", (char *)"pvpanic", (char *)"-chardev", (char *)"null,id=z", (char *)"-serial", (char *)"chardev:z",
    (char *)"-action", (char *)"watchdog=none,panic=none,shutdown=pause", NULL
};
static Chardev *wire;

static void start_once(void)
{
    int null;

    if (wire) {
        return;
    }
    error_init(arguments[0]);
    options_parse(G_N_ELEMENTS(arguments) - 1, (char **)arguments);
    aio_init_main();
    bdrv_init();
    setup_early_options();
    events_init();
    setup_machine();
    setup_globals();
    setup_chardevs();
    setup_block();
    accel_choose();
    machine_init_memory(machine_current(), &error_fatal);
    setup_objects(false);
    machine_init_board(machine_current(), &error_fatal);
    setup_devices();
    vm_reset_add(devices_reset, NULL);
    device_set_machine_ready();
    wire = chr_find("q");
    qtest_server_init(wire, "none", &error_fatal);
    qtest_server_start();
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!getenv("FUZZ_VERBOSE")) {
        dup2(null, STDERR_FILENO);         /* devices that a guest breaks say so */
    }
    vm_start();
}

/* --- PCI ------------------------------------------------------------------------------------------------------------ */

static void pci_write(unsigned slot, unsigned reg, uint32_t value)
{
    port_write(0xcf8, 0x80000000u | slot << 11 | reg, 4);
    port_write(0xcfc, value, 4);
}

static void map_devices(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        unsigned slot = FIRST_SLOT + i;

        for (unsigned bar = 0; bar < 6; bar++) {
            uint32_t base = bar == 0 ? PORT_BASE + 0x100 * i : BAR_BASE + i * BAR_STEP + bar * 0x10000;

            pci_write(slot, 0x10 + 4 * bar, i < 2 && bar == 5 ? 0 : base);     /* virtio: the upper half of BAR 4 */
        }
        pci_write(slot, 4, 7);
    }
    pci_write(1, 4, 7);
}

/* --- operations ----------------------------------------------------------------------------------------------------- */

static uint64_t ring_base(unsigned queue) { return 0x100000 + (queue & 3) * 0x10000; }

static uint64_t any_address(FuzzReader *r)
{
    switch (fuzz_take(r, 1) % 7) {
    case 0:
        return fuzz_take(r, 8);
    case 6:
        return (uint64_t[]){ 0xfed00000, 0xfec00000, 0xfee00000, 0xa0000 }[fuzz_take(r, 1) % 4] + fuzz_take(r, 2) % 1024;
    case 1:
        return RAM_BYTES - 512 + fuzz_take(r, 2) % 1024;
    case 2:
        return ring_base(fuzz_take(r, 1)) + fuzz_take(r, 2);
    case 3:
        return BAR_BASE + fuzz_take(r, 3) % (SLOTS * BAR_STEP);
    default:
        return 0x200000 + fuzz_take(r, 2) * 16;
    }
}

static uint32_t any_length(FuzzReader *r)
{
    static const uint32_t usual[] = { 0, 1, 15, 16, 17, 512, 4096, 65536, 0x7fffffff, 0xffffffff, 108, 51 };
    uint8_t which = fuzz_take(r, 1);

    return which < 200 ? usual[which % G_N_ELEMENTS(usual)] : fuzz_take(r, 4);
}

/* As a driver does it, with sizes and features of the input's choice. */
static void virtio_start(FuzzReader *r)
{
    uint64_t common = BAR_BASE + (fuzz_take(r, 1) % 2) * BAR_STEP + 0x40000, features = fuzz_take(r, 5) | 1ULL << 32;
    unsigned queue = fuzz_take(r, 1) % 4, num = 1u << (fuzz_take(r, 1) % 10);
    uint64_t base = ring_base(queue);

    mem_write(common + 0x14, 0, 1);
    mem_write(common + 0x14, 3, 1);
    mem_write(common + 8, 0, 4);
    mem_write(common + 12, (uint32_t)features, 4);
    mem_write(common + 8, 1, 4);
    mem_write(common + 12, features >> 32, 4);
    mem_write(common + 0x14, 11, 1);
    mem_write(common + 0x16, queue, 2);
    mem_write(common + 0x18, num, 2);
    mem_write(common + 0x20, base, 8);
    mem_write(common + 0x28, base + 0x4000, 8);
    mem_write(common + 0x30, base + 0x6000, 8);
    mem_write(common + 0x1c, 1, 2);
    mem_write(common + 0x14, 15, 1);
}

static void descriptor(FuzzReader *r)
{
    uint64_t at = ring_base(fuzz_take(r, 1)) + 16 * (fuzz_take(r, 1) % 16), addr = any_address(r);
    uint32_t len = any_length(r);
    uint16_t flags = fuzz_take(r, 1) % 8, next = fuzz_take(r, 1);

    dma_store64(at, addr);
    dma_store32(at + 8, len);
    dma_store16(at + 12, flags);
    dma_store16(at + 14, next < 240 ? next % 16 : next << 8);
}

/* Offer a chain and ring the bell. */
static void kick(FuzzReader *r)
{
    unsigned queue = fuzz_take(r, 1) % 4, device = fuzz_take(r, 1) % 2;
    uint64_t avail = ring_base(queue) + 0x4000;
    uint16_t index = 0;

    dma_load16(avail + 2, &index);
    dma_store16(avail + 4 + 2 * (index % 16), fuzz_take(r, 1));
    dma_store16(avail + 2, index + fuzz_take(r, 1) % 3);
    mem_write(BAR_BASE + device * BAR_STEP + 0x40000 + 0x3000 + 4 * queue, queue, 2);
}

static void write_ram(FuzzReader *r)
{
    uint64_t addr = any_address(r);
    size_t len = fuzz_take(r, 1);

    len = MIN(len, r->size);
    dma_write(addr, r->data, len);
    r->data += len;
    r->size -= len;
}

static uint16_t any_port(FuzzReader *r)
{
    static const uint16_t known[] = { 0x1f0, 0x170, 0x3f0, 0x3f6, 0x376, 0x0, 0x80, 0xc0, 0xcf8, 0xb000, 0x600, PORT_BASE, PORT_BASE + 0x100, PORT_BASE + 0x200,
                                      0x20, 0xa0, 0x40, 0x60, 0x70, 0x92, 0xcf9, 0x3f8, 0x441, 0x505, 0x510, 0x514, 0xb2, 0x4d0 };
    uint8_t which = fuzz_take(r, 1);

    return which < 240 ? known[which % G_N_ELEMENTS(known)] + fuzz_take(r, 1) % 24 : fuzz_take(r, 2);
}

static void one_operation(FuzzReader *r)
{
    unsigned size = 1u << (fuzz_take(r, 1) % 4);

    switch (fuzz_take(r, 1) % 10) {
    case 0: {
        uint16_t port = any_port(r);

        port_write(port, fuzz_take(r, 4), MIN(size, 4u));
        break;
    }
    case 1:
        port_read(any_port(r), MIN(size, 4u));
        break;
    case 2: {
        uint64_t addr = any_address(r);

        mem_write(addr, fuzz_take(r, 8), size);
        break;
    }
    case 3:
        mem_read(any_address(r), size);
        break;
    case 4:
        write_ram(r);
        break;
    case 5:
        virtio_start(r);
        break;
    case 6:
    case 7:
        descriptor(r);
        break;
    case 8:
        kick(r);
        break;
    default:
        aio_poll(aio_main_context(), false);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzReader r = { data, size };

    start_once();
    vm_system_reset(VM_CAUSE_NONE);
    if (size && data[0] == 'Q') {
        chr_deliver(wire, data + 1, size - 1);
        chr_deliver(wire, (const uint8_t *)"\n", 1);
    } else {
        map_devices();
        for (unsigned i = 0; i < MOST_OPERATIONS && r.size; i++) {
            one_operation(&r);
        }
    }
    while (aio_poll(aio_main_context(), false)) {
    }
    return 0;
}
