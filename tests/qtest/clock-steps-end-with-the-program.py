#!/usr/bin/env python3
"""A step of the virtual clock over years of ticks does not keep the program from ending when it is told to.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess

vm = subprocess.Popen([os.environ["QEMU_SYSTEM"], "-machine", "pc", "-accel", "qtest", "-display", "none", "-nodefaults", "-qtest-log", "none",
                       "-qtest", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
vm.stdin.write(b"outb 0x43 0x34\noutb 0x40 0x10\noutb 0x40 0\noutb 0x70 0x0b\noutb 0x71 0x42\nclock_step 9223372036854775807\n")
vm.stdin.flush()
for _ in range(5):
    assert vm.stdout.readline() == b"OK\n"
vm.terminate()
assert vm.wait(120) == 0, vm.returncode
