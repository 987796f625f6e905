#!/usr/bin/env python3
"""qemu-img and qemu-io interrupted at work end by the signal, as stock's do, and leave images without a leak that show no wrong byte.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import signal
import subprocess
import sys
import time

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PATIENCE = 60
SIZE = 32 << 20


def run(*args):
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def interrupt(number, command, started):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: started() or process.poll() is not None, "the start")
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number, f"{command[1]}: {process.returncode} instead of {-number}: {err}"
    assert not err, err


def good(name):
    run(IMG, "check", "-q", name)                       # status 3 would be a leak


def allocated(name):
    return os.path.exists(name) and os.stat(name).st_blocks * 512 > 1 << 20


def convert(number):
    """Slow enough to be caught in the middle; some clusters are there, each right."""
    for options in ([],) if number != signal.SIGTERM else ([], ["-c"], ["-o", "lazy_refcounts=on"], ["-W", "-m", "8"]):
        if os.path.exists("t.qcow2"):
            os.unlink("t.qcow2")
        interrupt(number, [IMG, "convert", "-r", "4M", *options, "-f", "raw", "-O", "qcow2", "src.raw", "t.qcow2"],
                  lambda: allocated("t.qcow2"))
        good("t.qcow2")
        run(IMG, "convert", "-O", "raw", "t.qcow2", "t.raw")
        with open("src.raw", "rb") as a, open("t.raw", "rb") as b:
            for _ in range(SIZE >> 16):
                x, y = a.read(65536), b.read(65536)
                assert y in (x, b"\0" * 65536), "a cluster with wrong content"


def qemu_io(number):
    """What was written is there, flushed or not; a bitmap that recorded it is stored."""
    run(IMG, "create", "-q", "-f", "qcow2", "io.qcow2", "16M")
    run(IMG, "bitmap", "--add", "io.qcow2", "m")
    process = subprocess.Popen([IO, "io.qcow2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b"write -P 7 0 3M\n")
    process.stdin.flush()
    seen = b""
    while b"wrote" not in seen:
        seen += os.read(process.stdout.fileno(), 4096)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == -number, process.returncode
    good("io.qcow2")
    run(IO, "-c", "read -P 7 0 3M", "io.qcow2")
    assert '"in-use"' not in run(IMG, "info", "--output=json", "io.qcow2"), "the bitmap was not stored"


def slow(name):
    return f"driver=qcow2,file.driver=throttle,file.throttle-group=g,file.file.driver=file,file.file.filename={name}"


def rebase(number):
    """In the middle of a rebase the image shows what it showed, with its old backing image."""
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "src.raw", "-F", "raw", "top.qcow2")
    run(IMG, "create", "-q", "-f", "qcow2", "other.qcow2", "32M")
    run(IO, "-c", "write -P 9 1M 64k", "top.qcow2")
    run(IMG, "convert", "-O", "raw", "top.qcow2", "before.raw")
    interrupt(number, [IMG, "rebase", "--object", "throttle-group,id=g,x-bps-total=4194304", "--image-opts", "-b", "", slow("top.qcow2")],
              lambda: allocated("top.qcow2"))
    good("top.qcow2")
    run(IMG, "compare", "before.raw", "top.qcow2")


def amend(number):
    """Zero clusters become data for version 2: it stops in the middle, what was done is whole."""
    run(IMG, "create", "-q", "-f", "qcow2", "-b", "src.raw", "-F", "raw", "zero.qcow2")
    run(IO, "-c", "write -z 0 24M", "-c", "write -P 5 1M 1M", "zero.qcow2")
    before = os.stat("zero.qcow2").st_size
    interrupt(number, [IMG, "amend", "-o", "compat=0.10", "--object", "throttle-group,id=g,x-iops-total=20", "--image-opts",
                       slow("zero.qcow2")], lambda: os.stat("zero.qcow2").st_size > before + (1 << 18))
    good("zero.qcow2")
    run(IO, "-r", "-c", "read -P 0 0 1M", "-c", "read -P 5 1M 1M", "-c", "read -P 0 2M 22M", "zero.qcow2")


def second_signal():
    """Who does not want to wait asks again: requests that never end do not keep the program."""
    run(IMG, "create", "-q", "-f", "qcow2", "io.qcow2", "16M")
    process = subprocess.Popen([IO, "-c", "aio_write -P 1 0 64k", "-c", "sleep 100000", "--image-opts",
                                "--object", "throttle-group,id=g,x-iops-total=1,x-iops-total-max=1", slow("io.qcow2")],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: b"State:\tS" in open(f"/proc/{process.pid}/status", "rb").read(), "sleep")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode in (-signal.SIGINT, -signal.SIGTERM), process.returncode


def main():
    for number in (signal.SIGINT, signal.SIGHUP):       # ignored where this was started in the background
        signal.signal(number, signal.SIG_DFL)
    source = random.Random(1)
    with open("src.raw", "wb") as f:
        for i in range(SIZE >> 16):
            f.write(source.randbytes(24 << 10) + bytes([1 + i % 255]) * (40 << 10))
    for number in SIGNALS:
        convert(number)
        qemu_io(number)
        rebase(number)
        amend(number)
    second_signal()


if __name__ == "__main__":
    sys.exit(main())
