#!/usr/bin/env python3
"""Sleep, wake-up, power-off, resets, watchdogs and crashed guests end in the same events and states as with stock.

Both machines run; stock's processor executes HLT only.  What the guest would do is done through qtest.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import sys
import tempfile

from qtestlib import Machine, program, skip

SLEEP = 0x2000


class Guest:
    """One emulator; `log` collects all that is compared."""

    def __init__(self, stock, board, firmware, *args):
        self.m = Machine(*args, *(["-bios", firmware] if stock else []), stock=stock, board=board)
        self.board, self.log = board, []
        self.map_registers()

    def config(self, slot, function, register, value=None, size=4):
        self.m.outl(0xcf8, 0x80000000 | slot << 11 | function << 8 | register & 0xfc)
        port = 0xcfc + (register & 3)
        if value is None:
            return {1: self.m.inb, 2: self.m.inw, 4: self.m.inl}[size](port)
        return {1: self.m.outb, 2: self.m.outw, 4: self.m.outl}[size](port, value)

    def map_registers(self):
        """The firmware's work: the ACPI block at its usual port."""
        if self.board == "pc":
            self.config(1, 3, 0x40, 0xb001)
            self.config(1, 3, 0x80, 1, 1)
        else:
            self.config(31, 0, 0x40, 0x601)
            self.config(31, 0, 0x44, 0x80, 1)
        self.base = 0xb000 if self.board == "pc" else 0x600

    def note(self, *what):
        self.log.append(" ".join(map(str, what)))

    def registers(self):
        self.note("registers", *(hex(self.m.inw(self.base + i)) for i in (0, 2, 4)))

    def expect(self, *names):
        """These events come, and no others before the next command is answered."""
        for name in names:
            self.note(name, self.m.wait_event(name).get("data"))
        status = self.m.qmp("query-status")
        self.note(status, *(event["event"] for event in self.m.events))
        self.m.events.clear()

    def command(self, name, *events, **arguments):
        self.note(name, arguments, self.m.qmp(name, **arguments))
        self.expect(*events)

    def write(self, offset, value, *events):
        self.m.outw(self.base + offset, value)
        self.expect(*events)

    def ends(self, action, *names):
        """The program ends by itself; the events before that."""
        try:
            action()
            for name in names:
                self.note(name, self.m.wait_event(name).get("data"))
        except (OSError, ValueError):
            pass
        self.note("exit status", self.m.process.wait(30))


def button(g):
    g.registers()
    g.command("query-current-machine")
    g.command("system_wakeup")
    g.command("system_powerdown", "POWERDOWN")
    g.registers()
    g.write(2, 0x100)
    g.command("system_powerdown", "POWERDOWN")
    g.registers()
    g.write(0, 0xffff)
    g.registers()
    g.command("inject-nmi")


def sleep(g):
    g.command("cont", "RESUME")
    g.write(4, SLEEP | 1 << 10 | 1, "SUSPEND")
    g.registers()
    g.command("stop")
    g.command("cont")
    g.command("system_powerdown", "POWERDOWN")
    g.command("system_wakeup", "WAKEUP")
    g.command("system_wakeup")
    g.registers()
    g.map_registers()
    g.registers()
    g.write(0, 0x8000)
    g.registers()
    g.write(4, SLEEP | 1 << 10, "SUSPEND")
    g.command("system_reset", "RESET")
    g.command("cont", "RESUME")


def power_off(kind, event):
    def run(g):
        g.command("cont", "RESUME")
        g.write(4, SLEEP | kind << 10, *event, "SHUTDOWN", "STOP")
        g.command("cont")
        g.command("system_reset", "RESET")
        g.command("cont", "RESUME")
    return run


def other_sleeps(g):
    g.command("cont", "RESUME")
    for kind in (3, 5, 7):
        g.write(4, SLEEP | kind << 10)
        g.registers()


def resets(g):
    g.command("cont", "RESUME")
    g.m.outb(0xcf9, 2)
    g.m.outb(0xcf9, 6)
    g.expect("RESET")
    g.m.outb(0x92, 1)
    g.expect("RESET")


def no_reboot(g):
    g.command("cont", "RESUME")
    for _ in range(2):
        g.command("system_reset", "SHUTDOWN", *(["STOP"] if not _ else []))
    g.command("set-action", reboot="reset")
    g.command("system_reset", "RESET")
    g.command("set-action", shutdown="foo")
    g.command("watchdog-set-action", action="foo")


def watchdog(*events):
    def run(g):
        g.command("cont", "RESUME")
        g.m.outb(0x443, 15)
        g.m.qtest("clock_step 1") if not g.m.stock else None
        g.expect("WATCHDOG", *events)
        g.m.outb(0x443, 0)
        g.m.outb(0x441, 0)
        g.expect()
    return run


