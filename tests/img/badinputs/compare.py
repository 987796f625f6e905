"""Runs stock and ours on bad inputs, and says where they differ in what they accept, or where ours exceeds its bounds.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import concurrent.futures
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import zlib

IMG, IO = os.environ.get("QEMU_IMG", ""), os.environ.get("QEMU_IO", "")
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG", ""), os.environ.get("STOCK_QEMU_IO", "")
REASONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "reasons.txt")
SANITIZED = bool(os.environ.get("UNDER_SANITIZER"))
PEAK_KIB = 256 << 10              # of memory that ours may use
CPU_SECONDS = 10                  # and of time, by the processor's clock: a busy machine changes nothing
HANG_SECONDS = 150
STOCK_SECONDS = 10                # after these the peer has no answer
PLACES = ("0 64k", "64k 64k", "1M 64k", "2M 64k", "3M 64k")
# name: program, words; the file's name is added.
LOOKING = {
    "info": ("img", "info", "-f", "qcow2"),
    "check": ("img", "check", "-f", "qcow2"),
    "read": ("io", "-r", "-f", "qcow2", *[w for place in PLACES for w in ("-c", f"read {place}")]),
    "list": ("img", "snapshot", "-l"),
}
CHANGING = {
    "write": ("io", "-f", "qcow2", "-c", "write -P 7 0 64k", "-c", "write -P 7 1M 64k", "-c", "write -z 2M 64k", "-c", "write -P 7 3584k 64k"),
    "create": ("img", "snapshot", "-c", "new"),
    "apply": ("img", "snapshot", "-a", "s1"),
    "delete": ("img", "snapshot", "-d", "s1"),
    "amend": ("img", "amend", "-f", "qcow2", "-o", "lazy_refcounts=on"),
    "downgrade": ("img", "amend", "-f", "qcow2", "-o", "compat=0.10"),
}
COMMANDS = {**LOOKING, **CHANGING}


class Answer:
    """What a program said to an image, and what it took."""

    def __init__(self, code, out, err, peak=0, seconds=0.0):
        self.code, self.out, self.err, self.peak, self.seconds = code, out, err, peak, seconds

    def words(self):
        """The first message, without the names of nodes."""
        lines = [line for line in self.err.splitlines() if line.strip() and not line.startswith("Did you mean")]
        return re.sub(r"#block\d+", "#block", lines[0]) if lines else ""


def run(program, words, name, folder, seconds):
    """None: no answer in time, or the program crashed on its own account."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen([program, *words, name], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        timer = threading.Timer(seconds, os.kill, [process.pid, signal.SIGKILL])        # its own kill() would reap it
        timer.start()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        timer.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read(1 << 20).decode(errors="replace").replace(name, "IMAGE"))
    return Answer(process.returncode, *texts, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)


def errors_in(folder, name):
    """What stock finds in an image; more than anything when it cannot even look."""
    done = subprocess.run([STOCK_IMG, "check", name], cwd=folder, capture_output=True, text=True, errors="replace")
    found = re.search(r"^(\d+) errors", done.stdout, re.M)
    return int(found[1]) if found else 1 << 40 if done.returncode not in (0, 3) else 0


