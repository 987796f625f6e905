#!/usr/bin/env python3
"""snapshot --diff names every byte that differs, own sizes are what deleting frees: on random images, against data.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import random
import shutil
import struct
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK = os.environ.get("STOCK_QEMU_IMG", "")
LAYOUTS = [
    ("cluster_size=64k", False),
    ("cluster_size=4k,refcount_bits=8", True),
    ("cluster_size=64k,extended_l2=on", True),
    ("cluster_size=512", False),
]
SIZE = 4 << 20
failures = 0


def fail(message):
    global failures
    failures += 1
    print("FAIL:", message)


def run(*command, ok=True):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if ok and done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done


def img(*arguments, **how):
    return run(IMG, *arguments, **how).stdout


def change(rng, image, size):
    """A few random writes of each kind."""
    commands = []
    for _ in range(rng.randint(1, 5)):
        start, length = rng.randrange(0, size // 512) * 512, rng.choice([512, 4096, 65536, 200 * 512])
        length = min(length, size - start)
        kind = rng.choice(["write -P %d" % rng.randint(1, 255), "write -P %d" % rng.randint(1, 255), "write -z", "discard",
                           "write -c -P %d" % rng.randint(1, 255)])
        if "-c" in kind:
            start, length = start // 65536 * 65536, 65536
            if start + length > size:
                continue
        commands += ["-c", f"{kind} {start} {length}"]
    if commands:
        run(IO, "-f", "qcow2", *commands, image, ok=False)      # compressed data does not go where data is


def content(image, snapshot):
    out = image + ".content"
    img("convert", *(["-l", snapshot] if snapshot else []), "-O", "raw", image, out)
    with open(out, "rb") as file:
        return file.read()


def check_diff(image, a, b, data, unit):
    found = json.loads(img("snapshot", "--diff", a, *([b] if b else []), "--output=json", image))
    size = max(len(data[a]), len(data[b]))
    left, right = data[a].ljust(size, b"\0"), data[b].ljust(size, b"\0")
    position, ends = 0, {size, len(data[a]), len(data[b])}
    for item in found["ranges"] + [{"start": size, "length": 0}]:
        if left[position:item["start"]] != right[position:item["start"]]:
            fail(f"{image}: {a} - {b}: {position}..{item['start']} differs and is not named")
        position = item["start"] + item["length"]
        if (item["start"] % unit and item["start"] not in ends) or (position % unit and position not in ends):
            fail(f"{image}: {a} - {b}: {item} does not end with a cluster")
    if found["bytes"] != sum(item["length"] for item in found["ranges"]):
        fail(f"{image}: {a} - {b}: sum")
    if a == b and found["ranges"]:
        fail(f"{image}: {a} differs from itself")


def used_clusters(image):
    """Clusters with a count above zero, and those of the snapshot table."""
    with open(image, "rb") as file:
        raw = file.read()
    bits, = struct.unpack_from(">I", raw, 20)
    table, clusters, count, snapshots = struct.unpack_from(">QIIQ", raw, 48)
    order, = struct.unpack_from(">I", raw, 96)
    size, used = 1 << bits, 0
    for i in range(clusters * size // 8):
        block, = struct.unpack_from(">Q", raw, table + 8 * i)
        if block:
            piece = raw[block:block + size]
            width = 1 << order >> 3
            used += sum(1 for k in range(0, len(piece), width) if any(piece[k:k + width]))
    end = snapshots
    for _ in range(count):
        id_len, name_len = struct.unpack_from(">HH", raw, end + 12)
        extra, = struct.unpack_from(">I", raw, end + 36)
        end = (end + 40 + extra + id_len + name_len + 7) // 8 * 8
    return used * size, (end - snapshots + size - 1) // size * size


def check_sizes(image):
    info = json.loads(img("info", "--snapshots", "--output=json", image))
    for sn in info["snapshots"]:
        copy = image + ".copy"
        shutil.copyfile(image, copy)
        before, table_before = used_clusters(copy)
        freed = json.loads(img("snapshot", "-d", sn["name"], "--output=json", copy))[0]["freed"]
        after, table_after = used_clusters(copy)
        if freed != before - after:
            fail(f"{image}: deleting {sn['name']} says {freed}, frees {before - after}")
        if sn["own-size"] != freed - (table_before - table_after):
            fail(f"{image}: own size of {sn['name']} is {sn['own-size']}, deleting frees {freed}")
        if STOCK and run(STOCK, "check", copy, ok=False).returncode:
            fail(f"{copy}: check after deleting {sn['name']}")


def one(seed, layout, backed):
    rng = random.Random(seed)
    image, size = f"d{seed}.qcow2", SIZE
    if backed:
        run(IO, "-f", "raw", "-c", f"write -P 7 0 {SIZE // 2}", "base.raw")
    extra = ["-b", "base.raw", "-F", "raw"] if backed else []
    img("create", "-f", "qcow2", "-o", layout, *extra, image, str(size))
    names = []
    for step in range(4):
        change(rng, image, size)
        names.append(f"s{step}")
        img("snapshot", "-c", names[-1], image)
        if step == 2:
            size = rng.choice([SIZE + 65536 * 3 + 512 * 5, SIZE - 512 * 77])
            img("resize", "--shrink", "-q", image, str(size))
    change(rng, image, size)
    unit = json.loads(img("info", "--output=json", image))["cluster-size"]
    unit = unit // 32 if "extended_l2=on" in layout else unit
    states = names + [None]
    data = {state: content(image, state) for state in states}
    for a in names:
        for b in states:
            check_diff(image, a, b, data, unit)
    check_sizes(image)


def main():
    os.chdir(os.environ["TEST_DIR"])
    with open("base.raw", "wb") as file:
        file.truncate(SIZE * 3 // 4)
    for seed in range(int(os.environ.get("ROUNDS", "8"))):
        one(seed, *LAYOUTS[seed % len(LAYOUTS)])
    sys.exit(1 if failures else 0)


main()
