"""What the HMP tests share: the same commands or keys to the stock emulator and to ours, answers compared.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

PROMPT = b"(qemu) "


def skip(reason):
    print(reason)
    sys.exit(77)


def programs():
    """The stock emulator and ours."""
    stock, ours = os.environ.get("STOCK_QEMU_SYSTEM", ""), os.environ["QEMU_SYSTEM"]
    if not stock:
        skip("the stock qemu-system-x86_64 is not installed")
    return {"stock": stock, "ours": ours}


class Emulator:
    """A running emulator with a monitor on the unix socket "monitor" of its own folder, which has copies of `files`."""

    def __init__(self, name, program, arguments, files=(), monitor=("-monitor", "unix:monitor,server=on,wait=off")):
        self.folder = os.path.join(os.environ["TEST_DIR"], name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        for file in files:
            shutil.copy(file, self.folder)
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen(
            [program, "-display", "none", "-nodefaults", *monitor, *arguments], cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.socket = self.connect("monitor")

    def connect(self, name):
        path = os.path.join(self.folder, name)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                client = socket.socket(socket.AF_UNIX)
                client.connect(os.path.relpath(path))
                client.settimeout(60)
                return client
            except OSError:
                time.sleep(0.05)
        self.log.seek(0)
        sys.exit(f"{self.folder}: no monitor: {self.log.read().decode(errors='replace')}")

    def until_prompt(self):
        answer = b""
        while not answer.endswith(PROMPT):
            try:
                piece = self.socket.recv(65536)
            except OSError as error:
                piece = f"<{error}>".encode()
                return answer + piece
            if not piece:
                return answer + b"<end>"
            answer += piece
        return answer

    def command(self, line):
        """What is printed for a line, without its echo."""
        try:
            self.socket.sendall(line.encode() + b"\n")
        except OSError:
            return "<gone>"
        answer = self.until_prompt()
        return answer[answer.find(b"\r\n") + 2:].decode(errors="replace").replace("\r\n", "\n")

    def read_now(self):
        """What has come by now."""
        answer = b""
        self.socket.setblocking(False)
        try:
            while piece := self.socket.recv(65536):
                answer += piece
        except OSError:
            pass
        self.socket.settimeout(60)
        return answer

    def stop(self):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.log.close()


def plain(text):
    """Without what differs from run to run and from program to program."""
    for pattern, replacement in (
            (r"#block\d+", "#blockN"), (r"thread_id=\d+", "thread_id=N"), (r"7\.2\.\d+", "7.2.X"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE"), (r"/var/tmp/vl\.\w+", "TEMPORARY"),
            (r"disk size: \S+ \w+", "disk size: N"), (r"_total_time_ns=\d+", "_total_time_ns=N"),
            (r"idle_time_ns=\d+", "idle_time_ns=N"), (r"/dev/pts/\d+", "/dev/pts/N"),
            (r"(/\S*)?/(stock|ours)/", "FOLDER/")):
        text = re.sub(pattern, replacement, text)
    return text


def compare_commands(commands, arguments=("-machine", "none"), files=()):
    """Send the commands to both; print what differs; exit 1 if anything did."""
    transcripts = {}
    for name, program in programs().items():
        emulator = Emulator(name, program, list(arguments), files)
        emulator.until_prompt()
        transcripts[name] = [f"(qemu) {line}\n{plain(emulator.command(line)).removesuffix(PROMPT.decode())}"
                             for line in commands]
        emulator.stop()
    different = [pair for pair in zip(transcripts["stock"], transcripts["ours"]) if pair[0] != pair[1]]
    for stock, ours in different:
        print("".join(difflib.unified_diff(stock.splitlines(True), ours.splitlines(True), "stock", "ours")))
    print(f"{len(commands)} commands, {len(different)} answers differ")
    sys.exit(1 if different else 0)


def read_pair(emulators, at_least):
    """What both send: for at_least seconds, then until it is the same, or for 3 more seconds."""
    answers = [b"" for _ in emulators]
    started = time.monotonic()
    while True:
        time.sleep(0.02)
        answers = [answer + emulator.read_now() for answer, emulator in zip(answers, emulators)]
        passed = time.monotonic() - started
        same = plain(answers[0].decode("latin1")) == plain(answers[1].decode("latin1"))
        if passed >= at_least and (same or passed >= at_least + 3):
            return answers, same


def compare_keys(steps, arguments=("-machine", "none"), **options):
    """Send steps (bytes) one after another; the bytes that come back must be the same.  Number of differences."""
    emulators = [Emulator(name, program, list(arguments), **options) for name, program in programs().items()]
    failures = 0
    for number, step in enumerate([b""] + steps):
        for emulator in emulators:
            try:
                emulator.socket.sendall(step)
            except OSError:
                pass
        answers, same = read_pair(emulators, 0.1 if number else 1)
        if not same:
            failures += 1
            print(f"keys {step!r}\n  stock {answers[0]!r}\n  ours  {answers[1]!r}")
    for emulator in emulators:
        emulator.stop()
    print(f"{len(steps)} steps, {failures} answers differ")
    return failures


def images():
    """Small images in the test's folder."""
    folder = os.environ["TEST_DIR"]
    program = os.environ["QEMU_IMG"]
    made = []
    for name, *arguments in (("base.q", "1M"), ("over.q", "-b", "base.q", "-F", "qcow2"), ("plain.q", "1M"),
                             ("big.q", "8M"), ("raw.img", "1M")):
        kind = "raw" if name.endswith(".img") else "qcow2"
        size = [a for a in arguments if a.endswith("M")]
        options = [a for a in arguments if a not in size]
        subprocess.run([program, "create", "-q", "-f", kind, *options, name, *size], cwd=folder, check=True)
        made.append(os.path.join(folder, name))
    for command, name in (("write -P 1 0 512k", "base.q"), ("write -P 2 256k 128k", "over.q")):
        subprocess.run([os.environ["QEMU_IO"], "-c", command, name], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return made
