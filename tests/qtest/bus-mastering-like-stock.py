#!/usr/bin/env python3
"""A PCI function that may not be bus master takes nothing from its rings or command lists: registers and memory are those of stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import struct
import sys
import time

from qtestlib import AhciPort, Machine, PciDevice, VirtioPci, program, skip

NODE = ("-blockdev", "null-co,node-name=n,read-zeroes=on,size=1048576")
COMMAND, ON, OFF = 4, 7, 3
TABLE, DATA = 0x12000, 0x20000


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the device did not answer")
        time.sleep(0.002)


class Disk:
    """virtio-blk in slot 4, asked for its first sector."""

    def __init__(self, machine, legacy, log):
        self.m, self.log = machine, log
        self.device = VirtioPci(machine, 4, legacy)

    def start(self):
        self.queue, = self.device.start(self.device.features() & 7)

    def put(self):
        at = self.m.alloc(1024)
        self.m.write(at, struct.pack("<IIQ", 0, 0, 0) + b"\xff")
        self.queue.put([(at, 16, False), (at + 512, 512, True), (at + 16, 1, True)])
        self.queue.kick()

    def used(self):
        return struct.unpack("<H", self.m.read(self.queue.used + 2, 2))[0]

    def note(self, what, used):
        """used: what there should be in the end; more would be seen after a little while."""
        wait_for(lambda: self.used() >= used)
        time.sleep(0.02)
        status = self.m.qmp("x-query-virtio-status", path=self.m.qmp("x-query-virtio")[0]["path"])
        self.log.append(f"{what}: status {self.device.status():#x} used {self.used()} command {self.device.config(COMMAND, 2):#x}"
                        f" disabled {status['disabled']}")


def virtio(stock, legacy, options):
    log = []
    with Machine(*NODE, "-object", "iothread,id=t", "-device", "virtio-blk-pci,addr=4,drive=n" + options, stock=stock) as machine:
        disk = Disk(machine, legacy, log)
        held = "use-disabled-flag=off" not in options
        for status in (0, 1, 3, 7):            # an old driver's second step switches it on
            disk.device.set_config(COMMAND, OFF, 2)
            disk.device.status(status)
            log.append(f"{status} {disk.device.status()} {disk.device.config(COMMAND, 2):#x}")
        disk.device.set_config(COMMAND, ON, 2)
        disk.start()
        disk.put()
        disk.note("on", 1)
        disk.device.set_config(COMMAND, OFF, 2)
        disk.note("off", 1)
        disk.put()
        disk.put()
        disk.note("asked", 1 if held else 3)
        disk.device.set_config(COMMAND, ON, 2)
        disk.note("on again", 1 if held else 3)
        disk.queue.kick()
        disk.note("kicked", 3)
        disk.device.status(0)
        disk.start()
        disk.put()
        disk.note("begun anew", 1)
    return log


class AhciDisk(AhciPort):
    """Reads a sector by its first slot."""

    def __init__(self, machine, log):
        super().__init__(machine)
        self.log, self.pci = log, PciDevice(machine, 31, 2)

    def issue(self):
        fis = bytes([0x27, 0x80, 0x25, 0, 8, 0, 0, 0x40, 0, 0, 0, 0, 1]).ljust(0x80, b"\0")
        self.m.write(TABLE, fis + struct.pack("<QII", DATA, 0, 511))
        self.m.write(DATA, b"\xaa" * 512)
        self.m.write(0x10000, struct.pack("<IIQ", 5 | 1 << 16, 0, TABLE))
        self.m.write(0x11000, bytes(0x60))
        self.put(0x38, 1)

    def note(self, what, ended):
        wait_for(lambda: not ended or self.get(0x10) & 1)
        time.sleep(0.02)
        registers = " ".join(f"{self.get(register):#x}" for register in (0x18, 0x10, 0x20, 0x38, 0x30))
        self.log.append(f"{what}: {registers} fis {self.m.read(0x11040, 20).hex()} data {self.m.read(DATA, 2).hex()}"
                        f" moved {self.m.readl(0x10004)}")
        self.put(0x10, 0xffffffff)


def ahci(stock):
    log = []
    with Machine(*NODE, "-device", "ide-hd,drive=n,bus=ide.0", board="q35", stock=stock) as machine:
        disk = AhciDisk(machine, log)
        disk.issue()
        disk.note("on", True)
        disk.pci.set_config(COMMAND, OFF, 2)
        disk.note("off", False)
        disk.issue()
        disk.note("asked", False)
        disk.pci.set_config(COMMAND, ON, 2)
        disk.note("on again", False)
        disk.issue()
        disk.note("asked again", True)
    return log


def compare(what, ours, stock):
    for mine, peer in zip(ours, stock):
        if mine != peer:
            print(f"{what}\n  ours:  {mine}\n  stock: {peer}")
    return ours == stock


def main():
    if not program(stock=True):
        skip("no stock emulator")
    same = compare("ahci", ahci(False), ahci(True))
    for legacy in (False, True):
        for options in ("", ",use-disabled-flag=off"):
            ours = virtio(False, legacy, options)
            same &= compare(f"legacy {legacy}{options}", ours, virtio(True, legacy, options))
            same &= compare(f"legacy {legacy}{options} in a thread", virtio(False, legacy, options + ",iothread=t"), ours)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
