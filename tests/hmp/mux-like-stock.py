#!/usr/bin/env python3
"""Monitors behind a mux: Ctrl-A switches, explains, breaks and ends as with the stock emulator.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

MUX = ("-chardev", "socket,path=monitor,id=m,server=on,wait=off,mux=on")
FOUR = [b"\x01h", b"\x01c", b"\x01c", b"info name\n", b"\x01c", b"\x01c", b"\x01b", b"\x01\x01", b"\x01q", b"\x01?",
        b"\x01s", b"\n", b"ab", b"\x01c", b"x\n", b"\x01c\x01c\x01c\n", b"\x01x"]
ONE = [b"\x01h", b"info name\n", b"\x01c", b"abc", b"\x01c", b"\n", b"\x01x"]
TELNET = [b"\xff\xfd\x03\xff\xfb\x03info name\r\n", b"\xff\xff\n", b"\xff\xf3", b"p 1\n", b"\xff", b"\xfd\x01",
          b"p 2\r\0"]

failures = lib.compare_keys(FOUR, monitor=(*MUX, "-mon", "m", "-mon", "m", "-mon", "m", "-mon", "m"))
failures += lib.compare_keys(ONE, monitor=("-monitor", "mon:unix:monitor,server=on,wait=off"))
failures += lib.compare_keys(ONE, monitor=(*MUX, "-mon", "m"))
failures += lib.compare_keys(TELNET, monitor=("-chardev", "socket,path=monitor,id=m,server=on,wait=off,telnet=on",
                                              "-mon", "m"))
sys.exit(1 if failures else 0)
