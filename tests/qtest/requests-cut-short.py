#!/usr/bin/env python3
"""Requests that are under way while the guest resets the drive, the queue, the controller or the machine, takes away memory, bars or bus
mastering, or the device is pulled out: nothing is moved for who asked before, nothing of the program's memory is shown, the next one works.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import sys
import threading
import time

sys.path[:0] = [os.environ["TEST_SRC"] + "/qtest", os.environ["TEST_SRC"] + "/nbd"]
from guestlib import ScsiAdapter
from nbdserver import READ, WRITE, Server
from qtestlib import AhciPort, Machine, PciDevice, VirtioPci, VirtQueue

SIZE, BM, DATA = 4 << 20, 0xc000, 0x200000
RING_RESET = 1 << 40
THREAD = ("-object", "iothread,id=io0")


class Case:
    """A machine whose disk "slow" answers when the test says, and one beside it."""

    def __init__(self, name, *args, board="pc", readonly=False):
        self.name = name
        self.server = Server(os.path.abspath("slow.sock"), SIZE)
        self.server.disk[:] = sectors(0, 256) * (SIZE // 512 // 256)
        node = f"nbd,node-name=slow,server.type=unix,server.path={self.server.path},read-only={'on' if readonly else 'off'}"
        with open("beside", "wb") as file:
            file.write(b"beside" * 1000)
            file.truncate(SIZE)
        self.m = Machine("-blockdev", node, "-blockdev", "file,node-name=beside,filename=beside", *args,
                         "-device", "virtio-blk-pci,drive=beside,addr=9" if board == "pc" else "virtio-blk-pci,drive=beside,addr=9", board=board)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.release()
        try:
            if kind:
                print(f"FAIL: {self.name}")
            else:
                assert self.beside()[:6] == b"beside", f"{self.name}: the disk beside it is gone"
        finally:
            self.m.close()
            self.server.close()
        assert kind or not self.m.process.returncode, f"{self.name}: exit {self.m.process.returncode}"

    def beside(self):
        return Blk(self.m, 9).read(0)

    def held(self, *kinds):
        self.server.hold(*kinds)

    def arrived(self):
        assert self.server.held.wait(60), "no request came"

    def released_during(self, action):
        """The server answers while action is at it (or, where nothing waits for it, afterwards)."""
        result = []
        thread = threading.Thread(target=lambda: result.append(action()))
        thread.start()
        time.sleep(0.02)
        self.server.release()
        thread.join(90)
        assert result, "it never ended"
        return result[0]

    def settle(self):
        self.server.release()
        for _ in range(3):
            self.m.qmp("query-block")


class Blk:
    """virtio-blk with one request of eight sectors at a time."""

    def __init__(self, machine, slot, features=0x7fff):
        self.m, self.device = machine, VirtioPci(machine, slot)
        self.setup(features)
        self.at = machine.alloc(8192)

    def setup(self, features=0x7fff):
        self.ring = self.device.start(self.device.features() & features, 1)[0]

    def begin(self, kind=0, sector=0, data=None):
        self.m.write(self.at, struct.pack("<IIQ", kind, 0, sector) + b"\xff")
        self.m.write(self.at + 4096, data or b"\xee" * 4096)
        self.ring.put([(self.at, 16, False), (self.at + 4096, 4096, kind == 0), (self.at + 16, 1, True)])
        self.ring.kick()

    def end(self):
        self.ring.wait()
        return self.m.read(self.at + 16, 1)[0], self.m.read(self.at + 4096, 4096)

    def read(self, sector):
        self.begin(0, sector)
        status, data = self.end()
        assert status == 0, status
        return data

    def untouched(self):
        """Neither data nor a status came."""
        return self.m.read(self.at + 16, 1) == b"\xff" and self.m.read(self.at + 4096, 4096) == b"\xee" * 4096


def sectors(first, count=8):
    return b"".join(bytes([n & 255]) * 512 for n in range(first, first + count))


# --- virtio-blk -----------------------------------------------------------------------------------------------------------------------

def blk_case(name, thread, *more):
    return Case(f"virtio-blk{' in a thread' if thread else ''}: {name}", *(THREAD if thread else ()), *more,
                "-device", "virtio-blk-pci,id=d,drive=slow,addr=4" + (",iothread=io0" if thread else ""))


def device_reset(thread):
    with blk_case("device reset", thread) as c:
        disk = Blk(c.m, 4)
        for kind in (0, 1):
            c.held(READ if kind == 0 else WRITE)
            disk.begin(kind, 8, b"w" * 4096)
            c.arrived()
            c.released_during(lambda: disk.device.status(0))
            used = c.m.read(disk.ring.used + 2, 2)
            c.settle()
            assert c.m.read(disk.ring.used + 2, 2) == used, "the ring was written after the reset"
            disk.setup()
        assert disk.read(8) in (sectors(8), b"w" * 4096)
        assert disk.read(64) == sectors(64)


def queue_reset(thread):
    """What the queue had taken is over when its reset is, and is not given back in the ring that comes next."""
    with blk_case("queue reset", thread) as c:
        disk = Blk(c.m, 4, 0x7fff | RING_RESET)
        common = disk.device.common

        def renew():
            c.m.store(common + 0x16, 0, 2)
            c.m.store(common + 0x3a, 1, 2)
            assert c.m.load(common + 0x3a, 2) == 0 and c.m.load(common + 0x1c, 2) == 0
            disk.ring = VirtQueue(disk.device, 0)
            disk.at = c.m.alloc(8192)
            return True
        for _ in range(3):
            c.held(READ)
            disk.begin(0, 8)
            c.arrived()
            c.released_during(renew)
            c.settle()
            assert c.m.read(disk.ring.used, 12) == bytes(12), "an old request in a new ring"
            assert disk.read(16) == sectors(16)


def unplugged(thread):
    with blk_case("unplugged", thread) as c:
        disk = Blk(c.m, 4)
        c.held(READ)
        disk.begin(0, 8)
        c.arrived()
        c.m.qmp("device_del", id="d")
        assert "in the process" in c.m.qmp("device_del", id="d")["desc"]
        c.released_during(lambda: c.m.outl(0xae08, 1 << 4))
        while not any(e["event"] == "DEVICE_DELETED" and e["data"].get("device") == "d" for e in c.m.events):
            c.m.qmp("query-status")
        for at in (disk.device.common, disk.device.notify, disk.device.device):
            c.m.store(at, 0, 4)
            assert c.m.load(at, 4) == 0
        assert disk.device.config(0) == 0xffffffff
        assert c.m.qmp("blockdev-del", node_name="slow") == {}
        assert len([e for e in c.m.events if e["event"] == "DEVICE_DELETED" and e["data"].get("device") == "d"]) == 1
        c.m.qmp("system_reset")


def reset_ejects(thread):
    """A reset of the machine answers for the guest."""
    with blk_case("unplugged by a reset", thread) as c:
        disk = Blk(c.m, 4)
        c.held(WRITE)
        disk.begin(1, 8, b"w" * 4096)
        c.arrived()
        c.m.qmp("device_del", id="d")
        c.released_during(lambda: c.m.qmp("system_reset"))
        while not any(e["event"] == "DEVICE_DELETED" for e in c.m.events):
            c.m.qmp("query-status")
        assert c.m.qmp("blockdev-del", node_name="slow") == {}


def machine_resets(thread):
    with blk_case("resets", thread) as c:
        for _ in range(5):
            disk = Blk(c.m, 4)
            c.held(READ)
            disk.begin(0, 8)
            c.arrived()
            c.released_during(lambda: [(c.m.qmp("system_reset"), c.m.wait_event("RESET")) for _ in range(5)])
            c.settle()
        assert Blk(c.m, 4).read(24) == sectors(24)


def stops(thread):
    with blk_case("stop and cont", thread) as c:
        c.m.qmp("cont")
        disk = Blk(c.m, 4)
        for _ in range(5):
            c.held(READ)
            disk.begin(0, 8)
            c.arrived()
            c.released_during(lambda: [c.m.qmp(word) for word in ("stop", "cont") * 5])
            assert disk.end() == (0, sectors(8))


def decode_off(thread):
    """Registers vanish, move, overlap another device's and RAM; the request ends all the same."""
    with blk_case("decoding off, bars moved", thread) as c:
        disk, pci = Blk(c.m, 4), None
        pci = disk.device
        other = VirtioPci(c.m, 9)
        for change in (lambda: pci.set_config(4, 4, 2), lambda: pci.set_config(0x20, other.bars[4]), lambda: pci.set_config(0x20, 0x100000),
                       lambda: pci.set_config(0x20, 0xfee00000), lambda: pci.set_config(0x10, other.bars[0]), lambda: other.set_config(0x20, pci.bars[4]), lambda: pci.set_config(0x14, 0xfec00000)):
            c.held(READ)
            disk.begin(0, 8)
            c.arrived()
            change()
            c.m.load(disk.device.common, 4)
            c.server.release()
            assert disk.end() == (0, sectors(8)), "a request was lost with the registers"
            pci.enable()
            other.enable()
        disk.setup()
        assert disk.read(8) == sectors(8)


