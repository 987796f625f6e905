#!/usr/bin/env python3
"""Proves that our server answers every kind of request (good, odd, past the end, with wrong flags), in simple and structured mode, of a good
disk, of disks that fail in each kind of operation and of a chain with bitmaps, with the bytes that stock's answers.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

from lib import read

FOLDER = os.environ["TEST_DIR"]
PROGRAMS = {"stock": os.environ.get("STOCK_QEMU_NBD", ""), "ours": os.environ["QEMU_NBD"]}
IMG, IO = os.environ.get("STOCK_QEMU_IMG", ""), os.environ.get("STOCK_QEMU_IO", "")
SIZE, K = 1 << 20, 1024
READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZERO, STATUS = range(8)
FUA, NO_HOLE, DF, ONE, FAST = 1, 2, 4, 8, 16
ALLOCATION, DEPTH, DIRTY = "base:allocation", "qemu:allocation-depth", "qemu:dirty-bitmap:b"

# name: kind, flags, offset, length
REQUESTS = {
    "read": (READ, 0, 0, 4096), "read of two kinds": (READ, 0, 128 * K, 256 * K), "read a hole": (READ, 0, 300 * K, 4096),
    "read, do not fragment": (READ, DF, 128 * K, 256 * K), "read with FUA": (READ, FUA, 0, 512), "read nothing": (READ, 0, 512, 0),
    "read nothing, do not fragment": (READ, DF, 512, 0), "read odd": (READ, 0, 1, 511), "read past the end": (READ, 0, SIZE - 512, 1024),
    "read far out": (READ, 0, 1 << 63, 512), "read too much": (READ, 0, 0, (32 << 20) + 1), "read, wrong flags": (READ, NO_HOLE, 0, 512),
    "write": (WRITE, 0, 0, 4096), "write with FUA": (WRITE, FUA, 4096, 512), "write nothing": (WRITE, 0, 0, 0), "write odd": (WRITE, 0, 3, 5),
    "write past the end": (WRITE, 0, SIZE - 512, 1024), "write, wrong flags": (WRITE, DF, 0, 512),
    "zero": (ZERO, 0, 64 * K, 64 * K), "zero, no hole": (ZERO, NO_HOLE, 0, 4096), "zero with FUA": (ZERO, FUA, 8 * K, 4096),
    "zero fast": (ZERO, FAST, 16 * K, 4096), "zero nothing": (ZERO, 0, 0, 0), "zero past the end": (ZERO, 0, SIZE - 512, 1024),
    "zero, wrong flags": (ZERO, DF, 0, 512), "trim": (TRIM, 0, 128 * K, 64 * K), "trim with FUA": (TRIM, FUA, 128 * K, 64 * K),
    "trim nothing": (TRIM, 0, 0, 0), "trim nothing with FUA": (TRIM, FUA, 0, 0), "trim past the end": (TRIM, 0, SIZE - 512, 1024),
    "trim, wrong flags": (TRIM, DF, 0, 512), "flush": (FLUSH, 0, 0, 0), "flush with FUA": (FLUSH, FUA, 0, 0), "flush, wrong flags": (FLUSH, DF, 0, 0),
    "cache": (CACHE, 0, 0, 64 * K), "cache nothing": (CACHE, 0, 0, 0), "cache too much": (CACHE, 0, 0, 64 << 20),
    "cache past the end": (CACHE, 0, SIZE, 512), "cache, wrong flags": (CACHE, DF, 0, 512),
    "status": (STATUS, 0, 0, SIZE), "status of one": (STATUS, ONE, 0, SIZE), "status of a part": (STATUS, 0, 200 * K, 100 * K),
    "status of nothing": (STATUS, 0, 0, 0), "status past the end": (STATUS, 0, 0, SIZE + 512), "status, wrong flags": (STATUS, DF, 0, 512),
    "unknown": (99, 0, 0, 0), "unknown with FUA": (99, FUA, 0, 512), "write too much": (WRITE, 0, 0, (32 << 20) + 1),
}


def file_disk(folder):
    subprocess.run([IO, "-f", "raw", "-c", "write -P 1 0 256k", "-c", "write -P 2 512k 256k", "disk"], cwd=folder, check=True, capture_output=True)
    return {"driver": "raw", "file": {"driver": "file", "filename": "disk"}}


def plain(folder):
    return file_disk(folder), []


def read_only(folder):
    return file_disk(folder), ["-r"]


def failing(kind, **rule):
    """All requests of this kind fail."""
    def make(folder):
        rules = [{"event": "none", "iotype": kind, "errno": 5, **rule}]
        return {"driver": "blkdebug", "image": file_disk(folder), "inject-error": rules}, []
    return make


def no_room(folder):
    return {"driver": "blkdebug", "image": file_disk(folder), "inject-error": [{"event": "none", "iotype": "write", "errno": 28}]}, []


def chain(folder):
    run = lambda *words: subprocess.run(words, cwd=folder, check=True, capture_output=True)
    run(IMG, "create", "-f", "qcow2", "base", str(SIZE))
    run(IO, "-c", "write -P 1 0 128k", "base")
    run(IMG, "create", "-f", "qcow2", "-b", "base", "-F", "qcow2", "top")
    run(IMG, "bitmap", "--add", "-g", "64k", "top", "b")
    run(IO, "-c", "write -P 2 192k 64k", "-c", "write -P 3 512k 64k", "-c", "write -P 3 640k 64k", "-c", "write -z 704k 64k", "top")
    run(IMG, "bitmap", "--disable", "top", "b")
    return {"driver": "qcow2", "file": {"driver": "file", "filename": "top"}}, ["-r", "-A", "-B", "b"]


DISKS = {
    "good": plain, "read-only": read_only, "reads fail": failing("read"), "one place fails": failing("read", sector=640),
    "writes fail": failing("write"), "no room": no_room, "flushes fail": failing("flush"), "zeroes fail": failing("write-zeroes"),
    "discards fail": failing("discard"), "status fails": failing("block-status"), "chain": chain,
}

# Where ours is better, or the difference is one of drivers: stock asks a failing disk for nothing, too, and cuts the connection when a read
# in pieces fails; its files have no FUA of their own, so flushes fail; and a read-only disk cannot be cached.
NOTHING = {"read nothing", "read nothing, do not fragment", "write nothing"}
PIECES = {"read", "read of two kinds", "read with FUA", "read odd"}
FAILED = [(1, 0x8001, b"\0\0\0\5\0\x18reading from file failed")]
UNLIKE = {"reads fail": NOTHING | PIECES, "writes fail": NOTHING, "no room": NOTHING, "status fails": {"cache"}, "chain": {"cache"},
          "flushes fail": {"write with FUA", "status", "status of one"}}


def as_expected(disk, name, stock, ours):
    if disk == "reads fail" and name in PIECES and stock == "ended":
        return ours == FAILED
    return stock == ours or name in UNLIKE.get(disk, ())


class Server:
    def __init__(self, kind, disk):
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        with open(os.path.join(self.folder, "disk"), "wb") as file:
            file.truncate(SIZE)
        self.path = os.path.join(self.folder, "s")
        options, more = disk(self.folder)
        self.process = subprocess.Popen([PROGRAMS[kind], "-t", "-k", self.path, "-x", "e", *more, "json:" + json.dumps(options)],
                                        cwd=self.folder, stderr=subprocess.DEVNULL)

    def connect(self):
        """The socket is there before it listens."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        end = time.monotonic() + 60
        while s.connect_ex(self.path):
            assert self.process.poll() is None and time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        return s

    def end(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder)


