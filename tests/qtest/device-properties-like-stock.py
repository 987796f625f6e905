#!/usr/bin/env python3
"""The properties that device-list-properties tells, and those of objects: names, types, defaults as the stock emulator's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Machine, program, skip

DEVICES = """virtio-blk-pci virtio-blk-pci-transitional virtio-blk-pci-non-transitional virtio-blk-device virtio-scsi-pci
    virtio-scsi-pci-transitional virtio-scsi-pci-non-transitional virtio-scsi-device scsi-hd scsi-cd ide-hd ide-cd floppy isa-fdc
    isa-serial piix3-ide piix4-ide i440FX mch nosuch iothread pci-device""".split()
OBJECTS = """secret iothread throttle-group memory-backend-ram memory-backend-file memory-backend-memfd rng-random rng-builtin
    main-loop none-machine container nosuch""".split()


def shape(reply, with_default):
    """A comparable form: listings have no order."""
    if isinstance(reply, dict):
        return reply
    return sorted((p["name"], p["type"], p.get("description"), repr(p.get("default-value")) if with_default else None)
                  for p in reply if p["type"] != "child<memory-region>" and p["name"] != "serial" or with_default)


def ask(stock):
    with Machine(stock=stock) as machine:
        answers = {name: shape(machine.qmp("device-list-properties", typename=name), True) for name in DEVICES}
        answers.update({"object " + name: shape(machine.qmp("qom-list-properties", typename=name), False) for name in OBJECTS})
        return answers


def main():
    if not program(stock=True):
        skip("no stock emulator")
    ours, stock = ask(False), ask(True)
    bad = False
    for name, theirs in stock.items():
        mine = ours[name]
        if mine != theirs:
            bad = True
            print(name, "\n  only ours: ", [p for p in mine if p not in theirs], "\n  only stock:", [p for p in theirs if p not in mine])
    sys.exit(bad)


if __name__ == "__main__":
    main()