def master_off(thread):
    """Bus mastering is switched off with a request under way: it ends before the switch does, the device is well afterwards."""
    with blk_case("bus mastering off", thread) as c:
        disk = Blk(c.m, 4)
        c.held(READ)
        disk.begin(0, 8)
        c.arrived()
        c.released_during(lambda: (disk.device.set_config(4, 3, 2), 1))
        assert disk.end() == (0, sectors(8))
        c.settle()
        disk.device.set_config(4, 7, 2)
        disk.device.status(0)
        disk.setup()
        assert disk.read(8) == sectors(8)


# --- SCSI ------------------------------------------------------------------------------------------------------------------------------

def scsi(thread):
    arguments = ("-device", "virtio-scsi-pci,id=s,addr=4" + (",iothread=io0" if thread else ""), "-device", "scsi-hd,id=d,drive=slow,bus=s.0,scsi-id=1")
    read = [0x28, 0, 0, 0, 0, 8, 0, 0, 8, 0]

    def start(c):
        a = ScsiAdapter(c.m, 4)
        a.command(1, [0] * 6)
        c.held(READ)
        a.m.write(a.at + 256, b"\xee" * 4096)
        a.start(1, read, 0, 4096)
        c.arrived()
        return a
    with Case("SCSI unit unplugged", *(THREAD if thread else ()), *arguments) as c:
        a = start(c)
        c.released_during(lambda: c.m.qmp("device_del", id="d"))
        c.m.wait_event("DEVICE_DELETED")
        response, _, _ = a.finish()
        assert response in (0, 2), response
        assert a.command(1, read, 0, 4096)[0] == 3
        assert c.m.qmp("blockdev-del", node_name="slow") == {}
    with Case("SCSI adapter unplugged", *(THREAD if thread else ()), *arguments) as c:
        a = start(c)
        c.m.qmp("device_del", id="s")
        c.released_during(lambda: c.m.outl(0xae08, 1 << 4))
        c.m.wait_event("DEVICE_DELETED")
        c.settle()
        assert c.m.qmp("blockdev-del", node_name="slow") == {}
    with Case("SCSI adapter reset", *(THREAD if thread else ()), *arguments) as c:
        for _ in range(5):
            a = start(c)
            c.released_during(lambda: a.device.status(0))
            c.settle()
        a = ScsiAdapter(c.m, 4)
        a.command(1, [0] * 6)
        assert a.command(1, read, 0, 4096)[:2] == (0, 0) and a.m.read(a.at + 256, 4096) == sectors(8)
    for subtype in (0, 4, 5):
        with Case(f"SCSI task management {subtype}", *(THREAD if thread else ()), *arguments) as c:
            a = start(c)
            assert c.released_during(lambda: a.task(subtype, 1, 1)) == 0
            assert a.finish()[0] in (0, 2, 4)
            a.command(1, [0] * 6)
            assert a.command(1, read, 0, 4096)[:2] == (0, 0)


