#!/usr/bin/env python3
"""Internal snapshots of three disks in use hold, each, exactly what their writers had written at one point in time.

A guest drives three disks through their rings (virtio-blk in the main thread and in an iothread, virtio-scsi in another), and
qemu-io writes the same three as a client of their exports. Each writes one after the other over all disks, so that the state of
all three at any moment is a prefix of its log. Meanwhile thousands of snapshots are taken, deleted, and reverted to, alone and in
groups; transactions with a failing action are mixed in and must leave no trace. What is left is read back by the stock
qemu-img, which also has to find the images clean.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import contextlib
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from guestlib import BlkDisk, Guest, NbdDisk, ScsiAdapter, ScsiDisk, SIZE, slots_of
from qtestlib import Machine, skip

SECONDS, STEPS, SHIFT = 25, 4000, 40 << 10
DISKS = ("a", "b", "c")
FORMATS = {"a": "cluster_size=64k", "b": "cluster_size=4k,lazy_refcounts=on", "c": "cluster_size=64k,extended_l2=on"}
DEVICES = {"a": "virtio-blk-pci,addr=4,share-rw=on", "b": "virtio-blk-pci,addr=5,iothread=io0,share-rw=on",
           "c": "scsi-hd,bus=s.0,share-rw=on"}
TAKE, REVERT = "blockdev-snapshot-internal-sync", "blockdev-snapshot-apply-internal-sync"


def holds(found, states, disks):
    return any(all(found[disk] == state[disk] for disk in disks) for state in states)


class Test:
    def __init__(self, machine, writers, seed):
        self.m, self.writers, self.random = machine, writers, random.Random(seed)
        self.sets = {}                     # name -> ({disks}, for each writer: possible states)
        self.counts, self.taken = {}, 0

    def check(self, ok, *what):
        for writer in self.writers:
            writer.check()
        if not ok:
            raise AssertionError(" ".join(map(str, what)))

    def transaction(self, *actions):
        return self.m.raw({"execute": "transaction",
                           "arguments": {"actions": [{"type": kind, "data": data} for kind, data in actions]}})

    def names(self):
        """name -> disks that have it, as the program tells."""
        found = {}
        for node in self.m.qmp("query-block-snapshots"):
            for snapshot in node["snapshots"]:
                found.setdefault(snapshot["name"], {})[node["node-name"]] = snapshot
        return found

    def take(self, disks):
        name = f"s{self.taken}.{sum(self.counts.values())}"
        marks = [writer.mark() for writer in self.writers]
        if len(disks) == 1 and self.random.random() < 0.5:
            reply = self.m.qmp(TAKE, device=disks[0], name=name)
        else:
            reply = self.transaction(*((TAKE, {"device": disk, "name": name}) for disk in disks))
        self.check(reply == {}, "take", reply)
        self.taken += len(disks)
        self.sets[name] = (set(disks), [writer.since(mark) for writer, mark in zip(self.writers, marks)])

    def fail(self):
        """Some good actions, then one that cannot be."""
        taken = next(iter(self.sets), None)
        bad = [("abort", {}), (TAKE, {"device": "r", "name": "x"}), (TAKE, {"device": "a", "name": ""}),
               (TAKE, {"device": "nope", "name": "x"}), (REVERT, {"device": "b", "name": "nope"})]
        if taken:
            bad.append((TAKE, {"device": min(self.sets[taken][0]), "name": taken}))
        actions = [(TAKE, {"device": disk, "name": "doomed"}) for disk in DISKS]
        actions.insert(self.random.randrange(1, 4), self.random.choice(bad))
        reply = self.transaction(*actions)
        self.check("class" in reply, "a transaction that has to fail:", actions, reply)
        self.check("doomed" not in self.names(), "left behind by", actions)

    def delete(self):
        if len(self.sets) < 5:
            return
        name = self.random.choice(list(self.sets))
        disks, _ = self.sets.pop(name)
        known = self.names()[name]
        self.check(set(known) == disks, name, "is on", set(known), "not", disks)
        for disk in disks:
            how = self.random.choice([{"id": known[disk]["id"]}, {"name": name}, {"id": known[disk]["id"], "name": name}])
            reply = self.m.qmp("blockdev-snapshot-delete-internal-sync", device=disk, **how)
            self.check(reply.get("name") == name and reply.get("id") == known[disk]["id"], "delete", reply)

    def read_back(self, disks):
        """For each writer: what it finds."""
        return [{disk: writer.read_back(disk) for disk in disks} for writer in self.writers]

    def revert(self):
        """Go back, look, and go on from there or return to where we were."""
        if not self.sets:
            return
        name = self.random.choice(list(self.sets))
        disks, states = self.sets[name]
        with contextlib.ExitStack() as stack:
            now = [stack.enter_context(writer.held()) for writer in self.writers]
            actions = [(REVERT, {"device": disk, "name": name}) for disk in disks]
            stay = self.random.random() < 0.3
            if not stay:
                actions = [(TAKE, {"device": disk, "name": "now"}) for disk in disks] + actions
            reply = self.transaction(*actions) if len(actions) > 1 else self.m.qmp(REVERT, **actions[0][1])
            self.check("class" not in reply, "revert", reply)
            found = self.read_back(disks)
            for mine, possible in zip(found, states):
                self.check(holds(mine, possible, disks), name, "holds", mine, "not one of", possible)
            self.sets[name] = (disks, [[mine] for mine in found])
            if stay:
                for writer, mine in zip(self.writers, found):
                    writer.state.update({disk: dict(slots) for disk, slots in mine.items()})
                return
            reply = self.transaction(*((REVERT, {"device": disk, "name": "now"}) for disk in disks))
            self.check(reply == {}, "return", reply)
            for mine, before in zip(self.read_back(disks), now):
                self.check(all(mine[disk] == before[disk] for disk in disks), "after the return:", mine, "not", before)
            for disk in disks:
                self.m.qmp("blockdev-snapshot-delete-internal-sync", device=disk, name="now")

    def step(self):
        kind = self.random.choices(("group", "one", "fail", "delete", "revert"), (40, 20, 10, 40, 2))[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "group":
            self.take(DISKS)
        elif kind == "one":
            self.take([self.random.choice(DISKS)])
        else:
            getattr(self, kind)()


def read_image(stock, disk, name):
    """For each writer: what it left there."""
    select = ["-l", f"snapshot.name={name}"] if name else []
    subprocess.run([stock, "convert", "-f", "qcow2", "-O", "raw", *select, f"{disk}.qcow2", "out.raw"], check=True)
    return [slots_of("out.raw", shift) for shift in (0, SHIFT)]


def check_images(stock, sets, writers):
    for disk in DISKS:
        subprocess.run([stock, "check", "-q", f"{disk}.qcow2"], check=True)
        found, state = read_image(stock, disk, None), [writer.state[disk] for writer in writers]
        assert found == state, f"{disk} holds {found}, not {state}"
    for name in random.Random(1).sample(list(sets), min(len(sets), 40)):
        disks, states = sets[name]
        found = {disk: read_image(stock, disk, name) for disk in disks}
        for i, possible in enumerate(states):
            mine = {disk: found[disk][i] for disk in disks}
            assert holds(mine, possible, disks), f"{name} holds {mine}: none of {possible}"


def start(machine, socket, seed):
    """The guest and qemu-io."""
    assert machine.qmp("nbd-server-start", addr={"type": "unix", "data": {"path": socket}}) == {}
    for disk in DISKS:
        assert machine.qmp("block-export-add", type="nbd", id=f"e{disk}", node_name=disk, name=disk, writable=True) == {}
    disks = {"a": BlkDisk(machine, 4), "b": BlkDisk(machine, 5), "c": ScsiDisk(ScsiAdapter(machine, 6), 0)}
    writers = [Guest(disks, seed), Guest({disk: NbdDisk(socket, disk) for disk in DISKS}, seed + 1, SHIFT)]
    for writer in writers:
        writer.start()
    return writers


def main():
    stock = os.environ.get("STOCK_QEMU_IMG", "/usr/bin/qemu-img")
    if not os.path.exists(stock):
        skip("no stock qemu-img")
    seed = int(os.environ.get("TEST_SEED", "1"))
    args = ["-object", "iothread,id=io0", "-object", "iothread,id=io1", "-blockdev", "driver=null-co,node-name=r,size=1048576",
            "-device", "virtio-scsi-pci,id=s,addr=6,iothread=io1"]
    for disk in DISKS:
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", "-o", FORMATS[disk], f"{disk}.qcow2", str(SIZE)],
                       check=True)
        args += ["-blockdev", f"driver=qcow2,node-name={disk},file.driver=file,file.filename={disk}.qcow2",
                 "-device", f"{DEVICES[disk]},drive={disk},id=v{disk}"]
    with Machine(*args) as machine:
        writers = start(machine, machine.folder + "/nbd", seed)
        test = Test(machine, writers, seed)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and sum(test.counts.values()) < STEPS:
            test.step()
        for writer in writers:
            writer.stop = True
            writer.join()
        test.check(True)
        for disk in writers[1].disks.values():
            disk.close()
    check_images(stock, test.sets, writers)
    print(f"seed {seed}: {[len(writer.log) for writer in writers]} writes, {test.taken} snapshots, {test.counts}")


if __name__ == "__main__":
    main()
