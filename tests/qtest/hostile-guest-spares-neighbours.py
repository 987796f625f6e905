#!/usr/bin/env python3
"""Random and crafted accesses to every chip of the board (interrupt controllers, timers, clock, keyboard, DMA, fw_cfg and its DMA, power
management, serial port, watchdogs, pvpanic, floppy, configuration space): the emulator answers, and no disk beside them has changed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Disk, Machine

PORTS = {"8259": (0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1), "8254": tuple(range(0x40, 0x44)) + (0x61,), "8042": (0x60, 0x64), "RTC": (0x70, 0x71),
         "8237": tuple(range(0, 16)) + tuple(range(0x80, 0x90)) + tuple(range(0xc0, 0xe0)), "fw_cfg": (0x510, 0x511, 0x514, 0x518),
         "reset": (0x92, 0xcf9), "ACPI": tuple(range(0x600, 0x640)) + tuple(range(0xb000, 0xb040)) + (0xb2, 0xb3, 0xafe0, 0xae00),
         "serial": tuple(range(0x3f8, 0x400)), "watchdog": (0x441, 0x443), "pvpanic": (0x505,), "floppy": tuple(range(0x3f0, 0x3f8)),
         "PCI": (0xcf8,)}
MEMORY = {"HPET": 0xfed00000, "I/O APIC": 0xfec00000, "APIC": 0xfee00000}
CONTENT = b"neighbour" * 50


def fw_cfg(machine):
    """DMA descriptors that lead anywhere, of any length, with any command."""
    page = machine.alloc(4096)
    for control in (0, 1, 2, 4, 8, 0x10, 0x1f, 0xffff0002, 0x190018, 0x0019000a):
        for length in (0, 1, 16, 0xffffffff, 0x7fffffff):
            for address in (0, page, (64 << 20) - 4, 0xfffffffffffffff0, 0xfed00000, page - 1):
                machine.write(page, struct.pack(">IIQ", control, length, address if length < 1 << 30 else page + 256))
                machine.outl(0x514, 0)
                machine.outl(0x518, int.from_bytes(struct.pack(">I", page), "little"))
    for at in (0, (64 << 20) - 8, 0xfffffff0):
        machine.outl(0x514, int.from_bytes(struct.pack(">I", 0xffffffff), "little"))
        machine.outl(0x518, int.from_bytes(struct.pack(">I", at), "little"))


def noise(machine, rng, ports, rounds):
    write = {1: machine.outb, 2: machine.outw, 4: machine.outl}
    read = (machine.inb, machine.inw, machine.inl)
    for _ in range(rounds):
        port = rng.choice(ports)
        if rng.random() < 0.7:
            size = rng.choice((1, 1, 1, 2, 4))
            write[size](port, rng.choice((0, 1, 0xff, 0xd1, 0xfe, rng.getrandbits(8 * size))) & (1 << 8 * size) - 1)
        else:
            rng.choice(read)(port)


def memory_noise(machine, rng, base, rounds):
    for _ in range(rounds):
        at = base + rng.randrange(0x400)
        size = rng.choice((1, 2, 4, 8))
        if rng.random() < 0.7:
            machine.store(at & ~(size - 1), rng.getrandbits(8 * size), size)
        else:
            machine.load(at & ~(size - 1), size)


def look(machine, who):
    machine.qmp("query-status")
    data = Disk(machine, 4).read(0, 512)
    if data[:len(CONTENT)] != CONTENT:
        sys.exit(f"after {who} the neighbour's disk reads {data[:32]!r}")


def main():
    os.chdir(os.environ["TEST_DIR"])
    before = {}
    for name, size in (("virtio", 1 << 20), ("ide", 1 << 20), ("floppy", 1474560)):
        before[name] = CONTENT.ljust(size, name[:1].encode())
        with open(name, "wb") as file:
            file.write(before[name])
    rng = random.Random(5)
    with Machine("-drive", "if=none,id=v,file=virtio,format=raw", "-device", "virtio-blk-pci,drive=v,addr=4",
                 "-drive", "if=none,id=i,file=ide,format=raw", "-device", "ide-hd,drive=i,bus=ide.0",
                 "-drive", "if=none,id=f,file=floppy,format=raw,readonly=on", "-device", "floppy,drive=f", "-device", "i6300esb,addr=6", "-device", "ib700",
                 "-device", "pvpanic", "-chardev", "null,id=z", "-serial", "chardev:z", "-fw_cfg", "name=opt/x,string=y",
                 "-action", "watchdog=none,panic=none,shutdown=pause") as machine:
        for who, ports in PORTS.items():
            noise(machine, rng, ports, 300)
            look(machine, who)
        for who, base in MEMORY.items():
            memory_noise(machine, rng, base, 300)
            look(machine, who)
        fw_cfg(machine)
        look(machine, "fw_cfg's DMA")
        noise(machine, rng, [port for ports in PORTS.values() for port in ports if port != 0xcf8], 2000)
        look(machine, "all of them")
    for name, data in before.items():
        with open(name, "rb") as file:
            if file.read() != data:
                sys.exit(f"the file of {name} has changed")


if __name__ == "__main__":
    main()