def connect(server, structured):
    s = server.connect()
    read(s, 18)
    s.sendall(struct.pack(">I", 3))

    def option(number, data):
        s.sendall(struct.pack(">QII", 0x49484156454F5054, number, len(data)) + data)
        while True:
            _, _, kind, length = struct.unpack(">QIII", read(s, 20))
            read(s, length)
            if kind == 1 or kind & 0x80000000:
                return

    if structured:
        option(8, b"")
        names = [name.encode() for name in structured]
        option(10, struct.pack(">I", 1) + b"e" + struct.pack(">I", len(names)) + b"".join(struct.pack(">I", len(n)) + n for n in names))
    option(7, struct.pack(">I", 1) + b"e" + struct.pack(">H", 0))
    return s


def answer(s, kind, length):
    """Until its end; data as it is, its length told by the request."""
    parts = []
    while True:
        magic, = struct.unpack(">I", read(s, 4))
        if magic == 0x67446698:
            error, _ = struct.unpack(">IQ", read(s, 12))
            return parts + [("simple", error, read(s, length) if kind == READ and not error else b"")]
        flags, what, _, size = struct.unpack(">HHQI", read(s, 16))
        parts.append((flags, what, read(s, size)))
        if flags & 1:
            return parts


def shown(parts):
    return [(a, b, data if len(data) < 200 else (len(data), set(data))) for a, b, data in parts]


def conversation(kind, disk, structured):
    server = Server(kind, disk)
    log, s = [], connect(server, structured)
    for name, (command, flags, offset, length) in REQUESTS.items():
        try:
            s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, command, 7, offset, length) + (b"w" * length if command == WRITE else b""))
            log.append((name, answer(s, command, length)))
        except (OSError, EOFError):
            log.append((name, "ended"))
            s.close()
            s = connect(server, structured)
    s.close()
    server.end()
    return log


def main():
    if not all((*PROGRAMS.values(), IMG, IO)):
        print("no stock programs")
        sys.exit(77)
    bad = count = 0
    for disk, make in DISKS.items():
        for structured in ((), (ALLOCATION,), (ALLOCATION, DEPTH, DIRTY)) if disk == "chain" else ((), (ALLOCATION,)):
            stock, ours = (conversation(kind, make, structured) for kind in ("stock", "ours"))
            for (name, a), (_, b) in zip(stock, ours):
                count += 1
                if not as_expected(disk, name, a, b):
                    bad += 1
                    print(f"{disk}, {structured or 'simple'}, {name}:\n  stock {a if isinstance(a, str) else shown(a)}\n"
                          f"  ours  {b if isinstance(b, str) else shown(b)}")
    print(f"{count} answers, {bad} of them other ones")
    sys.exit(bad > 0)


main()
