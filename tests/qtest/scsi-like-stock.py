#!/usr/bin/env python3
"""SCSI disks and CD drives behind virtio-scsi: data, status, sense and statistics of many commands as the stock emulator's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine, VirtioPci, program, skip


class Scsi:
    def __init__(self, machine, slot):
        self.device = VirtioPci(machine, slot)
        self.queues = self.device.start(self.device.features() & 7, 3)

    def command(self, cdb, in_length=0, out=b"", lun=bytes([1, 0, 0x40, 0, 0, 0, 0, 0])):
        """(response, status, residual, sense, data)."""
        request = lun + struct.pack("<QBBB", 1, 0, 0, 0) + bytes(cdb).ljust(32, b"\0")
        answer = self.queues[2].run([request] + ([out] if out else []), [108] + ([in_length] if in_length else []))
        length, residual, _, status, response = struct.unpack("<IIHBB", answer[:12])
        return response, status, residual, answer[12:12 + length].hex(), answer[108:], self.queues[2].length

    def task(self, subtype, target=0, lun=0):
        request = struct.pack("<II", 0, subtype) + bytes([1, target, 0x40, lun, 0, 0, 0, 0]) + bytes(8)
        return self.queues[0].run([request], [1])


def be(value, size):
    return list(value.to_bytes(size, "big"))


def ten(op, lba, blocks, flags=0):
    return [op, flags] + be(lba, 4) + [0] + be(blocks, 2) + [0]


def sixteen(op, lba, blocks, flags=0):
    return [op, flags] + be(lba, 8) + be(blocks, 4) + [0, 0]


def sized(op, length, *rest):
    """A ten-byte command with its allocation length."""
    return ([op] + list(rest) + [0] * 10)[:7] + be(length, 2) + [0]


def commands(block):
    """(name, cdb, bytes to read, bytes to write)."""
    yield from ((f"ready {i}", [0] * 6, 0) for i in range(2))
    yield from ((f"inquiry {n}", [0x12, 0, 0, 0, n, 0], n) for n in (5, 36, 96))
    yield from ((f"page {page:#x}", [0x12, 1, page, 0, 255, 0], 255) for page in (0, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0x99))
    yield "page without bit", [0x12, 0, 1, 0, 255, 0], 255
    yield "capacity", [0x25] + [0] * 9, 8
    yield "capacity 16", [0x9e, 0x10] + [0] * 8 + be(32, 4) + [0, 0], 32
    yield "bad service action", [0x9e, 0x11] + [0] * 8 + be(32, 4) + [0, 0], 32
    yield "sense", [3, 0, 0, 0, 18, 0], 18
    yield "sense descriptors", [3, 1, 0, 0, 18, 0], 18
    for page in (0x01, 0x04, 0x05, 0x08, 0x0e, 0x2a, 0x33, 0x3f, 0x48, 0x88, 0xc8):
        yield f"mode {page:#x}", [0x1a, 0, page, 0, 255, 0], 255
    yield "mode without descriptor", [0x1a, 8, 8, 0, 255, 0], 255
    yield "mode 10", sized(0x5a, 256, 0, 0x3f), 256
    yield "luns", [0xa0] + [0] * 5 + be(64, 4) + [0, 0], 64
    yield "luns short", [0xa0] + [0] * 5 + be(8, 4) + [0, 0], 8
    yield "read 6", [8, 0, 0, 1, 1, 0], block
    yield "read 10", ten(0x28, 1, 2), 2 * block
    yield "read 12", [0xa8, 0] + be(1, 4) + be(1, 4) + [0, 0], block
    yield "read 16", sixteen(0x88, 1, 1), block
    yield "read nothing", ten(0x28, 1, 0), 0
    yield "read too far", ten(0x28, 1 << 30, 1), block
    yield "read into less", ten(0x28, 1, 2), block
    yield "write 10", ten(0x2a, 3, 1), 0, b"W" * block
    yield "write through", ten(0x2a, 4, 1, 8), 0, b"F" * block
    yield "write 16", sixteen(0x8a, 7, 1), 0, b"1" * block
    yield "write too far", ten(0x2a, 1 << 30, 1), 0, b"1" * block
    yield "write and verify", ten(0x2e, 8, 1), 0, b"V" * block
    yield "verify", ten(0x2f, 8, 1), 0
    yield "verify bytes", ten(0x2f, 8, 1, 2), 0, b"V" * block
    yield "read back", ten(0x28, 3, 6), 6 * block
    yield "flush", [0x35] + [0] * 9, 0
    for power in (1, 0, 2, 3):
        yield f"start stop {power}", [0x1b, 0, 0, 0, power, 0], 0
        yield f"ready after {power}", [0] * 6, 0
    yield "prevent removal", [0x1e, 0, 0, 0, 1, 0], 0
    yield "eject locked", [0x1b, 0, 0, 0, 2, 0], 0
    yield "allow removal", [0x1e, 0, 0, 0, 0, 0], 0
    ranges = bytes(be(22, 2) + be(16, 2) + [0] * 4)
    yield "unmap", sized(0x42, 24), 0, ranges + bytes(be(8, 8) + be(4, 4) + [0] * 4)
    yield "unmap too far", sized(0x42, 24), 0, ranges + bytes(be(1 << 40, 8) + be(4, 4) + [0] * 4)
    yield "unmap short list", sized(0x42, 4), 0, bytes(4)
    yield "unmap anchored", sized(0x42, 24, 1), 0, bytes(24)
    yield "write same", ten(0x41, 16, 4), 0, b"S" * block
    yield "write same back", ten(0x28, 16, 4), 4 * block
    yield "write same none", ten(0x41, 16, 0), 0, b"S" * block
    yield "write same zeroes", sixteen(0x93, 16, 2, 8), 0, bytes(block)
    yield "write same too far", sixteen(0x93, 1 << 40, 2), 0, bytes(block)
    yield "cache off", [0x15, 0x10, 0, 0, 24, 0], 0, bytes([0, 0, 0, 0, 8, 18, 0] + [0] * 17)
    yield "cache on", sized(0x55, 28, 0x10), 0, bytes([0] * 8 + [8, 18, 4] + [0] * 17)
    yield "select unknown page", [0x15, 0x10, 0, 0, 24, 0], 0, bytes([0, 0, 0, 0, 9, 18, 0] + [0] * 17)
    yield from ((f"contents {n}", sized(0x43, 64, 0, n), 64) for n in (0, 1, 2))
    yield "contents in minutes", sized(0x43, 64, 2), 64
    yield "configuration", sized(0x46, 64), 64
    yield "events", sized(0x4a, 8, 1, 0, 0, 0x10), 8
    yield "events later", sized(0x4a, 8, 0, 0, 0, 0x10), 8
    yield "disc", sized(0x51, 64), 64
    yield "mechanism", [0xbd] + [0] * 7 + be(8, 2) + [0, 0], 8
    yield from ((f"opcode {op:#x}", [op] + [0] * 11, 0) for op in (0x01, 0x04, 0x16, 0x17, 0x1c, 0x1d, 0x2b, 0x3c, 0x56, 0x91, 0xbb, 0xf0, 0xff))


def conversation(stock, device, block, adapter=()):
    name = f"disk-{'stock' if stock else 'ours'}.raw"
    with open(name, "wb") as image:
        image.write(bytes(i * 7 & 255 for i in range(4096)) + bytes((8 << 20) - 4096))
    with Machine("-object", "iothread,id=io", "-device", ",".join(["virtio-scsi-pci,addr=4", *adapter]), "-device", device, "-blockdev",
                 f"raw,node-name=n0,discard=unmap,file.driver=file,file.filename={name}", stock=stock) as machine:
        scsi = Scsi(machine, 4)
        said = [("configuration", [scsi.device.device_config(i, 4) for i in range(0, 36, 4)])]
        said += [(item[0], scsi.command(*item[1:])) for item in commands(block)]
        for what, lun in (("target", [1, 3, 0x40, 0]), ("unit", [1, 0, 0x40, 5]), ("format", [0, 0, 0, 0])):
            for cdb, length in (([0] * 6, 0), ([0x12, 0, 0, 0, 36, 0], 36), ([3, 0, 0, 0, 18, 0], 18)):
                said.append((f"no such {what} {cdb[0]:#x}", scsi.command(cdb, length, lun=bytes(lun + [0] * 4))))
        said += [(f"task {i}", scsi.task(i)) for i in range(9)]
        said += [("task for no unit", scsi.task(5, lun=7)), ("task for no target", scsi.task(5, target=7))]
        stats = machine.qmp("query-blockstats")[0]["stats"]
        said.append(("events", [(e["event"], e.get("data")) for e in machine.events]))
        said.append(("statistics", {k: v for k, v in stats.items() if "time" not in k and "histogram" not in k}))
    with open(name, "rb") as image:
        return said + [("image", image.read())]


def main():
    if not program(stock=True):
        skip("no stock emulator")
    for device, block, *adapter in (("scsi-hd,drive=n0,serial=one,wwn=0x5000c50015ea71ac,port_wwn=0x5000c50015ea71ad,port_index=1", 512),
                                    ("scsi-cd,drive=n0", 2048), ("scsi-hd,drive=n0,removable=on,dpofua=on,rotation_rate=1", 512),
                                    ("scsi-hd,drive=n0,logical_block_size=4096,physical_block_size=4096,write-cache=off,device_id=two", 4096),
                                    ("scsi-hd,drive=n0,werror=stop", 512, "iothread=io"), ("scsi-cd,drive=n0", 2048, "iothread=io")):
        # The stock program ends with a failed assertion when a unit is reset in an iothread: there it works without one.
        for mine, theirs in zip(conversation(False, device, block, adapter), conversation(True, device, block)):
            if mine != theirs:
                sys.exit(f"{device}: {mine[0]}\nours  {str(mine[1])[:600]}\nstock {str(theirs[1])[:600]}")


if __name__ == "__main__":
    main()
