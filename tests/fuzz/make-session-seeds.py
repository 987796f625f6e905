#!/usr/bin/env python3
"""Make the seeds of the entries that read a conversation: NBD (both sides), a guest's operations, QMP, HMP.

Usage: make-session-seeds.py CORPUS

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import sys

CORPUS = sys.argv[1]
OPTION, REPLY, REQUEST = 0x49484156454F5054, 0x3E889045565A9, 0x25609513


def save(entry, name, data):
    os.makedirs(os.path.join(CORPUS, entry), exist_ok=True)
    with open(os.path.join(CORPUS, entry, name), "wb") as file:
        file.write(data)


def option(number, data=b""):
    return struct.pack(">QII", OPTION, number, len(data)) + data


def text(s):
    return struct.pack(">I", len(s)) + s


def request(kind, offset, length, flags=0, data=b""):
    return struct.pack(">IHHQQI", REQUEST, flags, kind, 1, offset, length) + data


def nbd_client_sides():
    hello, contexts = struct.pack(">I", 3), text(b"e") + struct.pack(">I", 2) + text(b"base:allocation") + text(b"qemu:")
    go = option(7, text(b"e") + struct.pack(">HH", 1, 3))
    requests = (request(0, 0, 512) + request(1, 512, 4, 1, b"data") + request(3, 0, 0) + request(4, 4096, 4096) + request(6, 0, 65536, 2) +
                request(7, 0, 65536, 8) + request(5, 0, 512) + request(2, 0, 0))
    save("nbd-server", "simple", hello + go + requests)
    save("nbd-server", "structured", hello + option(8) + option(10, contexts) + go + requests)
    save("nbd-server", "options", hello + option(3) + option(6, text(b"e") + struct.pack(">H", 0)) + option(9, contexts) + option(5) + option(2))
    save("nbd-server", "old", hello + option(1, b"e") + requests)


def answer(number, kind, data=b""):
    return struct.pack(">QIII", REPLY, number, kind, len(data)) + data


def nbd_server_sides():
    hello = b"NBDMAGIC" + struct.pack(">QH", OPTION, 3)
    facts = answer(7, 3, struct.pack(">HQH", 0, 1 << 20, 0x0ED)) + answer(7, 3, struct.pack(">HIII", 3, 1, 4096, 1 << 25)) + answer(7, 1)
    context = answer(10, 4, struct.pack(">I", 1) + b"base:allocation") + answer(10, 1)
    shown = answer(3, 2, text(b"e") + b"a disk") + answer(3, 1)
    info = facts.replace(struct.pack(">QI", REPLY, 7), struct.pack(">QI", REPLY, 6))
    save("nbd-client", "go", b"\0" + hello + facts)
    save("nbd-client", "all", b"\x1f" + hello + answer(8, 1) + shown + info + context.replace(struct.pack(">QI", REPLY, 10), struct.pack(">QI", REPLY, 9))
         + context + facts)
    save("nbd-client", "refused", b"\x01" + hello + answer(8, 0x80000001, b"no") + answer(7, 0x80000006, b"unknown export"))
    save("nbd-client", "old", b"\0NBDMAGIC" + struct.pack(">QQH", 0x420281861253, 1 << 20, 1) + bytes(124))


def guests():
    def operation(kind, *args, size=0):
        return bytes([size, kind]) + b"".join(args)

    def start(device, queue):
        return operation(5, bytes([device]), b"\xff\xff\xff\xff\x01", bytes([queue, 4]))

    def descriptor(at, page, length, flags, following):
        return operation(6, bytes([0, at, 4]), struct.pack("<H", page), bytes([length, flags, following]))

    blk = start(0, 0) + descriptor(0, 0, 3, 1, 1) + descriptor(1, 64, 5, 3, 2) + descriptor(2, 200, 1, 2, 0) + operation(8, b"\0\0\0\1") + operation(9)
    scsi = start(1, 2) + descriptor(0, 0, 11, 1, 1) + descriptor(1, 64, 10, 3, 2) + descriptor(2, 200, 5, 2, 0) + operation(8, b"\2\1\0\1") + operation(9)
    save("machine", "virtio-blk", blk + operation(8, b"\0\0\1\1") + operation(9))
    save("machine", "virtio-scsi", scsi)
    ide = b"".join(operation(0, bytes([0, reg]), struct.pack("<I", value)) for reg, value in ((6, 0xE0), (2, 1), (3, 0), (4, 0), (5, 0), (7, 0x20)))
    save("machine", "ide", ide + operation(1, bytes([0, 0]), size=1) * 8 + operation(0, bytes([11, 0]), b"\x09\0\0\0") + operation(9))
    floppy = b"".join(operation(0, bytes([2, reg]), struct.pack("<I", value)) for reg, value in ((2, 0x1C), (5, 0x0F), (5, 0), (5, 1), (5, 0x08), (5, 0x46)))
    save("machine", "floppy", floppy + operation(1, bytes([2, 5])) * 4)
    ahci = operation(2, b"\3" + (2 * 0x100000 + 0x50000 + 4).to_bytes(3, "little"), struct.pack("<Q", 0x80000002), size=2)
    ahci += operation(2, b"\3" + (2 * 0x100000 + 0x50000 + 0x118).to_bytes(3, "little"), struct.pack("<Q", 0x11), size=2)
    save("machine", "ahci", ahci + operation(2, b"\3" + (2 * 0x100000 + 0x50000 + 0x138).to_bytes(3, "little"), struct.pack("<Q", 1), size=2) + operation(9))
    save("machine", "qtest", b"Qoutl 0xcf8 0x80001810\ninl 0xcfc\nwrite 0x1000 0x4 0x01020304\nread 0x1000 0x4\nb64write 0x0 0x3 AAAA\nclock_step 100\n"
         b"memset 0x10 0x20 0xff\nirq_intercept_in ioapic\nset_irq_in /machine x 0 1\nreadq 0x0\nendianness\n")


def monitors():
    save("qmp", "blockdev", b'{"execute":"query-block"}\n{"execute":"blockdev-add","arguments":{"driver":"qcow2","node-name":"n",'
         b'"file":{"driver":"file","filename":"x"},"backing":null}}\n{"execute":"transaction","arguments":{"actions":[{"type":"abort","data":{}}]}}\n')
    save("qmp", "others", b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]},"id":1}\n{"exec-oob":"yank","arguments":{"instances":[{"type":"chardev",'
         b'"id":"a"}]}}\n{"execute":"chardev-add","arguments":{"id":"c","backend":{"type":"socket","data":{"addr":{"type":"inet","data":{"host":"h","port":"1"}}}}}}\n'
         b'{"execute":"blockdev-create","arguments":{"job-id":"j","options":{"driver":"qcow2","file":"n","size":65536,"version":"v3"}}}\n'
         b'{"execute":"block-dirty-bitmap-merge","arguments":{"node":"n","target":"t","bitmaps":["a",{"node":"m","name":"b"}]}}\n')
    save("hmp", "lines", b'info block -v x\nsavevm "a b"\nprint/x (1+2)*0x10\ndrive_add 0 if=none,file=x\nx/4xg 0x10\nblock_set_io_throttle d 1 2 3 4 5 6\n')
    save("hmp", "keys", b"Kinfo bl\tock\x1b[A\x1b[D\x08\x7f\x01\x05\x0b\x0c\x17\x1b[3~\x1bOH\r")


def front_ends():
    """Operations of fuzz-vhost-user.c."""
    start = bytes([2, 0, 0, 4])
    header, data, status = bytes([3, 0, 3, 1, 1, 1]), bytes([3, 1, 13, 1, 3, 2]), bytes([3, 2, 1, 1, 2, 0])
    save("vhost-user", "read", start + header + data + status + bytes([5, 0, 0, 7, 5, 0, 0, 7]))
    kinds = b"".join(bytes([6, 192, 16, 1, kind]) + bytes([5, 0, 0, 7]) for kind in (1, 4, 8, 11, 13, 99))
    save("vhost-user", "kinds", start + header + data + status + kinds)
    save("vhost-user", "loop", start + bytes([3, 0, 3, 1, 1, 0]) + bytes([5, 0, 0, 7]))
    save("vhost-user", "indirect", start[:1] + bytes([3]) + start[2:] + bytes([3, 0, 3, 1, 4, 0]) + bytes([5, 0, 0, 7]))
    save("vhost-user", "messages", b"".join(bytes([0, request, 8, 1, 1, 3]) for request in range(48)))
    save("vhost-user", "regions", bytes([2, 0, 0, 6, 0, 37, 0, 5, 1, 0, 8, 6, 9, 0, 0, 38, 0, 5, 1, 0, 8, 6, 9, 0, 7]))
    save("vhost-user", "log", start + bytes([0, 6, 0, 2, 1, 5, 0, 0, 2, 0, 1, 1, 14]) + header + data + status + bytes([5, 0, 0, 7]))


def volumes():
    """Patches of fuzz-luks.c: where, how much, what."""
    def patch(at, data):
        return struct.pack("<HB", at, len(data)) + data

    save("luks", "good", b"")
    save("luks", "names", patch(8, b"serpent\0") + patch(40, b"xts-plain64\0") + patch(72, b"sha512\0"))
    save("luks", "key", patch(108, struct.pack(">I", 64)) + patch(104, struct.pack(">I", 0xFFFFFFFF)))
    save("luks", "slot", patch(256, struct.pack(">II", 0x00AC71F3, 1000)) + patch(256 + 40, struct.pack(">II", 8, 4000)))
    save("luks", "iterations", patch(164, b"\xff" * 4) + patch(212, b"\xff" * 4))
    save("luks", "stripes", patch(208 + 40, struct.pack(">II", 0xFFFFFFF8, 4001)))


nbd_client_sides()
nbd_server_sides()
front_ends()
volumes()
guests()
monitors()
