#!/usr/bin/env python3
"""Keys and mouse movements sent by a manager reach the guest's ports as with stock: every key in every code set, full queues, wheels.

Stock's processor runs, but its firmware is made of HLT, so that nobody but this script reads the ports.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import sys
import tempfile
import time

from qtestlib import Machine, TIMEOUT, program, skip

KEYS = ["a", "ctrl", "ctrl_r", "shift", "alt", "alt_r", "print", "sysrq", "pause", "f7", "kp_divide", "2", "3", "meta_l", "katakanahiragana"]
KEYBOARD = [0xed, 0xee, 0xf0, 0xf0, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xff, 0xfe, 0xfa, 0xfc, 0, 5, 1, 2, 3, 4]
MOUSE = [0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xeb, 0xec, 0xee, 0xf0, 0xf2, 0xf3, 0xf3, 200, 100, 80, 0xf4, 0xf4, 0xf4, 0xf5, 0xf6, 0xff]
CONTROLLER = [0x20, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad, 0xae, 0xd0]
BUTTONS = ["left", "right", "middle", "wheel-up", "wheel-down", "side", "extra", "wheel-left", "wheel-right"]
LINES = ["mouse_move 1 2", "mouse_move 0 0 1", "mouse_move 0 0 -3", "mouse_move a b", "mouse_button 1", "mouse_button 0", "mouse_button 6",
         "mouse_button 9", "mouse_set 2", "mouse_set 1", "mouse_set 9", "mouse_set -1", "mouse_set", "mouse_move 1", "info mice"]


class Driver:
    def __init__(self, rom, stock):
        self.m = Machine("-bios", rom, stock=stock)
        self.m.qmp("cont")

    def keyboard(self, value):
        self.m.outb(0x60, value)

    def mouse(self, value):
        self.m.outb(0x64, 0xd4)
        self.m.outb(0x60, value)

    def mode(self, value):
        self.m.outb(0x64, 0x60)
        self.m.outb(0x60, value)

    def controller(self, value):
        self.m.outb(0x64, value)

    def status(self):
        return self.m.inb(0x64)

    def data(self):
        return self.m.inb(0x60)

    def drain(self):
        got = []
        while len(got) < 120 and self.m.inb(0x64) & 1:
            got.append((self.m.inb(0x64) & 0x20, self.m.inb(0x60)))
        return got

    def events(self, *events):
        return self.m.raw({"execute": "input-send-event", "arguments": {"events": list(events)}})

    def key(self, key, down):
        kind = "number" if isinstance(key, int) else "qcode"
        return self.events({"type": "key", "data": {"down": down, "key": {"type": kind, "data": key}}})

    def hmp(self, line):
        return self.m.hmp(line)

    def reset(self):
        self.m.qmp("system_reset")
        self.m.wait_event("RESET")

    def settle(self):
        """Back to known settings, whatever was asked for; what was moved but not told stays."""
        self.mode(3)
        self.controller(0xae)
        self.controller(0xa8)
        self.drain()
        for value in (0, 0xec, 0xff):
            self.mouse(value)
        for value in (5, 0xff):
            self.keyboard(value)
        self.drain()
        for key in KEYS:
            self.key(key, False)
        self.drain()


def relative(axis, value):
    return {"type": "rel", "data": {"axis": axis, "value": value}}


def button(name, down):
    return {"type": "btn", "data": {"button": name, "down": down}}


def random_event(r):
    if r.random() < .5:
        return relative(r.choice("xy"), r.choice([0, 1, -1, 5, -7, 127, -127, -128, 300, -1000]))
    return button(r.choice(BUTTONS), r.random() < .6)


def random_step(r):
    """Steps: (method, arguments...)."""
    what = r.choice(["keyboard", "mouse", "key", "key", "events", "events", "controller", "mode", "drain", "data", "data", "status", "status",
                     "wheel", "hmp"] + ["reset"] * (r.random() < .1))
    if what == "wheel":
        return [("mouse", v) for v in (0xf3, 200, 0xf3, r.choice([100, 200]), 0xf3, 80)]
    arguments = {"keyboard": lambda: (r.choice(KEYBOARD),), "mouse": lambda: (r.choice(MOUSE),), "controller": lambda: (r.choice(CONTROLLER),),
                 "mode": lambda: (r.choice([1, 3, 3, 0x43, 0x41, 0x13, 0x23, 0x33, 0]),), "key": lambda: (r.choice(KEYS), r.random() < .5),
                 "events": lambda: [random_event(r) for _ in range(r.choice([1, 1, 2, 3]))], "hmp": lambda: (r.choice(LINES),)}
    return [(what, *arguments.get(what, tuple)())]


def all_keys(driver):
    names = driver.m.qmp("query-qmp-schema")
    names = max((e["values"] for e in names if e["meta-type"] == "enum" and "kp_comma" in e["values"]), key=len)
    steps = [("keyboard", 0xf4), ("drain",)]
    for mode in (3, 0x43):
        for code_set in (1, 2, 3):
            steps += [("mode", mode), ("keyboard", 0xf0), ("keyboard", code_set), ("drain",)]
            for name in names:
                steps += [("key", name, True), ("drain",), ("key", name, False), ("drain",)]
            for modifier in ("alt", "alt_r", "ctrl", "shift_r"):
                steps.append(("key", modifier, True))
                for name in ("print", "pause", "lang1", "home"):
                    steps += [("drain",), ("key", name, True), ("drain",), ("key", name, False), ("drain",)]
                steps.append(("key", modifier, False))
    for number in list(range(256)) + [-1, 0xe01d, 1 << 40]:
        steps += [("key", number, True), ("drain",), ("key", number, False), ("drain",)]
    return steps


def compare(ours, stock, steps, name):
    for i, step in enumerate(steps):
        got, expected = (getattr(d, step[0])(*step[1:]) for d in (ours, stock))
        if got != expected:
            print(f"{name}: after", *steps[max(0, i - 8):i + 1], f"\n  ours {got}\n  stock {expected}", sep="\n  ")
            return False
    return True


def codes_sent(driver, request, expect):
    """The codes that a send-key makes, in order; the clock of ours stands still until it is moved."""
    reply, got, end = driver.m.raw(request), [], time.monotonic() + TIMEOUT
    while len(got) < expect and time.monotonic() < end:
        if not driver.m.stock:
            driver.m.qtest("clock_step 1000000")
        got += [value for _, value in driver.drain()]
    return reply, got


def send_key(*keys, **more):
    values = [{"type": "number" if isinstance(k, int) else "qcode", "data": k} for k in keys]
    return {"execute": "send-key", "arguments": {"keys": values, **{k.replace("_", "-"): v for k, v in more.items()}}}


def line(text):
    return {"execute": "human-monitor-command", "arguments": {"command-line": text}}


SENT = [(send_key("a"), 3), (send_key("ctrl", "alt", "delete", hold_time=3), 11), (send_key(0x1e, 0x9d, hold_time=1), 8), (send_key(), 0),
        (send_key("unmapped"), 0), (line("sendkey ctrl-alt-f1"), 9), (line("sendkey shift-< 5"), 6), (line("sendkey 0x10"), 3),
        (line("sendkey a 0"), 3), (line("sendkey 0x1e-0x9d 2"), 8), (line("sendkey foo"), 0), (line("sendkey a-"), 0), (line("sendkey -a"), 0),
        (line("sendkey 30"), 0), (line("sendkey 0x"), 0), (line("sendkey 0x1ez"), 0), (line("sendkey A"), 0), (line("sendkey"), 0),
        (line("sendkey a -5"), 0), (line("sendkey a-b-c-d-e-f-g"), 21)]


def without_devices(stock):
    got = []
    for arguments in (dict(board="none", memory="0"), dict(board="pc,i8042=off")):
        with Machine(stock=stock, **arguments) as m:
            key = {"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "a"}}}
            for event in ([], [key], [relative("x", 1)]):
                got.append(m.raw({"execute": "input-send-event", "arguments": {"events": event}}))
            m.qmp("cont")
            for event in ([], [key], [relative("x", 1)], [{"type": "abs", "data": {"axis": "x", "value": 1}}]):
                got.append(m.raw({"execute": "input-send-event", "arguments": {"events": event}}))
            got += [m.raw({"execute": "input-send-event", "arguments": {"device": "d", "head": 1, "events": []}}), m.qmp("query-mice"),
                    m.raw(send_key("a"))]
            got += [m.hmp(text) for text in ["sendkey a"] + LINES]
    return got


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    ok = without_devices(False) == without_devices(True)
    if not ok:
        print(*zip(without_devices(False), without_devices(True)), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        rom = os.path.join(folder, "rom")
        with open(rom, "wb") as f:
            f.write(b"\xf4" * 65536)
        ours, stock = Driver(rom, False), Driver(rom, True)
        try:
            ok &= compare(ours, stock, all_keys(ours), "keys")
            for seed in range(30):
                ours.settle()
                stock.settle()
                r = random.Random(seed)
                ok &= compare(ours, stock, [s for _ in range(60) for s in random_step(r)], f"seed {seed}")
            ours.settle()
            stock.settle()
            for request, expect in SENT:
                got, expected = codes_sent(ours, request, expect), codes_sent(stock, request, expect)
                if got != expected:
                    print(request, got, expected, sep="\n  ")
                    ok = False
        finally:
            ours.m.close()
            stock.m.close()
    return 0 if ok else 1


sys.exit(main())
