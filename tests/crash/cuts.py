#!/usr/bin/env python3
"""Power cuts: every operation that changes a qcow2 image, cut at every write.

An operation runs with the `blklogwrites` filter under the format driver, which records each
write, zeroing, discard and flush that reaches the file.  From the record this program rebuilds
the file as a power cut could have left it: every prefix; random subsets of the writes that no
flush had covered; sectors torn inside larger writes.  Each state must open, check without
corruption (leaks are allowed, and repaired), and hold: all that was durable before the
operation, each sector old or new and nothing else, each snapshot whole or not there.

Usage: cuts.py --build BUILD [--ops REGEX] [--states N] [--seed N] [--keep DIR] [--seconds N]

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import operations

SECTOR = 512
FLUSH, FUA, DISCARD = 1, 2, 4


class Failure(Exception):
    pass


def run(cmd, ok=(0,)):
    p = subprocess.run(cmd, capture_output=True, text=True, errors="replace", timeout=60)
    if ok is not None and p.returncode not in ok:
        raise Failure(f"{' '.join(cmd)}: exit {p.returncode}\n{p.stdout[-600:]}{p.stderr[-600:]}")
    return p


def read_log(path):
    """The entries of a log: (offset, data or None for a flush, discarded length)."""
    with open(path, "rb") as f:
        raw = f.read()
    magic, version, count, size = struct.unpack_from("<QQQI", raw)
    if magic != 0x6A736677736872 or version != 1:
        raise Failure(f"{path}: not a log")
    entries, pos = [], size
    for _ in range(count):
        sector, nr, flags, _ = struct.unpack_from("<QQQQ", raw, pos)
        length = nr * size
        pos += size
        if flags & DISCARD:
            entries.append(("discard", sector * size, nr * size))
            continue
        if length:
            data = raw[pos:pos + length]
            entries.append(("write", sector * size, data + bytes(length - len(data))))
            pos += (length + size - 1) // size * size
        if flags & (FLUSH | FUA):
            entries.append(("flush", 0, b""))
    return entries


def apply(image, entry, mask=None):
    """Play one entry onto image (a bytearray); mask: which of its sectors arrive."""
    kind, offset, data = entry
    if kind == "flush":
        return
    if kind == "discard":
        # A discarded range may read as anything it held or as zeroes; zeroes are the harder case.
        data = bytes(min(data, max(0, len(image) - offset)))
    if offset + len(data) > len(image):
        image.extend(bytes(offset + len(data) - len(image)))
    if mask is None:
        image[offset:offset + len(data)] = data
        return
    for i in mask:
        image[offset + i * SECTOR:offset + (i + 1) * SECTOR] = data[i * SECTOR:(i + 1) * SECTOR]


class States:
    """Walks a record and yields distinct (description, image) states after cuts."""

    def __init__(self, base, entries, rng, budget):
        self.base, self.entries, self.rng, self.budget = base, entries, rng, budget
        self.seen = set()

    def prefixes(self):
        image = bytearray(self.base)
        yield "nothing written", bytes(image)
        for k, e in enumerate(self.entries):
            apply(image, e)
            if e[0] != "flush":
                yield f"all up to entry {k}", bytes(image)

    def epochs(self):
        start = 0
        for k, e in enumerate(self.entries):
            if e[0] == "flush":
                if k > start:
                    yield start, k
                start = k + 1
        if start < len(self.entries):
            yield start, len(self.entries)

    def subsets(self, count):
        """Random subsets of one epoch's writes, some torn, on all that came before it."""
        epochs = list(self.epochs())
        if not epochs:
            return
        durable, at = [], bytearray(self.base)
        done = 0
        for start, end in epochs:
            for e in self.entries[done:start]:
                apply(at, e)
            durable.append(bytes(at))
            done = start
        weights = [end - start for start, end in epochs]
        for _ in range(count):
            i = self.rng.choices(range(len(epochs)), weights)[0]
            start, end = epochs[i]
            image, text = bytearray(durable[i]), []
            keep = self.rng.random()
            for k in range(start, end):
                e = self.entries[k]
                if self.rng.random() > keep:
                    continue
                sectors = len(e[2]) // SECTOR if e[0] == "write" else 0
                if sectors > 1 and self.rng.random() < 0.3:
                    mask = [s for s in range(sectors) if self.rng.random() < 0.5]
                    apply(image, e, mask)
                    text.append(f"{k}/torn")
                else:
                    apply(image, e)
                    text.append(str(k))
            yield f"durable before entry {start}, then {' '.join(text) or 'nothing'}", bytes(image)

    def __iter__(self):
        left = self.budget
        # Half of the budget goes to prefixes; where they are more, an even sample of them.
        step = max(1, -(-len(self.entries) * 2 // max(1, self.budget)))
        for i, (text, image) in enumerate(self.prefixes()):
            if (step == 1 or (i + self.rng.randrange(step)) % step == 0) and self._new(image):
                left -= 1
                yield text, image
        for text, image in self.subsets(max(0, left) * 3):
            if left <= 0:
                break
            if self._new(image):
                left -= 1
                yield text, image

    def _new(self, image):
        h = hash(image)
        if h in self.seen:
            return False
        self.seen.add(h)
        return True


class Cutter:
    def __init__(self, args):
        self.args = args
        self.img = os.path.join(args.build, "qemu-img")
        self.io = os.path.join(args.build, "qemu-io")
        self.stock = shutil.which("qemu-img")
        self.tried = 0
        self.end = time.monotonic() + args.seconds if args.seconds else None
        self.failures = []

    def out_of_time(self):
        return self.end is not None and time.monotonic() > self.end

    def options(self, path, log, variant):
        opts = (f"driver=qcow2,file.driver=blklogwrites,file.file.driver=file,file.file.filename={path},"
                f"file.log.driver=file,file.log.filename={log}")
        return opts + variant.get("open", "")

    def record(self, work, op, variant):
        """Make the image, run the set-up, then the operation with the recorder.  Returns the parts of a case."""
        path, log = os.path.join(work, "img"), os.path.join(work, "log")
        open(log, "wb").close()
        model = operations.Model(op.size)
        run([self.img, "create", "-q", "-f", "qcow2", "-o", variant["create"], path, str(op.size)])
        ctx = operations.Context(self.img, self.io, path, ["-f", "qcow2", path], model, run)
        op.setup(ctx)
        before = model.freeze()
        with open(path, "rb") as f:
            base = f.read()
        # Reset the sets of allowed values: all of the set-up is durable.
        model.settle()
        ctx.target = ["--image-opts", self.options(path, log, variant)]
        ctx.run = self.only_once(run)
        op.run(ctx)
        return base, read_log(log), before, model

    @staticmethod
    def only_once(run):
        """Each process starts a log of its own, so an operation has to be one process."""
        ran = []

        def guarded(cmd):
            if ran:
                raise Failure(f"a second process, {' '.join(cmd)}, would overwrite the log")
            ran.append(cmd)
            return run(cmd)
        return guarded

    def judge(self, work, text, image, before, model, op, deep):
        path = os.path.join(work, f"state-{os.getpid()}-{id(image)}")
        try:
            with open(path, "wb") as f:
                f.write(image)
            self.check_state(path, before, model, op, deep)
        except (Failure, subprocess.TimeoutExpired) as e:
            if self.args.keep:
                os.makedirs(self.args.keep, exist_ok=True)
                shutil.copy(path, os.path.join(self.args.keep, f"{op.name}-{len(self.failures)}.qcow2"))
            self.failures.append(f"{op.name}: {text}: {e}")
        finally:
            for suffix in ("", ".raw", ".snap"):
                if os.path.exists(path + suffix):
                    os.unlink(path + suffix)

    def checked(self, tool, path):
        p = run([tool, "check", "--output=json", "-f", "qcow2", path], ok=None)
        if p.returncode not in (0, 3):
            raise Failure(f"{tool} check: exit {p.returncode}\n{p.stdout[:600]}{p.stderr[:600]}")
        r = json.loads(p.stdout)
        if r.get("corruptions") or r.get("check-errors"):
            raise Failure(f"{tool} check: {p.stdout}{p.stderr[:600]}")
        return r

    def check_state(self, path, before, model, op, deep):
        self.checked(self.img, path)
        if deep and self.stock:
            self.checked(self.stock, path)
        run([self.img, "convert", "-f", "qcow2", "-O", "raw", path, path + ".raw"])
        with open(path + ".raw", "rb") as f:
            model.judge(f.read(), before, Failure)
        names = self.snapshots(path)
        model.judge_names(names, before, Failure)
        if deep:
            for name in names:
                run([self.img, "convert", "-f", "qcow2", "-l", f"snapshot.name={name}", "-O", "raw", path, path + ".snap"])
                with open(path + ".snap", "rb") as f:
                    if f.read() != model.snapshot_content(name):
                        raise Failure(f"snapshot {name} changed")
            run([self.img, "check", "-q", "-r", "all", "-f", "qcow2", path])
            self.checked(self.stock or self.img, path)
            with open(path + ".raw", "rb") as f:
                was = f.read()
            run([self.img, "convert", "-f", "qcow2", "-O", "raw", path, path + ".raw"])
            with open(path + ".raw", "rb") as f:
                if f.read() != was:
                    raise Failure("repair changed the content")

    def snapshots(self, path):
        p = run([self.img, "info", "--output=json", "-f", "qcow2", path])
        return [s["name"] for s in json.loads(p.stdout).get("snapshots", [])]

    def case(self, op, variant, states):
        work = tempfile.mkdtemp(prefix="cuts-", dir=self.args.dir)
        try:
            base, entries, before, model = self.record(work, op, variant)
            rng = random.Random(f"{self.args.seed}/{op.name}/{variant['name']}")
            count, failed = 0, len(self.failures)
            with ThreadPoolExecutor(2) as pool:
                jobs = []
                for i, (text, image) in enumerate(States(base, entries, rng, states)):
                    if self.out_of_time():
                        break
                    jobs.append(pool.submit(self.judge, work, text, image, before, model, op, i % 4 == 0))
                    count += 1
                    if len(jobs) > 64:
                        jobs.pop(0).result()
                for j in jobs:
                    j.result()
            self.tried += count
            writes = sum(e[0] == "write" for e in entries)
            bad = len(self.failures) - failed
            print(f"{op.name:28} {variant['name']:14} {writes:4} writes {sum(e[0] == 'flush' for e in entries):3} flushes "
                  f"{count:6} states  {'FAILED: ' + str(bad) if bad else 'ok'}", flush=True)
        except Failure as e:
            self.failures.append(f"{op.name} on {variant['name']}: the operation itself: {e}")
            print(f"{op.name:28} {variant['name']:14} FAILED to run", flush=True)
        finally:
            shutil.rmtree(work)


def main(arguments=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--ops", default="")
    p.add_argument("--variants", default="")
    p.add_argument("--states", type=int, default=20000, help="distinct states in all")
    p.add_argument("--seconds", type=float, default=0, help="stop trying states after this time (default: never)")
    p.add_argument("--seed", default="1")
    p.add_argument("--keep", help="keep images of failed states here")
    p.add_argument("--dir", default="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    args = p.parse_args(arguments)
    args.build = os.path.abspath(args.build)
    cutter = Cutter(args)
    cases = [(op, v) for op in operations.OPERATIONS for v in operations.VARIANTS
             if op.fits(v) and re.search(args.ops, op.name) and re.search(args.variants, v["name"])]
    # In a random order, so that a run that is short of time meets every kind over many runs.
    random.Random(args.seed).shuffle(cases)
    for i, (op, variant) in enumerate(cases):
        if cutter.out_of_time():
            break
        cutter.case(op, variant, max(1, (args.states - cutter.tried) // (len(cases) - i)))
    if cutter.out_of_time():
        print(f"stopped after {args.seconds:g} seconds")
    for f in cutter.failures[:20]:
        print(f, file=sys.stderr)
    print(f"{cutter.tried} distinct states tried, {len(cutter.failures)} failures")
    return 1 if cutter.failures else 0


if __name__ == "__main__":
    sys.exit(main())
