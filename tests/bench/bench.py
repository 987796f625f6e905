#!/usr/bin/env python3
"""Speed of ours and of the stock programs, side by side in one run.

Each workload prepares equal files for both sides, then runs them in turn (A B B A ...), checks that the results are
equal, and reports medians, their ratio, and what this machine allows at best (limits.c measures it first).  Nothing here
fails because of a time: tests prove behaviour, this prints figures.

Short commands are repeated until their row has had its share of time, long ones run once; a stock command that takes
minutes is stopped and counts with the time it had.  SECTION names choose families of rows (--list); --quick takes small
sizes; --save puts the rows that were measured into a file's table, section by section, and leaves its others.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import datetime
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import workloads


ROW_SECONDS, MOST_ROUNDS = 5, 9        # of all commands and preparations of a row; quick: a third
IN_A_HURRY = 20 * 60                    # from then on every row has one round


class AtLeast(float):
    """Seconds after which a command was stopped."""


def run(cmd, check=True, deaf=False, stop=None):
    """Run cmd, for `stop` seconds at most; returns (seconds, peak resident KiB, stdout).  deaf: its words are thrown away."""
    start = time.monotonic()
    where = subprocess.DEVNULL if deaf else subprocess.PIPE
    p = subprocess.Popen(cmd, stdout=where, stderr=where)
    timer = threading.Timer(stop, os.kill, [p.pid, signal.SIGKILL]) if stop else None
    if timer:
        timer.start()
    out, err = (b"", b"") if deaf else (p.stdout.read(), p.stderr.read())
    os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
    if timer:
        timer.cancel()
        timer.join()
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if timer and p.returncode == -signal.SIGKILL:
        return AtLeast(seconds), usage.ru_maxrss, ""
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
        self.start = time.monotonic()
        self.rows = []

    def path(self, name):
        return os.path.join(self.dir, name)

    def prepare(self, *cmd):
        return run([self.stock.img, *cmd])

    def copy(self, src, dst):
        subprocess.run(["cp", "--sparse=always", "--reflink=auto", src, dst], check=True)

    def settle(self, *paths):
        """Nothing of these is waiting to be written behind the next measurement."""
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    def forget(self, path):
        """Remove a file; the disk has been told which blocks are free when this returns."""
        if os.path.exists(path):
            os.unlink(path)
            os.sync()

    def limit(self, moves):
        """
        Seconds that moves take here at best: (bytes read, bytes written) through the page cache, (bytes to or from the
        disk), flushes.
        """
        if moves is None:
            return None
        read, write, disk, syncs = moves
        # Both cores work: what is read and what is written may pass at the same time.
        return max(read / self.speed["page_read"], write / self.speed["page_write"], disk / self.speed["disk"]) + \
            syncs / self.speed["sync"]

    def rounds(self, seconds=None, most=None, least=1):
        """0, 1, ... as long as there is time, `least` times at least: (round, sides in their order)."""
        seconds = (seconds or ROW_SECONDS) / (3 if self.args.quick else 1)
        start = time.monotonic()
        for r in range(self.args.rounds or most or MOST_ROUNDS):
            yield r, ((self.ours, self.stock) if r % 2 == 0 else (self.stock, self.ours))
            over = time.monotonic() - start > seconds and r + 1 >= least
            if not self.args.rounds and (over or time.monotonic() - self.start > IN_A_HURRY):
                break

    def pair(self, name, once, seconds=None, most=None, least=1, **how):
        """once(side, round) returns a figure (seconds, or a rate) and optionally KiB of memory."""
        figures = {s.name: [] for s in (self.ours, self.stock)}
        for r, sides in self.rounds(seconds, most, least):
            for side in sides:
                figures[side.name].append(once(side, r))
        self.row(name, figures, **how)

    def row(self, name, figures, unit="s", better="lower", moves=None, limit=None, rounds=None):
        """figures: name of a side -> what was measured, round by round."""
        values, memory = {}, {}
        for side, got in figures.items():
            plain = [v[0] if isinstance(v, tuple) else v for v in got]
            memory[side] = max([v[1] for v in got if isinstance(v, tuple)], default=0)
            cut = any(isinstance(v, AtLeast) for v in plain)
            values[side] = AtLeast(max(plain)) if cut else statistics.median(plain)
        a, b = values[self.ours.name], values[self.stock.name]
        ratio = (b / a if better == "lower" else a / b) if a and b else float("nan")
        limit = self.limit(moves) if limit is None else limit
        self.rows.append((name, a, b, unit, ratio, limit, memory[self.ours.name], memory[self.stock.name],
                          rounds or len(figures[self.ours.name])))
        mem = f" mem {memory[self.ours.name] // 1024}/{memory[self.stock.name] // 1024} MiB" if memory[self.ours.name] else ""
        print(f"{name:58} ours {a:12.4f} {unit:5} stock {b:12.4f} {unit:5} x{ratio:6.2f}{mem}", flush=True)

    def timed(self, side, *cmd, deaf=False, stop=None):
        """stop: seconds that the stock program is given."""
        seconds, mem, _ = run([side.img, *cmd], deaf=deaf, stop=stop if side is self.stock else None)
        return seconds, mem

    def rate(self, side, count, *cmd):
        """Operations a second as the program's own `bench` reports them."""
        _, _, out = run([side.img, *cmd])
        m = re.search(r"Run completed in ([0-9.]+) seconds", out)
        return count / max(float(m.group(1)), 0.001)