def read_reasons():
    """(pattern of "BASE FIELD VALUE", pattern of the command, reason)."""
    with open(REASONS, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    return [tuple(part.strip() for part in line.split("|")) for line in lines]


class Table:
    """Compares all inputs, counts, and prints what is not explained."""

    def __init__(self, every=3, few=True):
        """every: that one of so many inputs is tried; few: `info` and one other command for each, not all."""
        self.every, self.known = every, 0
        self.few, self.inputs, self.runs, self.explained, self.unanswered, self.failures = few, 0, 0, 0, 0, 0
        self.reasons, self.used = read_reasons(), set()
        self.lock, self.peak, self.folders = threading.Lock(), 0, threading.local()
        self.kept = []

    def folder(self):
        """Of this thread: with the files that the images name."""
        if not hasattr(self.folders, "path"):
            self.folders.path = tempfile.mkdtemp(prefix="table.", dir=".")
            for side in ("stock", "ours"):
                shutil.copytree(side, os.path.join(self.folders.path, side))
        return self.folders.path

    def fail(self, item, command, why):
        with self.lock:
            self.failures += 1
            print(f"{item}: {command}: {why}")

    def excuse(self, item, command):
        subject = f"{item.base} {item.field} {item.value}"
        for number, (pattern, which, _) in enumerate(self.reasons):
            if fnmatch.fnmatchcase(subject, pattern) and fnmatch.fnmatchcase(command, which):
                with self.lock:
                    self.used.add(number)
                    self.explained += 1
                return True
        return False

    def bounds(self, item, command, ours):
        self.peak = max(self.peak, 0 if SANITIZED else ours.peak)
        if ours.code < 0 or ours.code > 90:
            self.fail(item, command, f"ends with {ours.code}: {ours.err[-300:]}")
        elif not SANITIZED and ours.peak > PEAK_KIB:
            self.fail(item, command, f"takes {ours.peak} KiB")
        elif not SANITIZED and ours.seconds > CPU_SECONDS:
            self.fail(item, command, f"takes {ours.seconds:.1f} s")

    def excused_by_state(self, command, stock, ours, folder, before):
        """A change that one of them refuses: see reasons.txt, first part."""
        if command not in CHANGING:
            return False
        after = errors_in(folder, "ours/image")
        if ours.code:
            return before > 0 or "Preventing invalid" in ours.err or "offset invalid" in ours.err
        return not after or before > 0

    def one(self, item, command):
        """Whether both refuse with the same words."""
        kind, *words = COMMANDS[command]
        folder = self.folder()
        for side in ("stock", "ours"):
            with open(os.path.join(folder, side, "image"), "wb") as file:
                file.write(item.data)
        stock = run(STOCK_IMG if kind == "img" else STOCK_IO, words, "image", folder + "/stock", STOCK_SECONDS)
        ours = run(IMG if kind == "img" else IO, words, "image", folder + "/ours", HANG_SECONDS)
        with self.lock:
            self.runs += 1
            self.unanswered += stock.code < 0
        self.bounds(item, command, ours)
        if command in LOOKING:
            with open(os.path.join(folder, "ours/image"), "rb") as file:
                if file.read() != item.data:
                    self.fail(item, command, "the image was changed")
        if stock.code >= 0 and stock.code != ours.code and not self.excuse(item, command):
            with open(os.path.join(folder, "before"), "wb") as file:
                file.write(item.data)
            if not self.excused_by_state(command, stock, ours, folder, errors_in(folder, "before")):
                self.fail(item, command, f"stock {stock.code} {stock.words()!r}, ours {ours.code} {ours.words()!r}")
        elif stock.code == ours.code == 1 and command == "info" and stock.words() != ours.words() and not self.excuse(item, "words"):
            self.fail(item, command, f"stock says {stock.words()!r}, ours {ours.words()!r}")
        return stock.code == ours.code == 1

    def row(self, item):
        """What refuses to open in every way need not be tried in every command."""
        with self.lock:
            self.inputs += 1
        if self.few:
            rest = [c for c in COMMANDS if c != "info"]
            self.one(item, "info")
            self.one(item, rest[zlib.crc32(str(item).encode()) % len(rest)])
            return
        if not all([self.one(item, command) for command in ("info", "check", "write")]):
            for command in COMMANDS:
                if command not in ("info", "check", "write"):
                    self.one(item, command)

    def compare(self, items):
        """Items are taken one by one: this process must stay small, since what it forks begins with its peak."""
        take, items = threading.Lock(), iter(items)

        def work():
            while True:
                with take:
                    item = next(items, None)
                    self.known += item is not None
                    if item is not None and self.known % self.every:
                        continue
                if item is None:
                    return
                self.row(item)

        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            for done in [pool.submit(work) for _ in range(2)]:
                done.result()
        print(f"{self.known} bad inputs in the table, {self.inputs} tried, {self.runs} commands on each side, {self.explained} differences explained, "
              f"{self.unanswered} without an answer of stock, "
              f"peak {self.peak >> 10} MiB: {self.failures} failures")
        return 1 if self.failures else 0
