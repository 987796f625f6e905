#!/usr/bin/env python3
"""A disk driven through its rings: same answers, configuration and statistics as with the stock emulator.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import (DISCARD, Disk, EVENT_IDX, IN, INDIRECT, Machine, OUT, WRITE_ZEROES, program, skip)


def conversation(stock, legacy, features, options):
    name = f"disk-{'stock' if stock else 'ours'}.raw"
    with open(name, "wb") as image:
        image.truncate(8 << 20)
    said = []
    with Machine("-blockdev", f"raw,node-name=n0,discard=unmap,file.driver=file,file.filename={name}",
                 "-device", "virtio-blk-pci,id=vb,drive=n0,addr=4,serial=hello" + options, stock=stock) as machine:
        disk = Disk(machine, 4, legacy=legacy, features=features)
        say = said.append
        say(hex(disk.offered))
        say([disk.device.device_config(i, 4) for i in range(0, 60, 4)])
        disk.write(16, b"A" * 8192)
        say(disk.read(8, 16384))
        say(disk.flush())
        say(disk.identity())
        say(disk.write_zeroes(16, 8))
        say(disk.read(16, 8192))
        say(disk.discard(24, 8))
        say(disk.write_zeroes(16, 1))
        say(disk.write_zeroes(8, 1, 1))
        say(disk.write_zeroes(8, 1, 2))
        say(disk.discard(8, 1, 1))
        say(disk.discard(1 << 40, 1))
        say(disk.discard(0, 0))
        say(disk.request(99))
        say(disk.request(IN, 1 << 60, length=512))
        say(disk.request(IN, 0, length=100))
        say(disk.request(OUT, 16383, b"x" * 1024))
        say(disk.request(DISCARD, 0, b"x" * 32))
        say(disk.request(WRITE_ZEROES, 0, b"x" * 32))
        say(disk.queues[0].length)
        say(disk.device.read_isr())
        say(disk.device.read_isr())
        for value in (0, 1):
            disk.device.set_device_config(32, value, 1)
            say((disk.device.device_config(32, 1), disk.flush()))
        stats = machine.qmp("query-blockstats")[0]["stats"]
        say({key: value for key, value in stats.items() if "time" not in key and "histogram" not in key})
        say(machine.qmp("query-pci")[0]["devices"][-1])
        say(machine.qmp("query-block")[0]["qdev"])
    with open(name, "rb") as image:
        said.append(hash(image.read()))
    return said


def main():
    if not program(stock=True):
        skip("no stock emulator")
    for legacy, features, options in ((False, INDIRECT, ""), (True, INDIRECT, ""), (False, INDIRECT | EVENT_IDX, ",num-queues=2"),
                                      (False, 0, ",logical_block_size=4096,physical_block_size=4096,write-cache=off,discard=off"),
                                      (False, INDIRECT, ",queue-size=64,config-wce=off,min_io_size=4096,opt_io_size=65536")):
        ours = conversation(False, legacy, features, options)
        stock = conversation(True, legacy, features, options)
        for step, (mine, theirs) in enumerate(zip(ours, stock)):
            if mine != theirs:
                sys.exit(f"legacy={legacy} features={features:#x} {options}: step {step}:\nours  {mine}\nstock {theirs}")


if __name__ == "__main__":
    main()
