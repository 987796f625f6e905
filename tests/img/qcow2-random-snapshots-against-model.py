#!/usr/bin/env python3
"""Random writes, discards and snapshot verbs: content equals a model at every snapshot, and stock finds each image clean.

Several geometries: small and large clusters, refcounts of 2 to 64 bits, extended L2, version 2,
compressed writes, resizes between snapshots.  SEED and ROUNDS in the environment repeat a failure.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
SEED = int(os.environ.get("SEED", "1"))
ROUNDS = int(os.environ.get("ROUNDS", "14"))
GRAIN = 512
GEOMETRIES = [
    "cluster_size=512", "cluster_size=4096,refcount_bits=4", "cluster_size=64k", "cluster_size=1k,refcount_bits=64",
    "cluster_size=16k,extended_l2=on", "cluster_size=2k,compat=0.10", "cluster_size=512,refcount_bits=2",
    "cluster_size=4k,lazy_refcounts=on,refcount_bits=8", "cluster_size=1k,refcount_bits=32,preallocation=metadata",
]


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise SystemExit(f"{' '.join(args)[:300]}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Disk:
    """The image and what it should hold: one value a sector, for now and for each snapshot."""

    def __init__(self, rng, options, path):
        self.rng, self.path, self.options = rng, path, options
        self.cells = [0] * (1 << 11)
        self.snapshots = {}
        self.counter = 0
        run(IMG, "create", "-q", "-f", "qcow2", "-o", options, path, str(len(self.cells) * GRAIN))

    def span(self, grain=1):
        first = self.rng.randrange(len(self.cells)) // grain * grain
        n = min(self.rng.choice((1, 3, 8, 40, 300)) * grain, len(self.cells) - first)
        return first, n

    def guest_io(self):
        commands = []
        for _ in range(self.rng.randrange(1, 12)):
            kind = self.rng.choice(("write", "write", "write", "zero", "discard", "flush", "compressed"))
            if kind == "flush":
                commands.append("flush")
                continue
            if kind == "compressed":
                cluster = self.cluster()
                if "preallocation" in self.options:
                    continue
                if "refcount_bits=2" in self.options or len(self.cells) * GRAIN % cluster:
                    continue
                first = self.rng.randrange(len(self.cells) * GRAIN // cluster) * (cluster // GRAIN)
                if any(self.written[first:first + cluster // GRAIN]):
                    continue
                n, value = cluster // GRAIN, self.rng.randrange(1, 255)
                commands.append(f"write -c -P {value} {first * GRAIN} {n * GRAIN}")
            else:
                first, n = self.span()
                value = self.rng.randrange(1, 255) if kind == "write" else 0
                if kind == "discard":
                    continue
                flag = f"-P {value}" if value else self.rng.choice(("-z", "-zu"))
                commands.append(f"write {flag} {first * GRAIN} {n * GRAIN}")
            self.cells[first:first + n] = [value] * n
            self.written[first:first + n] = [True] * n
        args = [x for c in commands for x in ("-c", c)]
        program = IO if self.rng.random() < .8 or not STOCK_IO else STOCK_IO
        if args:
            out = run(program, *args, self.path)
            if "rror" in out or "failed" in out:
                raise SystemExit(f"{program} {args}\n{out[-400:]}")

    written = None

    def cluster(self):
        size = [o.split("=")[1] for o in self.options.split(",") if o.startswith("cluster_size")][0]
        return int(size[:-1]) * 1024 if size.endswith("k") else int(size)

    def create(self):
        if len(self.snapshots) >= (2 if "refcount_bits=2" in self.options else 6):
            return
        self.counter += 1
        name = f"s{self.counter}"
        run(self.verb(), "snapshot", "-c", name, self.path)
        self.snapshots[name] = list(self.cells)

    def verb(self):
        ours = "refcount_bits=2" in self.options    # the peer needs one more reference for a moment
        return IMG if ours or self.rng.random() < .8 or not STOCK_IMG else STOCK_IMG

    def apply(self):
        if self.snapshots:
            name = self.rng.choice(list(self.snapshots))
            run(self.verb(), "snapshot", "-a", name, self.path)
            self.cells = list(self.snapshots[name])

    def delete(self):
        if self.snapshots:
            name = self.rng.choice(list(self.snapshots))
            run(self.verb(), "snapshot", "-d", name, self.path)
            del self.snapshots[name]

    def resize(self):
        if "compat=0.10" in self.options:
            return
        n = self.rng.choice((1 << 10, 1 << 11, 3000, 1 << 12))
        if n < len(self.cells) and self.snapshots:
            return
        args = ["--shrink"] if n < len(self.cells) else []
        run(IMG, "resize", "-q", *args, self.path, str(n * GRAIN))
        self.cells = (self.cells + [0] * n)[:n]

    def expected(self, cells):
        return b"".join(bytes([c]) * GRAIN for c in cells)

    def verify(self):
        for program in filter(None, (IMG, STOCK_IMG)):
            run(program, "check", "-q", self.path)
        raw = self.path + ".raw"
        run(IMG, "convert", "-O", "raw", self.path, raw)
        with open(raw, "rb") as f:
            self.same(f.read(), self.expected(self.cells), "active")
        for name, cells in self.snapshots.items():
            if len(cells) != len(self.cells):
                continue                 # read at the present size
            program = STOCK_IMG or IMG
            run(program, "convert", "-l", f"snapshot.name={name}", "-O", "raw", self.path, raw)
            with open(raw, "rb") as f:
                self.same(f.read(), self.expected(cells), name)

    def same(self, got, want, what):
        if got != want:
            at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
            raise SystemExit(f"{what}: lengths {len(got)} {len(want)}, first difference at {at}")


def main():
    for number, options in enumerate(GEOMETRIES):
        rng = random.Random(SEED * 1000 + number)
        disk = Disk(rng, options, os.path.join(os.environ["TEST_DIR"], f"{number}.qcow2"))
        log = []
        try:
            for _ in range(ROUNDS):
                disk.written = [bool(c) for c in disk.cells] if disk.written is None else disk.written
                disk.written = (disk.written + [False] * len(disk.cells))[:len(disk.cells)]
                step = rng.choice((disk.guest_io, disk.guest_io, disk.create, disk.apply, disk.delete, disk.resize))
                log.append(step.__name__)
                step()
                disk.verify()
        except SystemExit as failure:
            sys.exit(f"SEED={SEED} {options} after {log}: {failure}")


main()
