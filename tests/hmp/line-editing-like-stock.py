#!/usr/bin/env python3
"""Each key typed at a monitor on a socket brings back the bytes that the stock monitor sends.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

STEPS = [
    b'abc', b'\x1b[D', b'X', b'\x1b[C', b'\x1b[C', b'\x01', b'Y', b'\x05', b'\x7f', b'\x08', b'\x1b[3~', b'\x01',
    b'\x1b[3~', b'\x04', b'\x05', b'\x04', b' foo bar', b'\x1bb', b'\x1bb', b'\x1bf', b'\x17', b'\x17',
    b'one two three', b'\x01\x1bf', b'\x1bd', b'\x0b', b'\x15', b'\x03', b'\x0c', b'hello\n', b'\x1b[A', b'\x1b[A',
    b'\x1b[B', b'\x1b[B', b'\x10', b'\x15', b'\x1b[1~', b'a', b'\x1b[4~', b'\x1b[H', b'\x1b[F', b'\x1bOH',
    b'\x1bOF', b'\x1b[5~', b'\x1b\x1b', b'\x00', b'\x02', b'\r', b'\n', b'\x1a', b'\x7f', b'\xc3\xa9', b'\xff',
    b'\n', b'   \n', b'# foo\n', b'\n', b'foo\n', b'bar\n', b'foo\n', b'\x1b[A\x1b[A\x1b[A', b'\x1b[B\x1b[B',
    b'zz\n', b'info history\n', b'a\rb\r\n',
    b'x' * 300 + b'\n',
    b'stop\n', b'info chardev\n', b'\n', b'chardev-add null,id=a\n', b'chardev-remove \t\n',
    b'chardev-add null,id=compat_monitor0\n', b'info name\n', b'quit\n',
]

sys.exit(1 if lib.compare_keys(STEPS) else 0)
