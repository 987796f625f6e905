#!/usr/bin/env python3
"""-sandbox: wrong words are refused as by the stock program; with everything denied, disks, snapshots and exports still work.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess
import sys

from lib import Emulator, program

ALL = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


def words():
    different = 0
    for text in ("foo", "on,elevateprivileges=foo", "on,obsolete=foo", "on,spawn=foo", "on,resourcecontrol=foo", "on,x=y"):
        seen = []
        for kind in ("stock", "ours"):
            path = program(kind)
            run = subprocess.run([path, "-sandbox", text, "-machine", "none", "-display", "none"], stderr=subprocess.PIPE, text=True,
                                 stdin=subprocess.DEVNULL, timeout=20, check=False)
            seen.append((run.returncode, run.stderr.replace(path + ": ", "").replace("qemu-system-x86_64: ", "")))
        if seen[0] != seen[1]:
            different += 1
            print(f"-sandbox {text}\n  stock: {seen[0]}\n  ours:  {seen[1]}")
    return different


def filtered(vm):
    with open(f"/proc/{vm.process.pid}/status") as f:
        return next(line.split()[1] for line in f if line.startswith("Seccomp:")) == "2"


def work():
    with Emulator("ours", ["-sandbox", ALL, "-object", "iothread,id=t0"]) as vm:
        assert filtered(vm), "no filter is in place"
        image = f"{vm.folder}/a.qcow2"
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", image, "64M"], check=True)
        vm.cmd("blockdev-add", {"driver": "qcow2", "node-name": "n", "file": {"driver": "file", "filename": image}})
        for i in range(20):
            vm.hmp(f'qemu-io -d n "write -P {i} {i}M 1M"')
            vm.cmd("blockdev-snapshot-internal-sync", {"device": "n", "name": f"s{i}"})
        vm.cmd("nbd-server-start", {"addr": {"type": "unix", "data": {"path": f"{vm.folder}/nbd"}}})
        vm.cmd("block-export-add", {"type": "nbd", "id": "e", "node-name": "n", "iothread": "t0"})
        vm.cmd("query-block-exports")
    subprocess.run([os.environ["STOCK_QEMU_IMG"], "check", "-q", image], check=True)


if __name__ == "__main__":
    result = words()
    work()
    sys.exit(1 if result else 0)
