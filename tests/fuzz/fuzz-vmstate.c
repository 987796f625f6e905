/*
 * Fuzzing entry: saved states that nobody saved.  The input is a stream (first byte 'S'), or a list of changes to the
 * stream of a machine that a guest has set up: bytes replaced, taken out, put in, the end cut off.  What was loaded is
 * then used: ports and registers are read and written, queues are kicked, time passes.
 *
 * The machine is made once; its disks are in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "block/graph.h"
#include "fuzz.h"
#include "hw/machine.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "migration/machine-state.h"
#include "system/system.h"
#include "util/aio.h"

#define RAM_BYTES (1u << 20)
#define BAR 0xe0000000u                /* of virtio-blk, the modern one */
#define RING 0x20000
#define MOST_CHANGES 40

static char *const arguments[] = {
    (char *)"fuzz-vmstate", (char *)"-machine", (char *)"pc", (char *)"-accel", (char *)"qtest", (char *)"-nodefaults",
    (char *)"-display",
    (char *)"none", (char *)"-m", (char *)"1", (char *)"-chardev", (char *)"null,id=c",
    (char *)"-blockdev", (char *)"null-co,node-name=d0,size=8388608,read-zeroes=on",
    (char *)"-blockdev", (char *)"null-co,node-name=d1,size=8388608,read-zeroes=on",
    (char *)"-blockdev", (char *)"null-co,node-name=d2,size=1474560,read-zeroes=on",
    (char *)"-blockdev", (char *)"null-co,node-name=d3,size=8388608,read-zeroes=on",
    (char *)"-device", (char *)"virtio-blk-pci,drive=d0,addr=3", (char *)"-device",
    (char *)"virtio-scsi-pci,id=s,addr=4",
    (char *)"-device", (char *)"scsi-hd,bus=s.0,drive=d1", (char *)"-device", (char *)"ahci,id=a,addr=5",
    (char *)"-device", (char *)"ide-hd,bus=ide.0,drive=d3", (char *)"-device", (char *)"ide-cd,bus=ide.1",
    (char *)"-device", (char *)"floppy,drive=d2", (char *)"-device", (char *)"isa-serial,chardev=c", (char *)"-device",
    (char *)"i6300esb,addr=6",
    (char *)"-device", (char *)"ib700", NULL
};
static GByteArray *saved;

static int keep(void *opaque, const void *buf, size_t len)
{
    g_byte_array_append(saved, buf, len);
    return 0;
}

static void pci_write(unsigned slot, unsigned reg, uint32_t value)
{
    port_write(0xcf8, 0x80000000u | slot << 11 | reg, 4);
    port_write(0xcfc, value, 4);
}

/* What a driver does, so that there is something to save. */
static void set_up(void)
{
    pci_write(3, 0x20, BAR);
    pci_write(3, 4, 7);
    mem_write(BAR + 0x14, 3, 1);
    mem_write(BAR + 8, 1, 4);
    mem_write(BAR + 12, 1, 4);
    mem_write(BAR + 0x14, 11, 1);
    mem_write(BAR + 0x20, RING, 8);
    mem_write(BAR + 0x28, RING + 0x4000, 8);
    mem_write(BAR + 0x30, RING + 0x6000, 8);
    mem_write(BAR + 0x1c, 1, 2);
    mem_write(BAR + 0x14, 15, 1);
    port_write(0x43, 0x34, 1);
    port_write(0x40, 0x34, 1);
    port_write(0x40, 0x12, 1);
    mem_write(0xfed00010, 1, 4);
    port_write(0x443, 1, 1);
}

static void start_once(void)
{
    VmWriter w;

    if (saved) {
        return;
    }
    error_init(arguments[0]);
    options_parse(G_N_ELEMENTS(arguments) - 1, (char **)arguments);
    aio_init_main();
    bdrv_init();
    setup_early_options();
    events_init();
    setup_machine();
    setup_chardevs();
    setup_block();
    accel_choose();
    machine_init_memory(machine_current(), &error_fatal);
    setup_objects(false);
    machine_init_board(machine_current(), &error_fatal);
    setup_devices();
    vm_reset_add(devices_reset, NULL);
    vm_system_reset(VM_CAUSE_NONE);
    device_set_machine_ready();
    setup_saved_state();
    set_up();
    saved = g_byte_array_new();
    vm_writer_init(&w, keep, NULL);
    machine_state_save(&w);
    vm_writer_end(&w);
    if (!getenv("FUZZ_VERBOSE")) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    }
}