def hub_watchdog(g):
    """The registers of the 6300ESB, and both its stages."""
    base = 0xe0000000
    g.command("cont", "RESUME")
    g.config(5, 0, 0x10, base)
    g.config(5, 0, 4, 2, 2)
    for register, size, value in ((0x60, 2, 6), (0x60, 1, 0x12), (0x61, 1, 0xff), (0x68, 2, 0x300), (0x60, 2, 4)):
        g.config(5, 0, register, value, size)
        g.note(*(hex(g.config(5, 0, at, size=n)) for at, n in ((0x60, 4), (0x60, 2), (0x68, 4), (0x68, 1))))
    for at, value in ((0xc, 0x80), (0xc, 0x86), (0, 1000), (0xc, 0x80), (0xc, 0x86), (4, 1000), (0, 1)):
        g.m.store(base + at, value, 2 if at == 0xc else 4)
    g.config(5, 0, 0x68, 2, 1)
    if not g.m.stock:
        g.m.qtest("clock_step 10000000")
    g.expect("WATCHDOG", "STOP")
    g.note(hex(g.m.load(base + 0xc, 2)), hex(g.config(5, 0, 0x68, size=1)))


def crash(port, *events):
    def run(g):
        if not port:
            g.config(5, 0, 0x10, 0xe0000000)
            g.config(5, 0, 4, 2, 2)
        g.command("cont", "RESUME")
        g.note(g.m.inb(port) if port else g.m.load(0xe0000000, 1))
        for value in (4, 2, 3):
            if port:
                g.m.outb(port, value)
            else:
                g.m.store(0xe0000000, value, 1)
            g.expect(*([] if value == 4 else ["GUEST_CRASHLOADED"] if value == 2 else events))
        g.command("system_reset", "RESET")
    return run


PAUSE, OFF = "-no-shutdown", "-action shutdown=pause,panic=exit-failure"
SCENES = [
    (("pc", "q35"), "", button), (("pc", "q35"), "", sleep), (("pc", "q35"), PAUSE, power_off(0, [])),
    (("pc", "q35"), PAUSE, power_off(2, ["SUSPEND_DISK"])), (("pc",), "", other_sleeps), (("pc", "q35"), "", resets),
    (("pc",), "-no-reboot -no-shutdown", no_reboot),
    (("pc",), "-device ib700", watchdog("RESET")),
    (("pc",), "-device ib700 -action watchdog=pause", watchdog("STOP")),
    (("pc",), "-device ib700 -watchdog-action shutdown", watchdog("POWERDOWN")),
    (("pc",), "-device ib700 -action watchdog=none", watchdog()),
    (("pc",), "-device ib700 -action watchdog=inject-nmi", watchdog()),
    (("pc",), "-device i6300esb,addr=5 -action watchdog=pause", hub_watchdog),
    (("pc",), "-device pvpanic " + PAUSE, crash(0x505, "GUEST_PANICKED", "STOP")),
    (("pc",), "-device pvpanic -action panic=none", crash(0x505, "GUEST_PANICKED")),
    (("pc",), "-device pvpanic,ioport=0x506 " + OFF, crash(0x506, "GUEST_PANICKED", "STOP", "SHUTDOWN")),
    (("q35",), "-device pvpanic-pci,addr=5 -action panic=pause", crash(0, "GUEST_PANICKED", "STOP")),
]


def ending(g):
    """Without -no-shutdown the program is gone."""
    g.command("cont", "RESUME")
    g.ends(lambda: g.m.outb(0x505, 1))


ENDINGS = [("-device pvpanic", ending), ("-device pvpanic -action panic=exit-failure", ending)]


def play(stock, board, firmware, args, scene):
    g = Guest(stock, board, firmware, *args.split())
    try:
        scene(g)
    except TimeoutError as missing:
        g.note("no event", missing)
    g.m.close()
    return g.log


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = 0
    with tempfile.NamedTemporaryFile(suffix=".bin") as firmware:
        firmware.write(b"\xf4" * 65536)
        firmware.flush()
        scenes = [(board, *rest) for boards, *rest in SCENES for board in boards] + [("pc", *rest) for rest in ENDINGS]
        for board, args, scene in scenes:
            stock, ours = (play(which, board, firmware.name, args, scene) for which in (True, False))
            if stock != ours:
                failed += 1
                print("\n".join(difflib.unified_diff(stock, ours, f"stock {board} {args}", "ours", lineterm="")))
    print(f"{len(scenes)} scenes, {failed} differ")
    return failed != 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(main())
