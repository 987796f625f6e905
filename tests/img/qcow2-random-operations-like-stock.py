#!/usr/bin/env python3
"""The same thousands of random operations with ours, with stock on a copy, and on a plain model: the same output, equal
content at every snapshot, clean for stock's check.

Writes, zeroes, discards, compressed writes, resizes, snapshot verbs, commits into the backing file, conversions, checks;
now and then the two programs trade images.  SEED and ROUNDS in the environment repeat a failure; with RANDOM_SECONDS
the test goes on with new seeds for that long.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import random
import re
import shutil
import subprocess
import sys
import time

OURS_IMG, OURS_IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
SEED = int(os.environ.get("SEED", "1"))
ROUNDS = int(os.environ.get("ROUNDS", "8"))
SECONDS = float(os.environ.get("RANDOM_SECONDS", "0"))
ONLY = os.environ.get("ONLY")
SECTOR = 512
KiB = 1024
MiB = KiB * KiB

# options, virtual size, with a backing file
GEOMETRIES = [
    ("cluster_size=512", MiB, False),
    ("cluster_size=512,refcount_bits=1,compat=1.1", MiB, False),
    ("cluster_size=2k,compat=0.10", MiB, False),
    ("cluster_size=4k,refcount_bits=64", 2 * MiB, True),
    ("cluster_size=64k", 4 * MiB, False),
    ("cluster_size=64k,compat=0.10", 4 * MiB, True),
    ("cluster_size=2M", 24 * MiB, False),
    ("cluster_size=16k,extended_l2=on", 2 * MiB, False),
    ("cluster_size=64k,extended_l2=on", 4 * MiB, True),
    ("cluster_size=4k,lazy_refcounts=on,refcount_bits=8", 2 * MiB, False),
    ("cluster_size=1k,refcount_bits=32,preallocation=metadata", MiB, False),
    ("cluster_size=32k,compression_type=zstd,refcount_bits=4", 2 * MiB, False),
    ("cluster_size=512,refcount_bits=16,lazy_refcounts=on", 512 * KiB, True),
    ("cluster_size=64k,preallocation=falloc", 4 * MiB, False),
]


class Difference(Exception):
    pass


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def need(*command):
    code, out, err = run(*command)
    if code:
        raise Difference(f"{' '.join(command)[:600]}\nexit {code}\n{out[-1500:]}{err[-1500:]}")
    return out


def plain(text, folder):
    """Without speeds, dates, the folder's name and hints that only ours gives."""
    text = re.sub(r"^Did you mean .*\n", "", text, flags=re.M)
    text = re.sub(r"[0-9.:]+( sec| seconds)? \(.*\)", "TIME", text.replace(folder, "."))
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE", text)


class Cells:
    """What a guest sees, a value for each sector.  None: the backing file shows through."""

    def __init__(self, count, value=0):
        self.v = [value] * count

    def copy(self):
        other = Cells(0)
        other.v = list(self.v)
        return other


