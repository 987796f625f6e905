#!/usr/bin/env python3
"""Speed of ours and of the stock programs, side by side in one run.

Each workload prepares equal files for both sides, then runs them in turn (A B A B ...),
checks that the results are equal, and reports medians and their ratio.  Nothing here fails
because of a time: tests prove behaviour, this prints figures.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import datetime
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import workloads


def run(cmd, check=True):
    """Run cmd; returns (seconds, peak resident KiB, stdout)."""
    start = time.monotonic()
    p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = p.stdout.read(), p.stderr.read()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if check and p.returncode:
        raise RuntimeError(f"{' '.join(cmd)}: exit {p.returncode}: {err.decode(errors='replace')[-400:]}")
    return seconds, usage.ru_maxrss, out.decode(errors="replace")


class Side:
    """One of the two programs under measurement."""

    def __init__(self, name, img, io):
        self.name, self.img, self.io = name, img, io


class Bench:
    """What workloads see: a scratch folder, the stock tools for preparation, and the clock."""

    def __init__(self, args, ours, stock):
        self.args, self.ours, self.stock = args, ours, stock
        self.dir = args.dir
        self.rows = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def prepare(self, *cmd):
        return run([self.stock.img, *cmd])

    def copy(self, src, dst):
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", src, dst], check=True)

    def pair(self, name, once, rounds=None, unit="s", better="lower"):
        """once(side, round) returns a figure (seconds, or a rate) and optionally KiB of memory."""
        rounds = rounds or self.args.rounds
        figures = {s.name: [] for s in (self.ours, self.stock)}
        memory = {s.name: 0 for s in (self.ours, self.stock)}
        for r in range(rounds):
            order = (self.ours, self.stock) if r % 2 == 0 else (self.stock, self.ours)
            for side in order:
                value = once(side, r)
                value, mem = value if isinstance(value, tuple) else (value, 0)
                figures[side.name].append(value)
                memory[side.name] = max(memory[side.name], mem)
        a = statistics.median(figures[self.ours.name])
        b = statistics.median(figures[self.stock.name])
        ratio = (b / a if better == "lower" else a / b) if a and b else float("nan")
        self.rows.append((name, a, b, unit, ratio, memory[self.ours.name], memory[self.stock.name], rounds))
        mem = f" mem {memory[self.ours.name] // 1024}/{memory[self.stock.name] // 1024} MiB" if memory[self.ours.name] else ""
        print(f"{name:58} ours {a:12.4f} {unit:5} stock {b:12.4f} {unit:5} x{ratio:6.2f}{mem}", flush=True)

    def timed(self, side, *cmd):
        seconds, mem, _ = run([side.img, *cmd])
        return seconds, mem

    def rate(self, side, count, *cmd):
        """Operations a second as the program's own `bench` reports them."""
        _, _, out = run([side.img, *cmd])
        m = re.search(r"Run completed in ([0-9.]+) seconds", out)
        return count / float(m.group(1))


def machine_limits(directory):
    """Memory copy and disk speed of this machine now, for reading the table."""
    # In a process of its own: what this one holds would count as the memory of every program that it starts.
    code = ("import time; a = bytearray(64 << 20); b = bytearray(a); t = time.monotonic()\n"
            "for _ in range(8): b[:] = a\nprint(8 * len(a) / (time.monotonic() - t) / 1e9)")
    memory = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    path = os.path.join(directory, "limit")
    start = time.monotonic()
    subprocess.run(["dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=512", "oflag=direct", "conv=fdatasync"],
                   check=True, stderr=subprocess.DEVNULL)
    disk = 512 / (time.monotonic() - start)
    fd = os.open(path, os.O_WRONLY)
    start = time.monotonic()
    for i in range(200):
        os.pwrite(fd, b"x" * 4096, i * 4096)
        os.fdatasync(fd)
    sync = 200 / (time.monotonic() - start)
    os.close(fd)
    os.unlink(path)
    return f"memory copy {memory:.1f} GB/s, disk {disk:.0f} MiB/s direct writes, {sync:.0f} fdatasync/s"


def report(bench, limits, out):
    date = datetime.date.today().isoformat()
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    out.write(f"\n## {date}, {os.cpu_count()} cores ({cpu}), Linux {platform.release()}\n\n")
    out.write(f"Limits measured in the same run: {limits}. Scratch files on {bench.args.fs}. Medians; ratio above 1 means ours is better.\n\n")
    out.write("| work | ours | stock | ratio | peak memory ours / stock | rounds |\n| --- | --- | --- | --- | --- | --- |\n")
    for name, a, b, unit, ratio, ma, mb, rounds in bench.rows:
        digits = 0 if unit == "op/s" else 3
        mem = f"{ma // 1024} / {mb // 1024} MiB" if ma else ""
        out.write(f"| {name} | {a:.{digits}f} {unit} | {b:.{digits}f} {unit} | {ratio:.2f} | {mem} | {rounds} |\n")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--dir", help="scratch folder (default: a fresh one in /var/tmp)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--only", default="", help="regular expression on workload families")
    p.add_argument("--save", help="append the table to this file")
    p.add_argument("--list", action="store_true")
    args = p.parse_args()
    families = {n[5:]: f for n, f in vars(workloads).items() if n.startswith("work_")}
    if args.list:
        for n, f in families.items():
            print(f"{n:20} {(f.__doc__ or '').strip().splitlines()[0]}")
        return 0
    base = tempfile.mkdtemp(prefix="bench-", dir=args.dir or "/var/tmp")
    args.dir = base
    args.fs = subprocess.run(["stat", "-f", "-c", "%T", base], capture_output=True, text=True).stdout.strip()
    b = os.path.abspath(args.build)
    bench = Bench(args, Side("ours", f"{b}/qemu-img", f"{b}/qemu-io"),
                  Side("stock", shutil.which("qemu-img"), shutil.which("qemu-io")))
    try:
        limits = machine_limits(base)
        print(limits)
        for name, fn in families.items():
            if re.search(args.only, name):
                try:
                    fn(bench)
                except RuntimeError as e:
                    print(f"{name}: {e}", file=sys.stderr)
                for f in os.listdir(base):
                    os.unlink(os.path.join(base, f))
        if args.save:
            with open(args.save, "a") as out:
                report(bench, limits, out)
        else:
            report(bench, limits, sys.stdout)
    finally:
        shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
