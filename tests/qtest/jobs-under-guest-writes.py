#!/usr/bin/env python3
"""Guests write from iothreads (virtio-blk, virtio-scsi) while block jobs run: copies hold one point in time, disks what was written.

Mirror (background, write-blocking), backup (full, incremental, none), commit (active, of a lower layer) and stream are started,
paused, completed and cancelled at random; a unit is plugged and unplugged meanwhile. Contents are compared with the writer's log.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from guestlib import BlkDisk, Guest, ScsiAdapter, ScsiDisk, SIZE, slots_of
from qtestlib import Machine

IMG = os.environ["QEMU_IMG"]
STOCK = os.environ.get("STOCK_QEMU_IMG") or IMG
ROUNDS = int(os.environ.get("ROUNDS", "3"))
ENDS = ("BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED")
KINDS = ("mirror_background", "mirror_blocking", "mirror_cancel", "backup_full", "backup_incremental", "backup_none", "commit_active",
         "commit_lower", "stream", "force_cancel")


def create(name, *more):
    subprocess.run([IMG, "create", "-q", "-f", "qcow2", *more, name, str(SIZE)], check=True)


def contents(name):
    subprocess.run([STOCK, "check", "-q", name], check=True)
    subprocess.run([STOCK, "convert", "-f", "qcow2", "-O", "raw", name, "out.raw"], check=True)
    return slots_of("out.raw")


class Test:
    def __init__(self, machine, guest, nodes, seed):
        self.m, self.guest, self.nodes, self.random = machine, guest, nodes, random.Random(seed)
        self.files = {disk: f"{disk}.qcow2" for disk in nodes}
        self.count = 0

    def do(self, command, **arguments):
        reply = self.m.qmp(command, **arguments)
        assert not (isinstance(reply, dict) and "class" in reply), (command, arguments, reply)
        return reply

    def wait(self, *names):
        end = time.monotonic() + 90
        while time.monotonic() < end:
            for event in self.m.events:
                if event["event"] in names and event["data"].get("device") == "j":
                    self.m.events.clear()
                    assert "error" not in event["data"], event
                    return event["event"]
            self.guest.check()
            self.do("query-status")
            time.sleep(0.005)
        raise TimeoutError(names, self.m.qmp("query-jobs"))

    def new(self, *more):
        """A node on a new image: (name, file)."""
        self.count += 1
        name = f"n{self.count}"
        create(f"{name}.qcow2", *more)
        return name, f"{name}.qcow2"

    def add(self, *more):
        name, file = self.new(*more)
        self.do("blockdev-add", driver="qcow2", node_name=name, file={"driver": "file", "filename": file}, discard="unmap")
        return name, file

    def start(self, command, disk, **arguments):
        self.m.events.clear()
        self.do(command, job_id="j", device=self.nodes[disk], **arguments)

    def disturb(self):
        """Pause and resume, a group of snapshots that cannot be, more writes."""
        for _ in range(self.random.randrange(3)):
            kind = self.random.randrange(3)
            if kind == 0 and "class" not in self.m.qmp("job-pause", id="j"):
                self.guest.wait_writes(3)
                self.m.qmp("job-resume", id="j")
            elif kind == 1:
                reply = self.m.raw({"execute": "transaction", "arguments": {"actions": [
                    {"type": "blockdev-snapshot-internal-sync", "data": {"device": node, "name": "x"}} for node in self.nodes.values()]
                    + [{"type": "abort", "data": {}}]}})
                assert "class" in reply, reply
            else:
                self.guest.wait_writes(5)

    def is_right(self, disk):
        with self.guest.held() as now:
            found = self.guest.read_back(disk)
            assert found == now[disk], f"{disk} holds {found}, not {now[disk]}"

    def one_of(self, disk, found, states):
        assert any(found == state[disk] for state in states), f"a copy of {disk} holds {found}: none of {[s[disk] for s in states]}"

    # --- the jobs --------------------------------------------------------------------------
    def mirror(self, disk, mode, cancel=False):
        target, file = self.add()
        self.start("blockdev-mirror", disk, target=target, sync="full", copy_mode=mode)
        self.disturb()
        self.wait("BLOCK_JOB_READY")
        self.disturb()
        if cancel:
            with self.guest.held() as now:
                self.do("block-job-cancel", device="j")
                self.wait(*ENDS)
                self.do("blockdev-del", node_name=target)
                assert contents(file) == now[disk], "a cancelled mirror in sync holds something else"
            return
        self.do("job-complete", id="j")
        assert self.wait(*ENDS) == ENDS[0]
        old, self.nodes[disk], self.files[disk] = self.nodes[disk], target, file
        self.m.qmp("blockdev-del", node_name=old)          # one that the monitor does not own went by itself

    def mirror_background(self, disk):
        self.mirror(disk, "background")

    def mirror_blocking(self, disk):
        self.mirror(disk, "write-blocking")

    def mirror_cancel(self, disk):
        self.mirror(disk, self.random.choice(["background", "write-blocking"]), cancel=True)

    def backup(self, disk, target, *before, **arguments):
        """In one transaction with what comes before; the states that its copy may have."""
        mark = self.guest.mark()
        self.m.events.clear()
        data = {"job-id": "j", "device": self.nodes[disk], "target": target, **arguments}
        reply = self.m.raw({"execute": "transaction", "arguments": {"actions": [*before, {"type": "blockdev-backup", "data": data}]}})
        assert reply == {}, reply
        return self.guest.since(mark)

    def backup_full(self, disk):
        target, file = self.add()
        states = self.backup(disk, target, sync="full", **self.random.choice([{}, {"compress": True}, {"x-perf": {"max-workers": 1}}]))
        self.disturb()
        self.wait(*ENDS)
        self.do("blockdev-del", node_name=target)
        self.one_of(disk, contents(file), states)

    def backup_incremental(self, disk):
        target, file = self.add()
        bitmap = {"node": self.nodes[disk], "name": "b"}
        self.backup(disk, target, {"type": "block-dirty-bitmap-add", "data": bitmap}, sync="full")
        self.wait(*ENDS)
        self.guest.wait_writes(10)
        states = self.backup(disk, target, sync="incremental", bitmap="b")
        self.disturb()
        self.wait(*ENDS)
        self.do("block-dirty-bitmap-remove", **bitmap)
        self.do("blockdev-del", node_name=target)
        self.one_of(disk, contents(file), states)

    def backup_none(self, disk):
        target, file = self.add()
        states = self.backup(disk, target, sync="none")
        self.disturb()
        self.guest.wait_writes(10)
        self.do("block-job-cancel", device="j")
        self.wait(*ENDS)
        self.do("blockdev-del", node_name=target)
        found = contents(file)
        assert any(found.items() <= state[disk].items() for state in states), f"{found}: no part of {states}"

    def overlay(self, disk):
        name, file = self.new()
        self.do("blockdev-snapshot-sync", node_name=self.nodes[disk], snapshot_file=file, snapshot_node_name=name)
        self.nodes[disk], self.files[disk] = name, file
        self.guest.wait_writes(8)

    def commit_active(self, disk):
        below, file = self.nodes[disk], self.files[disk]
        self.overlay(disk)
        self.start("block-commit", disk)
        self.disturb()
        self.wait("BLOCK_JOB_READY")
        self.disturb()
        self.do("job-complete", id="j")
        self.wait(*ENDS)
        self.nodes[disk], self.files[disk] = below, file

    def commit_lower(self, disk):
        base = self.nodes[disk]
        self.overlay(disk)
        middle = self.nodes[disk]
        self.overlay(disk)
        self.start("block-commit", disk, top_node=middle, base_node=base)
        self.disturb()
        self.wait(*ENDS)
        self.is_right(disk)
        self.stream(disk, fresh=False)

    def stream(self, disk, fresh=True):
        if fresh:
            self.overlay(disk)
        self.start("block-stream", disk)
        self.disturb()
        self.wait(*ENDS)

    def force_cancel(self, disk):
        target, _ = self.add()
        if self.random.randrange(2):
            self.start("blockdev-mirror", disk, target=target, sync="full", speed=1 << 20)
        else:
            self.start("blockdev-backup", disk, target=target, sync="full", speed=1 << 20)
        self.disturb()
        self.m.qmp("block-job-cancel", device="j", force=True)
        self.wait(*ENDS)
        self.do("blockdev-del", node_name=target)

    def plug(self):
        """A unit comes and goes."""
        self.do("device_add", driver="scsi-hd", bus="s.0", drive="extra", id="u", scsi_id=5)
        self.guest.wait_writes(2)
        self.do("device_del", id="u")


def main():
    seed = int(os.environ.get("TEST_SEED", "1"))
    args = ["-object", "iothread,id=io0", "-object", "iothread,id=io1", "-device", "virtio-scsi-pci,id=s,addr=5,iothread=io1",
            "-blockdev", "null-co,node-name=extra,size=1048576,read-zeroes=on"]
    devices = {"a": "virtio-blk-pci,addr=4,iothread=io0,drive=a", "b": "scsi-hd,bus=s.0,drive=b"}
    for disk, device in devices.items():
        create(f"{disk}.qcow2")
        args += ["-blockdev", f"driver=qcow2,node-name={disk},file.driver=file,file.filename={disk}.qcow2", "-device", device]
    with Machine(*args) as machine:
        guest = Guest({"a": BlkDisk(machine, 4), "b": ScsiDisk(ScsiAdapter(machine, 5), 0)}, seed)
        test = Test(machine, guest, {disk: disk for disk in devices}, seed)
        guest.start()
        for _ in range(ROUNDS):
            for kind in test.random.sample(KINDS, len(KINDS)):
                disk = test.random.choice(list(devices))
                getattr(test, kind)(disk)
                test.is_right(disk)
                test.plug()
        guest.stop = True
        guest.join()
        guest.check()
    for disk in devices:
        found = contents(test.files[disk])
        assert found == guest.state[disk], f"{disk} holds {found}, not {guest.state[disk]}"
    print(f"seed {seed}: {len(guest.log)} writes while {ROUNDS * len(KINDS)} jobs ran")


if __name__ == "__main__":
    main()
