#!/usr/bin/env python3
"""IDE disks and CD drives on the PIIX function: registers, data and interrupts step by step as the stock emulator's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import sys
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine, PciDevice, program, skip

BUS_MASTER = 0xc000


class Channel:
    def __init__(self, machine, base, control):
        self.m, self.base, self.control = machine, base, control
        function = PciDevice(machine, 1, 1)
        function.set_config(0x20, BUS_MASTER | 1)
        function.set_config(4, 5, 2)
        self.bm = BUS_MASTER + (8 if base == 0x170 else 0)

    def registers(self):
        return [self.m.inb(self.base + i) for i in range(1, 8)]

    def wait(self):
        end = time.monotonic() + 10
        while self.m.inb(self.control) & 0x80:
            assert time.monotonic() < end, "busy for ever"
            time.sleep(0.001)
        return self.m.inb(self.control)

    def setup(self, unit, lba, count, feature, extended, chs=False):
        out = self.m.outb
        out(self.base + 6, (0xa0 if chs else 0xe0) | unit << 4 | (0 if extended else lba >> 24 & 15))
        for shift in ([8] if extended else []) + [0]:
            out(self.base + 1, feature >> shift & 255)
            out(self.base + 2, count >> shift & 255)
            for i in range(3):
                out(self.base + 3 + i, lba >> (8 * i + 3 * shift) & 255)

    def command(self, code, unit=0, lba=0, count=0, feature=0, extended=False):
        self.setup(unit, lba, count, feature, extended)
        self.m.outb(self.base + 7, code)
        return self.wait(), self.registers()

    def read(self, code, sectors, unit=0, lba=0, feature=0, extended=False, chs=False):
        self.setup(unit, lba, sectors, feature, extended, chs)
        self.m.outb(self.base + 7, code)
        data = b""
        while len(data) < 512 * sectors and self.wait() & 8:
            data += b"".join(struct.pack("<H", self.m.inw(self.base)) for _ in range(256))
        return self.wait(), self.registers(), data

    def write(self, code, data, lba=0, extended=False):
        self.setup(0, lba, len(data) // 512, 0, extended)
        self.m.outb(self.base + 7, code)
        for at in range(0, len(data), 512):
            if not self.wait() & 8:
                break
            for word in struct.iter_unpack("<H", data[at:at + 512]):
                self.m.outw(self.base, word[0])
        return self.wait(), self.registers()

    def dma(self, code, lba=0, count=1, data=None, length=0, pieces=None, feature=0, extended=False):
        machine, total = self.m, len(data) if data else length
        buffer, table = machine.alloc(total), machine.alloc(4096)
        machine.write(buffer, data or bytes(total))
        pieces = pieces or [total]
        at = buffer
        for i, size in enumerate(pieces):
            machine.write(table + 8 * i, struct.pack("<IHH", at, size & 0xffff, 0x8000 if i == len(pieces) - 1 else 0))
            at += size
        machine.outb(self.bm, 0)
        machine.outb(self.bm + 2, 6)
        machine.outl(self.bm + 4, table)
        self.setup(0, lba, count, feature, extended)
        machine.outb(self.base + 7, code)
        machine.outb(self.bm, 1 if data else 9)
        end = time.monotonic() + 2
        while machine.inb(self.bm + 2) & 5 == 1 and time.monotonic() < end:
            time.sleep(0.001)
        bus = machine.inb(self.bm + 2)
        machine.outb(self.bm, 0)
        return bus, machine.inb(self.control), self.registers(), machine.read(buffer, total)

    def packet(self, cdb, unit=0, limit=0xfffe):
        machine = self.m
        machine.outb(self.base + 6, 0xa0 | unit << 4)
        machine.outb(self.base + 1, 0)
        machine.outb(self.base + 4, limit & 255)
        machine.outb(self.base + 5, limit >> 8)
        machine.outb(self.base + 7, 0xa0)
        said = [self.wait(), machine.inb(self.base + 2)]
        for word in struct.iter_unpack("<H", bytes(cdb).ljust(12, b"\0")):
            machine.outw(self.base, word[0])
        data = b""
        while self.wait() & 8:
            size = machine.inb(self.base + 4) | machine.inb(self.base + 5) << 8
            said.append((size, machine.inb(self.base + 2)))
            data += b"".join(struct.pack("<H", machine.inw(self.base)) for _ in range(size // 2))
        return said, self.registers(), data


def be(value, size):
    return list(value.to_bytes(size, "big"))


def sized(op, length, *rest):
    return ([op] + list(rest) + [0] * 10)[:7] + be(length, 2)


SMART = 0xc24f00


def smart_steps(c):
    """The log of self-tests goes round after 21; what is switched survives a reset."""
    def say(feature, sector=0, key=SMART):
        return c.command(0xb0, lba=key | sector, feature=feature)

    def read(feature, sector=0):
        return c.read(0xb0, 1, lba=SMART | sector, feature=feature)

    for feature in (0xd0, 0xd1):
        yield f"smart read {feature:#x}", lambda: read(feature)
    for sector in (0, 1, 2, 6, 0x80):
        yield f"smart log {sector}", lambda: read(0xd5, sector)
    yield "smart without key", lambda: (say(0xd0, key=0), say(0xd8, key=0xc24e00))
    for feature in range(0xd2, 0xe0):
        for sector in (0, 1, 2, 3, 0xf1, 0x7f, 0x81):
            if feature != 0xd5:
                yield f"smart {feature:#x} {sector:#x}", lambda: (say(feature, sector), say(0xd8))
    yield "smart tests", lambda: read(0xd5, 6)
    for kind in [1, 2] * 10 + [0, 1]:
        yield f"smart test {kind}", lambda: say(0xd4, kind)
    yield "smart more tests", lambda: (read(0xd5, 6), read(0xd5, 1))
    yield "smart without saving", lambda: (say(0xd2, 0), read(0xd0), say(0xd2, 0xf1), read(0xd0))
    yield "smart off", lambda: (say(0xd9), say(0xda), c.registers(), c.read(0xec, 1), say(0xd8), say(0xda))


def disk_steps(c):
    yield from smart_steps(c)
    yield "registers", c.registers
    yield "identify", lambda: c.read(0xec, 1)
    yield "read", lambda: c.read(0x20, 3, lba=3)
    yield "read far form", lambda: c.read(0x24, 2, lba=5, extended=True)
    yield "read by cylinder", lambda: c.read(0x20, 1, lba=5, chs=True)
    yield "read too far", lambda: c.read(0x20, 1, lba=20000)
    yield "write", lambda: c.write(0x30, b"W" * 1024, lba=8)
    yield "write far form", lambda: c.write(0x34, b"E" * 512, lba=9, extended=True)
    yield "block size", lambda: c.command(0xc6, count=16)
    yield "read blocks", lambda: c.read(0xc4, 4)
    yield "write blocks", lambda: c.write(0xc5, b"M" * 512, lba=12)
    yield "bad block size", lambda: c.command(0xc6, count=3)
    yield "dma", lambda: c.dma(0xc8, lba=8, count=2, length=1024)
    yield "dma out", lambda: c.dma(0xca, lba=20, count=2, data=b"D" * 1024)
    yield "dma far form", lambda: c.dma(0x25, lba=20, count=2, length=1024, extended=True)
    yield "dma in pieces", lambda: c.dma(0xc8, lba=8, count=2, length=1024, pieces=[100, 412, 512])
    yield "dma into less", lambda: c.dma(0xc8, lba=8, count=2, length=1024, pieces=[512])
    yield "dma into more", lambda: c.dma(0xc8, lba=8, count=1, length=1024)[:3]
    yield "dma too far", lambda: c.dma(0xc8, lba=100000, count=1, length=512)
    yield "trim", lambda: c.dma(0x06, count=1, data=struct.pack("<Q", 30 | 2 << 48).ljust(512, b"\0"), feature=1)
    for code in (0xe7, 0xea, 0x40, 0x70, 0x10, 0x91, 0xe0, 0xe5, 0x98, 0xf8, 0x27, 0x90, 0x00, 0xff, 0xa1, 0xa0, 0x08, 0xc0, 0xf5):
        yield f"command {code:#x}", lambda: c.command(code, lba=1, count=1)
    for feature in (0x02, 0x82, 0x03, 0xaa, 0x66, 0xcc, 0x99):
        yield f"feature {feature:#x}", lambda: c.command(0xef, feature=feature, count=0x45 if feature == 3 else 0)
    yield "no such drive", lambda: c.command(0xec, unit=1)
    yield "identify again", lambda: c.read(0xec, 1)
    yield "soft reset", lambda: (c.m.outb(c.control, 4), c.m.outb(c.control, 0), c.wait(), c.registers())
    yield "without interrupts", lambda: (c.m.outb(c.control, 2), c.read(0x20, 1, lba=3), c.m.outb(c.control, 0))


def cd_steps(c):
    yield "cd registers", c.registers
    yield "cd identify", lambda: c.command(0xec)
    yield "cd identify packet", lambda: c.read(0xa1, 1)
    packets = [[0x12, 0, 0, 0, 36], [0x12, 0, 0, 0, 6], [0], [3, 0, 0, 0, 18], [0x25], sized(0x43, 64), sized(0x43, 64, 2),
               sized(0x28, 2, 0, 0, 0, 0, 2), [0xa8, 0] + be(2, 4) + be(1, 4), sized(0x28, 0), sized(0x28, 1, 0, 0, 0, 90),
               [3, 0, 0, 0, 18], [0xbe, 0] + be(2, 4) + be(1, 3) + [0x10], [0xbe, 0] + be(2, 4) + be(1, 3) + [0xf8],
               [0x2b, 0] + be(2, 4), [0x2b, 0] + be(99999, 4), sized(0x5a, 64, 0, 1), sized(0x5a, 64, 0, 0x2a), sized(0x5a, 64, 0, 0x3f),
               sized(0x46, 64), sized(0x4a, 8, 1, 0, 0, 0x10), sized(0x4a, 8, 0, 0, 0, 0x10), [0xbd] + [0] * 7 + be(8, 2),
               [0xad] + [0] * 7 + be(64, 2), [0xad] + [0] * 6 + [0xff] + be(64, 2), sized(0x51, 64), [0xbb], [0x1e, 0, 0, 0, 1],
               [0x1b, 0, 0, 0, 2], [0x1e], [0x1b, 0, 0, 0, 2], [0], sized(0x4a, 8, 1, 0, 0, 0x10), [0x1b, 0, 0, 0, 3], [0], [0xff], [0x2a]]
    for i, cdb in enumerate(packets):
        yield f"packet {i} {cdb[0]:#x}", lambda: c.packet(cdb)
    yield "in small pieces", lambda: c.packet(sized(0x28, 2, 0, 0, 0, 0, 2), limit=1000)
    for cdb in packets[:5] + packets[19:21]:
        yield f"empty drive {cdb[0]:#x}", lambda: c.packet(cdb, unit=1)


def conversation(stock):
    name = f"disk-{'stock' if stock else 'ours'}.raw"
    with open(name, "wb") as image:
        image.write(b"".join(bytes([i]) * 512 for i in range(64)) + bytes((8 << 20) - 64 * 512))
    with open("cd.raw", "wb") as image:
        image.write(b"".join(bytes([i & 255, i >> 3 & 255]) * 1024 for i in range(512)))
    with Machine("-blockdev", f"raw,node-name=n0,discard=unmap,file.driver=file,file.filename={name}", "-device",
                 "ide-hd,drive=n0,bus=ide.0,unit=0,serial=SER", "-blockdev", "raw,node-name=cd,read-only=on,file.driver=file,"
                 "file.filename=cd.raw", "-device", "ide-cd,id=full,drive=cd,bus=ide.1,unit=0", "-device",
                 "ide-cd,id=empty,bus=ide.1,unit=1", stock=stock) as machine:
        machine.qtest("irq_intercept_in ioapic")
        said = []
        for channel, steps in ((Channel(machine, 0x1f0, 0x3f6), disk_steps), (Channel(machine, 0x170, 0x376), cd_steps)):
            for what, step in steps(channel):
                said.append((what, step(), len(machine.interrupts)))
        disc = Channel(machine, 0x170, 0x376)
        said.append(("smart of a cd", disc.command(0xb0, lba=SMART, feature=0xd8), 0))
        for command in ("blockdev-open-tray", "blockdev-close-tray"):
            said.append((command, machine.qmp(command, id="full"), 0))
            said += [(f"ready {i}", disc.packet([0]), 0) for i in range(2)]
        stats = [x["stats"] for x in machine.qmp("query-blockstats")]
        said.append(("statistics", [{k: v for k, v in s.items() if "time" not in k and "histogram" not in k} for s in stats], 0))
        said.append(("events", [(e["event"], e.get("data")) for e in machine.events], 0))
        said.append(("pci", machine.qmp("query-pci"), 0))
    with open(name, "rb") as image:
        return said + [("image", image.read(), 0)]


def main():
    if not program(stock=True):
        skip("no stock emulator")
    for mine, theirs in zip(conversation(False), conversation(True)):
        if mine != theirs:
            sys.exit(f"{mine[0]}\nours  {str(mine[1:])[:800]}\nstock {str(theirs[1:])[:800]}")


if __name__ == "__main__":
    main()
