#!/usr/bin/env python3
"""x-query-virtio-* and `info virtio-*` while a driver works the rings: the same features, states, indexes and chains as stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import struct
import sys
import tempfile

from qtestlib import Disk, Machine, VirtioPci, program, skip

BLK, OLD, SCSI = ("/machine/peripheral/" + name + "/virtio-backend" for name in ("new", "old", "scsi"))


class Log:
    def __init__(self, machine):
        self.machine, self.lines = machine, []

    def ask(self, command, **arguments):
        self.lines.append((f"{command} {arguments}", json.dumps(self.machine.qmp(command, **arguments), sort_keys=True)))

    def hmp(self, line):
        self.lines.append((line, self.machine.hmp(line)))

    def look(self, path, queue=0):
        self.ask("x-query-virtio-status", path=path)
        self.ask("x-query-virtio-queue-status", path=path, queue=queue)
        self.ask("x-query-virtio-queue-element", path=path, queue=queue)
        self.ask("x-query-virtio-queue-status", path=path, queue=queue)


def statuses(log):
    for slot, legacy, path in ((6, False, SCSI), (7, True, OLD)):
        device = VirtioPci(log.machine, slot, legacy)
        for status in (1, 3, 0x13, 0x33, 0x83, 0xff, 0x43, 7, 15, 0):
            device.status(status)
            log.ask("x-query-virtio-status", path=path)
            log.hmp("info virtio-status " + path)


def disk(log, slot, legacy, path):
    m, d = log.machine, Disk(log.machine, slot, legacy)
    log.look(path)
    d.write(0, b"a" * 512)
    d.write(8, b"b" * 1024)
    log.look(path)
    queue, at = d.queues[0], m.alloc(4096)
    queue.put([(at, 16, False), (at + 512, 512, False), (at + 1024, 1, True)])
    queue.put([(at, 16, False), (at + 512, 512, True), (at + 1024, 1, True)], True)
    log.ask("x-query-virtio-queue-status", path=path, queue=0)
    log.look(path)
    for index in (0, 1, 2, 3, 5, 300, 65535):
        log.ask("x-query-virtio-queue-element", path=path, queue=0, index=index)
    for line in ("status", "queue-status", "queue-element", "vhost-queue-status"):
        log.hmp(f"info virtio-{line} {path}" + (" 0" if "queue" in line else ""))
    log.hmp(f"info virtio-queue-element {path} 0 1")


def raw_ring(log):
    """Chains that no request has: all flags, two tables."""
    m, device = log.machine, VirtioPci(log.machine, 6)
    queue = device.start(device.features(), 4)[2]
    log.ask("x-query-virtio-status", path=SCSI)
    for number in (77, 7777):
        m.store(device.common + 0x16, number, 2)
        log.ask("x-query-virtio-status", path=SCSI)
    for i, entry in enumerate(((0x1000, 16, 3, 1), (0x2000, 32, 0xfff8, 0), (0x10, 1, 1, 3), (0x20, 2, 11, 1))):
        m.write(queue.desc + 16 * i, struct.pack("<QIHH", *entry))
    m.write(queue.avail, struct.pack("<HHHHHH", 1, 3, 0, 1, 2, 3))
    m.write(queue.used, struct.pack("<HH", 1, 9))
    for index in range(4):
        log.ask("x-query-virtio-queue-element", path=SCSI, queue=2, index=index)
        log.hmp(f"info virtio-queue-element {SCSI} 2 {index}")
    log.look(SCSI, 2)


def wrong(log):
    for command in ("x-query-virtio-status", "x-query-virtio-queue-status", "x-query-virtio-queue-element", "x-query-virtio-vhost-queue-status"):
        for path in ("x", "/machine", "/machine/peripheral/new", "", BLK):
            for queue in (9, 2000) if "queue" in command else (None,):
                log.ask(command, path=path, **({} if queue is None else {"queue": queue}))
                log.hmp(f"info {command[8:]} {path}" + ("" if queue is None else f" {queue}"))
    for line in ("info virtio-status", f"info virtio-queue-status {BLK}", f"info virtio-queue-element {BLK} 0 x", "help info virtio-status", "info virtio"):
        log.hmp(line)


def play(stock, images):
    with Machine("-drive", f"if=none,id=a,file={images[0]},format=raw", "-device", "virtio-blk-pci,drive=a,id=new,addr=5,num-queues=3",
                 "-device", "virtio-scsi-pci,id=scsi,addr=6,num_queues=2", "-drive", f"if=none,id=b,file={images[1]},format=raw", "-device",
                 "virtio-blk-pci,drive=b,addr=7,id=old,disable-modern=on,queue-size=64", stock=stock) as machine:
        log = Log(machine)
        log.ask("x-query-virtio")
        for path in (BLK, OLD, SCSI):
            log.look(path)
        statuses(log)
        disk(log, 5, False, BLK)
        disk(log, 7, True, OLD)
        raw_ring(log)
        wrong(log)
    return log.lines


def main():
    if not program(stock=True):
        skip("no stock emulator")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_DIR")) as folder:
        images = [f"{folder}/{name}" for name in "ab"]
        for name in images:
            with open(name, "wb") as file:
                file.truncate(1 << 20)
        stock, ours = play(True, images), play(False, images)
    failed = abs(len(stock) - len(ours))
    for (what, one), (_, two) in zip(stock, ours):
        if one != two:
            failed += 1
            print(f"--- {what}\nstock: {one}\nours:  {two}")
    print(f"{len(stock)} answers, {failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
