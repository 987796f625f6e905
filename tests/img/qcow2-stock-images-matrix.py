#!/usr/bin/env python3
"""Images made by stock with combinations of version, cluster size, refcount width, compression type, lazy refcounts,
preallocation, backing file and subclusters: ours reads, writes, takes, applies and deletes snapshots, resizes and checks
them; after each step stock finds no error, and content equals a model at the snapshot and now.

MATRIX=full in the environment takes every combination instead of one in some.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import itertools
import os
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
EVERY = 1 if os.environ.get("MATRIX") == "full" else 41
SIZE, KiB = 1 << 20, 1024

VERSIONS = ["0.10", "1.1"]
CLUSTERS = [512, 4096, 65536, 2 << 20]
WIDTHS = [1, 2, 8, 16, 32, 64]
COMPRESSION = ["zlib", "zstd"]
LAZY = ["off", "on"]
PREALLOCATION = ["off", "metadata", "falloc", "full"]
BACKING = [False, True]
SUBCLUSTERS = ["off", "on"]


def possible(version, cluster, width, compression, lazy, preallocation, backing, subclusters):
    if version == "0.10" and (width != 16 or compression == "zstd" or lazy == "on" or subclusters == "on"):
        return False
    if subclusters == "on" and cluster < 16384:
        return False
    return not (backing and preallocation != "off" and subclusters == "off")


def run(program, *words, code=0):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120)
    text = done.stdout + done.stderr
    if done.returncode != code or "failed" in text:
        raise AssertionError(f"{os.path.basename(os.path.dirname(program))} {' '.join(words)[:300]}: {done.returncode} {text[-600:]}")
    return text


class Disk:
    def __init__(self, version, cluster, width, compression, lazy, preallocation, backing, subclusters):
        for name in ("disk", "base"):
            if os.path.exists(name):
                os.unlink(name)
        options = f"compat={version},cluster_size={cluster},preallocation={preallocation}"
        if version != "0.10":
            options += f",refcount_bits={width},compression_type={compression},lazy_refcounts={lazy},extended_l2={subclusters}"
        self.model = bytearray(SIZE)
        self.snapshots = width > 1
        self.packed = width > 4 and preallocation == "off"
        words = []
        if backing:
            run(STOCK_IMG, "create", "-q", "-f", "raw", "base", str(SIZE))
            run(STOCK_IO, "-f", "raw", "-c", "write -P 9 0 300k", "base")
            self.fill(9, 0, 300 * KiB)
            words = ["-b", "base", "-F", "raw"]
        run(STOCK_IMG, "create", "-q", "-f", "qcow2", "-o", options, *words, "disk", str(SIZE))
        commands = [("write -P 1", 1, 100 * KiB, 100 * KiB), ("write -z", 0, 180 * KiB, 40 * KiB), ("write -P 2", 2, 700 * KiB, 3 * KiB)]
        if self.packed and cluster <= SIZE // 4:
            commands.append(("write -c -P 3", 3, 768 * KiB, max(cluster, 64 * KiB)))
        self.io(STOCK_IO, commands)

    def fill(self, value, start, count):
        self.model[start:start + count] = bytes([value]) * count

    def io(self, program, commands):
        run(program, *[w for text, _, at, n in commands for w in ("-c", f"{text} {at} {n}")], "disk")
        for _, value, at, n in commands:
            self.fill(value, at, n)

    def same(self, want, *words):
        for program in (IMG, STOCK_IMG):
            run(program, "convert", "-f", "qcow2", *words, "-O", "raw", "disk", "raw")
            with open("raw", "rb") as f:
                got = f.read()
            if got != bytes(want):
                at = next(i for i in range(SIZE) if got[i:i + 1] != bytes(want[i:i + 1]))
                raise AssertionError(f"{program} {words}: content differs at {at}")

    def clean(self):
        run(STOCK_IMG, "check", "-q", "disk")
        run(IMG, "check", "-q", "disk")

    def life(self):
        self.same(self.model)
        if self.snapshots:
            run(IMG, "snapshot", "-c", "s", "disk")
            kept = bytes(self.model)
        self.io(IO, [("write -P 5", 5, 10 * KiB, 120 * KiB), ("write -z", 0, 690 * KiB, 90 * KiB), ("write -P 6", 6, 1000 * KiB, 24 * KiB)])
        self.clean()
        if self.snapshots:
            run(IMG, "snapshot", "-c", "t", "disk")
            self.io(IO, [("write -P 7", 7, 0, 64 * KiB)])
            self.same(kept, "-l", "s")
            run(IMG, "snapshot", "-a", "s", "disk")
            self.model[:] = kept
            self.clean()
            run(IMG, "snapshot", "-d", "t", "disk")
            self.io(IO, [("write -P 8", 8, 200 * KiB, 200 * KiB)])
            self.same(kept, "-l", "s")
            run(IMG, "snapshot", "-d", "s", "disk")
        self.same(self.model)
        self.clean()


def main():
    if not STOCK_IMG or not STOCK_IO:
        print("skipped: needs the stock programs")
        return 77
    combinations = [c for c in itertools.product(VERSIONS, CLUSTERS, WIDTHS, COMPRESSION, LAZY, PREALLOCATION, BACKING, SUBCLUSTERS)
                    if possible(*c)]
    failures, tried = 0, 0
    for combination in combinations[::EVERY]:
        tried += 1
        try:
            Disk(*combination).life()
        except AssertionError as problem:
            failures += 1
            print(f"{combination}: {problem}")
    print(f"{tried} of {len(combinations)} combinations, {failures} failures")
    return 1 if failures else 0


os.chdir(os.environ["TEST_DIR"])
sys.exit(main())