def machine_limits(directory, program):
    """Speeds of this machine now, by name, and a line about them."""
    out = subprocess.run([program, directory], capture_output=True, text=True, check=True).stdout
    speed = {name: float(value) for name, value in (line.split() for line in out.splitlines())}
    return speed, (f"memory copy {speed['memory'] / 1e9:.1f} GB/s, page cache {speed['page_read'] / 1e9:.1f} GB/s read and "
                   f"{speed['page_write'] / 1e9:.1f} GB/s written, disk {speed['disk'] / (1 << 20):.0f} MiB/s made durable, "
                   f"{speed['sync']:.0f} fdatasync/s, load {os.getloadavg()[0]:.1f} before the run")


HEAD = "| work | ours | stock | ratio | machine's limit | peak memory ours / stock | rounds | run |\n" + "| --- " * 8 + "|\n"
MARK = "## The table\n"


def table_rows(bench, run_name):
    """Name -> line of the table."""
    lines = {}
    for name, a, b, unit, ratio, limit, ma, mb, rounds in bench.rows:
        digits = 0 if unit == "op/s" else 3
        mem = f"{ma // 1024} / {mb // 1024} MiB" if ma else ""
        bound = "" if limit is None else f"{limit:.{digits}f} {unit}"
        more = "> " if isinstance(b, AtLeast) else ""
        lines[name] = (f"| {name} | {a:.{digits}f} {unit} | {more}{b:.{digits}f} {unit} | {more}{ratio:.2f} | {bound} | {mem} "
                       f"| {rounds} | {run_name} |\n")
    return lines


def machine():
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    return f"{os.cpu_count()} cores ({cpu}), Linux {platform.release()}"


def report(bench, limits, out):
    out.write(f"\n{datetime.date.today().isoformat()}, {machine()}\n{limits}; scratch files on {bench.args.fs}\n\n{HEAD}")
    out.writelines(table_rows(bench, "now").values())


class Saver:
    """Puts measured rows into a file's table; rows of other runs and the prose before it stay."""

    def __init__(self, path, limits, args):
        with open(path) as f:
            _, _, old = f.read().partition(MARK)
        runs = [l for l in old.splitlines(True) if l.startswith("- run ")]
        self.path, self.number = path, 1 + max([int(l.split()[2].rstrip(":")) for l in runs], default=0)
        self.line = (f"- run {self.number}: {datetime.datetime.now():%Y-%m-%d %H:%M}, {machine()}; {limits}; scratch files on "
                     f"{args.fs}{'; quick' if args.quick else ''}\n")

    def save(self, bench, alone=False):
        """alone: drop rows of other runs."""
        with open(self.path) as f:
            prose, _, old = f.read().partition(MARK)
        old = old.splitlines(True)
        runs = [l for l in old if l.startswith("- run ") and l != self.line] + [self.line]
        rows = {l.split("|")[1].strip(): l for l in old
                if l.startswith("| ") and not l.startswith(("| ---", "| work")) and not alone}
        rows.update(table_rows(bench, str(self.number)))
        used = {l.split("|")[8].strip() for l in rows.values()}
        with open(self.path + ".new", "w") as f:
            f.write(prose + MARK + "\nMedians; a ratio above 1 means that ours is better; \"> \": stock was stopped after that "
                    "time. Runs that rows come from:\n\n")
            f.writelines(l for l in runs if l.split()[2].rstrip(":") in used)
            f.write("\n" + HEAD)
            f.writelines(rows.values())
        os.replace(self.path + ".new", self.path)


def run_sections(bench, families, saver):
    """Number of sections that did not end."""
    failed = 0
    for name, fn in families.items():
        start = time.monotonic()
        try:
            fn(bench)
        except (RuntimeError, subprocess.CalledProcessError, OSError) as e:
            failed += 1
            print(f"{name}: {e}", file=sys.stderr)
        for f in os.listdir(bench.dir):
            os.unlink(bench.path(f))
        print(f"-- {name}: {time.monotonic() - start:.0f} s", flush=True)
        if saver:
            saver.save(bench)
    return failed


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--build", default="build")
    p.add_argument("--dir", help="scratch folder (default: a fresh one in /var/tmp)")
    p.add_argument("--rounds", type=int, help="so many for each row (default: as time allows)")
    p.add_argument("--quick", action="store_true", help="small sizes, little time")
    p.add_argument("--save", help="keep the rows in this file's table")
    p.add_argument("--list", action="store_true")
    p.add_argument("sections", nargs="*", metavar="SECTION")
    args = p.parse_args()
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
    failed = 0
    try:
        bench.speed, limits = machine_limits(base, f"{b}/tests/bench/limits")
        print(limits)
        chosen = {n: f for n, f in families.items() if not args.sections or n in args.sections}
        saver = Saver(args.save, limits, args) if args.save else None
        failed = run_sections(bench, chosen, saver)
        if saver and not failed and not args.sections and not args.quick:
            saver.save(bench, alone=True)
        if not args.save:
            report(bench, limits, sys.stdout)
    finally:
        shutil.rmtree(base)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
