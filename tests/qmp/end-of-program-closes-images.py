#!/usr/bin/env python3
"""However the program ends, with a job, a device and an export at work: bitmaps are stored and images are clean.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import signal
import subprocess
import sys

from lib import Emulator


def image_tool(*args):
    return subprocess.run([os.environ["QEMU_IMG"], *args], check=True, capture_output=True, text=True).stdout


def run(end):
    for name in ("a", "t"):
        image_tool("create", "-q", "-f", "qcow2", name + ".qcow2", "64M")
    subprocess.run([os.environ["QEMU_IO"], "-c", "write -P 1 0 32M", "a.qcow2"], check=True, stdout=subprocess.DEVNULL)
    vm = Emulator("ours", machine="pc", cwd=os.getcwd(), stderr=subprocess.DEVNULL)
    for name in ("a", "t"):
        vm.cmd("blockdev-add", {"driver": "qcow2", "node-name": name, "file": {"driver": "file", "filename": name + ".qcow2"}})
    vm.cmd("device_add", {"driver": "virtio-blk-pci", "drive": "a", "id": "d", "share-rw": True})
    vm.cmd("nbd-server-start", {"addr": {"type": "unix", "data": {"path": "nbd.sock"}}})
    vm.cmd("block-export-add", {"type": "nbd", "id": "e", "node-name": "a", "name": "a"})
    vm.cmd("block-dirty-bitmap-add", {"node": "a", "name": "m", "persistent": True})
    vm.cmd("blockdev-backup", {"device": "a", "target": "t", "sync": "full", "job-id": "j", "speed": 65536})
    end(vm)
    assert vm.process.wait(60) == 0, vm.process.returncode
    assert not os.path.exists("nbd.sock"), "the server's socket is still there"
    info = json.loads(image_tool("info", "--output=json", "a.qcow2"))
    bitmaps = info["format-specific"]["data"].get("bitmaps")
    assert bitmaps == [{"name": "m", "granularity": 65536, "flags": ["auto"]}], bitmaps
    for name in ("a", "t"):
        image_tool("check", "-q", name + ".qcow2")


def lost_monitor(vm):
    """The only client goes without a word; a signal comes later."""
    vm.close()
    vm.process.send_signal(signal.SIGTERM)


def by_hmp(vm):
    vm.send({"execute": "human-monitor-command", "arguments": {"command-line": "quit"}})


def main():
    for number in (signal.SIGINT, signal.SIGHUP):       # ignored where this was started in the background
        signal.signal(number, signal.SIG_DFL)
    run(lambda vm: vm.send({"execute": "quit"}))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run(lambda vm, number=number: vm.process.send_signal(number))
    run(by_hmp)
    run(lost_monitor)


if __name__ == "__main__":
    sys.exit(main())