# --- IDE -------------------------------------------------------------------------------------------------------------------------------

class Ide:
    """Unit 0 of the first PIIX channel."""

    def __init__(self, machine):
        self.m = machine
        function = PciDevice(machine, 1, 1)
        function.set_config(0x20, BM | 1)
        function.set_config(4, 5, 2)

    def registers(self, *values):
        for register, value in enumerate(values, 1):
            self.m.outb(0x1f0 + register, value)

    def dma(self, length, to_memory=True, start=True):
        table = 0x180000
        pieces = [(DATA + at, min(0x8000, length - at)) for at in range(0, length, 0x8000)]
        for i, (at, size) in enumerate(pieces):
            self.m.write(table + 8 * i, struct.pack("<IHH", at, size, 0x8000 if i == len(pieces) - 1 else 0))
        self.m.outb(BM, 0)
        self.m.outb(BM + 2, 6)
        self.m.outl(BM + 4, table)
        if start:
            self.m.outb(BM, 9 if to_memory else 1)

    def packet(self, cdb, dma):
        self.registers(1 if dma else 0, 0, 0, 0xfe, 0xff, 0xa0)
        self.m.outb(0x1f7, 0xa0)
        for word in struct.iter_unpack("<H", bytes(cdb).ljust(12, b"\0")):
            self.m.outw(0x1f0, word[0])

    def wait(self):
        end = time.monotonic() + 60
        while self.m.inb(0x3f6) & 0x80:
            assert time.monotonic() < end, "busy for ever"
            time.sleep(0.001)
        return self.m.inb(0x1f7)


