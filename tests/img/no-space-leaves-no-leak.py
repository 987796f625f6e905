#!/usr/bin/env python3
"""The file cannot grow any more (a limit on its size) in writes, resizes, snapshots, amends, bitmaps: the image is whole, no cluster leaks.

With each limit the stock qemu-img check finds nothing, and what was there before reads as before.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import resource
import signal
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
CHECK = os.environ["STOCK_QEMU_IMG"] or IMG
STEP = 64 << 10


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def limited(command, limit):
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run(command, preexec_fn=set_limit, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False)


def make_base(options):
    run(IMG, "create", "-q", "-f", "qcow2", "-o", options, "base", "2G")
    run(IO, "-c", "write -P 1 0 4M", "base")
    run(IMG, "bitmap", "--add", "-g", "4096", "base", "old")
    run(IO, "-c", "write -P 1 0 40k", "base")
    return os.path.getsize("base")


CASES = [[IO, "-c", "write -P 2 8M 1M", "-c", "write -P 2 40M 64k", "IMAGE"],
         [IO, *(word for i in range(6) for word in ("-c", f"aio_write -P 2 {8192 + i * 700}k 300k")), "-c", "aio_flush", "IMAGE"],
         [IO, *(word for i in range(3) for word in ("-c", f"write -c -P 2 {8 + 9 * i}M 64k")), "IMAGE"],
         [IO, "-c", "write -P 2 600M 64k", "-c", "write -P 2 1200M 64k", "IMAGE"],
         [IO, "-c", "write -z 8M 20M", "-c", "write -z 6000k 10k", "IMAGE"],
         [IMG, "snapshot", "-c", "s", "IMAGE"],
         [IMG, "resize", "-q", "IMAGE", "4T"],
         [IMG, "resize", "-q", "--preallocation=metadata", "IMAGE", "2064M"],
         [IMG, "resize", "-q", "--preallocation=falloc", "IMAGE", "2050M"],
         [IMG, "amend", "-o", "refcount_bits=64", "IMAGE"],
         [IMG, "amend", "-o", "compat=0.10", "IMAGE"],
         [IMG, "bitmap", "--add", "IMAGE", "new"],
         [IMG, "bitmap", "--add", "--merge", "old", "IMAGE", "new"],
         [IMG, "bitmap", "--remove", "IMAGE", "old"]]


def judge(command, limit):
    """One command under one limit; did it fail?"""
    run("cp", "base", "image")
    done = limited([word.replace("IMAGE", "image") for word in command], limit)
    what = f"{' '.join(command[1:5])}... up to {limit} bytes: {done.stdout}"
    assert done.returncode in (0, 1), what
    found = subprocess.run([CHECK, "check", "image"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    # An image that went down a version has no bitmap any more, and its clusters are lost, as with the stock program.
    bitmaps_go = "compat=0.10" in command and done.returncode == 0
    assert found.returncode == 0 or bitmaps_go and found.returncode == 3, what + found.stdout
    run(IO, "-r", "-c", "read -P 1 0 4M", "image")
    return done.returncode != 0


def main():
    failed = tried = 0
    for options, steps in (("cluster_size=64k", (1, 2, 4)), ("cluster_size=64k,refcount_bits=64", (2,))):
        size = make_base(options)
        start = size - size % STEP
        for command in CASES:
            for limit in (start + k * STEP for k in steps):
                failed += judge(command, limit)
                tried += 1
    print(f"{tried} times, {failed} commands failed")
    assert failed > tried // 4, "hardly any command met the limit"


if __name__ == "__main__":
    sys.exit(main())
