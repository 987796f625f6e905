#!/usr/bin/env python3
"""A group of internal snapshots in which the last disk's k-th write or flush fails: no disk has the snapshot afterwards.

For every k until the group succeeds: the error has the peer's text, the disks hold what was written, the machine
goes on, and the stock qemu-img finds the images clean.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import subprocess
import sys

from lib import Emulator, skip

STOCK = os.environ.get("STOCK_QEMU_IMG", "/usr/bin/qemu-img")
TAKE = "blockdev-snapshot-internal-sync"
DISKS = ("a", "b", "c")


def add(vm, name, rules=None):
    file = {"driver": "file", "filename": name + ".qcow2"}
    if rules:
        file = {"driver": "blkdebug", "image": file, **rules}
    vm.cmd("blockdev-add", {"driver": "qcow2", "node-name": name, "file": file})


def failing_at(event, k):
    """The k-th time that event happens after the reopening fails, once."""
    states = [{"event": event, "state": i, "new_state": i + 1} for i in range(1, k)]
    inject = {"inject-error": [{"event": event, "state": k, "errno": 5, "once": True}]}
    return {"set-state": states, **inject} if states else inject


def snapshots(vm, name):
    for node in vm.cmd("query-block-snapshots"):
        if node["node-name"] == name:
            return [snapshot["name"] for snapshot in node["snapshots"]]
    return []


def attempt(event, k):
    """Whether the group succeeded."""
    for disk in DISKS:
        shutil.copy("master.qcow2", disk + ".qcow2")
    with Emulator("ours", cwd=os.getcwd()) as vm:
        for disk in DISKS:
            add(vm, disk, failing_at(event, k) if disk == "c" else None)
        actions = [{"type": TAKE, "data": {"device": disk, "name": "group"}} for disk in DISKS]
        reply = vm.ask("transaction", {"actions": actions})
        good = "return" in reply
        if not good:
            assert reply["error"]["desc"] == "Failed to create snapshot 'group' on device 'c': Input/output error", reply
        for disk in DISKS[:2]:
            assert snapshots(vm, disk) == (["old", "group"] if good else ["old"]), (event, k, disk, snapshots(vm, disk))
            vm.cmd(TAKE, {"device": disk, "name": "later"})
    for disk in DISKS:
        subprocess.run([STOCK, "check", "-q", disk + ".qcow2"], check=True)
        subprocess.run([STOCK, "compare", "-q", "master.qcow2", disk + ".qcow2"], check=True)
    return good


def main():
    if not os.path.exists(STOCK):
        skip("no stock qemu-img")
    subprocess.run([STOCK, "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "master.qcow2", "16M"], check=True)
    io = os.environ["QEMU_IO"]
    subprocess.run([io, "-c", "write -P 1 0 1M", "-c", "write -P 2 5M 64k", "master.qcow2"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([STOCK, "snapshot", "-c", "old", "master.qcow2"], check=True)
    subprocess.run([io, "-c", "write -P 3 512k 1M", "-c", "write -P 4 9M 64k", "master.qcow2"], check=True,
                   stdout=subprocess.DEVNULL)
    for event in ("pwritev", "flush_to_disk"):
        k = 1
        while not attempt(event, k):
            k += 1
        print(f"{event}: failed {k - 1} times")
        assert k > 1, f"{event} never happened"


if __name__ == "__main__":
    sys.exit(main())
