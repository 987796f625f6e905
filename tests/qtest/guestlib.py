"""A guest that writes several disks through their rings in a thread of its own, and knows what they hold.

    guest = Guest(machine, {"a": BlkDisk(machine, 4), "b": ScsiDisk(machine, scsi, 0)}, seed)
    guest.start()
    with guest.held() as now: ...        # nothing under way; now: disk -> {slot: number}

One write after the other, over all disks in turn: the state of all of them at any moment is a prefix of the log.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import contextlib
import os
import random
import struct
import subprocess
import threading
import time

from qtestlib import VirtioPci

SLOTS, STRIDE, UNIT, SIZE = 48, 80 << 10, 4096, 4 << 20


class BlkDisk:
    """virtio-blk at a PCI slot; one request at a time."""

    def __init__(self, machine, slot):
        device = VirtioPci(machine, slot)
        self.m, self.queue = machine, device.start(device.features() & 0x7fff)[0]
        self.at = machine.alloc(UNIT + 64)

    def transfer(self, sector, data=None):
        """The data read; None: an error."""
        at = self.at
        self.m.write(at, struct.pack("<IIQ", 0 if data is None else 1, 0, sector) + b"\xff" + (bytes(47) + data if data else b""))
        self.queue.put([(at, 16, False), (at + 64, UNIT, data is None), (at + 16, 1, True)])
        self.queue.kick()
        self.queue.wait()
        if self.m.read(at + 16, 1) != b"\0":
            return None
        return self.m.read(at + 64, UNIT) if data is None else data


class ScsiAdapter:
    def __init__(self, machine, slot):
        self.m, self.device = machine, VirtioPci(machine, slot)
        self.control, self.events, self.queue = self.device.start(self.device.features() & 7, 3)
        self.at = machine.alloc(UNIT + 256)

    def start(self, target, cdb, out=0, length=0, tag=1):
        """Begin a command on data at self.at + 256."""
        at = self.at
        self.m.write(at, bytes([1, target, 0x40, 0, 0, 0, 0, 0]) + struct.pack("<QBBB", tag, 0, 0, 0) + bytes(cdb).ljust(32, b"\0"))
        self.queue.put([(at, 51, False)] + ([(at + 256, out, False)] if out else []) + [(at + 64, 108, True)]
                       + ([(at + 256, length, True)] if length else []))
        self.queue.kick()

    def finish(self):
        """(response, status, sense)"""
        self.queue.wait()
        size, _, _, status, response = struct.unpack("<IIHBB", self.m.read(self.at + 64, 12))
        return response, status, self.m.read(self.at + 76, size)

    def command(self, target, cdb, out=0, length=0):
        self.start(target, cdb, out, length)
        return self.finish()

    def task(self, subtype, target=0, tag=0):
        return self.control.run([struct.pack("<II", 0, subtype) + bytes([1, target, 0x40, 0, 0, 0, 0, 0]) + struct.pack("<Q", tag)], [1])[0]


class ScsiDisk:
    """A unit behind a virtio-scsi adapter."""

    def __init__(self, adapter, target):
        self.adapter, self.target = adapter, target

    def transfer(self, sector, data=None):
        a = self.adapter
        cdb = [0x28 if data is None else 0x2a, 0, *sector.to_bytes(4, "big"), 0, *(UNIT // 512).to_bytes(2, "big"), 0]
        if data:
            a.m.write(a.at + 256, data)
        for _ in range(4):                    # unit attentions are told first
            response, status, sense = a.command(self.target, cdb, UNIT if data else 0, 0 if data else UNIT)
            if (response, status) == (0, 0):
                return data or a.m.read(a.at + 256, UNIT)
            if response or sense[2] & 15 != 6:
                return None
        return None


class NbdDisk:
    """What somebody exports, written by a qemu-io that stays: a node's name is its export's."""

    def __init__(self, socket, name):
        self.pattern, self.name = f"pattern.{name}", name
        self.process = subprocess.Popen([os.environ["QEMU_IO"], "-f", "raw", f"nbd+unix:///{name}?socket={socket}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def transfer(self, sector, data=None):
        """Data to be read is told byte by byte."""
        if data:
            with open(self.pattern, "wb") as file:
                file.write(data)
        what = f"write -s {self.pattern}" if data else "read -v"
        self.process.stdin.write(f"{what} {sector * 512} {UNIT}\n")
        self.process.stdin.flush()
        found = b""
        while True:
            line = self.process.stdout.readline()
            if not line or " ops; " in line or "failed" in line:
                break
            words = line.replace("qemu-io> ", "").split("  ")
            if words[0].endswith(":"):
                found += bytes.fromhex(words[1])
        return (data or found) if " ops; " in line else None

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Guest(threading.Thread):
    """Writes its count into a random slot of each disk in turn; `shift`: bytes by which its slots are off."""

    def __init__(self, disks, seed, shift=0):
        super().__init__(daemon=True)
        self.disks, self.random, self.shift = disks, random.Random(seed), shift
        self.lock, self.log, self.state = threading.Lock(), [], {disk: {} for disk in disks}
        self.done = 0                      # completed entries of the log
        self.pause, self.paused, self.stop = False, threading.Event(), False
        self.error = None

    def write_one(self):
        number = len(self.log) + 1
        names = list(self.disks)
        disk, slot = names[number % len(names)], self.random.randrange(SLOTS)
        with self.lock:
            self.log.append((disk, slot, number))
        if self.disks[disk].transfer((slot * STRIDE + self.shift) // 512, number.to_bytes(8, "little") * (UNIT // 8)) is None:
            raise RuntimeError(f"a write to {disk} failed")
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

    @contextlib.contextmanager
    def held(self):
        """Nothing under way meanwhile; the state."""
        self.paused.clear()
        self.pause = True
        self.paused.wait()
        self.check()
        yield self.mark()[1]
        self.pause = False

    def check(self):
        if self.error:
            raise self.error

    def mark(self):
        """(done, a copy of the state)"""
        with self.lock:
            return self.done, {disk: dict(slots) for disk, slots in self.state.items()}

    def since(self, mark):
        """All states that the disks went through since then, the oldest first."""
        done, state = mark
        with self.lock:
            entries = self.log[done:]
        states = [{disk: dict(slots) for disk, slots in state.items()}]
        for disk, slot, number in entries:
            state[disk][slot] = number
            states.append({disk: dict(slots) for disk, slots in state.items()})
        return states

    def wait_writes(self, n):
        """Until n more writes are done."""
        goal = self.done + n
        while self.done < goal and not self.error:
            time.sleep(0.002)
        self.check()

    def read_back(self, disk):
        """Only while held."""
        found = {}
        for slot in range(SLOTS):
            number = number_of(self.disks[disk].transfer((slot * STRIDE + self.shift) // 512))
            if number:
                found[slot] = number
        return found


def number_of(unit):
    assert unit is not None and unit == unit[:8] * (UNIT // 8), "a torn write"
    return int.from_bytes(unit[:8], "little")


def slots_of(path, shift=0):
    """What a raw image holds."""
    found = {}
    with open(path, "rb") as image:
        for slot in range(SLOTS):
            image.seek(slot * STRIDE + shift)
            number = number_of(image.read(UNIT).ljust(UNIT, b"\0"))
            if number:
                found[slot] = number
    return found
