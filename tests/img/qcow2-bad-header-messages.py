#!/usr/bin/env python3
"""Every malformed header field and extension is refused with the stock tools' words and exit code, and
the image stays untouched; pairs of them show that the order of the checks is the same, too.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random
import struct
import sys

from qcow2image import BACKING_FORMAT, BITMAPS, CRYPTO, DATA_FILE, FEATURES, Image, both, need_stock

MAX32, MAX64 = 2**32 - 1, 2**64 - 1
HUGE_OFFSETS = [1 << 40, 1 << 56, 1 << 62, 1 << 63, MAX64 - 65535, MAX64]
VALUES = {
    "magic": [0, 5, MAX32],
    "version": [0, 1, 4, 99, MAX32],
    "cluster_bits": [0, 8, 22, 63, MAX32],
    "header_length": [0, 72, 103, 104, 108, 111, 113, 120, 65535, 65536, 65537, MAX32],
    "backing_offset": [1, 111, 65535, 65536, 65537, 1 << 63, MAX64],
    "incompatible": [1, 2, 3, 8, 16, 32, 1 << 63, MAX64 - 31],
    "compatible": [1, 2, MAX64],
    "autoclear": [4, MAX64 - 3],
    "refcount_order": [0, 6, 7, MAX32],
    "crypt": [3, MAX32],
    "table_clusters": [0, 128, 129, 1 << 31, MAX32],
    "table_offset": [1, 512, 65537] + HUGE_OFFSETS,
    "nb_snapshots": [65537, 1 << 31, MAX32],
    "l1_size": [0, 2, 4194304, 4194305, 1 << 31, MAX32],
    "l1_offset": [1, 512] + HUGE_OFFSETS,
    "size": [0, 1, 511, 512 << 20, (512 << 20) + 1, 1 << 50, 1 << 51, 1 << 61, 1 << 63],
    "compression": [1, 2, 255],
}


def bitmaps(nb, reserved, size, offset, length=24):
    return (BITMAPS, length, struct.pack(">IIQQ", nb, reserved, size, offset))


EXTENSIONS = [
    (0, 0, [(0x1234, 65536, b"")]), (0, 0, [(0x1234, 65536 - 119, b"")]), (0, 0, [(0x1234, 65536 - 120, b"")]),
    (0, 0, [(0x1234, MAX32, b"")]), (0, 0, [(BACKING_FORMAT, 15, b"a" * 15)]), (0, 0, [(BACKING_FORMAT, 16, b"a" * 16)]),
    (0, 0, [(BACKING_FORMAT, 1024, b"raw")]), (0, 0, [(DATA_FILE, 40, b"a" * 40)]),
    (0x20, 0, [(FEATURES, 50, b"\0\5foo" + bytes(45))]), (0x20, 0, [(FEATURES, 0, b"")]),
    (0x2A0, 0, [(FEATURES, 96, b"\0\5foo".ljust(48, b"\0") + b"\0\7bar".ljust(48, b"\0"))]),
    (0x220, 0, [(FEATURES, 48, b"\0\5" + b"x" * 46)]), (0x20, 0, [(FEATURES, 48, b"\1\5" + b"x" * 46)]),
    (0, 1, [bitmaps(1, 1, 24, 65536)]), (0, 1, [bitmaps(1, 0, 24, 65536, 23)]), (0, 1, [bitmaps(0, 0, 24, 65536)]),
    (0, 1, [bitmaps(65536, 0, 24, 65536)]), (0, 1, [bitmaps(1, 0, 24, 65537)]), (0, 1, [bitmaps(1, 0, 1 << 40, 65536)]),
    (0, 1, [bitmaps(1, 0, 65535 * 1024 + 1, 65536)]),
    (0, 0, [(CRYPTO, 16, struct.pack(">QQ", 65536, 65536))]),
]

failures = 0
tried = 0


def compare(what, image, length=None):
    global failures, tried
    tried += 1
    image.save("stock.qcow2", "ours.qcow2", length=length)
    stock, ours = both("info", "-f", "qcow2")
    stock, ours = (stock[0], stock[2]), (ours[0], ours[2])
    with open("ours.qcow2", "rb") as f:
        untouched = f.read() == image.data[:length]
    if stock != ours or not untouched:
        failures += 1
        print(f"{what}:\n  stock {stock}\n  ours  {ours}{'' if untouched else '  (image changed)'}")


def poked(plain, pokes):
    image = plain.copy()
    for name, value in pokes:
        image.set_field(name, value)
    return image


def main():
    need_stock()
    plain = Image.make("plain.qcow2", size="64M")
    for name, values in VALUES.items():
        for value in values:
            compare(f"{name}={value:#x}", poked(plain, [(name, value)]))
    for value in (1, 512, 65536 - 1, MAX64 - 65535):
        compare(f"snapshots_offset={value:#x}", poked(plain, [("nb_snapshots", 1), ("snapshots_offset", value)]))
    for offset, size in ((1024, 1023), (1024, 1024), (1024, MAX32), (65530, 100), (65536, 1)):
        compare(f"backing name {offset}+{size}", poked(plain, [("backing_offset", offset), ("backing_size", size)]))
    compare("small extended clusters", poked(plain, [("cluster_bits", 13), ("incompatible", 16)]))
    for kind, inc in ((0, 8), (2, 8), (255, 8)):
        compare(f"compression {kind} with its bit", poked(plain, [("compression", kind), ("incompatible", inc)]))
    for length in (0, 3, 4, 71, 72, 103, 104, 111, 112, 200, 65536, 131072, 196608):
        compare(f"file cut at {length}", plain, length)
    for incompatible, autoclear, extensions in EXTENSIONS:
        image = poked(plain, [("incompatible", incompatible), ("autoclear", autoclear)])
        image.set_extensions(extensions)
        compare(f"extensions {extensions}", image)
    chance = random.Random(1)
    names = sorted(VALUES)
    for _ in range(120):
        pair = [(name, chance.choice(VALUES[name])) for name in chance.sample(names, 2)]
        compare(pair, poked(plain, pair))
    print(f"{tried} images, {failures} differences")
    return 1 if failures else 0


sys.exit(main())
