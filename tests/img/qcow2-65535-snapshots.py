#!/usr/bin/env python3
"""An image with 65,533 snapshots: ours lists, creates up to the limit of 65,536, applies, deletes, reads and checks it in
bounded time and memory, with stock's answers; ids follow the largest one and keep clear of names that are numbers.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import resource
import struct
import subprocess
import sys
import time

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
COUNT = 65533
CLUSTER = 512
SIZE = 64 << 10
MEMORY = 256 << 20          # bytes of address space that ours may use
SECONDS = 60


def entry(number, l1_offset):
    """A snapshot table entry with the extra data of today."""
    ident, name = str(number).encode(), f"s{number}".encode()
    fixed = struct.pack(">QIHHIIQII", l1_offset, 2, len(ident), len(name), 1700000000 + number, 0, 0, 0, 24)
    whole = fixed + struct.pack(">QQQ", 0, SIZE, 2**64 - 1) + ident + name
    return whole + bytes(-len(whole) % 8)


def make(path):
    """Cluster by cluster: header, active L1, two L2 tables, their data, snapshot L1s, snapshot table, counts."""
    clusters, counts = [], []

    def put(data, count):
        first = len(clusters)
        for at in range(0, len(data), CLUSTER):
            clusters.append(data[at:at + CLUSTER].ljust(CLUSTER, b"\0"))
            counts.append(count)
        return first * CLUSTER

    put(bytes(CLUSTER), 1)
    active = put(bytes(CLUSTER), 1)
    tables = []
    for table in range(2):
        data = put(bytes([65 + table]) * CLUSTER, COUNT + 1)
        tables.append(put(struct.pack(">Q", data), COUNT + 1))
    l1 = struct.pack(">QQ", *tables)
    clusters[active // CLUSTER] = l1.ljust(CLUSTER, b"\0")
    snapshots = b"".join(entry(number + 1, put(l1, 1)) for number in range(COUNT))
    snapshots = put(snapshots, 1)
    per_block = CLUSTER // 4
    blocks = len(clusters) // per_block + 8
    blocks += -(-blocks // per_block) + 1
    first_block = len(clusters) * CLUSTER
    table_bytes = -(-blocks * 8 // CLUSTER) * CLUSTER
    counts += [1] * (blocks + table_bytes // CLUSTER)
    counts += [0] * (blocks * per_block - len(counts))
    for block in range(blocks):
        clusters.append(struct.pack(f">{per_block}I", *counts[block * per_block:(block + 1) * per_block]))
    table = struct.pack(f">{blocks}Q", *[first_block + i * CLUSTER for i in range(blocks)]).ljust(table_bytes, b"\0")
    clusters.append(table)
    clusters[0] = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 9, SIZE, 0, 2, active,
                              first_block + blocks * CLUSTER, table_bytes // CLUSTER, COUNT, snapshots,
                              0, 0, 0, 5, 104).ljust(CLUSTER, b"\0")
    with open(path, "wb") as f:
        f.write(b"".join(clusters))


def bound():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def ours(*words, program=IMG, code=0):
    started = time.monotonic()
    limit = None if os.environ.get("UNDER_SANITIZER") else bound
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=SECONDS, preexec_fn=limit, env=dict(os.environ, MALLOC_ARENA_MAX="2"))
    print(f"{time.monotonic() - started:6.2f} s  {' '.join(words)}")
    if done.returncode != code:
        sys.exit(f"{' '.join(words)}: exit {done.returncode}\n{done.stdout[-500:]}{done.stderr}")
    return done.stdout + done.stderr


def stock(*words, code=0):
    done = subprocess.run([STOCK_IMG, *words], capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"stock {' '.join(words)}: exit {done.returncode}\n{done.stdout[-500:]}{done.stderr}")
    return done.stdout + done.stderr


def equal(what, one, other):
    if one != other:
        sys.exit(f"{what}: differs\n{one[-400:]}\nfrom\n{other[-400:]}")


def listed(path):
    return {line.split()[1]: line.split()[0] for line in ours("snapshot", "-l", path).splitlines()[2:]}


def many():
    make("disk")
    equal("list", ours("snapshot", "-l", "disk"), stock("snapshot", "-l", "disk"))
    equal("info", ours("info", "--output=json", "disk"), stock("info", "--output=json", "disk"))
    ours("-c", "write -P 7 0 4k", "disk", program=IO)
    for name, ident in (("new1", "65534"), ("65536", "65535"), ("last", "65537")):
        ours("snapshot", "-c", name, "disk")
        if listed("disk").get(name) != ident:
            sys.exit(f"{name} got the id {listed('disk').get(name)}")
    equal("one too many", ours("snapshot", "-c", "over", "disk", code=1), stock("snapshot", "-c", "over", "disk", code=1))
    ours("snapshot", "-a", "1", "disk")
    ours("-c", "read -P 65 0 512", "disk", program=IO)
    ours("snapshot", "-a", "new1", "disk")
    ours("-c", "read -P 7 0 4k", "disk", program=IO)
    for name in ("s1", "s40000", "last"):
        ours("snapshot", "-d", name, "disk")
    if len(listed("disk")) != COUNT:
        sys.exit("three snapshots should be gone")
    ours("convert", "-l", "s65533", "-O", "raw", "disk", "raw")
    with open("raw", "rb") as f:
        equal("content", f.read(512), b"A" * 512)
    ours("check", "disk")
    stock("check", "disk")
    ours("check", "-r", "all", "disk")


def ids():
    """The next id is one more than the largest, whatever was deleted; names that are numbers are passed over."""
    stock("create", "-q", "-f", "qcow2", "a", "1M")
    for name, ident in (("x", "1"), ("y", "2"), ("9", "3"), ("z", "4"), ("5", "5"), ("w", "6"), ("7", "7"), ("v", "8"), ("u", "10")):
        ours("snapshot", "-c", name, "a")
        equal(f"id of {name}", listed("a")[name], ident)
    ours("snapshot", "-d", "y", "a")
    ours("snapshot", "-c", "t", "a")
    equal("id after a gap", listed("a")["t"], "11")
    ours("snapshot", "-d", "t", "a")
    stock("snapshot", "-c", "s", "a")
    equal("stock's id", listed("a")["s"], "11")
    equal("list", ours("snapshot", "-l", "a"), stock("snapshot", "-l", "a"))
    equal("info", re.sub("disk size.*", "", ours("info", "a")), re.sub("disk size.*", "", stock("info", "a")))


if not STOCK_IMG or not STOCK_IO:
    print("skipped: needs the stock programs")
    sys.exit(77)
os.chdir(os.environ["TEST_DIR"])
ids()
many()
