#!/usr/bin/env python3
"""The log of blklogwrites has the form that the kernel's replay-log reads: replayed by a reader of our own it gives the image.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import sys

IO, IMG, STOCK = os.environ["QEMU_IO"], os.environ["QEMU_IMG"], os.environ.get("STOCK_QEMU_IO", "")
MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD, MARK, METADATA = 1, 2, 4, 8, 16
failures = 0


def fail(message):
    global failures
    failures += 1
    print("FAIL:", message)


def entries(path):
    """(sector, count, flags, data) of each entry, and the size of a sector."""
    with open(path, "rb") as file:
        raw = file.read()
    if not raw:         # (stock, when nothing was written)
        return [], 512
    magic, version, count, size = struct.unpack_from("<QQQI", raw)
    if magic != MAGIC or version != VERSION:
        fail(f"{path}: superblock {magic:#x} {version}")
    at, found = size, []
    for _ in range(count):
        sector, sectors, flags, length = struct.unpack_from("<QQQQ", raw, at)
        text = raw[at + 32:at + 32 + length]
        at += size
        data = b""
        if not flags & DISCARD:
            data = raw[at:at + sectors * size]
            at += sectors * size
        found.append((sector, sectors, flags, data, text))
    return found, size


def replay(found, size, length):
    disk = bytearray(length)
    for sector, sectors, flags, data, _ in found:
        piece = bytes(sectors * size) if flags & DISCARD else data
        disk[sector * size:sector * size + len(piece)] = piece
    return bytes(disk[:length])


def run(program, commands, options):
    arguments = [program, "--image-opts"]
    for command in commands:
        arguments += ["-c", command]
    done = subprocess.run(arguments + [options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=30)
    return done.returncode, done.stdout


def record(program, commands, extra=""):
    """Write through the filter to an empty disk; the entries, the sector size and the disk's content."""
    for name, length in (("disk.raw", 2 << 20), ("log", 0)):
        with open(name, "wb") as file:
            file.truncate(length)
    code, text = run(program, commands, "driver=blklogwrites,file.driver=raw,file.file.filename=disk.raw,"
                     f"log.filename=log{extra}")
    if code:
        fail(f"{program} {commands}: {text}")
    with open("disk.raw", "rb") as file:
        return *entries("log"), file.read()


def same_shape(ours, stock):
    """Equal but for what makes single writes durable: stock's log does not tell that always."""
    lists = [[(s, n, f & ~FUA, d) for s, n, f, d, _ in found if f != FLUSH] for found in (ours, stock)]
    return lists[0] == lists[1]


COMMANDS = [
    ["write -P 1 0 4k", "flush", "write -P 2 1M 64k"],
    ["write -P 1 512 512", "write -z 4k 8k", "discard 64k 64k", "flush"],
    ["write -f -P 3 8k 512", "write -P 4 10000 1", "writev -P 5 20k 1k 2k 512"],
    ["write -zu 0 1M", "write -P 6 1500k 100k", "flush", "flush"],
    ["length"],
]


def check_durability():
    """What is asked to be durable is so in the log, too."""
    if not any(flags & FUA for _, _, flags, _, _ in record(IO, ["write -f -P 1 0 4k"])[0]):
        fail("no FUA in the log")
    if not any(flags & FLUSH for _, _, flags, _, _ in record(IO, ["write -P 1 0 4k", "flush"])[0]):
        fail("no flush in the log")


def main():
    os.chdir(os.environ["TEST_DIR"])
    for extra in ("", ",log-sector-size=4096", ",log-super-update-interval=1"):
        for commands in COMMANDS:
            found, size, disk = record(IO, commands, extra)
            if extra == ",log-sector-size=4096" and size != 4096:
                fail(f"sector size {size}")
            if replay(found, size, len(disk)) != disk:
                fail(f"{commands}{extra}: the log does not give the image")
            if STOCK and not same_shape(found, record(STOCK, commands, extra)[0]):
                fail(f"{commands}{extra}: entries differ from stock's")
    check_durability()
    # Appending keeps what is there.
    first, _, _ = record(IO, ["write -P 1 0 4k"])
    run(IO, ["write -P 2 4k 4k"], "driver=blklogwrites,file.driver=raw,file.file.filename=disk.raw,log.filename=log,log-append=on")
    found, size = entries("log")
    if found[:len(first)] != first or len(found) <= len(first):
        fail("log-append")
    with open("disk.raw", "rb") as file:
        if replay(found, size, 2 << 20) != file.read():
            fail("log-append: the log does not give the image")
    for extra in (",log-sector-size=100", ",log-sector-size=3", ",log-super-update-interval=0", ",nonsense=1",
                  ",log-append=on,log-sector-size=4096"):
        options = f"driver=blklogwrites,file.driver=raw,file.file.filename=disk.raw,log.filename=log{extra}"
        if STOCK and run(IO, ["read 0 1"], options)[0] != run(STOCK, ["read 0 1"], options)[0]:
            fail(f"refusal of {extra}")
    sys.exit(1 if failures else 0)


main()
