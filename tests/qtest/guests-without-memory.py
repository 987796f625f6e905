#!/usr/bin/env python3
"""Memory that lacks for what a guest sized fails that request and nothing else: each large allocation (32 KiB or more) that long and
scattered requests cause, on virtio, SCSI, IDE, AHCI, floppy and fw_cfg over many kinds of nodes, is made to fail in turn
(tests/crash/failalloc.c).  And a request of more pieces than the bound is refused, one at the bound works.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import contextlib
import json
import os
import struct
import subprocess
import sys
import time

sys.path[:0] = [os.environ["TEST_SRC"] + "/qtest", os.environ["TEST_SRC"] + "/crash"]
from guestlib import ScsiAdapter
from injector import Control, preloaded
from qtestlib import AhciPort, INDIRECT, IS_INDIRECT, Machine, PciDevice, VirtioPci

MOST, SIZE, KiB, MiB = 60, 16 << 20, 1 << 10, 1 << 20
PIECES_MAX = 1536
failures = injected = 0


class Failing(Control):
    """What fails is counted from request to request."""
    at = tripped = 0

    def begin(self, at):
        """The at-th allocation of the next request fails (of its `lack`)."""
        self.at, self.tripped = at, 0

    @contextlib.contextmanager
    def lack(self):
        """What the guest asks for herein."""
        self.arm(self.at)
        yield
        self.stop()
        if self.at:
            self.tripped += self.trips()

    def end(self):
        self.at = 0
        return self.tripped


def wrong(text):
    global failures
    failures += 1
    print(f"FAIL: {text}", flush=True)


def machine(*args, **more):
    os.environ.update(preloaded())
    try:
        return Machine(*args, **more)
    finally:
        del os.environ["LD_PRELOAD"]


def resident(m):
    with open(f"/proc/{m.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def each_allocation(m, name, request):
    """request() is True when the guest was told of success; it fails at most when memory lacks, and works when there is some again."""
    global injected
    if not request():
        wrong(f"{name}: fails with memory")
        return
    failed = at = 0
    for at in range(1, MOST + 1):
        control.begin(at)
        good = request()
        trips = control.end()
        injected += trips
        failed += not good
        if not good and not trips:
            wrong(f"{name}: fails without need")
            return
        if not request():
            wrong(f"{name}: fails after a lack of memory")
            return
        if not trips:
            break
    if failed and any(word in name for word in ("at once", "CD READ", "UNMAP", "SAME")):      # nothing of what was allocated before is lost
        grown = []
        for _ in range(2):
            before = resident(m)
            for _ in range(20):
                control.begin(max(at - 1, 1))
                request()
                injected += control.end()
            grown.append(resident(m) - before)
        if min(grown) > 4 * MiB:
            wrong(f"{name}: {grown} bytes more after twice 20 failures")


# --- virtio-blk -----------------------------------------------------------------------------------------------------------------------

class Blk:
    """Requests of any shape through an indirect table; the guest's buffers lie at `data`."""

    def __init__(self, m, slot=4):
        self.m, device = m, VirtioPci(m, slot)
        self.ring = device.start(device.features() & (INDIRECT | 0x7fff), 1)[0]
        self.head, self.table, self.data = m.alloc(4096), m.alloc(64 * KiB), 32 * MiB

    def request(self, kind, sector, pieces):
        """(address, length) each; the status."""
        m, count = self.m, len(pieces) + 2
        m.write(self.head, struct.pack("<IIQ", kind, 0, sector) + b"\xff")
        chain = [(self.head, 16, 0)] + [(at, size, 2 if kind == 0 else 0) for at, size in pieces] + [(self.head + 16, 1, 2)]
        m.write(self.table, b"".join(struct.pack("<QIHH", at, size, flags | (1 if i + 1 < count else 0), i + 1 if i + 1 < count else 0)
                                     for i, (at, size, flags) in enumerate(chain)))
        m.write(self.ring.desc, struct.pack("<QIHH", self.table, 16 * count, IS_INDIRECT, 0))
        self.ring.offer(0)
        with control.lack():
            self.ring.kick()
            self.ring.wait()
        return m.read(self.head + 16, 1)[0]

    def pieces(self, length, size, gap=0):
        return [(self.data + i * (size + gap), size) for i in range(length // size)]


def blk_requests(disk):
    """Name and a request that checks its data."""
    m = disk.m

    def write_and_read(sector, pieces):
        def run():
            byte = run.byte = run.byte % 250 + 1
            first, total = pieces[0][0], pieces[-1][0] + pieces[-1][1] - pieces[0][0]
            m.qtest(f"memset {first:#x} {total:#x} {byte:#x}")
            if disk.request(1, sector, pieces):
                return False
            m.qtest(f"memset {first:#x} {total:#x} 0")
            if disk.request(0, sector, pieces):
                return False
            for at, size in (pieces[0], pieces[-1]):
                assert m.read(at, min(size, 512)) == bytes([byte]) * min(size, 512), "other data"
            return True
        run.byte = 0
        return run

    def ranged(kind, sector, sectors, flags=0):
        def run():
            m.write(disk.data, struct.pack("<QII", sector, sectors, flags))
            return disk.request(kind, 0, [(disk.data, 16)]) == 0
        return run
    yield "1 MiB at once", write_and_read(2048, [(disk.data, MiB)])
    yield "1 MiB in pieces", write_and_read(5000, disk.pieces(MiB, 4096, 512))
    yield "odd pieces", write_and_read(7, [(disk.data + 1 + 513 * i, 511 if i % 2 else 513) for i in range(900)])
    yield "zeroes", ranged(13, 3, 4000)
    yield "zeroes unmapped", ranged(13, 128, 4096, 1)
    yield "discard", ranged(11, 1, 20000)


def create(*args):
    subprocess.run([os.environ["QEMU_IMG"], "create", "-q", *args], check=True)


SECRET = ("-object", "secret,id=key,data=secret")


def graphs():
    """Name, options; the node is "disk"."""
    raw = {"driver": "file", "filename": "raw"}
    qcow2 = {"driver": "qcow2", "file": {"driver": "file", "filename": "q.qcow2"}}
    over = {"driver": "qcow2", "file": {"driver": "file", "filename": "over.qcow2"}}
    for name in ("raw", "raw2", "log"):
        create("-f", "raw", name, str(SIZE))
    create("-f", "qcow2", "q.qcow2", str(SIZE))
    create("-f", "qcow2", "base.qcow2", str(SIZE))
    subprocess.run([os.environ["QEMU_IO"], "-c", f"write -P 77 0 {SIZE}", "base.qcow2"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([os.environ["QEMU_IMG"], "convert", "-c", "-O", "qcow2", "base.qcow2", "packed.qcow2"], check=True)
    create("-f", "qcow2", "-b", "packed.qcow2", "-F", "qcow2", "-o", "cluster_size=2M", "over.qcow2")
    create("-f", "qcow2", "-b", "packed.qcow2", "-F", "qcow2", "-o", "extended_l2=on", "sub.qcow2")
    quick = "--object", "secret,id=key,data=secret", "-o"
    create("-f", "luks", *quick, "key-secret=key,iter-time=10", "luks", str(SIZE))
    create("-f", "qcow2", *quick, "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10", "enc.qcow2", str(SIZE))
    yield "raw", raw
    yield "raw past the cache", {**raw, "cache": {"direct": True}}
    yield "zeroes looked for", {**raw, "detect-zeroes": "unmap", "discard": "unmap"}
    yield "qcow2", {**qcow2, "discard": "unmap"}
    yield "qcow2 over compressed", over
    yield "subclusters over compressed", {"driver": "qcow2", "file": {"driver": "file", "filename": "sub.qcow2"}}
    yield "copied on reading", {"driver": "copy-on-read", "file": over}
    yield "encrypted qcow2", {"driver": "qcow2", "file": {"driver": "file", "filename": "enc.qcow2"}, "encrypt": {"format": "luks", "key-secret": "key"}}
    yield "LUKS", {"driver": "luks", "file": {"driver": "file", "filename": "luks"}, "key-secret": "key"}
    yield "quorum", {"driver": "quorum", "children": [raw, {"driver": "file", "filename": "raw2"}], "vote-threshold": 2}
    yield "blkverify", {"driver": "blkverify", "test": raw, "raw": {"driver": "file", "filename": "raw2"}}
    yield "blkdebug that aligns", {"driver": "blkdebug", "image": raw, "align": 4096}
    yield "written down", {"driver": "blklogwrites", "file": raw, "log": {"driver": "file", "filename": "log"}}


def over_nodes():
    for name, node in graphs():
        options = json.dumps({**node, "node-name": "disk"})
        with machine(*SECRET, "-blockdev", options, "-device", "virtio-blk-pci,drive=disk,addr=4", "-blockdev", "null-co,node-name=beside,size=1048576",
                     "-device", "virtio-blk-pci,drive=beside,addr=5") as m:
            disk, beside = Blk(m), Blk(m, 5)
            for what, request in blk_requests(disk):
                each_allocation(m, f"{name}: {what}", request)
                assert beside.request(0, 0, [(disk.data, 512)]) == 0


def bound():
    """A chain of all descriptors that a table may have works, a longer one breaks the device."""
    with open("raw", "wb") as file:
        file.truncate(SIZE)
    with machine("-blockdev", "file,filename=raw,node-name=disk", "-device", "virtio-blk-pci,drive=disk,addr=4") as m:
        disk = Blk(m)
        assert disk.request(0, 0, [(disk.data + 1024 * i, 512) for i in range(1022)]) == 0
        m.write(disk.ring.desc, struct.pack("<QIHH", disk.table, 16 * 1200, IS_INDIRECT, 0))      # more than a ring may have
        m.write(disk.table, b"".join(struct.pack("<QIHH", disk.data, 512, 3 if i else 1, i + 1) for i in range(1200)))
        disk.ring.offer(0)
        disk.ring.kick()
        assert disk.ring.d.status() & 0x40, "a chain that is too long was taken"
        disk = Blk(m)
        assert disk.request(0, 0, [(disk.data, 512)]) == 0


# --- SCSI -------------------------------------------------------------------------------------------------------------------------------

def scsi():
    with open("raw", "wb") as file:
        file.truncate(SIZE)
    with machine("-blockdev", "file,filename=raw,node-name=disk,discard=unmap", "-blockdev", "null-co,node-name=cd,size=1048576,read-only=on",
                 "-device", "virtio-scsi-pci,id=s,addr=4", "-device", "scsi-hd,drive=disk,bus=s.0,scsi-id=1",
                 "-device", "scsi-cd,drive=cd,bus=s.0,scsi-id=2") as m:
        a = ScsiAdapter(m, 4)
        a.at = m.alloc(4 * MiB)
        for target in (1, 2):
            a.command(target, [0] * 6)

        def run(target, cdb, out=0, length=0, data=b""):
            if data:
                m.write(a.at + 256, data)
            with control.lack():
                response, status, sense = a.command(target, cdb, out, length)
            if (response, status) == (0, 0):
                return True
            assert response == 0 and status == 2 and sense[2] & 15 in (4, 11), (response, status, sense)
            return False

        def be(value, size):
            return list(value.to_bytes(size, "big"))
        unmap = struct.pack(">HHI", 65526, 65520, 0) + b"".join(struct.pack(">QII", i * 8, 8, 0) for i in range(4095))
        for name, arguments in {
                "READ": ([0x88, 0, *be(0, 8), *be(2048, 4), 0, 0], 0, MiB), "WRITE": ([0x8a, 0, *be(0, 8), *be(2048, 4), 0, 0], MiB, 0),
                "UNMAP": ([0x42, 0, 0, 0, 0, 0, 0, *be(65528, 2), 0], 65528, 0, unmap),
                "WRITE SAME": ([0x93, 0, *be(8, 8), *be(4096, 4), 0, 0], 512, 0, b"pattern!" * 64),
                "WRITE SAME of zeroes": ([0x93, 8, *be(8, 8), *be(4096, 4), 0, 0], 512, 0, bytes(512)),
                "REPORT LUNS": ([0xa0, 0, 0, 0, 0, 0, *be(MiB, 4), 0, 0], 0, MiB), "INQUIRY": ([0x12, 0, 0, *be(0xffff, 2), 0], 0, 0xffff),
                "MODE SENSE": ([0x5a, 0, 0x3f, 0, 0, 0, 0, *be(0xffff, 2), 0], 0, 0xffff),
                "READ CAPACITY": ([0x9e, 0x10, *be(0, 8), *be(MiB, 4), 0, 0], 0, MiB)}.items():
            each_allocation(m, f"SCSI {name}", lambda arguments=arguments: run(1, *arguments))
        for name, arguments in {"READ of a CD": ([0xa8, 0, *be(0, 4), *be(256, 4), 0, 0], 0, 512 * KiB), "READ TOC": ([0x43, 0, 0, 0, 0, 0, 0, *be(0xffff, 2), 0], 0, 0xffff),
                                "GET CONFIGURATION": ([0x46, 0, 0, 0, 0, 0, 0, *be(0xffff, 2), 0], 0, 0xffff)}.items():
            each_allocation(m, f"SCSI {name}", lambda arguments=arguments: run(2, *arguments))


# --- IDE and AHCI -----------------------------------------------------------------------------------------------------------------------

BM, DATA = 0xc000, 32 * MiB


class Ide:
    """The first PIIX channel: a disk and a CD."""

    def __init__(self, m):
        self.m = m
        function = PciDevice(m, 1, 1)
        function.set_config(0x20, BM | 1)
        function.set_config(4, 5, 2)

    def wait(self):
        end = time.monotonic() + 60
        while self.m.inb(0x3f6) & 0x80:
            assert time.monotonic() < end, "busy for ever"
        return self.m.inb(0x1f7)

    def dma(self, to_memory, length, piece=0x8000):
        table, count = 0x180000, length // piece
        self.m.write(table, b"".join(struct.pack("<IHH", DATA + i * 2 * piece, piece, 0x8000 if i == count - 1 else 0) for i in range(count)))
        self.m.outb(BM, 0)
        self.m.outb(BM + 2, 6)
        self.m.outl(BM + 4, table)
        self.m.outb(BM, 9 if to_memory else 1)

    def command(self, code, lba, count, to_memory, length, piece=0x8000, feature=0):
        for register, (high, low) in enumerate(((0, feature), (count >> 8, count & 255), (0, lba & 255), (0, lba >> 8 & 255), (0, lba >> 16)), 1):
            self.m.outb(0x1f0 + register, high)
            self.m.outb(0x1f0 + register, low)
        self.m.outb(0x1f6, 0xe0)
        self.dma(to_memory, length, piece)
        with control.lack():
            self.m.outb(0x1f7, code)
            return not self.wait() & 1

    def packet(self, cdb, length, dma=True):
        m = self.m
        if dma:
            self.dma(True, length)
        for register, value in enumerate((1 if dma else 0, 0, 0, 0xfe, 0xff, 0xb0), 1):
            m.outb(0x1f0 + register, value)
        m.outb(0x1f7, 0xa0)
        with control.lack():
            for word in struct.iter_unpack("<H", bytes(cdb).ljust(12, b"\0")):
                m.outw(0x1f0, word[0])
            while (status := self.wait()) & 8 and not dma:
                m.inw(0x1f0)
        return not status & 1


def ide():
    with machine("-blockdev", "file,filename=raw,node-name=disk,discard=unmap", "-blockdev", "null-co,node-name=cd,size=8388608,read-only=on",
                 "-device", "ide-hd,drive=disk,bus=ide.0", "-device", "ide-cd,drive=cd,bus=ide.0") as m:
        drive = Ide(m)
        m.write(DATA, b"".join(struct.pack("<Q", 8 << 48 | 8 * i) for i in range(4096)))
        each_allocation(m, "IDE TRIM", lambda: drive.command(0x06, 0, 64, False, 64 * 512, feature=1))
        each_allocation(m, "IDE READ DMA", lambda: drive.command(0x25, 0, 4096, True, 2 * MiB))
        each_allocation(m, "IDE WRITE DMA", lambda: drive.command(0x35, 0, 4096, False, 2 * MiB))
        each_allocation(m, "IDE READ DMA in pieces", lambda: drive.command(0x25, 8, 256, True, 128 * KiB, 256))
        for _ in range(2):
            drive.packet([0] * 6, 0, False)
        each_allocation(m, "CD READ", lambda: drive.packet([0xa8, 0, 0, 0, 0, 0, 0, 0, 1, 0], 512 * KiB))
        each_allocation(m, "CD READ raw", lambda: drive.packet([0xbe, 0, 0, 0, 0, 0, 0, 0, 200, 0xf8], 0x8000 * 15))


class Port(AhciPort):
    def transfer(self, command, sectors, pieces):
        m, table = self.m, 0x200000
        m.write(table, bytes([0x27, 0x80, command, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, sectors & 255, sectors >> 8]).ljust(0x80, b"\0"))
        m.write(table + 0x80, b"".join(struct.pack("<QII", at, 0, size - 1) for at, size in pieces))
        m.write(0x10000, struct.pack("<IIQ", 5 | (0x40 if command == 0x35 else 0) | len(pieces) << 16, 0, table))
        self.put(0x10, 0xffffffff)
        with control.lack():
            self.put(0x38, 1)
            end = time.monotonic() + 60
            while self.get(0x38) & 1 and not self.get(0x10) & 7 << 28:
                assert time.monotonic() < end, "no end of the command"
        good = not self.get(0x20) & 1 and struct.unpack("<I", m.read(0x10004, 4))[0] >= 512 * sectors
        if self.get(0x38) & 1:             # a failed one stays until the engine was stopped
            self.put(0x18, 0x10)
            self.put(0x18, 0x11)
        return good


def scattered(count, total):
    """`count` pieces with holes between them."""
    size = total // count & ~1
    sizes = [size] * (count - 1) + [total - size * (count - 1)]
    return [(DATA + 4096 * i, sizes[i]) for i in range(count)]


def ahci():
    with open("raw", "wb") as file:
        file.write(b"raw!" * (SIZE // 4))
    with machine("-blockdev", "file,filename=raw,node-name=disk", "-device", "ide-hd,drive=disk,bus=ide.0", "-blockdev", "null-co,node-name=beside,size=1048576",
                 "-device", "virtio-blk-pci,drive=beside,addr=5", board="q35") as m:
        port = Port(m)
        sectors = 1500
        for command in (0x25, 0x35):
            for count, good in ((PIECES_MAX - 1, True), (PIECES_MAX, True), (PIECES_MAX + 1, False), (60000, False)):
                pieces = scattered(min(count, 3000), sectors * 512) + [(DATA, 2)] * max(count - 3000, 0)
                if port.transfer(command, sectors, pieces) is not good:
                    wrong(f"AHCI, command {command:#x} in {count} pieces: {'refused' if good else 'taken'}")
                if not port.transfer(0x25, 8, [(DATA, 4096)]) or m.read(DATA, 8) != b"raw!raw!":
                    wrong(f"AHCI does not go on after {count} pieces")
        each_allocation(m, "AHCI READ", lambda: port.transfer(0x25, 4096, [(DATA, MiB), (DATA + MiB, MiB)]))
        each_allocation(m, "AHCI READ in pieces", lambda: port.transfer(0x25, sectors, scattered(1400, sectors * 512)))
        assert Blk(m, 5).request(0, 0, [(DATA, 512)]) == 0


# --- fw_cfg --------------------------------------------------------------------------------------------------------------------------------

def fw_cfg():
    with open("blob", "wb") as file:
        file.write(b"blob" * MiB)
    with machine("-fw_cfg", "name=opt/blob,file=blob") as m:
        def read(control_word, length):
            m.write(0x100000, struct.pack(">IIQ", control_word, length, DATA))
            m.outl(0x514, 0)
            with control.lack():
                m.outl(0x518, int.from_bytes(struct.pack(">I", 0x100000), "little"))
            return m.read(0x100000, 4) == bytes(4)
        for key in range(0x20, 0x40):
            assert read(key << 16 | 0xa, 4)
            if m.read(DATA, 4) == b"blob":
                each_allocation(m, "fw_cfg DMA", lambda key=key: read(key << 16 | 0xa, 4 * MiB))
                break
        else:
            wrong("fw_cfg: no blob")
        each_allocation(m, "fw_cfg directory", lambda: read(0x19000a, 4 * MiB))


def main():
    global control
    if os.environ.get("UNDER_SANITIZER"):
        print("sanitizers have the allocator")
        sys.exit(77)
    os.chdir(os.environ["TEST_DIR"])
    control = Failing()
    for part in (over_nodes, bound, scsi, ide, ahci, fw_cfg):
        if not sys.argv[1:] or part.__name__ in sys.argv[1:]:
            try:
                part()
            except (AssertionError, OSError, ValueError) as error:
                wrong(f"{part.__name__}: {repr(error)[:200]}")
                if os.environ.get("TRACE"):
                    import traceback
                    traceback.print_exc()
    print(f"{injected} large allocations failed: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
