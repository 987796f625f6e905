#!/usr/bin/env python3
"""An AHCI controller with a disk and a CD: registers, received FISes and data after each command are those of stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct
import sys
import tempfile
import time

from qtestlib import Machine, PciDevice, program, skip

CLB, FB, TABLES, DATA = 0x10000, 0x11000, 0x12000, 0x200000
PORT = 0x100


class Ahci(PciDevice):
    """Port n of the controller at 1f.2; `log` collects what is compared."""

    def __init__(self, machine):
        super().__init__(machine, 31, 2)
        self.log = []
        self.note("config", *(hex(self.config(i)) for i in (0, 4, 8, 0x2c, 0x34, 0x3c, 0x80, 0x84, 0xa8, 0xac)))
        self.set_config(0x24, 0xe0000000)
        self.set_config(4, 7, 2)
        self.abar = 0xe0000000

    def note(self, *what):
        self.log.append(" ".join(map(str, what)))

    def get(self, offset):
        return self.m.readl(self.abar + offset)

    def put(self, offset, value):
        self.m.writel(self.abar + offset, value)

    def globals(self):
        self.note("hba", *(hex(self.get(i)) for i in range(0, 0x2c, 4)))

    def port(self, n):
        base = PORT + 0x80 * n
        self.note(f"port {n}", *(hex(self.get(base + i)) for i in range(0, 0x48, 4)))

    def start(self, n):
        """Lists and received FISes in memory, the engine on."""
        base = PORT + 0x80 * n
        for area in (CLB, FB, TABLES):
            self.m.qtest(f"memset {area + 0x8000 * n:#x} 0x1000 0")
        for register, value in ((0x00, CLB + 0x8000 * n), (0x04, 0), (0x08, FB + 0x8000 * n), (0x0c, 0), (0x30, 0xffffffff), (0x10, 0xffffffff),
                                (0x14, 0xffffffff), (0x18, 0x10)):
            self.put(base + register, value)
        self.port(n)
        self.put(base + 0x18, 0x11)
        self.port(n)

    def received(self, n):
        fis = self.m.read(FB + 0x8000 * n, 0x60)
        self.note("pio", fis[0x20:0x34].hex(), "d2h", fis[0x40:0x54].hex(), "sdb", fis[0x58:0x60].hex())

    def issue(self, n, slot, fis, length, write=False, cdb=None, queued=False, pieces=1):
        """One command, to its end."""
        base, table = PORT + 0x80 * n, TABLES + 0x8000 * n + 0x400 * slot
        data = DATA + 0x100000 * n + 0x10000 * slot
        self.m.write(table, fis.ljust(0x40, b"\0") + (cdb or b"").ljust(0x40, b"\0"))
        entries = pieces if length else 0
        for i in range(entries):
            self.m.write(table + 0x80 + 16 * i, struct.pack("<QII", data + i * length // pieces, 0, length // pieces - 1))
        flags = 5 | (0x40 if write else 0) | (0x20 if cdb else 0) | entries << 16
        self.m.write(CLB + 0x8000 * n + 32 * slot, struct.pack("<IIQ", flags, 0, table))
        self.m.write(FB + 0x8000 * n, bytes(0x60))
        if queued:
            self.put(base + 0x34, 1 << slot)
        self.put(base + 0x38, 1 << slot)
        end = time.monotonic() + 30
        while (self.get(base + 0x38) | (self.get(base + 0x34) if queued else 0)) & 1 << slot and not self.get(base + 0x10) & 1 << 30:
            if time.monotonic() > end:
                raise TimeoutError("command")
            time.sleep(0.002)
        while not self.get(base + 0x10) & (1 << 30 | 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5):
            time.sleep(0.002)
        time.sleep(0.02)
        header = struct.unpack("<II", self.m.read(CLB + 0x8000 * n + 32 * slot, 8))
        self.note("command", fis[2:3].hex(), (cdb or b"")[:1].hex(), "status", hex(self.get(base + 0x20)), "is", hex(self.get(base + 0x10)),
                  "ci", hex(self.get(base + 0x38)), "sact", hex(self.get(base + 0x34)), "serr", hex(self.get(base + 0x30)),
                  "global", hex(self.get(8)), "moved", header[1])
        self.received(n)
        self.put(base + 0x10, 0xffffffff)
        self.put(8, 0xffffffff)
        return data


def h2d(command, lba=0, count=0, feature=0, device=0x40):
    b = lba.to_bytes(6, "little")
    return bytes([0x27, 0x80, command, feature & 0xff, b[0], b[1], b[2], device, b[3], b[4], b[5], feature >> 8, count & 0xff, count >> 8, 0, 0, 0, 0, 0, 0])


def ncq(command, slot, lba, count):
    return h2d(command, lba, slot << 3, count)


def packet(length, dma=False):
    return bytes([0x27, 0x80, 0xa0, 1 if dma else 0, 0, length & 0xff, length >> 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])


def bring_up(a):
    a.globals()
    a.put(4, 0x80000000)
    a.globals()
    a.put(4, 2)
    a.globals()
    for n in (0, 1, 2):
        a.port(n)
    a.put(PORT + 0x30, 0xffffffff)
    a.put(PORT + 0x2c, 1)
    a.put(PORT + 0x2c, 0)
    a.port(0)


def disk(a):
    a.start(0)
    for feature, lba in ((0xd0, 0xc24f00), (0xd5, 0xc24f06), (0xd4, 0xc24f01), (0xda, 0xc24f00), (0xd0, 0)):
        length = 512 if feature in (0xd0, 0xd5) else 0
        at = a.issue(0, 0, h2d(0xb0, lba, 1, feature, device=0), length)
        a.note("smart", hex(feature), a.m.read(at, length).hex())
    at = a.issue(0, 0, h2d(0xec, device=0), 512)
    identify = bytearray(a.m.read(at, 512))
    identify[46:54] = b"firmware"
    a.note("identify", identify.hex())
    pattern = bytes(i * 7 & 255 for i in range(4096))
    a.m.write(DATA, pattern)
    a.issue(0, 0, h2d(0x35, 8, 8), 4096, write=True, pieces=2)
    a.m.qtest(f"memset {DATA:#x} 4096 0")
    a.issue(0, 1, h2d(0x25, 8, 8), 4096)
    a.note("read back", a.m.read(DATA + 0x10000, 4096) == pattern)
    a.issue(0, 2, h2d(0xea), 0)
    a.issue(0, 3, h2d(0xef, count=0, feature=2), 0)
    a.m.write(DATA + 0x40000, pattern[::-1])
    a.issue(0, 4, ncq(0x61, 4, 100, 8), 4096, write=True, queued=True)
    a.issue(0, 5, ncq(0x60, 5, 100, 8), 4096, queued=True)
    a.note("queued read back", a.m.read(DATA + 0x50000, 4096) == pattern[::-1])
    a.issue(0, 6, h2d(0x20, 8, 2), 1024)
    a.note("pio read back", a.m.read(DATA + 0x60000, 1024) == pattern[:1024])
    a.issue(0, 7, h2d(0xc8, 9, 1), 512)
    a.issue(0, 8, h2d(0xe5), 0)
    a.issue(0, 10, h2d(0xf8), 0)
    a.issue(0, 11, h2d(0x27), 0)
    a.issue(0, 12, h2d(0x40, 10, 4), 0)
    a.issue(0, 13, h2d(0xe0), 0)
    a.issue(0, 14, h2d(0xff), 0)
    a.port(0)


def restart(a, n):
    """After an error the driver stops and starts the engine."""
    base = PORT + 0x80 * n
    a.put(base + 0x18, 0x10)
    a.port(n)
    a.put(base + 0x30, 0xffffffff)
    a.put(base + 0x10, 0xffffffff)
    a.put(base + 0x18, 0x11)


def disk_errors(a):
    a.start(0)
    for fis, length, write, queued in ((h2d(0x25, 1 << 40, 8), 4096, False, False), (h2d(0x35, 0xffffff, 8), 4096, True, False),
                                       (h2d(0xc8, 0xfffffff, 1), 512, False, False), (h2d(0x20, 0xfffffff, 1), 512, False, False),
                                       (ncq(0x60, 3, 1 << 40, 8), 4096, False, True), (h2d(0xa1), 512, False, False)):
        a.issue(0, 3, fis, length, write, queued=queued)
        restart(a, 0)
    a.issue(0, 0, h2d(0x25, 0, 8), 2048)
    a.issue(0, 0, h2d(0xec, device=0), 512)
    a.port(0)
    a.put(PORT + 0x2c, 1)
    a.put(PORT + 0x2c, 0)
    a.port(0)


def cd(a):
    a.start(1)
    at = a.issue(1, 0, h2d(0xa1, device=0), 512)
    identify = bytearray(a.m.read(at, 512))
    identify[46:54] = b"firmware"
    a.note("identify", identify.hex())
    for cdb, length in ((bytes(6), 0), (b"\x03\0\0\0\x12\0", 18), (bytes(6), 0), (b"\x12\0\0\0\x24\0", 36), (b"\x25" + bytes(9), 8),
                        (b"\x28\0\0\0\0\x02\0\0\x02\0", 4096), (b"\xa8\0\0\0\0\x04\0\0\0\x01\0\0", 2048), (b"\x43\0\0\0\0\0\0\0\x14\0", 20),
                        (b"\x28\0\x7f\0\0\0\0\0\x01\0", 2048), (b"\x03\0\0\0\x12\0", 18), (b"\xff" + bytes(11), 0), (b"\x1e\0\0\0\x01\0", 0),
                        (b"\x1b\0\0\0\x02\0", 0), (b"\x1e\0\0\0\0\0", 0), (b"\x1b\0\0\0\x02\0", 0), (bytes(6), 0), (b"\x1b\0\0\0\x03\0", 0)):
        at = a.issue(1, 2, packet(length, length > 0), length, cdb=cdb)
        a.note(a.m.read(at, length).hex() if length and length < 100 else length and sum(a.m.read(at, length)))
    a.issue(1, 3, packet(2048), 2048, cdb=b"\x28\0\0\0\0\x03\0\0\x01\0")
    a.issue(1, 4, h2d(0x25, 0, 1), 512)
    a.port(1)


def reset(a):
    a.start(0)
    a.put(4, 0x80000003)
    a.globals()
    a.port(0)


def play(stock, folder, steps):
    for name in ("disk", "cd"):
        with open(f"{folder}/{name}", "wb") as f:
            for i in range(4 << 20 >> 11):
                f.write(struct.pack("<I", i) * 512)
    args = ["-blockdev", f"driver=file,filename={folder}/disk,node-name=d", "-device", "ide-hd,drive=d,bus=ide.0,serial=abc",
            "-blockdev", f"driver=file,filename={folder}/cd,node-name=c,read-only=on", "-device", "ide-cd,drive=c,bus=ide.1,serial=def"]
    with Machine(*args, stock=stock, board="q35") as m:
        a = Ahci(m)
        try:
            steps(a)
        except TimeoutError as late:
            a.note("no end of", late)
        return a.log


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = total = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, steps in (("bring up", bring_up), ("disk", disk), ("errors", disk_errors), ("cd", cd), ("reset", reset)):
            stock, ours = (play(which, folder, steps) for which in (True, False))
            total += len(stock)
            for i in range(max(len(stock), len(ours))):
                one, two = (log[i] if i < len(log) else "(nothing)" for log in (stock, ours))
                if one != two:
                    failed += 1
                    print(f"--- {name}, step {i}, after: {ours[i - 1][:60] if 0 < i <= len(ours) else ''}\n  stock {one}\n  ours  {two}")
    print(f"{total} steps, {failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
