#!/usr/bin/env python3
"""Rings, descriptors and headers that make no sense: the device stops (NEEDS_RESET), the emulator lives, a reset heals.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Disk, EVENT_IDX, INDIRECT, IS_INDIRECT, Machine, NEXT, VirtioPci, WRITE

NEEDS_RESET = 0x40


def descriptor(machine, ring, at, address, length, flags=0, following=0, table=None):
    machine.write((table or ring.desc) + 16 * at, struct.pack("<QIHH", address & (1 << 64) - 1, length, flags, following))


def attacks(machine):
    """Name and a function that prepares ring and memory, then offers a head."""
    page = machine.alloc(4096)
    header = struct.pack("<IIQ", 0, 0, 0)
    machine.write(page, header)

    def chain(*entries):
        def run(ring):
            for i, entry in enumerate(entries):
                descriptor(machine, ring, i, *entry)
            ring.offer(0)
        return run

    def indirect(length, *entries):
        def run(ring):
            table = machine.alloc(4096)
            for i, entry in enumerate(entries):
                descriptor(machine, ring, i, *entry, table=table)
            descriptor(machine, ring, 0, table, length, IS_INDIRECT)
            ring.offer(0)
        return run

    def raw_index(value):
        return lambda ring: machine.write(ring.avail + 2, struct.pack("<H", value))

    yield "loop", chain((page, 16, NEXT, 1), (page, 16, NEXT, 0))
    yield "loop to itself", chain((page, 16, NEXT, 0))
    yield "next outside the table", chain((page, 16, NEXT, 60000))
    yield "zero length", chain((page, 16, NEXT, 1), (page, 0, WRITE))
    yield "writable first", chain((page, 16, WRITE | NEXT, 1), (page, 16, 0))
    yield "outside RAM", chain((1 << 60, 16, NEXT, 1), (page, 1, WRITE))
    yield "wraps around", chain((2**64 - 8, 16, NEXT, 1), (page, 1, WRITE))
    yield "across the end of RAM", chain((page, 16, NEXT, 1), ((64 << 20) - 512, 1 << 20, WRITE | NEXT, 2), (page, 1, WRITE))
    yield "4 GiB long", chain((page, 16, NEXT, 1), (page, 0xffffffff, WRITE))
    yield "no status byte", chain((page, 16, 0))
    yield "no header", chain((page, 16, WRITE))
    yield "short header", chain((page, 8, NEXT, 1), (page, 1, WRITE))
    yield "head outside the table", lambda ring: ring.offer(50000)
    yield "index jumps", raw_index(40000)
    yield "indirect odd size", indirect(17, (page, 16))
    yield "indirect empty", indirect(0, (page, 16))
    yield "indirect in indirect", indirect(32, (page, 16, IS_INDIRECT), (page, 16))
    yield "indirect loop", indirect(32, (page, 16, NEXT, 1), (page, 16, NEXT, 0))
    yield "indirect next outside", indirect(32, (page, 16, NEXT, 9), (page, 16))
    yield "indirect table outside RAM", chain((1 << 50, 32, IS_INDIRECT))


def healthy(machine, legacy=False):
    disk = Disk(machine, 4, legacy=legacy)
    disk.write(3, b"x" * 512)
    assert disk.read(3, 512) == b"x" * 512


def one_by_one(machine):
    for name, attack in list(attacks(machine)):
        device = VirtioPci(machine, 4)
        ring = device.start(device.features() & (INDIRECT | 0x7fff), 1)[0]
        attack(ring)
        ring.kick()
        machine.qmp("query-status")
        if not device.status() & NEEDS_RESET:
            sys.exit(f"{name}: the device did not ask for a reset")
        ring.offer(0)
        ring.kick()                        # nothing happens any more
        healthy(machine)


def rings_nowhere(machine):
    device = VirtioPci(machine, 4)
    for address in (0, 1, 0xfffff000, 1 << 60, 2**64 - 4096):
        ring = device.start(device.features() & 0x7fff, 1)[0]
        for register in (0x20, 0x28, 0x30):
            machine.store(device.common + register, address & 0xffffffff, 4)
            machine.store(device.common + register + 4, address >> 32, 4)
        ring.kick()
        machine.qmp("query-status")
    healthy(machine)


def noise(machine, rounds):
    """Random descriptors in random rings; the memory changes while the device reads."""
    rng = random.Random(7)
    device = VirtioPci(machine, 4)
    for _ in range(rounds):
        ring = device.start(device.features() & (INDIRECT | EVENT_IDX | 0x7fff), 1, 8)[0]
        for i in range(8):
            descriptor(machine, ring, i, rng.choice((ring.desc, 0x200000, rng.getrandbits(64))), rng.choice((16, 512, rng.getrandbits(32))),
                       rng.getrandbits(3), rng.choice((rng.randrange(8), rng.getrandbits(16))))
        machine.write(ring.avail, bytes(rng.getrandbits(8) for _ in range(20)))
        machine.write(ring.avail + 2, struct.pack("<H", rng.choice((1, 2, 8, 9, rng.getrandbits(16)))))
        ring.kick()
    for _ in range(200):                   # and the registers themselves
        machine.store(device.common + rng.randrange(0x40), rng.getrandbits(8), 1)
        machine.store(device.notify + 4 * rng.randrange(8), rng.getrandbits(16), 2)
    machine.qmp("query-status")
    healthy(machine)


def main():
    with open("disk.raw", "wb") as image:
        image.truncate(8 << 20)
    blockdev = "raw,node-name=n0,file.driver=file,file.filename=disk.raw"
    for more in ((), ("-object", "iothread,id=io0")):
        with Machine("-blockdev", blockdev, *more, "-device", "virtio-blk-pci,drive=n0,addr=4" + (",iothread=io0" if more else "")) as machine:
            if not more:                   # the other thread answers later: only the noise is for it
                one_by_one(machine)
            rings_nowhere(machine)
            noise(machine, 100)
            healthy(machine, legacy=True)
            assert machine.process.poll() is None


if __name__ == "__main__":
    main()
