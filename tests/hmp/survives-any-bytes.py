#!/usr/bin/env python3
"""A monitor outlives random bytes, endless lines, odd arguments, many short visits, and a client that never reads.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import re
import socket
import subprocess
import sys
import time

random.seed(7)
os.chdir(os.environ["TEST_DIR"])
with open("image", "wb") as file:
    file.truncate(1 << 20)
log = open("log", "w+b")
emulator = subprocess.Popen([os.environ["QEMU_SYSTEM"], "-machine", "none", "-display", "none", "-nodefaults",
                             "-monitor", "unix:m,server=on,wait=off", "-chardev", "ringbuf,id=r"],
                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def fail(text):
    emulator.poll()
    log.seek(0)
    print(f"{text}; exit code {emulator.returncode}\n{log.read().decode(errors='replace')[-2000:]}")
    emulator.kill()
    sys.exit(1)


def connect():
    for _ in range(400):
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect("m")
            client.settimeout(60)
            return client
        except OSError:
            if emulator.poll() is not None:
                fail("the emulator is gone")
            time.sleep(0.02)
    fail("no connection")


def read_until(client, wanted):
    seen = b""
    while wanted not in seen:
        try:
            piece = client.recv(65536)
        except OSError as error:
            fail(f"no answer ({error}) after {seen[-200:]!r}")
        if not piece:
            fail(f"closed after {seen[-200:]!r}")
        seen += piece
    return seen


def alive(what):
    with connect() as client:
        read_until(client, b"(qemu) ")
        client.sendall(b"\nprint 20+22\n")
        if b"0x2a" not in read_until(client, b"\r\n0x2a\r\n"):
            fail(what)


def exchange(data):
    """Send data while reading what comes, then check that the monitor listens."""
    with connect() as client:
        client.setblocking(False)
        quiet = 0
        while data or quiet < 10:
            try:
                data = data[client.send(data):] if data else data
            except BlockingIOError:
                pass
            except OSError:
                break
            try:
                while client.recv(65536):
                    quiet = 0
            except BlockingIOError:
                quiet += not data
                time.sleep(0.01)


def commands():
    """Names of all commands, as help lists them."""
    with connect() as client:
        read_until(client, b"(qemu) ")
        client.sendall(b"help\nhelp info\nprint 7\n")
        text = read_until(client, b"\r\n0x7\r\n").decode(errors="replace")
    return [name for name in re.findall(r"\r\n((?:info )?[a-z][\w-]*)\S* [^\r\n]*-- ", text)
            if name not in ("quit", "info", "logfile", "pmemsave", "memsave")]


alive("at the start")
exchange(bytes(random.randrange(256) for _ in range(4000)))
alive("after random bytes")
exchange(b"".join(random.choice([b"\x1b[A", b"\x1b[D", b"\x1b[3~", b"\x09", b"\x17", b"\x04", b"\x01", b"\x05",
                                 b"info ", b"x", b"\x1b[99999999999999999999C", b"\x1bO", b"\x08"])
                  for _ in range(3000)))
alive("after keys")
exchange(b"y" * 6000 + b"\n")
alive("after an endless line")
names = commands()
if len(names) < 60:
    fail(f"only {len(names)} commands: {names}")
ODD = ["", "r", "-x", "-f", "\"", "\"a b\" c", "-1", "99999999999999999999999", "1 2 3 4 5 6 7 8 9", "/",
       "/99999999999xg 0", "%s%s%n", "A" * 3000, "../../etc/passwd", "a=b,c=d", "{", "r -1", "0 -1", "((((((((1", "\\",
       "id=r", "driver=qcow2,file.filename=image",
       "image image image", "r image", "on off", "\xff\xfe"]
lines = [f"{name} {text}" for name in names for text in ODD]
random.shuffle(lines)
exchange(("\n".join(lines[:700]) + "\n").encode("latin1"))
alive("after odd arguments")
for _ in range(1000):
    with connect() as client:
        client.sendall(random.choice([b"", b"info chard", b"info chardev\n", b"help\n", b"\x09", b"\x1b["]))
alive("after many short visits")
with connect() as deaf:
    deaf.setblocking(False)
    try:
        for _ in range(3000):
            deaf.send(b"help\n")
    except BlockingIOError:
        pass
    time.sleep(1)
    with open(f"/proc/{emulator.pid}/statm", encoding="ascii") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
    if resident > 300 << 20:
        fail(f"{resident >> 20} MiB for a client that does not read")
alive("after a client that did not read")
with connect() as client:
    client.sendall(b"quit\n")
    if emulator.wait(60) != 0:
        fail("quit")
print("alive")
