#!/usr/bin/env python3
"""Internal snapshots of three disks in use hold, each, exactly what a guest had written at one point in time.

A writer drives three virtio-blk disks through their rings, one write after the other over all of them, so the state of all
three at any moment is a prefix of its log. Meanwhile snapshots are taken (alone and in groups), deleted, and reverted
to; transactions with a failing action are mixed in and must leave no trace. What is left is read back by the stock
qemu-img, which also has to find the images clean.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine, VirtioPci, skip

SECONDS, SLOTS, STRIDE, UNIT, SIZE = 20, 48, 80 << 10, 4096, 4 << 20
DISKS = ("a", "b", "c")
FORMATS = {"a": "cluster_size=64k", "b": "cluster_size=4k,lazy_refcounts=on", "c": "cluster_size=64k,extended_l2=on"}
TAKE, REVERT = "blockdev-snapshot-internal-sync", "blockdev-snapshot-apply-internal-sync"


class Guest(threading.Thread):
    """Writes its count into a random slot of each disk in turn. `state` is what the disks hold by now."""

    def __init__(self, machine, seed):
        super().__init__(daemon=True)
        self.m, self.random = machine, random.Random(seed)
        self.lock, self.log, self.state = threading.Lock(), [], {disk: {} for disk in DISKS}
        self.done = 0                      # completed entries of the log
        self.pause, self.paused, self.stop = False, threading.Event(), False
        self.error = None
        self.queues, self.buffers = {}, {}
        for i, disk in enumerate(DISKS):
            device = VirtioPci(machine, 4 + i)
            self.queues[disk] = device.start(device.features() & 0x7fff)[0]
            self.buffers[disk] = machine.alloc(UNIT + 64)

    def transfer(self, disk, slot, data=None):
        """One request, waited for; the data read."""
        at, queue = self.buffers[disk], self.queues[disk]
        sector = slot * STRIDE // 512
        self.m.write(at, (0 if data is None else 1).to_bytes(4, "little") + bytes(4) + sector.to_bytes(8, "little") + b"\xff")
        if data is not None:
            self.m.write(at + 64, data)
        queue.put([(at, 16, False), (at + 64, UNIT, data is None), (at + 16, 1, True)])
        queue.kick()
        queue.wait()
        if self.m.read(at + 16, 1) != b"\0":
            raise RuntimeError(f"request on {disk} failed")
        return self.m.read(at + 64, UNIT) if data is None else None

    def write_one(self):
        number = len(self.log) + 1
        disk, slot = DISKS[number % 3], self.random.randrange(SLOTS)
        with self.lock:
            self.log.append((disk, slot, number))
        self.transfer(disk, slot, number.to_bytes(8, "little") * (UNIT // 8))
        with self.lock:
            self.state[disk][slot] = number
            self.done = number

    def run(self):
        try:
            while not self.stop:
                if self.pause:
                    self.paused.set()
                    time.sleep(0.001)
                else:
                    self.write_one()
        except Exception as error:         # told by the main thread
            self.error = error
        self.paused.set()

    def hold(self):
        self.paused.clear()
        self.pause = True
        self.paused.wait()

    def mark(self):
        """(done, a copy of the state)"""
        with self.lock:
            return self.done, {disk: dict(slots) for disk, slots in self.state.items()}

    def read_back(self, disk):
        found = {}
        for slot in range(SLOTS):
            number = int.from_bytes(self.transfer(disk, slot)[:8], "little")
            if number:
                found[slot] = number
        return found


def candidates(before, entries):
    """All states that the disks went through while entries were written, the oldest first."""
    state = {disk: dict(slots) for disk, slots in before.items()}
    states = [{disk: dict(slots) for disk, slots in state.items()}]
    for disk, slot, number in entries:
        state[disk][slot] = number
        states.append({disk: dict(slots) for disk, slots in state.items()})
    return states


class Test:
    def __init__(self, machine, guest, seed):
        self.m, self.guest, self.random = machine, guest, random.Random(seed)
        self.sets = {}                     # name -> ({disks}, possible states)
        self.counts = {}

    def check(self, ok, *what):
        if self.guest.error:
            raise self.guest.error
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
        name = f"s{len(self.counts)}.{sum(self.counts.values())}"
        done, before = self.guest.mark()
        if len(disks) == 1 and self.random.random() < 0.5:
            reply = self.m.qmp(TAKE, device=disks[0], name=name)
        else:
            reply = self.transaction(*((TAKE, {"device": disk, "name": name}) for disk in disks))
        self.check(reply == {}, "take", reply)
        with self.guest.lock:
            entries = self.guest.log[done:]
        self.sets[name] = (set(disks), candidates(before, entries))

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

    def revert(self):
        """Go back, look, and go on from there or return to where we were."""
        whole = [name for name, (disks, _) in self.sets.items() if len(disks) == 3]
        if not whole:
            return
        name = self.random.choice(whole)
        self.guest.hold()
        now = self.guest.mark()[1]
        actions = [(REVERT, {"device": disk, "name": name}) for disk in DISKS]
        stay = self.random.random() < 0.3
        if not stay:
            actions = [(TAKE, {"device": disk, "name": "now"}) for disk in DISKS] + actions
        reply = self.transaction(*actions)
        self.check(reply == {}, "revert", reply)
        found = {disk: self.guest.read_back(disk) for disk in DISKS}
        self.check(found in self.sets[name][1], name, "holds", found, "not one of", self.sets[name][1])
        self.sets[name] = (set(DISKS), [found])
        if stay:
            self.guest.state = {disk: dict(slots) for disk, slots in found.items()}
        else:
            reply = self.transaction(*((REVERT, {"device": disk, "name": "now"}) for disk in DISKS))
            self.check(reply == {}, "return", reply)
            back = {disk: self.guest.read_back(disk) for disk in DISKS}
            self.check(back == now, "after the return:", back, "not", now)
            for disk in DISKS:
                self.m.qmp("blockdev-snapshot-delete-internal-sync", device=disk, name="now")
        self.guest.pause = False

    def step(self):
        kind = self.random.choices(("group", "one", "fail", "delete", "revert"), (30, 15, 15, 30, 3))[0]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "group":
            self.take(DISKS)
        elif kind == "one":
            self.take([self.random.choice(DISKS)])
        else:
            getattr(self, kind)()


def slots_of(path):
    found = {}
    with open(path, "rb") as image:
        for slot in range(SLOTS):
            image.seek(slot * STRIDE)
            unit = image.read(UNIT)
            assert unit == unit[:8] * (UNIT // 8), f"{path}: a torn write in slot {slot}"
            number = int.from_bytes(unit[:8], "little")
            if number:
                found[slot] = number
    return found


def read_image(stock, disk, name):
    select = ["-l", f"snapshot.name={name}"] if name else []
    subprocess.run([stock, "convert", "-f", "qcow2", "-O", "raw", *select, f"{disk}.qcow2", "out.raw"], check=True)
    return slots_of("out.raw")


def check_images(stock, sets, state):
    for disk in DISKS:
        subprocess.run([stock, "check", "-q", f"{disk}.qcow2"], check=True)
        found = read_image(stock, disk, None)
        assert found == state[disk], f"{disk} holds {found}, not {state[disk]}"
    for name, (disks, states) in sets.items():
        found = {disk: read_image(stock, disk, name) for disk in disks}
        assert any(all(found[disk] == s[disk] for disk in disks) for s in states), f"{name} holds {found}: none of {states}"


def main():
    stock = os.environ.get("STOCK_QEMU_IMG", "/usr/bin/qemu-img")
    if not os.path.exists(stock):
        skip("no stock qemu-img")
    seed = int(os.environ.get("TEST_SEED", "1"))
    args = ["-object", "iothread,id=io0", "-blockdev", "driver=null-co,node-name=r,size=1048576"]
    for i, disk in enumerate(DISKS):
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", "-o", FORMATS[disk], f"{disk}.qcow2", str(SIZE)],
                       check=True)
        args += ["-blockdev", f"driver=qcow2,node-name={disk},file.driver=file,file.filename={disk}.qcow2",
                 "-device", f"virtio-blk-pci,drive={disk},id=v{disk},addr={4 + i}" + (",iothread=io0" if disk == "b" else "")]
    with Machine(*args) as machine:
        guest = Guest(machine, seed)
        test = Test(machine, guest, seed)
        guest.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and sum(test.counts.values()) < 1500:
            test.step()
        guest.stop = True
        guest.join()
        test.check(True)
    check_images(stock, test.sets, guest.state)
    print(f"seed {seed}: {len(guest.log)} writes, {test.counts}, {len(test.sets)} sets read back")


if __name__ == "__main__":
    main()
