#!/usr/bin/env python3
"""SIGTERM at any moment of the emulator's start leaves neither its pid file nor its socket behind.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import signal
import subprocess
import sys
import time

STARTS, LONGEST = 48, 0.06     # the signal comes after up to so many seconds: before, within and after the start


def start(folder, wait):
    return subprocess.Popen([os.environ["QEMU_SYSTEM"], "-machine", "none", "-display", "none", "-nodefaults", "-pidfile", "pid",
                             "-qmp", f"unix:socket,server=on,wait={wait}"], cwd=folder, stderr=subprocess.DEVNULL)


def main():
    chance = random.Random(1)
    folder = os.path.join(os.environ["TEST_DIR"], "started")
    os.mkdir(folder)
    for i in range(STARTS):
        program = start(folder, "on" if i % 3 == 0 else "off")
        time.sleep(chance.random() * LONGEST)
        program.send_signal(signal.SIGTERM)
        ended = program.wait(60)
        assert ended in (0, -signal.SIGTERM), ended
        assert not os.listdir(folder), f"start {i}: left behind: {os.listdir(folder)}"
    print(f"{STARTS} starts were ended")


if __name__ == "__main__":
    sys.exit(main())
