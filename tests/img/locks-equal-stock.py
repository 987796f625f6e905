#!/usr/bin/env python3
"""Ours holds the same lock bytes as stock in each way of opening (as the kernel lists them), and while either holds an
image, each sub-command of both gets the same answer.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess
import sys
import time

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
GROUP = ["--object", "throttle-group,id=g"]
# What a holder is told: the image by name, or by options; commands before it sleeps.
HELD = [
    ["disk"], ["-r", "disk"], ["-U", "-r", "disk"], ["-s", "disk"], ["-n", "disk"],
    ["-f", "raw", "raw"], ["-r", "-f", "raw", "raw"], ["-U", "-r", "-f", "raw", "raw"], ["-s", "-f", "raw", "raw"],
    ["over"], ["-r", "over"], ["ext"], ["-r", "ext"],
    ["-c", "write 0 4k", "-f", "raw", "raw"], ["-c", "reopen -r", "-f", "raw", "raw"],
    ["-c", "reopen -w", "-r", "-f", "raw", "raw"], ["-c", "reopen -r", "disk"], ["-c", "reopen -w", "-r", "disk"],
    ["-c", "reopen -r", "over"],
    ["--image-opts", "driver=raw,offset=512,file.filename=raw"],
    ["--image-opts", "-r", "driver=raw,size=512,file.filename=raw"],
    ["--image-opts", "driver=file,filename=raw"], ["--image-opts", "-r", "driver=file,filename=raw"],
    ["--image-opts", "driver=blkdebug,image.filename=raw"],
    ["--image-opts", "driver=raw,file.driver=blkdebug,file.image.filename=raw"],
    ["--image-opts", "driver=qcow2,file.driver=blkdebug,file.image.filename=disk"],
    ["--image-opts", "driver=qcow2,file.filename=disk,file.locking=off"],
    ["--image-opts", "driver=copy-on-read,file.driver=qcow2,file.file.filename=disk"],
    ["--image-opts", "driver=compress,file.driver=qcow2,file.file.filename=disk"],
    ["--image-opts", "driver=preallocate,file.driver=file,file.filename=raw"],
    GROUP + ["--image-opts", "driver=throttle,throttle-group=g,file.driver=qcow2,file.file.filename=disk"],
]
COMMANDS = [
    "info disk", "info -U disk", "check disk", "check -r all disk", "check -U disk", "map disk", "map -U disk", "snapshot -l disk",
    "snapshot -U -l disk", "snapshot -c a disk", "resize disk 2M", "resize -f raw raw 2M", "compare disk disk", "compare -U disk raw",
    "convert -O qcow2 disk new", "convert -U -O qcow2 disk new", "convert -f raw -O raw raw new", "convert -n -O raw disk raw",
    "dd -f raw if=raw of=new", "create -q -f qcow2 disk 1M", "create -q -f raw raw 1M", "create -q -f qcow2 -b disk -F qcow2 new",
    "commit over", "rebase -u -b disk -F qcow2 over", "amend -o lazy_refcounts=on disk", "bench -c 1 disk", "bench -w -c 1 -f raw raw",
    "measure -O qcow2 disk", "bitmap --add disk b", "info ext", "info over", "resize over 2M",
]
HOLD = [["-f", "raw", "raw"], ["-r", "-f", "raw", "raw"], ["disk"], ["-r", "disk"], ["over"], ["-r", "over"]]
failures = 0


def make():
    for name in os.listdir("."):
        os.unlink(name)
    for words in ("create -q -f qcow2 disk 1M", "create -q -f qcow2 -o compat=1.1 -b disk -F qcow2 over", "create -q -f raw raw 1M",
                  "create -q -f qcow2 -o data_file=ext.data ext 1M"):
        subprocess.run([STOCK_IMG, *words.split()], check=True)


def held():
    """The locks on our files, as {(name, byte)}; the kernel joins neighbours."""
    names = {os.stat(name).st_ino: name for name in os.listdir(".")}
    found = set()
    with open("/proc/locks") as f:
        for line in f:
            word = line.split()
            if len(word) == 8 and word[1] == "OFDLCK":
                name = names.get(int(word[5].split(":")[2]))
                found.update((name, byte, word[3]) for byte in range(int(word[6]), int(word[7]) + 1) if name)
    return found


class Holder:
    """A qemu-io that has the image open and waits for its input."""

    def __init__(self, program, words):
        commands = ["reopen -r", "reopen -w", "write 0 4k"]
        first = [w for w in words if w in commands]
        options = [w for w in words if w not in commands and w != "-c"]
        self.process = subprocess.Popen([program, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.await_prompt()
        for command in first:
            self.process.stdin.write(command.encode() + b"\n")
            self.await_prompt()

    def await_prompt(self):
        text = b""
        while not text.endswith(b"qemu-io> "):
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                break
            text += more

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def locks_of(program, words):
    make()
    holder = Holder(program, words)
    found = held()
    holder.end()
    return found


def answer(program, words):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
    text = "\n".join(l for l in (done.stdout + done.stderr).splitlines() if not l.startswith(("disk size", "Run completed")))
    return done.returncode, text


def answers(program, words, asker):
    make()
    holder = Holder(program, words)
    given = [answer(asker, command.split()) for command in COMMANDS]
    holder.end()
    return given


def report(what, stock, ours):
    global failures
    failures += 1
    print(f"{what}\n  stock {stock}\n  ours  {ours}")


def main():
    if not STOCK_IMG or not STOCK_IO:
        print("skipped: needs the stock programs")
        return 77
    for words in HELD:
        stock, ours = locks_of(STOCK_IO, words), locks_of(IO, words)
        if stock != ours or not stock and "off" not in words[-1]:
            report(f"locks of {words}", sorted(stock), sorted(ours))
    for program in (STOCK_IO, IO):
        for words in HOLD:
            stock, ours = answers(program, words, STOCK_IMG), answers(program, words, IMG)
            for command, left, right in zip(COMMANDS, stock, ours):
                if left != right:
                    report(f"while {os.path.realpath(program)} {words}: {command}", left, right)
    return 1 if failures else 0


os.makedirs("images", exist_ok=True)
os.chdir("images")
sys.exit(main())
