#!/usr/bin/env python3
"""The firmware's ROM is where stock has it, with the same bytes: -bios of several sizes, its errors, and the installed one by default.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import re
import subprocess
import sys
import tempfile

from qtestlib import Machine, program, skip

PLACES = [(0xc0000, 16), (0xdfff0, 16), (0xe0000, 4096), (0xf0000, 4096), (0xfffc0, 64), (0xfff80000, 4096), (0xfffc0000, 4096), (0xfffe0000, 4096),
          (0xffff0000, 4096), (0xffffffc0, 64)]


def contents(stock, *arguments, **more):
    with Machine(*arguments, stock=stock, halting=False, **more) as m:
        for address, _ in PLACES:
            m.write(address, b"no")                  # it cannot be written to
        ours = [line for line in m.hmp("info roms").splitlines() if line.startswith("addr=")]
        return [m.read(address, length) for address, length in PLACES], ours


def error(stock, *arguments):
    command = [program(stock), "-accel", "tcg" if stock else "qtest", "-display", "none", "-nodefaults", "-S", "-machine", "pc", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    return done.returncode, re.sub(r"(?m)^\S*qemu-system-x86_64: ", "", done.stderr)


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for size in (1000, 65536, 131072, 262144, 524288):
            files[size] = os.path.join(folder, str(size))
            with open(files[size], "wb") as f:
                f.write(random.Random(size).randbytes(size))
        cases = [(["-bios", files[size]], {}) for size in sorted(files)[1:]]
        cases += [(["-L", folder, "-bios", "65536"], {}), (["-bios", files[65536]], dict(board="q35")), ([], {}), ([], dict(board="q35"))]
        for arguments, more in cases:
            ours, stock = contents(False, *arguments, **more), contents(True, *arguments, **more)
            if ours != stock:
                bad += 1
                print(arguments, more, [hex(p[0]) for p, a, b in zip(PLACES, ours[0], stock[0]) if a != b], ours[1], stock[1])
        for arguments in (["-bios", "/nonexistent"], ["-bios", files[1000]], ["-bios", "nope", "-L", folder]):
            ours, stock = error(False, *arguments), error(True, *arguments)
            if ours != stock:
                bad += 1
                print(arguments, ours, stock)
    return 1 if bad else 0


sys.exit(main())
