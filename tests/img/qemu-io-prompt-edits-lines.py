#!/usr/bin/env python3
"""The prompt of qemu-io on a terminal: editing, history and completion show what stock shows; the mode is put back.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pty
import re
import select
import sys
import termios
import time

OURS, STOCK = os.environ["QEMU_IO"], os.environ.get("STOCK_QEMU_IO", "")
SESSIONS = {
    "plain": [b"help quit\r", b"quit\r"],
    "completion": [b"hel\t", b"q\r", b"qui\t", b"\r"],
    "several completions": [b"a\t", b"\x01\x04"],
    "cursor": [b"lp quit", b"\x01", b"he", b"\x05", b"x", b"\x7f", b"\r", b"q\r"],
    "cursor keys": [b"hepl quit", b"\x1b[D" * 7, b"\x1b[D", b"\x1b[3~", b"\x1b[C", b"p", b"\x1b[H", b"\x1b[F", b"\r", b"q\r"],
    "history": [b"help quit\r", b"help close\r", b"\x1b[A", b"\x1b[A", b"\x1b[B", b"\x1b[A\r", b"q\r"],
    "words": [b"help quit close", b"\x17", b"\x17", b"quit\r", b"q\r"],
    "end": [b"\x04"],
    "end of a line begun": [b"help", b"\x04"],
    "unknown": [b"nonsense\r", b"\x1b[A\r", b"q\r"],
}
failures = 0


def session(program, keys):
    """What the terminal shows, and whether its mode is back."""
    parent, child = pty.openpty()
    before = termios.tcgetattr(child)
    pid = os.fork()
    if pid == 0:
        os.close(parent)
        os.setsid()
        for fd in range(3):
            os.dup2(child, fd)
        os.execv(program, ["qemu-io"])
    out = b""

    def gather(seconds, until=None):
        nonlocal out
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([parent], [], [], 0.05)[0]:
                out += os.read(parent, 4096)
            elif until is None or until in out:
                return
    gather(10, b"> ")
    for key in keys:
        os.write(parent, key)
        gather(0.2)
    deadline = time.monotonic() + 10
    done = 0
    while not done and time.monotonic() < deadline:
        gather(0.05)
        done, _ = os.waitpid(pid, os.WNOHANG)
    if not done:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        out += b"<still running>"
    gather(0.05)
    return out, termios.tcgetattr(child)[3] == before[3]


def screen(out):
    """Without the redrawing between two keys: the text of each line as it was in the end."""
    text = out.decode(errors="replace").replace("\r\n", "\n")
    lines = []
    for line in text.split("\n"):
        cells, at = [], 0
        for piece in re.findall(r"\x1b\[[0-9]*[A-Za-z]|.", line):
            if piece == "\x1b[K":
                del cells[at:]
            elif piece == "\x1b[D":
                at -= 1
            elif piece == "\x1b[C":
                at += 1
            elif piece == "\r":
                at = 0
            elif not piece.startswith("\x1b"):
                cells[at:at + 1] = [piece]
                at += 1
        lines.append("".join(cells).rstrip())
    return lines


def main():
    global failures
    if not STOCK:
        print("needs the stock programs")
        sys.exit(77)
    for name, keys in SESSIONS.items():
        ours, restored = session(OURS, keys)
        stock, _ = session(STOCK, keys)
        if screen(ours) != screen(stock):
            failures += 1
            print(f"FAIL: {name}\n  stock {screen(stock)}\n  ours  {screen(ours)}")
        if not restored:
            failures += 1
            print(f"FAIL: {name}: the terminal's mode was not put back")
    sys.exit(1 if failures else 0)


main()