class Disk:
    """One image, twice: folder a is ours, folder b is stock's; and the model of both."""

    def __init__(self, rng, options, size, backed, where):
        self.rng, self.options, self.backed = rng, options, backed
        self.a, self.b = os.path.join(where, "a"), os.path.join(where, "b")
        self.base = [0] * (size // SECTOR) if backed else None
        self.cluster = int(re.search(r"cluster_size=(\d+)", options)[1])
        unit = re.search(r"cluster_size=\d+([kM]?)", options)[1]
        self.cluster *= {"": 1, "k": KiB, "M": MiB}[unit]
        self.grain = self.cluster // (32 if "extended_l2" in options else 1) // SECTOR
        self.cells = [None if backed else 0] * (size // SECTOR)
        self.unsure, self.leaky = set(), set()
        self.snapshots = {}
        self.counter = 0
        self.swapped = self.alone = False
        self.fuzzy = False                  # whether the backing file shows through is not known for each cell
        for folder in (self.a, self.b):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)
        if backed:
            self.make_base(size)
        create = ["create", "-q", "-f", "qcow2", "-o", options, *(["-b", "base", "-F", "qcow2"] if backed else []), "disk", str(size)]
        self.both("img", *create)

    def make_base(self, size):
        self.both("img", "create", "-q", "-f", "qcow2", "base", str(size))
        words = []
        for _ in range(6):
            first = self.rng.randrange(len(self.base))
            n = min(self.rng.choice((1, 40, 300)), len(self.base) - first)
            value = self.rng.randrange(1, 255)
            words += ["-c", f"write -P {value} {first * SECTOR} {n * SECTOR}"]
            self.base[first:first + n] = [value] * n
        self.both("io", *words, "base")

    # -- the two programs

    def programs(self, kind):
        pair = [(OURS_IMG, STOCK_IMG), (OURS_IO, STOCK_IO)][kind == "io"]
        if self.alone:
            return pair[:1] * 2
        return reversed(pair) if self.swapped else pair

    def both(self, kind, *words):
        """Run the same on both images; exit code and texts must agree.  Returns (exit code, output)."""
        results = []
        for program, folder in zip(self.programs(kind), (self.a, self.b)):
            done = subprocess.run([program, *words], capture_output=True, text=True, timeout=120, cwd=folder)
            results.append((done.returncode, plain(done.stdout, folder), plain(done.stderr, folder)))
        first, second = results
        if first != second:
            left, right = ["\n".join(map(str, r)).splitlines() for r in (second, first)]
            lines = list(difflib.unified_diff(left, right, "b", "a", lineterm="", n=1))[:30]
            raise Difference(f"{'swapped: ' if self.swapped else ''}{' '.join(words)[:3000]}\n" + "\n".join(lines))
        return first[0], first[1]

    # -- operations

    def touch(self, first, n, value):
        """Set sectors; the rest of each cluster that they touch no longer shows the backing file."""
        if self.backed:
            low, high = first // self.grain * self.grain, min(-(-(first + n) // self.grain) * self.grain, len(self.cells))
            self.cells[low:high] = self.visible(self.cells, low, high)
        self.cells[first:first + n] = [value] * n

    def visible(self, cells, low=0, high=None):
        high = len(cells) if high is None else high
        if not self.backed:
            return cells[low:high]
        base = self.base[low:high]
        base += [0] * (high - low - len(base))
        return [b if c is None else c for c, b in zip(cells[low:high], base)]

    def span(self):
        rng = self.rng
        first = rng.randrange(len(self.cells))
        n = rng.choice((1, 3, 8, 40, 300, 2000))
        if rng.random() < .5:
            step = max(rng.choice((self.grain, self.cluster // SECTOR)), 1)
            first, n = first // step * step, -(-n // step) * step
        return first, min(n, len(self.cells) - first)

    PLAIN = ("write", "write", "write", "write", "zero", "zero", "discard", "flush", "read")

    def command(self, kinds):
        """One qemu-io command and its effect on the model."""
        rng = self.rng
        kind = rng.choice(kinds)
        if kind == "flush":
            return "flush", None
        first, n = self.span()
        if kind == "read":
            return f"read {first * SECTOR} {n * SECTOR}", None
        if kind == "write":
            value = rng.randrange(1, 255)
            flags = rng.choice(("", "", "", "-f "))
            return f"write {flags}-P {value} {first * SECTOR} {n * SECTOR}", (first, n, value)
        if kind == "zero":
            return f"write {rng.choice(('-z', '-z', '-zu', '-zf'))} {first * SECTOR} {n * SECTOR}", (first, n, 0)
        if kind == "discard":
            return f"discard {first * SECTOR} {n * SECTOR}", (first, n, None)
        step = self.cluster // SECTOR
        first = first // step * step
        n, value = min(step, len(self.cells) - first), rng.randrange(1, 255)
        return f"write -c -P {value} {first * SECTOR} {n * SECTOR}", (first, n, value)

    def guest_io(self):
        """
        Compressed writes go apart from others, except where ours works on both images: stock goes on filling the host
        cluster that it put compressed data into after that was overwritten and the cluster given to somebody else.
        """
        kinds = self.rng.choice((self.PLAIN, self.PLAIN, self.PLAIN, ("compressed", "read"), self.PLAIN + ("compressed",) * 3))
        self.alone = "compressed" in kinds and len(kinds) > 2
        commands = [self.command(kinds) for _ in range(self.rng.randrange(10, 80))]
        words = [w for text, _ in commands for w in ("-c", text)]
        options = self.rng.choice(((), (), ("-t", "writeback"), ("-d", "unmap"), ("-d", "unmap")))
        _, out = self.both("io", *options, *words, "disk")
        self.alone = False
        self.follow(commands, out.splitlines())
        return len(commands)

    def follow(self, commands, lines):
        """Bring the model to what the output says was done."""
        at = 0
        for text, effect in commands:
            if text == "flush":
                continue
            good = at < len(lines) and lines[at].startswith(("wrote", "discard ", "read ")) and "failed" not in lines[at]
            at += 2 if good else 1
            if effect and effect[2] is not None and good:
                self.touch(*effect)
                self.unsure.difference_update(range(effect[0], effect[0] + effect[1]))
            elif effect and effect[2] is None:
                self.unsure.update(range(effect[0], effect[0] + effect[1]))
            elif not good and "-c" not in text:
                raise Difference(f"{text}: {lines[at - 1:at]}")

    def create(self):
        if len(self.snapshots) < 5:
            self.counter += 1
            name = self.rng.choice((f"s{self.counter}", f"{100 + self.counter}"))
            code, _ = self.both("img", "snapshot", "-c", name, "disk")
            if code == 0:
                self.snapshots[name] = list(self.cells)

    def ids(self):
        """Name by id, as the list has them."""
        _, out = self.both("img", "snapshot", "-l", "disk")
        return dict(line.split()[:2] for line in out.splitlines()[2:])

    def pick(self):
        """An id or a name, and the name of the snapshot that it means."""
        ids = self.ids()
        if sorted(ids.values()) != sorted(self.snapshots):
            raise Difference(f"snapshots {ids}, model {list(self.snapshots)}")
        if not ids:
            return None, None
        word = self.rng.choice(list(ids) + list(ids.values()))
        return word, ids.get(word, word)

    def apply(self):
        word, name = self.pick()
        if word:
            code, _ = self.both("img", "snapshot", "-a", word, "disk")
            if code == 0:
                self.cells = list(self.snapshots[name])

    def delete(self):
        word, name = self.pick()
        if word:
            code, _ = self.both("img", "snapshot", "-d", word, "disk")    # takes names alone
            if (code == 0) != (word in self.snapshots):
                raise Difference(f"snapshot -d {word}: {code}")
            self.snapshots.pop(word, None)

    def resize(self):
        n = max(self.rng.choice((len(self.cells) // 2, len(self.cells) * 3 // 2, len(self.cells) + 7, len(self.cells) - 9)), 64)
        n = min(n, 64 * MiB // SECTOR)
        code, _ = self.both("img", "resize", *(["--shrink"] if n < len(self.cells) else []), "disk", str(n * SECTOR))
        if code == 0:
            self.cells = (self.cells + [0] * n)[:n]

    def commit(self):
        if not self.backed or (self.fuzzy and self.snapshots) or self.rng.random() < .3:
            return
        drop = self.rng.random() < .4
        code, _ = self.both("img", "commit", "-q", *(["-d"] if drop else []), "disk")
        if code == 0:
            seen = self.visible(self.cells)
            self.base = seen + self.base[len(seen):]
            if not drop and not self.snapshots:
                self.cells = [None] * len(self.cells)
            self.fuzzy = not drop and bool(self.snapshots)

    def convert(self):
        if self.rng.random() < .6:
            return
        flags = list(self.rng.choice(((), ("-c",), ("-S", "4k"), ("-S", "0"), ("-m", "1"), ("-W",))))
        options = re.sub(r",?preallocation=\w+", "", self.options)
        flatten = self.rng.random() < .3
        if self.backed and not flatten:
            flags += ["-B", "base", "-F", "qcow2"]
        self.both("img", "convert", *flags, "-f", "qcow2", "-O", "qcow2", "-o", options, "disk", "new")
        for folder in (self.a, self.b):
            os.replace(os.path.join(folder, "new"), os.path.join(folder, "disk"))
        self.snapshots = {}
        self.cells, self.backed = self.visible(self.cells), self.backed and not flatten
        self.fuzzy = True

    def trade(self):
        self.swapped = not self.swapped

    def check(self):
        if self.leaky:
            for program, folder in zip(self.programs("img"), (self.a, self.b)):
                need(program, "check", "-q", "-r", "leaks", os.path.join(folder, "disk"))
            self.leaky = set()
            return
        self.both("img", "check", "-q", *self.rng.choice(((), ("-r", "leaks"), ("-r", "all"))), "disk")

    # -- what must hold after each step

    def raw(self, program, folder, *words):
        path = os.path.join(folder, "raw")
        need(program, "convert", "-f", "qcow2", *words, "-O", "raw", os.path.join(folder, "disk"), path)
        with open(path, "rb") as f:
            return f.read()

    def clean(self):
        """No finding; only where stock has worked clusters may have leaked (it leaks when a verb fails)."""
        for program, folder in zip(self.programs("img"), (self.a, self.b)):
            code, out, err = run(STOCK_IMG, "check", "-q", os.path.join(folder, "disk"))
            if code == 3 and (program == STOCK_IMG or folder in self.leaky):
                self.leaky.add(folder)
            elif code:
                raise Difference(f"check of {folder}, last program {program}: exit {code}\n{out}{err}"[:3000])

    def verify(self, every):
        self.clean()
        got = self.raw(OURS_IMG, self.a)
        self.settle(got)
        self.same(got, self.cells, "ours")
        self.same(self.raw(STOCK_IMG, self.b), self.cells, "stock")
        names = list(self.snapshots)
        for name in names if every else names[-1:] and [self.rng.choice(names)]:
            cells = self.snapshots[name]
            if len(cells) == len(self.cells):             # read at the present size
                program = self.rng.choice((OURS_IMG, STOCK_IMG))
                self.same(self.raw(program, self.a, "-l", f"snapshot.name={name}"), cells, f"ours at {name}")
                self.same(self.raw(OURS_IMG, self.b, "-l", f"snapshot.name={name}"), cells, f"stock at {name}")

    def settle(self, got):
        """A discarded sector is either as before or zero; ours decides, and stock must agree."""
        for i in sorted(self.unsure):
            if i < len(self.cells) and not any(got[i * SECTOR:(i + 1) * SECTOR]):
                self.cells[i] = 0
        self.fuzzy |= bool(self.unsure)
        self.unsure = set()

    def same(self, got, cells, what):
        want = b"".join([bytes((c,)) * SECTOR for c in self.visible(cells)])
        if got != want:
            at = next((i for i in range(0, min(len(got), len(want)), SECTOR) if got[i:i + SECTOR] != want[i:i + SECTOR]), -1)
            raise Difference(f"{what}: lengths {len(got)} {len(want)}, first different sector at {at}: "
                             f"{got[at:at + 4].hex()} instead of {want[at:at + 4].hex()}")


def play(seed, number, where):
    """One geometry; returns the number of operations."""
    rng = random.Random(seed * 1000 + number)
    options, size, backed = GEOMETRIES[number]
    log, operations = [], 0
    try:
        disk = Disk(rng, options, size, backed, where)
        steps = [disk.guest_io] * 6 + [disk.create] * 3 + [disk.apply, disk.apply, disk.delete, disk.resize,
                                                          disk.commit, disk.convert, disk.trade, disk.check]
        for _ in range(ROUNDS):
            step = rng.choice(steps)
            log.append(step.__name__)
            operations += step() or 1
            disk.verify(False)
        disk.verify(True)
    except Difference as difference:
        sys.exit(f"SEED={seed} ONLY={number} {options} {'backed ' if backed else ''}after {log}:\n{difference}")
    return operations


def main():
    if not STOCK_IMG or not STOCK_IO:
        print("skipped: needs the stock programs")
        sys.exit(77)
    where = os.environ["TEST_DIR"]
    started, seed, operations = time.monotonic(), SEED, 0
    while True:
        for number in range(len(GEOMETRIES)):
            if ONLY in (None, str(number)):
                operations += play(seed, number, where)
        if time.monotonic() - started >= SECONDS:
            break
        seed += 1
    print(f"{operations} operations, seeds {SEED} to {seed}")


main()
