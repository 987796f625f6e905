#!/usr/bin/env python3
"""Registers, rings, waiting requests and disks of pc and q35 come back from a snapshot, in the program and in the stock one."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

from qtestlib import Disk, IN, Machine, PciDevice, VirtioPci, VirtQueue, program, skip

FOLDER = os.environ.get("TEST_DIR", ".")
IMG = os.environ.get("STOCK_QEMU_IMG", "")


def blockdev(name):
    return ["-blockdev", f"qcow2,node-name={name},file.driver=file,file.filename={FOLDER}/{name}.qcow2"]


PC = ["-device", "virtio-blk-pci,drive=a,id=v,addr=5", *blockdev("a"), "-device", "virtio-scsi-pci,id=s,addr=6", *blockdev("b"),
      "-device", "scsi-hd,drive=b,bus=s.0", "-device", "scsi-cd,bus=s.0", *blockdev("c"), "-device", "ide-hd,drive=c,bus=ide.0",
      "-device", "ide-cd,bus=ide.1", "-serial", "null", "-device", "i6300esb,addr=7", "-device", "ib700", "-device", "pvpanic"]
Q35 = ["-device", "virtio-blk-pci,drive=a,id=v,addr=5", *blockdev("a"), *blockdev("c"), "-device", "ide-hd,drive=c,bus=ide.0"]


def make_images():
    for name in "abc":
        subprocess.run([IMG, "create", "-q", "-f", "qcow2", f"{FOLDER}/{name}.qcow2", "16M"], check=True)


def chips(m):
    """What a guest reads of the chips, without changing it (reads with effects last)."""
    seen = {}
    for port in (0x21, 0xa1, 0x4d0, 0x4d1, 0x61, 0x92, 0x3fb, 0x3fc, 0x3ff, 0x3f9, 0x64, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x172, 0x173, 0x510):
        seen[hex(port)] = m.inb(port) & (0x03 if port == 0x61 else 0xff)
    for index in (0x0a, 0x0b, 0x10, 0x40, 0x7f):
        m.outb(0x70, index)
        seen[f"cmos {index:#x}"] = m.inb(0x71)
    for at in (0xfed00010, 0xfed00020, 0xfed000f0, 0xfed00108, 0xfed00128):
        seen[hex(at)] = m.readl(at)
    for register in (0, 0x10, 0x12, 0x13, 0x30):
        m.writel(0xfec00000, register)
        seen[f"ioapic {register:#x}"] = m.readl(0xfec00010)
    m.outb(0x43, 0xe2)
    seen["pit 0"] = m.inb(0x40)
    m.outb(0x43, 0xd2)
    seen["pit count"] = m.inb(0x40), m.inb(0x40)
    return seen


def set_chips(m):
    for port, value in ((0x20, 0x11), (0x21, 0x30), (0x21, 4), (0x21, 1), (0x21, 0xb8), (0x4d0, 0x20), (0x43, 0x34), (0x40, 0x34), (0x40, 0x12),
                        (0x61, 0x03), (0x70, 0x40), (0x71, 0x5a), (0x3fb, 0x83), (0x3f8, 0x0c), (0x3fb, 0x03), (0x3ff, 0x77), (0x3fc, 0x0b),
                        (0x3f9, 0x05), (0x64, 0x60), (0x60, 0x65), (0x1f6, 0xa0), (0x1f2, 3), (0x1f3, 4), (0x1f4, 5), (0x1f5, 6)):
        m.outb(port, value)
    m.writel(0xfed00108, 1 << 20)
    m.writel(0xfed00010, 1)
    for register, value in ((0x12, 0x31), (0x13, 0x1000000)):
        m.writel(0xfec00000, register)
        m.writel(0xfec00010, value)


def attach(m, template):
    """The driver's view of a disk that is set up already, on another machine."""
    disk = Disk.__new__(Disk)
    disk.__dict__.update(template.__dict__)
    device = VirtioPci.__new__(VirtioPci)
    device.__dict__.update(template.device.__dict__, m=m)
    disk.device = device
    disk.queues = []
    for old in template.queues:
        queue = VirtQueue.__new__(VirtQueue)
        queue.__dict__.update(old.__dict__, m=m, d=device)
        disk.queues.append(queue)
    m.next_page = template.device.m.next_page
    return disk


def round_trip(board, devices, legacy, stock):
    make_images()
    with Machine(*devices, board=board, memory="8") as m:
        m.qmp("cont")
        disk = Disk(m, 5, legacy=legacy)
        set_chips(m)
        for sector in range(8):
            disk.write(sector, bytes([sector + 1]) * 512)
        m.qtest("clock_step 1000000")
        PciDevice(m, 5).set_config(0x3c, 0x0b, 1)
        m.write(0x90000, b"saved")
        assert m.hmp("savevm one") == ""
        before, state = chips(m), dict(disk.queues[0].__dict__)
        disk.write(0, b"\xff" * 512)
        m.write(0x90000, b"wrong")
        m.outb(0x21, 0xff)
        m.outb(0x3ff, 0)
        assert m.hmp("loadvm one") == ""
        disk.queues[0].__dict__.update(state)
        compare(m, disk, before, "the same machine")
    with Machine(*devices, board=board, memory="8") as m:
        assert m.hmp("loadvm one") == ""
        other = attach(m, disk)
        other.queues[0].__dict__.update(state, m=m, d=other.device)
        compare(m, other, before, "another machine")
    if stock:
        with Machine(*devices, board=board, memory="8", stock=True) as m:
            assert m.hmp("loadvm one") == ""
            m.qmp("cont")
            assert m.read(0x90000, 5) == b"saved"
            m.qmp("stop")
            assert m.hmp("savevm two") == ""
    for name in "abc":
        subprocess.run([IMG, "check", "-q", f"{FOLDER}/{name}.qcow2"], check=True)


def compare(m, disk, before, where):
    now = chips(m)
    wrong = {key: (value, now[key]) for key, value in before.items() if now[key] != value}
    assert not wrong, f"{where}: {wrong}"
    assert m.read(0x90000, 5) == b"saved"
    for sector in range(8):
        assert disk.request(IN, sector, length=512) == (0, bytes([sector + 1]) * 512), f"{where}: sector {sector}"
    disk.write(9, b"z" * 512)


def main():
    if not program(True) or not IMG:
        skip("no stock emulator")
    round_trip("pc", PC, False, True)
    round_trip("pc", PC, True, False)
    round_trip("q35", Q35, False, True)


main()