def read_cd(blocks):
    return [0xa8, 0, 0, 0, 0, 0, *blocks.to_bytes(4, "big")]


def cd_reset_under_read():
    """DEVICE RESET goes through while the drive is busy: what was read goes nowhere."""
    with Case("CD reset under a read", "-device", "ide-cd,bus=ide.0,drive=slow", readonly=True) as c:
        ide = Ide(c.m)
        ide.packet([0] * 6, False)
        ide.wait()
        for start in (True, False):
            c.held(READ)
            c.m.qtest(f"memset {DATA:#x} 0x100000 0xee")
            ide.dma(0x80000, start=start)
            ide.packet(read_cd(256), True)
            c.arrived()
            c.released_during(lambda: c.m.outb(0x1f7, 0x08))
            ide.packet([0x12, 0, 0, 0, 36], False)
            ide.wait()
            c.settle()
            said = b"".join(struct.pack("<H", c.m.inw(0x1f0)) for _ in range(18))
            assert said[8:12] == b"QEMU", said
            assert not ide.wait() & 0x89
            c.m.outb(BM, 0)
            assert c.m.read(DATA, 0x1000) in (b"\xee" * 0x1000, sectors(0)), "what nobody read"


def cd_shows_no_memory():
    """A read that waits for the engine, a reset, a short command; then the engine starts: it has nothing to move."""
    with Case("CD reset before the engine starts", "-device", "ide-cd,bus=ide.0,drive=slow", readonly=True) as c:
        ide = Ide(c.m)
        ide.packet([0] * 6, False)
        ide.wait()
        c.m.qtest(f"memset {DATA:#x} 0x100000 0xee")
        ide.dma(0x80000, start=False)
        ide.packet(read_cd(256), True)
        for _ in range(3):
            c.m.qmp("query-block")
        c.m.outb(0x1f7, 0x08)
        ide.packet([0] * 6, False)
        ide.wait()
        c.m.outb(BM, 9)
        for _ in range(3):
            c.m.qmp("query-block")
        assert c.m.read(DATA, 0x80000) == b"\xee" * 0x80000, "the program's memory was shown"


def ide_ends():
    for name, end in {"soft reset": lambda m: (m.outb(0x3f6, 4), m.outb(0x3f6, 0)), "engine stopped": lambda m: m.outb(BM, 0),
                      "bus mastering off": lambda m: PciDevice(m, 1, 1).set_config(4, 1, 2), "system reset": lambda m: (m.qmp("system_reset"), m.wait_event("RESET"))}.items():
        with Case(f"IDE disk: {name}", "-device", "ide-hd,bus=ide.0,drive=slow") as c:
            ide = Ide(c.m)
            for command in (0xc8, 0xca):
                c.held(READ, WRITE)
                c.m.write(DATA, b"w" * 4096)
                ide.dma(4096, command == 0xc8)
                ide.registers(0, 8, 8, 0, 0, 0xe0)
                c.m.outb(0x1f7, command)
                c.arrived()
                c.released_during(lambda: (end(c.m), 1))
                c.settle()
                ide = Ide(c.m)
                ide.wait()
            ide.dma(4096)
            ide.registers(0, 8, 64, 0, 0, 0xe0)
            c.m.outb(0x1f7, 0xc8)
            ide.wait()
            assert c.m.read(DATA, 4096) == sectors(64)


