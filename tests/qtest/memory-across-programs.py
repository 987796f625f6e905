#!/usr/bin/env python3
"""Guest memory and disks come back from a snapshot of the machine, loaded by the program that took it and by the stock one."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

from qtestlib import Machine, program, skip

SIZE = 8 << 20
PATTERN = bytes(range(251))


def disks(folder):
    return [word for name in "ab" for word in ("-blockdev", f"qcow2,node-name={name},file.driver=file,file.filename={folder}/{name}.qcow2")]


def fill(m, salt):
    m.write(0, PATTERN)
    m.write(0x12345, bytes([salt]) * 5000)
    m.write(SIZE - 100, PATTERN[:100])
    m.write(0x300000, b"\0" * 4096)


def disk(m, command):
    answer = m.hmp(f'qemu-io a "{command}"')
    assert "failed" not in answer and "error" not in answer.lower(), answer


def memory(m):
    """All of it, through the monitor: the stock program's qtest dies without a processor."""
    m.qmp("pmemsave", val=0, size=SIZE, filename=f"{m.folder}/memory")
    with open(f"{m.folder}/memory", "rb") as file:
        return file.read()


def check(m, salt):
    ram = bytearray(SIZE)
    ram[:len(PATTERN)] = PATTERN
    ram[0x12345:0x12345 + 5000] = bytes([salt]) * 5000
    ram[SIZE - 100:] = PATTERN[:100]
    assert memory(m) == ram, salt
    disk(m, f"read -P {salt} 64k 128k")


def across(loader):
    folder = os.environ.get("TEST_DIR", ".")
    for name in "ab":
        subprocess.run([os.environ["STOCK_QEMU_IMG"], "create", "-q", "-f", "qcow2", f"{folder}/{name}.qcow2", "16M"], check=True)
    with Machine(*disks(folder), board="none", memory="8") as m:
        for salt in (1, 2):
            fill(m, salt)
            disk(m, f"write -P {salt} 64k 128k")
            assert m.hmp(f"savevm s{salt}") == "", "savevm"
        m.write(0x12344, b"x" * 6000)
        m.write(0x300000, b"y" * 4096)
        assert m.hmp("loadvm s1") == ""
        check(m, 1)
    with Machine(*disks(folder), board="none", memory="8", stock=loader) as m:
        for salt in (2, 1, 2):
            assert m.hmp(f"loadvm s{salt}") == ""
            check(m, salt)
    for name in "ab":
        subprocess.run([os.environ["STOCK_QEMU_IMG"], "check", "-q", f"{folder}/{name}.qcow2"], check=True)


def main():
    if not program(True) or not os.environ.get("STOCK_QEMU_IMG"):
        skip("no stock emulator")
    across(False)
    across(True)


main()
sys.exit(0)
