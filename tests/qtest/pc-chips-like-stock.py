#!/usr/bin/env python3
"""The chips of a PC answer register by register as stock's do: interrupt controllers, timers, clock, keyboard controller.

The virtual clock stands still in both programs.  Recorded conversations first, then random ones with a fixed seed.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import random
import sys

from qtestlib import Machine, program, skip

IOAPIC, HPET = 0xfec00000, 0xfed00000


def reads(*ports):
    return [("in", port) for port in ports]


def out(port, *values):
    return [("out", port, value) for value in values]


def cmos(*indexes):
    return [step for index in indexes for step in out(0x70, index) + reads(0x71)]


def set_cmos(index, value):
    return out(0x70, index) + out(0x71, value) + reads(0x71)


def ioapic(register, value=None):
    select = [("write", IOAPIC, register)]
    return select + ([("read", IOAPIC + 16)] if value is None else [("write", IOAPIC + 16, value), ("read", IOAPIC + 16)])


def hpet(register, *values):
    return [("write", HPET + register, value) for value in values] + [("read", HPET + register), ("read", HPET + (register ^ 4))]


PIC = reads(0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1)
CONVERSATIONS = {
    "8259": PIC + out(0x20, 0x11) + out(0x21, 0x08, 0x04, 0x01) + out(0xa0, 0x11) + out(0xa1, 0x70, 0x02, 0x01) + PIC
            + out(0x21, 0xfb) + out(0xa1, 0xff) + PIC + out(0x20, 0x0b) + PIC + out(0x20, 0x0c) + PIC + out(0x20, 0x20, 0x60, 0xc0, 0xe3, 0x80)
            + out(0x4d0, 0xff) + out(0x4d1, 0xff) + PIC + out(0x20, 0x68, 0x48) + PIC + out(0x20, 0x13) + out(0x21, 0x20, 0x13) + PIC,
    "8254": reads(0x40, 0x41, 0x42, 0x43, 0x61, 0x61, 0x61) + out(0x43, 0x34) + out(0x40, 0x10, 0x27) + reads(0x40, 0x40, 0x40)
            + out(0x43, 0x00) + reads(0x40, 0x40) + out(0x43, 0xb6) + out(0x42, 0x33, 0x05) + reads(0x42, 0x42, 0x42) + out(0x43, 0xe8)
            + reads(0x42, 0x42) + out(0x43, 0xc8) + reads(0x42, 0x42, 0x42) + out(0x61, 3) + reads(0x61, 0x61, 0x42, 0x42) + out(0x61, 0)
            + reads(0x61) + out(0x43, 0x90) + out(0x42, 0x55) + reads(0x42) + out(0x43, 0x70) + out(0x41, 1, 2) + reads(0x41, 0x41)
            + out(0x43, 0x62) + out(0x41, 0x12) + reads(0x41, 0x41) + out(0x43, 0xfe) + reads(0x40, 0x40, 0x40, 0x41, 0x41, 0x42, 0x42),
    "clock": cmos(*range(0x80)) + reads(0x70) + set_cmos(0x50, 0xa5) + set_cmos(0x0d, 0) + set_cmos(0x0c, 0xff) + set_cmos(1, 0x12)
             + set_cmos(0x0b, 0x82) + set_cmos(0, 0x45) + set_cmos(2, 0x59) + set_cmos(4, 0x23) + set_cmos(7, 0x31) + set_cmos(8, 0x12)
             + set_cmos(9, 0x99) + set_cmos(0x32, 0x19) + set_cmos(0x0b, 0x02) + cmos(0, 2, 4, 6, 7, 8, 9, 0x32, 0x37)
             + set_cmos(0x0b, 0x06) + cmos(0, 2, 4, 6, 7, 8, 9, 0x32) + set_cmos(0x0b, 0x00) + cmos(4) + set_cmos(4, 0x92) + set_cmos(0x0b, 0x02)
             + cmos(4) + set_cmos(2, 0x30) + set_cmos(0x37, 0x20) + cmos(0x32, 0x37, 9) + set_cmos(0x0a, 0xff) + cmos(0x0a),
    "I/O APIC": sum((ioapic(i) for i in range(0x42)), []) + ioapic(0, 0xff000000) + ioapic(1, 0) + ioapic(2) + ioapic(0x10, 0xffffffff)
                + ioapic(0x11, 0xffffffff) + ioapic(0x10) + ioapic(0x12, 0x0001a931) + ioapic(0x13, 0x01000000) + ioapic(0x3f, 5)
                + ioapic(0x40, 7) + [("read", IOAPIC), ("read", IOAPIC + 4), ("read", IOAPIC + 0x40)],
    "HPET": sum((hpet(i) for i in range(0, 0x180, 8)), []) + hpet(0xf0, 0x1234) + hpet(0xf4, 5) + hpet(0x100, 0xffffffff) + hpet(0x108, 1000)
            + hpet(0x10c, 7) + hpet(0x120, 0x10c) + hpet(0x128, 0x80000000) + hpet(0x110, 0xfee00000) + hpet(0x114, 0x4041)
            + hpet(0x140, 0x4000, 4) + hpet(0x148, 50) + hpet(0x20, 7) + hpet(0x10, 3) + hpet(0xf0) + hpet(0x10, 0) + hpet(0xf0),
    "8042": reads(0x64, 0x60) + out(0x64, 0xaa) + reads(0x64, 0x60, 0x64) + out(0x64, 0xab) + reads(0x60) + out(0x64, 0x20) + reads(0x60)
            + out(0x64, 0x60) + out(0x60, 0x74) + out(0x64, 0x20) + reads(0x64, 0x60) + out(0x64, 0xc0) + reads(0x60) + out(0x64, 0xd0) + reads(0x60)
            + out(0x60, 0xff) + reads(0x64, 0x60, 0x64, 0x60, 0x64) + out(0x60, 0xf2) + reads(0x60, 0x60, 0x60, 0x64) + out(0x60, 0xee) + reads(0x60)
            + out(0x60, 0xed) + reads(0x60) + out(0x60, 7) + reads(0x60, 0x64) + out(0x60, 0xf4) + reads(0x60) + out(0x60, 0x99) + reads(0x60)
            + out(0x64, 0xa8) + out(0x64, 0xd4) + out(0x60, 0xff) + reads(0x64, 0x60, 0x60, 0x60, 0x64) + out(0x64, 0xd4) + out(0x60, 0xf2)
            + reads(0x64, 0x60, 0x60, 0x64) + out(0x64, 0xd4) + out(0x60, 0xe9) + reads(0x60, 0x60, 0x60, 0x60, 0x64) + out(0x64, 0xd3)
            + out(0x60, 0x42) + reads(0x64, 0x60) + out(0x64, 0xd2) + out(0x60, 0x43) + reads(0x64, 0x60) + out(0x64, 0xa7) + out(0x64, 0xad)
            + out(0x64, 0x20) + reads(0x60) + out(0x64, 0xdd) + out(0x64, 0xd0) + reads(0x60) + out(0x64, 0xdf) + out(0x64, 0xd0) + reads(0x60)
            + reads(0x92) + out(0x92, 2) + reads(0x92),
}


def random_steps(seed, count, ports):
    dice = random.Random(seed)
    steps = []
    for _ in range(count):
        port = dice.choice(ports)
        steps.append(("in", port) if dice.random() < 0.6 else ("out", port, dice.randrange(256)))
    return steps


def play(stock, board, steps, *args):
    with Machine("-rtc", "base=2006-06-17T16:01:21,clock=vm", *args, stock=stock, board=board) as m:
        answers = []
        for kind, address, *value in steps:
            if kind == "in":
                answers.append(f"{address:#x}: {m.inb(address):#x}")
            elif kind == "read":
                answers.append(f"{address:#x}: {m.readl(address):#x}")
            else:
                (m.outb if kind == "out" else m.writel)(address, value[0])
                answers.append(f"{address:#x} <- {value[0]:#x}")
        return answers, "\n".join(sorted(m.hmp("info pic").splitlines()))


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = 0
    tests = [(name, board, steps, []) for name, steps in CONVERSATIONS.items() for board in ("pc", "q35")]
    tests += [("clock", "pc", CONVERSATIONS["clock"], args) for args in (
        ["-smp", "4"], ["-boot", "order=dca"], ["-no-fd-bootchk", "-boot", "menu=on"])]
    tests += [(f"random 8259 {i}", "pc", random_steps(i, 400, [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1]), []) for i in range(4)]
    tests += [(f"random 8254 {i}", "pc", random_steps(i, 400, [0x40, 0x41, 0x42, 0x43, 0x61]), []) for i in range(4)]
    for name, board, steps, args in tests:
        (stock, stock_end), (ours, our_end) = (play(which, board, steps, *args) for which in (True, False))
        different = [i for i in range(len(steps)) if stock[i] != ours[i]]
        if different or stock_end != our_end:
            failed += 1
            print(f"--- {name} on {board} {' '.join(args)}: {len(different)} of {len(steps)} answers differ")
            for i in different[:8]:
                print("   after", *ours[max(0, i - 3):i], "| stock", stock[i], "| ours", ours[i])
            if stock_end != our_end:
                print("   info pic:", *difflib.unified_diff(stock_end.splitlines(), our_end.splitlines(), n=0, lineterm=""), sep="\n")
    print(f"{len(tests)} conversations, {failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
