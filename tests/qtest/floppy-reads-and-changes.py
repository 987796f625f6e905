#!/usr/bin/env python3
"""A floppy drive: seek, read and write by DMA, change of the medium from the monitor.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine

BUFFER = 0x20000


class Controller:
    def __init__(self, machine):
        self.m = machine

    def send(self, *values):
        for value in values:
            assert self.m.inb(0x3f4) & 0xc0 == 0x80, "not ready for a command"
            self.m.outb(0x3f5, value)

    def receive(self, count):
        end = time.monotonic() + 5
        values = []
        while len(values) < count and time.monotonic() < end:
            if self.m.inb(0x3f4) & 0xc0 == 0xc0:
                values.append(self.m.inb(0x3f5))
        return values

    def transfer(self, command, track, head, sector, length=512, data=None):
        m = self.m
        if data is not None:
            m.write(BUFFER, data)
        for port, value in ((0xa, 6), (0xc, 0), (0xb, (0x4a if data is not None else 0x46)), (4, BUFFER & 255), (4, BUFFER >> 8 & 255),
                            (0x81, BUFFER >> 16), (5, length - 1 & 255), (5, length - 1 >> 8), (0xa, 2)):
            m.outb(port, value)
        self.send(command, head << 2, track, head, sector, 2, 18, 0x1b, 0xff)
        return self.receive(7), m.read(BUFFER, length)

    def seek(self, track):
        self.send(0x0f, 0, track)
        self.send(8)
        return self.receive(2)


def image(name, first):
    with open(name, "wb") as file:
        file.write(b"".join(bytes([i + first & 255]) * 512 for i in range(2880)))


def main():
    image("a.img", 0)
    image("b.img", 100)
    with Machine("-drive", "if=floppy,file=a.img,format=raw,id=f0") as machine:
        drive = Controller(machine)
        machine.outb(0x3f2, 0)
        machine.outb(0x3f2, 0x1c)
        for i in range(4):
            drive.send(8)
            assert drive.receive(2) == [0xc0 | i, 0]
        drive.send(3, 0xaf, 2)
        assert drive.seek(5) == [0x20, 5]
        result, data = drive.transfer(0xe6, 0, 0, 1)
        assert result[:3] == [0x20, 0, 0] and data == bytes(512), result
        result, data = drive.transfer(0xe6, 1, 1, 3, 1024)
        assert data == bytes([56]) * 512 + bytes([57]) * 512, data[:4]
        assert drive.transfer(0xe6, 0, 0, 19)[0][:2] == [0x44, 0x80]
        assert drive.transfer(0xc5, 0, 0, 2, data=b"Z" * 512)[0][1] == 0
        assert drive.transfer(0xe6, 0, 0, 2)[1] == b"Z" * 512
        block = machine.qmp("query-block")[0]
        assert block["removable"] and "tray_open" not in block, block
        assert machine.qmp("blockdev-change-medium", device="f0", filename="b.img", format="raw") == {}
        assert machine.inb(0x3f7) & 0x80, "the change is not shown"
        drive.seek(3)
        assert not machine.inb(0x3f7) & 0x80
        assert drive.transfer(0xe6, 0, 0, 1)[1] == bytes([100]) * 512
        assert machine.qmp("eject", device="f0") == {}
        assert drive.transfer(0xe6, 0, 0, 1)[0][0] & 0x40
    with open("a.img", "rb") as file:
        assert file.read(1024)[512:] == b"Z" * 512


if __name__ == "__main__":
    main()