# --- AHCI ----------------------------------------------------------------------------------------------------------------------------------

class Port(AhciPort):
    def issue(self, slot, command, lba, count, pieces, queued=False, cdb=None, table=None):
        """pieces: (address, length)"""
        table = table or 0x12000 + 0x100 * slot
        where = lba.to_bytes(6, "little")
        low, high = (count & 255, count >> 8)
        fis = bytes([0x27, 0x80, command, low if queued else 1 if cdb else 0, where[0], where[1], where[2], 0x40, *where[3:6], high if queued else 0,
                     slot << 3 if queued else low, 0 if queued else high]).ljust(0x40, b"\0")
        self.m.write(table, fis + bytes(cdb or ()).ljust(0x40, b"\0") + b"".join(struct.pack("<QII", at, 0, size - 1) for at, size in pieces))
        self.m.write(0x10000 + 32 * slot, struct.pack("<IIQ", 5 | (0x20 if cdb else 0) | len(pieces) << 16, 0, table))
        if queued:
            self.put(0x34, 1 << slot)
        self.put(0x38, 1 << slot)

    def wait(self, slot=0):
        end = time.monotonic() + 60
        while (self.get(0x38) | self.get(0x34)) & 1 << slot and not self.get(0x10) & 7 << 28:
            assert time.monotonic() < end, "no end of the command"
            time.sleep(0.001)
        return self.get(0x20) & 0xff


def ahci_ends():
    def port_reset(p):
        p.put(0x2c, 1)
        p.put(0x2c, 0)
    for name, end in {"port reset": port_reset, "engine stopped": lambda p: p.put(0x18, 0x10), "HBA reset": lambda p: p.m.writel(p.base + 4, 0x80000001),
                      "system reset": lambda p: (p.m.qmp("system_reset"), p.m.wait_event("RESET")), "bus mastering off": lambda p: PciDevice(p.m, 31, 2).set_config(4, 3, 2)}.items():
        for queued in (False, True):
            with Case(f"AHCI: {name}{', queued' if queued else ''}", "-device", "ide-hd,bus=ide.0,drive=slow", board="q35") as c:
                port = Port(c.m)
                for command in (0x25, 0x35):
                    c.held(READ, WRITE)
                    c.m.write(DATA, b"w" * 4096)
                    for slot in range(3 if queued else 1):
                        port.issue(slot, {0x25: 0x60, 0x35: 0x61}[command] if queued else command, 8, 8, [(DATA, 4096)], queued)
                    c.arrived()
                    c.released_during(lambda: (end(port), 1))
                    c.settle()
                    port = Port(c.m)
                    port_reset(port)
                    port.start()
                c.m.qtest(f"memset {DATA:#x} 0x2000 0xee")
                port.issue(0, 0x25, 64, 8, [(DATA, 4096)])
                assert not port.wait() & 0x89 and c.m.read(DATA, 4096) == sectors(64)


def main():
    os.chdir(os.environ["TEST_DIR"])
    only = sys.argv[1:]
    cases = [(f"{f.__name__} {t}", lambda f=f, t=t: f(t)) for t in (False, True)
             for f in (device_reset, queue_reset, unplugged, reset_ejects, machine_resets, stops, decode_off, master_off, scsi)]
    cases += [(f.__name__, f) for f in (cd_reset_under_read, cd_shows_no_memory, ide_ends, ahci_ends)]
    failures = 0
    for name, run in cases:
        if only and not any(word in name for word in only):
            continue
        try:
            run()
        except (AssertionError, OSError, ValueError, ZeroDivisionError) as error:
            failures += 1
            print(f"FAIL: {name}: {error!r}")
            if os.environ.get("TRACE"):
                import traceback
                traceback.print_exc()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
