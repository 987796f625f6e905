#!/usr/bin/env python3
"""Speed of ours and of the stock programs, side by side in one run.

Each workload prepares equal files for both sides, then runs them in turn (A B A B ...),
checks that the results are equal, and reports medians, their ratio, and what this machine allows
at best (bytes that must move against the speed of memory and disk, flushes).  Nothing here fails
because of a time: tests prove behaviour, this prints figures.

SECTION names choose families of rows (--list); --quick takes small sizes and few rounds; --save
puts the rows that were measured into a file's table and leaves its others.

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


def run(cmd, check=True, deaf=False):
    """Run cmd; returns (seconds, peak resident KiB, stdout).  deaf: what it says is thrown away."""
    start = time.monotonic()
    where = subprocess.DEVNULL if deaf else subprocess.PIPE
    p = subprocess.Popen(cmd, stdout=where, stderr=where)
    out, err = (b"", b"") if deaf else (p.stdout.read(), p.stderr.read())
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

    def limit(self, moves):
        """Seconds that (bytes through memory, bytes to or from the disk, flushes) take here at best."""
        if not moves:
            return None
        memory, disk, syncs = moves
        return max(memory / self.speed["memory"], disk / self.speed["disk"]) + syncs / self.speed["sync"]

    def pair(self, name, once, rounds=None, unit="s", better="lower", moves=None):
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
        self.rows.append((name, a, b, unit, ratio, self.limit(moves), memory[self.ours.name], memory[self.stock.name], rounds))
        mem = f" mem {memory[self.ours.name] // 1024}/{memory[self.stock.name] // 1024} MiB" if memory[self.ours.name] else ""
        print(f"{name:58} ours {a:12.4f} {unit:5} stock {b:12.4f} {unit:5} x{ratio:6.2f}{mem}", flush=True)

    def timed(self, side, *cmd, deaf=False):
        seconds, mem, _ = run([side.img, *cmd], deaf=deaf)
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
    load = os.getloadavg()[0]
    speed = {"memory": memory * 1e9, "disk": disk * (1 << 20), "sync": sync}
    return speed, (f"memory copy {memory:.1f} GB/s, disk {disk:.0f} MiB/s direct writes, {sync:.0f} fdatasync/s, "
                   f"load {load:.1f} before the run")


HEAD = "| work | ours | stock | ratio | machine's limit | peak memory ours / stock | rounds | run |\n" + "| --- " * 8 + "|\n"
MARK = "## The table\n"


def table_rows(bench, run_name):
    """Name -> line of the table."""
    lines = {}
    for name, a, b, unit, ratio, limit, ma, mb, rounds in bench.rows:
        digits = 0 if unit == "op/s" else 3
        mem = f"{ma // 1024} / {mb // 1024} MiB" if ma else ""
        bound = "" if limit is None else f"{limit:.3f} s"
        lines[name] = (f"| {name} | {a:.{digits}f} {unit} | {b:.{digits}f} {unit} | {ratio:.2f} | {bound} | {mem} | {rounds} "
                       f"| {run_name} |\n")
    return lines


def machine():
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}"


def report(bench, limits, out):
    out.write(f"\n{datetime.date.today().isoformat()}, {machine()}\n{limits}; scratch files on {bench.args.fs}\n\n{HEAD}")
    out.writelines(table_rows(bench, "now").values())


def save(bench, limits, path):
    """Put the measured rows into the file's table; rows of other runs and the prose before it stay."""
    with open(path) as f:
        prose, _, old = f.read().partition(MARK)
    runs = [l for l in old.splitlines(True) if l.startswith("- run ")]
    rows = {l.split("|")[1].strip(): l for l in old.splitlines(True) if l.startswith("| ") and not l.startswith(("| ---", "| work"))}
    number = 1 + max([int(l.split()[2].rstrip(":")) for l in runs], default=0)
    rows.update(table_rows(bench, str(number)))
    used = {l.split("|")[8].strip() for l in rows.values()}
    runs.append(f"- run {number}: {datetime.datetime.now():%Y-%m-%d %H:%M}, {machine()}; {limits}; scratch files on "
                f"{bench.args.fs}{'; quick' if bench.args.quick else ''}\n")
    with open(path, "w") as f:
        f.write(prose + MARK + "\nMedians; a ratio above 1 means that ours is better. Runs that rows come from:\n\n")
        f.writelines(l for l in runs if l.split()[2].rstrip(":") in used)
        f.write("\n" + HEAD)
        f.writelines(rows.values())


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--dir", help="scratch folder (default: a fresh one in /var/tmp)")
    p.add_argument("--rounds", type=int, help="default 5, quick 2")
    p.add_argument("--quick", action="store_true", help="small sizes, few rounds: minutes instead of hours")
    p.add_argument("--save", help="keep the rows in this file's table")
    p.add_argument("--list", action="store_true")
    p.add_argument("sections", nargs="*", metavar="SECTION")
    args = p.parse_args()
    args.rounds = args.rounds or (2 if args.quick else 5)
    families = {n[5:]: f for n, f in vars(workloads).items() if n.startswith("work_")}
    if args.list:
        for n, f in families.items():
            print(f"{n:20} {(f.__doc__ or '').strip().splitlines()[0]}")
        return 0
    unknown = [s for s in args.sections if s not in families]
    if unknown:
        p.error(f"no section '{unknown[0]}' (there are: {', '.join(families)})")
    base = tempfile.mkdtemp(prefix="bench-", dir=args.dir or "/var/tmp")
    args.dir = base
    args.fs = subprocess.run(["stat", "-f", "-c", "%T", base], capture_output=True, text=True).stdout.strip()
    b = os.path.abspath(args.build)
    bench = Bench(args, Side("ours", f"{b}/qemu-img", f"{b}/qemu-io"),
                  Side("stock", shutil.which("qemu-img"), shutil.which("qemu-io")))
    try:
        bench.speed, limits = machine_limits(base)
        print(limits)
        for name, fn in families.items():
            if not args.sections or name in args.sections:
                try:
                    fn(bench)
                except RuntimeError as e:
                    print(f"{name}: {e}", file=sys.stderr)
                for f in os.listdir(base):
                    os.unlink(os.path.join(base, f))
        if args.save:
            save(bench, limits, args.save)
        else:
            report(bench, limits, sys.stdout)
    finally:
        shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
