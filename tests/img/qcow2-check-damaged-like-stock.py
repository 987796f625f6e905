#!/usr/bin/env python3
"""Images damaged at random (counts, L1, L2, refcount table, COPIED flags, snapshot table) get the stock tools'
findings, counts and exit code from check and check -r leaks.  check -r all ends as theirs does, or,
where stock gives up or makes the file larger to reach a place outside it, leaves an image in which
stock finds fewer errors than before.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import random
import re
import subprocess
import sys

from qcow2image import STOCK, Image, both, need_stock, run

WRITES = ("write -P 1 0 128k", "write -P 2 1M 64k", "write -z 2M 64k")
ROUNDS = 70
failures = 0


def bases():
    return [
        Image.make("b0.qcow2", commands=WRITES),
        Image.make("b1.qcow2", commands=WRITES, snapshot=True),
        Image.make("b2.qcow2", commands=WRITES + ("write -c -P 3 3M 64k",)),
        Image.make("b3.qcow2", "extended_l2=on", commands=WRITES),
        Image.make("b4.qcow2", "cluster_size=512", "256k", ("write -P 1 0 128k",), snapshot=True),
        Image.make("b5.qcow2", "refcount_bits=1", commands=WRITES),
        Image.make("b6.qcow2", "refcount_bits=64,cluster_size=4k", commands=WRITES, snapshot=True),
    ]


def value(image, chance):
    c, length = image.cluster, len(image.data)
    places = [0, 1, 2, c, c + 512, 2 * c, 3 * c, 4 * c, 5 * c, length // c * c - c, length, length + c, 1 << 40, 1 << 55,
              1 << 63, (1 << 62) | chance.randrange(0, length, 512), chance.getrandbits(64)]
    return chance.choice(places) | chance.choice([0, 1 << 63])


def damage(image, chance):
    kind = chance.randrange(8)
    l1, l2 = image.field("l1_offset"), image.l2_offset()
    if kind <= 2:
        width = max((1 << image.field("refcount_order")) // 8, 1)
        at = image.block_offset() + chance.randrange(24) * width
        if at < len(image.data):
            image.data[at] = chance.choice([0, 1, 2, 3, 255])
    elif kind == 3:
        image.set_u64(l2 + 8 * chance.choice([0, 1, 2, 3, 5, 16, 17, 48]), value(image, chance))
    elif kind == 4:
        image.set_u64(l1 + 8 * chance.randrange(min(image.field("l1_size"), 4)), value(image, chance))
    elif kind == 5:
        image.set_u64(image.field("table_offset") + 8 * chance.randrange(3), value(image, chance))
    elif kind == 6:
        at = chance.choice([l1, l2, l2 + 8, l2 + 128])
        if at + 8 <= len(image.data):
            image.set_u64(at, image.u64(at) ^ (1 << 63))
    elif image.field("nb_snapshots"):
        image.set_u64(image.field("snapshots_offset"), value(image, chance) & ~(1 << 63))


def errors_left(name):
    code, out, _ = run(STOCK, "check", name)
    found = re.search(r"^(\d+) errors", out, re.M)
    return (int(found.group(1)) if found else 0) + (1000000 if code == 1 else 0)


def report(what, image, stock, ours):
    global failures
    failures += 1
    image.save(f"failed{failures}.qcow2")
    print(what)
    left, right = ["\n".join(map(str, result)).splitlines() for result in (stock, ours)]
    print("\n".join(list(difflib.unified_diff(left, right, "stock", "ours", lineterm="", n=0))[:25]))


def check(what, image, *repair):
    image.save("stock.qcow2", "ours.qcow2")
    before = errors_left("ours.qcow2") if repair == ("-r", "all") else 0
    try:
        stock, ours = both("check", *repair, timeout=20)
    except subprocess.TimeoutExpired:
        print(f"{what}: out of time, not compared")
        return
    if stock == ours:
        return
    # A repair that would overwrite another structure is prevented by both; stock calls it done before it tries to write.
    if repair and stock[0] == ours[0] == 2 and all("Preventing invalid write" in r[2] for r in (stock, ours)):
        return
    outgrown = "outside image" in stock[2] or "could not resize" in stock[2]
    if repair and (stock[0] == 1 or "Preventing invalid write" in stock[2] or outgrown) and \
            (repair[1] == "leaks" or errors_left("ours.qcow2") < before):
        return
    report(f"{what} {repair}", image, stock, ours)


def main():
    need_stock()
    chance = random.Random(4)
    images = bases()
    for round_number in range(ROUNDS):
        base = chance.randrange(len(images))
        image = images[base].copy()
        for _ in range(chance.choice([1, 1, 2, 3])):
            damage(image, chance)
        for repair in ((), ("-r", "leaks"), ("-r", "all")):
            check(f"round {round_number}, base {base}", image, *repair)
    print(f"{ROUNDS} images, {failures} differences")
    return 1 if failures else 0


sys.exit(main())
