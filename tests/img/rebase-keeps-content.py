#!/usr/bin/env python3
"""A safe rebase, whatever it skips by metadata, changes nothing that is seen: random chains, onto layers of them, others, none.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
KiB = 1 << 10
OPTIONS = ("", "cluster_size=4k", "cluster_size=2M", "extended_l2=on", "compat=0.10")


def must(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"{words}: {done.returncode} {done.stdout}{done.stderr}")


def content(name, fmt="qcow2"):
    must(IMG, "convert", "-f", fmt, "-O", "raw", name, "raw")
    with open("raw", "rb") as f:
        return f.read()


def fill(dice, name, size):
    """Data, zeroes and discarded places; about half of the image is left to the layers below."""
    words = []
    for _ in range(dice.randrange(1, 8)):
        length = dice.choice((1, 4, 64, 300, 1024)) * KiB
        offset = dice.randrange(0, max(size - length, 1)) // 512 * 512
        length = min(length, size - offset)
        what = dice.choice((f"write -P {dice.randrange(1, 255)}", "write -P 0", "write -z", "write -z -u", "discard"))
        words += ["-c", f"{what} {offset} {length}"]
    must(IO, "-f", "qcow2", "-d", "unmap", *words, name)


def make(dice, name, below):
    """A layer of its own size, longer or shorter than the one below."""
    size = dice.choice((1, 2, 3, 5, 6)) * 1024 * KiB + dice.choice((0, 512, 4096, 68 * KiB))
    options = [o for o in (dice.choice(OPTIONS),) if o]
    must(IMG, "create", "-q", "-f", "qcow2", *(["-o", *options] if options else []),
         *(["-b", below, "-F", "qcow2"] if below else []), name, str(size))
    fill(dice, name, size)


def main():
    for seed in range(12):
        dice = random.Random(seed)
        layers = [f"l{i}.qcow2" for i in range(dice.randrange(3, 6))]
        for name, below in zip(layers, [None] + layers):
            make(dice, name, below)
        make(dice, "other.qcow2", None)
        before = content(layers[-1])
        # A copy of a layer shows the same as the layer, but is no part of the chain.
        must(IMG, "convert", "-O", "qcow2", layers[0], "copy.qcow2")
        for base in layers[:-1] + ["other.qcow2", "copy.qcow2", ""]:
            must("cp", layers[-1], "top.qcow2")
            must(IMG, "rebase", "-f", "qcow2", "-b", base, *(["-F", "qcow2"] if base else []), "top.qcow2")
            if content("top.qcow2") != before:
                sys.exit(f"seed {seed}: another content after the rebase onto '{base}'")
            must(IMG, "check", "-q", "top.qcow2")
    print("content kept")


main()