/* --- changes -------------------------------------------------------------------------------------------- */

/* Most of a stream is memory, which is dull: three of four changes are behind it. */
static size_t any_offset(FuzzReader *r, const GByteArray *s)
{
    size_t memory = MIN(s->len, RAM_BYTES / 4096 * 9), at = fuzz_take(r, 3);

    return at & 3 ? memory + (at >> 2) % (s->len - memory + 1) : (at >> 2) % (s->len + 1);
}

static void change(FuzzReader *r, GByteArray *s)
{
    uint8_t kind = fuzz_take(r, 1);
    size_t at = any_offset(r, s), n = 1 + fuzz_take(r, 1) % 8;
    uint8_t bytes[8];

    for (size_t i = 0; i < n; i++) {
        bytes[i] = fuzz_take(r, 1);
    }
    switch (kind % 16) {
    case 0:
        g_byte_array_set_size(s, at);
        break;
    case 1:
        g_byte_array_remove_range(s, at, MIN(n, s->len - at));
        break;
    case 2:
        g_byte_array_append(s, bytes, n);
        memmove(s->data + at + n, s->data + at, s->len - n - at);
        memcpy(s->data + at, bytes, n);
        break;
    case 3:
        memset(s->data + at, bytes[0], MIN(n * 8, s->len - at));
        break;
    default:
        memcpy(s->data + at, bytes, MIN(n, s->len - at));
    }
}

static ssize_t read_input(void *opaque, void *buf, size_t len)
{
    FuzzReader *r = opaque;

    len = MIN(len, r->size);
    memcpy(buf, r->data, len);
    r->data += len;
    r->size -= len;
    return len;
}

/* --- use ---------------------------------------------------------------------------------------------------- */

static void use_machine(void)
{
    static const uint16_t ports[] = {
        0x00, 0x20, 0x40, 0x60, 0x70, 0xa0, 0xc0, 0x170, 0x1f0, 0x2f8, 0x376, 0x3f0, 0x3f8, 0x510, 0xae00, 0xafe0,
        0xb000,
    };

    mem_write(BAR + 0x3000, 0, 2);
    for (size_t i = 0; i < G_N_ELEMENTS(ports); i++) {
        for (unsigned k = 0; k < 16; k++) {
            port_read(ports[i] + k, 1);
        }
        port_write(ports[i] + 1, 0x5a, 1);
    }
    for (unsigned at = 0; at < 0x200; at += 8) {
        mem_read(0xfed00000 + at, 4);
        mem_read(BAR + at, 4);
    }
    for (unsigned slot = 0; slot < 8; slot++) {
        pci_write(slot, 4, 7);
        pci_write(slot, 0x94, 4);
    }
    port_read(0x1f0, 4);
    vm_clock_set(aio_clock_ns(AIO_CLOCK_VIRTUAL) + 10000000);
    for (int i = 0; i < 50 && aio_poll(aio_main_context(), false); i++) {
    }
    vm_clock_set(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzReader r = { data, size }, stream = { data + 1, size ? size - 1 : 0 };
    g_autoptr(GByteArray) changed = g_byte_array_new();
    VmReader reader;

    start_once();
    if (!size || data[0] != 'S') {
        g_byte_array_append(changed, saved->data, saved->len);
        for (int i = 0; i < MOST_CHANGES && r.size; i++) {
            change(&r, changed);
        }
        stream = (FuzzReader) { changed->data, changed->len };
    }
    vm_system_reset(VM_CAUSE_NONE);
    vm_reader_init(&reader, read_input, &stream);
    machine_state_load(&reader);
    vm_reader_end(&reader);
    use_machine();
    vm_system_reset(VM_CAUSE_NONE);
    return 0;
}
