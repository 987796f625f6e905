#!/usr/bin/env python3
"""L1 and L2 entries, refcount table and blocks, snapshot table and snapshot L1 with zero, largest, misaligned, overlapping,
outside or off-by-one values, and files cut short: each command gets stock's exit code and message, within bounded memory
and without a crash; a read-only command leaves the file as it was.

SEED and ROUNDS in the environment choose other images and more of them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import random
import re
import resource
import struct
import subprocess
import sys

from qcow2image import Image, need_stock

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
SEED, ROUNDS = int(os.environ.get("SEED", "1")), int(os.environ.get("ROUNDS", "60"))
ONLY = os.environ.get("ONLY")
MEMORY = 600 << 20
WRITES = ("write -P 1 0 128k", "write -P 2 1M 64k", "write -z 2M 64k", "write -c -P 3 3M 64k")
READING = [
    ("img", "info", "--output=json", "IMAGE"), ("img", "check", "IMAGE"), ("img", "map", "IMAGE"), ("img", "snapshot", "-l", "IMAGE"),
    ("io", "-r", "-c", "read 0 64k", "-c", "read 64k 64k", "-c", "read 1M 64k", "-c", "read 2M 64k", "-c", "read 3M 64k", "IMAGE"),
    ("img", "convert", "-O", "raw", "IMAGE", "out"), ("img", "convert", "-l", "s1", "-O", "raw", "IMAGE", "out"),
    ("img", "compare", "IMAGE", "IMAGE"), ("img", "measure", "-O", "qcow2", "IMAGE"),
]
CHANGING = [
    ("io", "-c", "write -P 7 0 64k", "IMAGE"), ("io", "-c", "write -P 7 1M 64k", "IMAGE"), ("io", "-c", "write -P 7 3584k 64k", "IMAGE"),
    ("io", "-c", "write -z 0 128k", "IMAGE"), ("io", "-d", "unmap", "-c", "discard 1M 64k", "IMAGE"), ("io", "-c", "write -c -P 1 2560k 64k", "IMAGE"),
    ("img", "snapshot", "-c", "new", "IMAGE"), ("img", "snapshot", "-a", "s1", "IMAGE"), ("img", "snapshot", "-d", "s1", "IMAGE"),
    ("img", "resize", "IMAGE", "+1M"), ("img", "resize", "--shrink", "IMAGE", "1M"), ("img", "amend", "-o", "compat=0.10", "IMAGE"),
]
failures, tried = 0, 0


def bases():
    return [
        Image.make("b0", commands=WRITES, snapshot=True),
        Image.make("b1", "cluster_size=4k,refcount_bits=64", commands=WRITES, snapshot=True),
        Image.make("b2", "extended_l2=on", commands=WRITES, snapshot=True),
        Image.make("b3", "cluster_size=512", "4M", commands=WRITES, snapshot=True),
        Image.make("b4", "compat=0.10", commands=WRITES, snapshot=True),
        Image.make("b5", "refcount_bits=1", commands=WRITES),
    ]


def offsets(image, chance):
    """An offset that should not be where it will be put."""
    c, end = image.cluster, len(image.data)
    known = [0, image.field("l1_offset"), image.l2_offset(), image.field("table_offset"), image.block_offset(),
             image.field("snapshots_offset")]
    return chance.choice([
        0, 1, 512, c // 2, c - 1, c, c + 1, 2 * c, end - c, end, end + c, end - 1, end + (1 << 30), 1 << 40, 1 << 55, (1 << 56) - c,
        1 << 56, 1 << 62, 1 << 63, (1 << 63) - c, 2**64 - 1, 2**64 - c, *known, *[k + 512 for k in known], chance.randrange(0, end, c),
    ])


def entry(image, chance):
    return (offsets(image, chance) | chance.choice([0, 0, 1 << 63, 1 << 62, 1, 3 << 62])) & (2**64 - 1)


def guarded(kind, image, chance):
    """An earlier damage may have made the place unreachable."""
    try:
        kind(image, chance)
    except (struct.error, IndexError):
        pass


def bad_l1(image, chance):
    image.set_u64(image.field("l1_offset") + 8 * chance.randrange(min(image.field("l1_size"), 4)), entry(image, chance))


def bad_l2(image, chance):
    width = 16 if image.field("incompatible") & 16 and image.field("version") == 3 else 8
    at = image.l2_offset() + width * chance.choice([0, 1, 2, 16, 32, 48])
    if width == 16 and chance.random() < .5:
        at += 8
    image.set_u64(at, entry(image, chance))


def bad_refcount_table(image, chance):
    image.set_u64(image.field("table_offset") + 8 * chance.randrange(2), offsets(image, chance) | chance.choice([0, 0, 1, 256]))


def bad_refcount(image, chance):
    order = image.field("refcount_order") if image.field("version") == 3 else 4
    at = image.block_offset() + chance.randrange(16) * max((1 << order) // 8, 1)
    if at + 8 <= len(image.data):
        image.data[at:at + max((1 << order) // 8, 1)] = bytes(chance.choice([0, 1, 2, 255]) for _ in range(max((1 << order) // 8, 1)))


def bad_snapshot(image, chance):
    """Fields of the first table entry: L1 offset and size, lengths, times, extra data."""
    at = image.field("snapshots_offset")
    if not image.field("nb_snapshots"):
        return
    field = chance.randrange(7)
    if field == 0:
        image.set_u64(at, offsets(image, chance))
    elif field == 1:
        value = chance.choice([0, 1, 2, 3, 1 << 16, (32 << 20) // 8, (32 << 20) // 8 + 1, 2**31, 2**32 - 1])
        image.data[at + 8:at + 12] = value.to_bytes(4, "big")
    elif field == 2:
        image.data[at + 12:at + 14] = chance.choice([0, 1, 255, 65535]).to_bytes(2, "big")
    elif field == 3:
        image.data[at + 14:at + 16] = chance.choice([0, 1, 255, 65535]).to_bytes(2, "big")
    elif field == 4:
        image.data[at + 36:at + 40] = chance.choice([0, 1, 8, 15, 16, 23, 25, 32, 1024, 1025, 2**31, 2**32 - 1]).to_bytes(4, "big")
    elif field == 5:
        image.set_u64(at + 48, chance.choice([0, 1, 511, 512, 1 << 20, 1 << 50, 1 << 63, 2**64 - 1]))
    else:
        image.set_u64(image.u64(at) + 8 * chance.randrange(2), entry(image, chance))


def bad_roots(image, chance):
    name = chance.choice(["l1_offset", "table_offset", "snapshots_offset", "l1_size", "nb_snapshots", "table_clusters", "size"])
    if name.endswith("offset"):
        value = offsets(image, chance)
    elif name == "size":
        value = chance.choice([0, 1, 511, 512, image.field("size") + 1, 1 << 40, 1 << 50, 1 << 61, (1 << 63) - 1, 1 << 63, 2**64 - 512])
    else:
        value = chance.choice([0, 1, 2, image.field(name) + 1, 65535, 65536, 65537, 1 << 22, 2**31, 2**32 - 1])
    image.set_field(name, value)


def cut(image, chance):
    del image.data[chance.choice([0, 1, 103, 104, 511, 512, image.cluster, image.field("l1_offset"), image.field("l1_offset") + 7,
                                  image.l2_offset(), image.l2_offset() + 512, image.block_offset(), len(image.data) - 1,
                                  chance.randrange(len(image.data))]):]


KINDS = [bad_l1, bad_l2, bad_l2, bad_refcount_table, bad_refcount, bad_snapshot, bad_snapshot, bad_roots, cut]


def plain(text, name):
    text = re.sub(r"[0-9.]+ sec \(.*?\)|\d+:[0-9:.]+ \(.*?\)", "TIME", text.replace(name, "IMAGE"))
    text = re.sub(r"^Did you mean .*\n", "", text, flags=re.M)         # only ours says that
    text = re.sub(r'"actual-size": \d+', "SIZE", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)
    return re.sub(r"#block\d+", "#block", text)


def bound():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(program, words, name, bounded):
    command = [program, *[name if w == "IMAGE" else w for w in words]]
    limit = bound if bounded and not os.environ.get("UNDER_SANITIZER") else None
    done = subprocess.run(command, capture_output=True, timeout=20, preexec_fn=limit, env=dict(os.environ, MALLOC_ARENA_MAX="2"))
    return done.returncode, plain(done.stdout.decode(errors="replace"), name), plain(done.stderr.decode(errors="replace"), name)


def report(what, words, stock, ours, image):
    global failures
    failures += 1
    image.save(f"failed{failures}")
    print(f"{what}: {' '.join(words)}  (failed{failures})")
    left, right = ["\n".join(map(str, r)).splitlines() for r in (stock, ours)]
    print("\n".join(list(difflib.unified_diff(left, right, "stock", "ours", lineterm="", n=0))[2:14]) or [stock, ours])


def errors_in(name):
    """What stock finds in an image; more than anything when it cannot even look."""
    done = subprocess.run([STOCK_IMG, "check", name], capture_output=True, text=True, errors="replace")
    found = re.search(r"^(\d+) errors", done.stdout, re.M)
    return int(found[1]) if found else 1 << 40 if done.returncode not in (0, 3) else 0


def explained(words, stock, ours, image):
    """
    Differences that a user need not fear.  Both refuse, and met another of the damages first.  Both accept, and say
    different things of clusters that they could not free.  Stock refuses because it would overwrite a structure in its
    place, where ours writes a new one elsewhere, writes it later or need not write: no error in an image that had none.
    Ours refuses to overwrite or follow a structure that stock only meets later, or not at all.
    """
    if words[:2] == ("img", "map") and stock[0] == ours[0] == 1 and stock[2] == ours[2]:
        return ours[1].startswith(stock[1])            # a few more ranges before the bad one
    if words not in CHANGING:
        pairs = [("File too large", "Image is too big"), ("error while reading", "error while reading")]
        return stock[0] == ours[0] == 1 and any(a in stock[2] and b in ours[2] for a, b in pairs)
    if stock[0] and ours[0]:
        return True
    after = errors_in("ours.img")
    image.save("before.img")
    before = errors_in("before.img")
    if ours[0]:
        return before > 0 or "Preventing invalid write" in ours[2] or "offset invalid" in ours[2]
    return not after or before > 0


def compare(what, words, image):
    global tried
    tried += 1
    whole = words
    kind, *words = words
    image.save("stock.img", "ours.img")
    for name in ("out",):
        if os.path.exists(name):
            os.unlink(name)
    try:
        stock = run(STOCK_IMG if kind == "img" else STOCK_IO, words, "stock.img", False)
    except subprocess.TimeoutExpired:
        stock = None
    if stock and stock[0] < 0:
        stock = None                                   # it crashed, or met an assertion
    if os.path.exists("out"):
        os.unlink("out")
    try:
        ours = run(IMG if kind == "img" else IO, words, "ours.img", True)
    except subprocess.TimeoutExpired:
        report(what, words, stock or "(hangs, too)", "hangs", image)
        return
    if ours[0] < 0 or ours[0] > 90 or "Cannot allocate memory" in ours[2]:
        report(what, words, stock, ours, image)
    elif stock and stock != ours and not explained(whole, stock, ours, image):
        report(what, words, stock, ours, image)


def untouched(what, words, image):
    with open("ours.img", "rb") as f:
        if f.read() != image.data:
            report(what, words, ("untouched",), ("changed by reading",), image)


def main():
    need_stock()
    images = bases()
    for number in range(ROUNDS):
        chance = random.Random(SEED * 100000 + number)
        image = chance.choice(images).copy()
        kinds = [chance.choice(KINDS) for _ in range(chance.choice([1, 1, 1, 2]))]
        for kind in kinds:
            guarded(kind, image, chance)
        commands = chance.sample(READING, 4) + chance.sample(CHANGING, 4)
        if ONLY in (None, str(number)):
            for words in commands:
                what = f"SEED={SEED} ONLY={number} {[k.__name__ for k in kinds]}"
                compare(what, words, image)
                if words in READING:
                    untouched(what, words, image)
    print(f"{tried} runs, {failures} differences")
    return 1 if failures else 0


os.chdir(os.environ["TEST_DIR"])
sys.exit(main())
