#!/usr/bin/env python3
"""Requests that a limit holds up for days do not hold up who waits for them: quit, stop, resets, reopen, snapshots, another member of
their group.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine, VirtioPci

GROUP = ("-object", "throttle-group,id=g,x-bps-total=1")
FILTERS = tuple(word for n in "ab" for word in ("-blockdev", f"throttle,node-name={n},throttle-group=g,file.driver=null-co,file.node-name={n}f,file.size=8388608",
                                                "-device", f"virtio-blk-pci,drive={n},addr={4 + 'ab'.index(n)}"))
DRIVE = ("-drive", "if=none,id=a,driver=null-co,size=8388608,throttling.bps-total=1", "-device", "virtio-blk-pci,drive=a,addr=4")


def write(machine, slot):
    """Several that wait: the bucket has room for the first."""
    device = VirtioPci(machine, slot)
    ring = device.start(device.features() & 0x7fff, 1)[0]
    at = machine.alloc(8192)
    machine.write(at, struct.pack("<IIQ", 1, 0, 0))
    for _ in range(4):
        ring.put([(at, 16, False), (at + 512, 4096, False), (at + 5000, 1, True)])
    ring.kick()
    return device


def held(machine, *slots):
    return [write(machine, slot) for slot in slots]


def quit_machine(machine):
    held(machine, 4)
    machine.qmp("quit")
    assert machine.process.wait(60) == 0


def stop(machine):
    machine.qmp("cont")
    held(machine, 4)
    machine.qmp("stop")


def reset(machine):
    held(machine, 4)
    machine.qmp("system_reset")
    held(machine, 4)[0].status(0)


def reopened(machine):
    """The limit holds, and is lifted, after a reopen as before."""
    for _ in range(2):
        held(machine, 4)
        answer = machine.raw({"execute": "blockdev-reopen", "arguments": {"options": [
            {"driver": "throttle", "node-name": "a", "throttle-group": "g", "file": "af"}]}})
        assert answer == {}, answer


def other_member(machine):
    """b's requests wait behind a's; a section on b passes them only."""
    held(machine, 4, 5)
    machine.qmp("x-blockdev-set-iothread", node_name="b", iothread=None)
    machine.qmp("blockdev-snapshot-sync", node_name="b", snapshot_file="over.qcow2", snapshot_node_name="o")


def limits_changed(machine):
    held(machine, 4)
    machine.qmp("block_set_io_throttle", device="a", bps=0, bps_rd=0, bps_wr=0, iops=0, iops_rd=0, iops_wr=0)


def main():
    os.chdir(os.environ["TEST_DIR"])
    for arguments in (GROUP + FILTERS, DRIVE):
        for work in (quit_machine, stop, reset) + ((reopened, other_member) if arguments is not DRIVE else (limits_changed,)):
            print(work.__name__, flush=True)
            with Machine(*arguments) as machine:
                work(machine)
                machine.qmp("query-status") if work is not quit_machine else None


if __name__ == "__main__":
    main()
