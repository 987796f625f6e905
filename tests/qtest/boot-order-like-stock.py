#!/usr/bin/env python3
"""Devices with a bootindex are told to the firmware in stock's order and words; no two may have the same one.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct
import sys

from qtestlib import Machine, program, skip

NODES = "-blockdev null-co,node-name=n0,read-only=on -blockdev null-co,node-name=n1,read-only=on "
CASES = [(NODES + rest, board) for rest, board in [
    ("", "pc"), ("-boot strict=on", "pc"), ("-device virtio-blk-pci,drive=n0,bootindex=1", "pc"), ("-device virtio-blk-pci,drive=n0,bootindex=1", "q35"),
    ("-device virtio-blk-pci,drive=n0,bootindex=1 -boot strict=on", "pc"), ("-device virtio-blk-pci,drive=n0,bootindex=-2", "pc"),
    ("-device virtio-blk-pci,drive=n0,bootindex=1,addr=5.1 -device ide-cd,drive=n1,bootindex=0,bus=ide.1", "pc"),
    ("-device virtio-scsi-pci,id=s -device scsi-hd,drive=n0,bootindex=3,bus=s.0,scsi-id=12,lun=1 -device scsi-cd,drive=n1,bootindex=2", "pc"),
    ("-device ide-cd,drive=n0,bootindex=3,bus=ide.2", "q35"), ("-device ide-cd,drive=n0,bootindex=3,bus=ide.0,unit=1", "pc"),
    ("-device floppy,drive=n0 -global isa-fdc.bootindexA=4 -device ide-cd,drive=n1,bootindex=9", "pc")]]


def boot_order(m):
    def read(key, length):
        m.outw(0x510, key)
        return bytes(m.inb(0x511) for _ in range(length))

    directory = read(0x19, 4 + 64 * struct.unpack(">I", read(0x19, 4))[0])[4:]
    for at in range(0, len(directory), 64):
        size, key, _, name = struct.unpack(">IHH56s", directory[at:at + 64])
        if name.rstrip(b"\0") == b"bootorder":
            return read(key, size)
    return None


def plugging(stock):
    """A device that comes later is told after the next reset; one with a taken place is refused."""
    with Machine(*NODES.split(), "-device", "virtio-blk-pci,drive=n0,bootindex=1,id=a", stock=stock) as m:
        got = [m.qmp("device_add", driver="virtio-blk-pci", drive="n1", bootindex=1, id="b"), boot_order(m),
               m.qmp("device_add", driver="virtio-blk-pci", drive="n1", bootindex=0, id="b")]
        m.qmp("system_reset")
        m.wait_event("RESET")
        return got + [boot_order(m)]


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    bad = 0
    for arguments, board in CASES:
        got = []
        for stock in (False, True):
            with Machine(*arguments.split(), stock=stock, board=board) as m:
                got.append(boot_order(m))
        if got[0] != got[1]:
            bad += 1
            print(arguments, board, *got, sep="\n  ")
    ours, stock = plugging(False), plugging(True)
    if ours != stock:
        bad += 1
        print(*zip(ours, stock), sep="\n")
    return 1 if bad else 0


sys.exit(main())
