#!/usr/bin/env python3
"""Malformed bitmap directories and tables, data file names and extended L2 entries: each field with the values that
hurt.  No crash, no hang, the exit codes and first words of stock, and what stock repairs we repair.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import shutil
import struct
import subprocess
import sys

from qcow2image import BITMAPS, DATA_FILE, Image, STOCK, STOCK_IO, need_stock, run

OURS, OURS_IO = os.environ.get("QEMU_IMG", ""), os.environ.get("QEMU_IO", "")
MAX64 = 2**64 - 1
OFFSETS = [0, 1, 512, 65536 + 512, 1 << 40, 1 << 56, 1 << 63, MAX64 & ~511, MAX64]
failures = tried = 0


def words(text):
    """What stands in messages, without numbers of nodes and the reason why a wrong place cannot be freed."""
    text = re.sub(r"(qcow2_free_clusters failed): .*", r"\1", text)
    return re.sub(r"#block\d+", "#blockN", text).strip()


def limited(*command):
    """A program with 4 GB of memory and time enough on a busy machine: it needs far less for an image of some 400 KiB."""
    script = 'ulimit -v 4000000; exec "$@"'
    try:
        done = subprocess.run(["bash", "-c", script, "bash", *command], capture_output=True, timeout=90, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return -1000, "", "hangs"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def compare(what, image, commands, loose=False):
    """loose: exit codes only (the words are about what is found first)."""
    global failures, tried
    tried += 1
    for program_stock, program_ours, arguments in commands:
        image.save("stock/i.qcow2", "ours/i.qcow2")
        os.chdir("stock")
        code, out, err = limited(program_stock, *arguments, "i.qcow2")
        os.chdir("../ours")
        our_code, our_out, our_err = limited(program_ours, *arguments, "i.qcow2")
        os.chdir("..")
        if our_code < 0 or our_code > 100:
            failures += 1
            print(f"{what} {arguments}: ours ends with {our_code}: {our_err[-300:]}")
        elif code < 0 or code > 100:
            continue                     # stock crashes: nothing to be equal to
        elif our_code != code or (not loose and words(err) != words(our_err)):
            failures += 1
            print(f"{what} {arguments}:\n  stock {code} {words(err)!r}\n  ours  {our_code} {words(our_err)!r}")


LOOK = [(STOCK, OURS, ["info"]), (STOCK, OURS, ["check"])]
USE = LOOK + [(STOCK_IO, OURS_IO, ["-c", "read 0 64k", "-c", "write 128k 64k"])]


def extension(image, magic):
    """Where the data of a header extension is."""
    at = image.field("header_length")
    while True:
        kind, length = struct.unpack_from(">II", image.data, at)
        if kind == magic:
            return at + 8, length
        assert kind, "no such extension"
        at += 8 + (length + 7) // 8 * 8


def bitmap_cases():
    for name in ("one", "two"):
        shutil.copyfile("plain.qcow2", "bitmaps.qcow2") if name == "one" else None
        assert run(STOCK, "bitmap", "--add", "bitmaps.qcow2", name)[0] == 0
    assert run(STOCK_IO, "-c", "write 0 64k", "bitmaps.qcow2")[0] == 0
    with open("bitmaps.qcow2", "rb") as file:
        image = Image(file.read())
    data, _ = extension(image, BITMAPS)
    directory = image.u64(data + 16)
    fields = {
        "nb_bitmaps": (data, "I", [0, 1, 3, 65535, 65536]), "reserved": (data + 4, "I", [1]),
        "directory size": (data + 8, "Q", [0, 1, 32, 63, 65, 1 << 20, 1 << 40, MAX64]), "directory offset": (data + 16, "Q", OFFSETS),
        "table offset": (directory, "Q", OFFSETS), "table size": (directory + 8, "I", [0, 2, 1 << 20, 1 << 27, 2**32 - 1]),
        "flags": (directory + 12, "I", [0, 1, 2, 3, 4, 8, 2**32 - 1]), "type": (directory + 16, "B", [0, 2, 255]),
        "granularity": (directory + 17, "B", [0, 8, 9, 31, 32, 63, 255]), "name size": (directory + 18, "H", [0, 1, 100, 1023, 1024, 65535]),
        "extra data": (directory + 20, "I", [1, 4, 8, 2**31, 2**32 - 1]),
    }
    for field, (offset, kind, values) in fields.items():
        for value in values:
            bad = image.copy()
            struct.pack_into(">" + kind, bad.data, offset, value)
            compare(f"bitmap {field} {value:#x}", bad, USE,
                    loose=field in ("directory size", "name size", "extra data", "nb_bitmaps", "table size"))
    table = image.u64(directory)
    for value in OFFSETS + [3, (1 << 62) | 65536]:
        bad = image.copy()
        bad.set_u64(table, value)
        compare(f"bitmap table entry {value:#x}", bad, USE, loose=True)
    for name in (b"one\0", b"\xff\xfe\xfd"):
        bad = image.copy()
        bad.data[directory + 24:directory + 24 + 3] = name[:3]
        compare(f"bitmap name {name!r}", bad, USE, loose=True)
    twice = image.copy()
    twice.data[directory + 32 + 24:directory + 32 + 27] = b"one"
    compare("bitmap name twice", twice, LOOK, loose=True)


def data_file_cases():
    for folder in ("stock", "ours"):
        with open(f"{folder}/x.data", "wb") as file:
            file.truncate(4 << 20)
    shutil.copyfile("stock/x.data", "x.data")
    image = Image.make("data.qcow2", options="data_file=x.data,data_file_raw=on", size="1M", commands=["write -P 1 0 64k"])
    table = image.l2_offset()
    for name in (b"", b"x", b"json:{}", b"nbd://127.0.0.1:1/", b"missing", b"x.data\0y", b"y" * 2000, b"\xff\xfe", b"/", b"."):
        bad = image.copy()
        bad.set_extensions([(DATA_FILE, len(name), name)])
        compare(f"data file name {name[:20]!r}", bad, LOOK, loose=True)
    for incompatible, autoclear in ((0, 0), (0, 2), (4, 0), (4, 2), (5, 2)):
        bad = image.copy()
        bad.set_field("incompatible", incompatible)
        bad.set_field("autoclear", autoclear)
        compare(f"data file bits {incompatible} {autoclear}", bad, LOOK)
    bad = image.copy()
    bad.set_extensions([])
    compare("data file without a name", bad, USE, loose=True)
    for value in OFFSETS + [65536, (1 << 62) | 65536, (1 << 63) | 65536, (1 << 63) | 1, 1]:
        bad = image.copy()
        bad.set_u64(table, value)
        compare(f"data file L2 entry {value:#x}", bad, USE)


def extended_cases():
    image = Image.make("extended.qcow2", options="extended_l2=on", size="1M",
                       commands=["write -P 1 0 3k", "write -z 64k 4k", "write -P 2 128k 64k", "write -c -P 3 192k 64k"])
    table = image.l2_offset()
    entries = [0, 1, 512, (1 << 63) | 512, (1 << 63) | 1, 1 << 40, 1 << 62, (1 << 62) | (1 << 55), image.u64(table), image.u64(table) | 1]
    bitmaps = [0, 1, 1 << 32, (1 << 32) | 1, 2**32 - 1, MAX64, (2**32 - 1) << 32]
    for entry in entries:
        for bitmap in bitmaps:
            bad = image.copy()
            bad.set_u64(table, entry)
            bad.set_u64(table + 8, bitmap)
            compare(f"extended entry {entry:#x} {bitmap:#x}", bad, USE, loose=True)


def main():
    need_stock()
    os.chdir(os.environ.get("TEST_DIR", "."))
    for folder in ("stock", "ours"):
        os.makedirs(folder, exist_ok=True)
    Image.make("plain.qcow2", size="4M")
    bitmap_cases()
    data_file_cases()
    extended_cases()
    print(f"{tried} images, {failures} differences")
    return 1 if failures else 0


sys.exit(main())
