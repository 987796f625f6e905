#!/usr/bin/env python3
"""Clients that break the protocol, vanish in the middle or ask for too much do not harm qemu-nbd or its other clients.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import socket
import struct
import subprocess
import sys
import time

from lib import read

NBD = os.environ["QEMU_NBD"]
IMG = os.environ["QEMU_IMG"]
PATH = os.path.join(os.environ["TEST_DIR"], "socket")
GREETING = struct.Struct(">QQH")
OPTION = struct.Struct(">QII")
REQUEST = struct.Struct(">IHHQQI")
OPTS_MAGIC = 0x49484156454F5054


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(PATH)
    return s


def greeted(flags=3):
    s = connect()
    read(s, GREETING.size)
    s.sendall(struct.pack(">I", flags))
    return s


def option(s, number, data=b"", length=None):
    s.sendall(OPTION.pack(OPTS_MAGIC, number, len(data) if length is None else length) + data)


def reply(s):
    _, opt, kind, length = struct.unpack(">QIII", read(s, 20))
    return kind, read(s, length)


def go(structured=False, contexts=()):
    s = greeted()
    if structured:
        option(s, 8)
        assert reply(s)[0] == 1
        if contexts:
            option(s, 10, struct.pack(">II", 0, len(contexts)) + b"".join(struct.pack(">I", len(c)) + c for c in contexts))
            while reply(s)[0] != 1:
                pass
    option(s, 7, struct.pack(">IH", 0, 0))
    while reply(s)[0] != 1:
        pass
    return s


def request(s, kind, offset, length, flags=0, handle=7, data=b""):
    s.sendall(REQUEST.pack(0x25609513, flags, kind, handle, offset, length) + data)


def simple(s):
    magic, error, handle = struct.unpack(">IIQ", read(s, 16))
    assert magic == 0x67446698 and handle == 7, hex(magic)
    return error


def closed(s):
    try:
        while s.recv(65536):
            pass
        return True
    except ConnectionError:
        return True


def healthy():
    s = go()
    request(s, 0, 0, 512)
    assert simple(s) == 0
    assert read(s, 512) == b"\0" * 512
    request(s, 2, 0, 0)
    s.close()


def wrong_handshakes():
    for flags in (0xFFFFFFFF, 4):
        assert closed(greeted(flags))
    s = greeted()
    s.sendall(b"x" * 16)
    assert closed(s)
    s = greeted()
    option(s, 7, length=0xFFFFFFFF)
    assert closed(s)
    for number, data in ((7, b""), (7, struct.pack(">IH", 0xFFFFFFFF, 1)), (7, struct.pack(">IH", 0, 65535)), (10, b"\xff" * 8),
                         (3, b"junk"), (8, b"j"), (99, b"x" * 100), (0, b""), (0xFFFFFFFF, b""), (9, struct.pack(">II", 0, 0xFFFFFFFF))):
        s = greeted()
        option(s, number, data)
        kind, _ = reply(s)
        assert kind & 0x80000000, (number, kind)
        option(s, 2)                    # the framing still holds
        assert reply(s)[0] == 1
        s.close()
    s = greeted()
    option(s, 6, b"y" * 200000)         # too long, but read to its end
    assert reply(s)[0] == 0x80000009
    s.close()
    s = greeted()
    option(s, 1, b"nope")
    assert closed(s)


def wrong_requests():
    s = go()
    for kind, offset, length, flags, error in (
            (0, 1 << 62, 512, 0, 22), (0, 0, 0xFFFFFFFF, 0, 22), (0, (1 << 64) - 1, 2, 0, 22), (99, 0, 0, 0, 22),
            (3, 0, 0, 0, 0), (4, 1 << 40, 512, 0, 22), (6, 1 << 40, 512, 0, 22), (0, 0, 0, 0, 0), (0, 0, 512, 0xFF00, 22),
            (7, 0, 512, 0, 22), (6, 0, 512, 0x40, 22)):
        request(s, kind, offset, length, flags)
        got = simple(s)
        assert got == error, (kind, offset, length, flags, got)
    request(s, 1, 1 << 40, 4, data=b"data")
    assert simple(s) == 22
    request(s, 0, 0, 512)
    assert simple(s) == 0 and read(s, 512)
    s.close()
    s = go()
    request(s, 1, 0, 0xF0000000)        # more than any write may carry
    assert closed(s)
    s = go()
    s.sendall(b"\0" * 28)
    assert closed(s)


def vanishing():
    for seed in range(150):
        rnd = random.Random(seed)
        s = connect()
        if seed % 2:
            s = go(seed % 4 == 1)
            for _ in range(rnd.randrange(40)):
                request(s, rnd.choice((0, 0, 1, 4, 6)), rnd.randrange(1 << 20), rnd.randrange(1 << 20), data=b"")
        else:
            s.sendall(rnd.randbytes(rnd.randrange(100)))
        s.close()


def never_reads():
    s = go()
    s.settimeout(2)
    try:
        for _ in range(5000):
            request(s, 0, 0, 1 << 20)
    except (TimeoutError, BlockingIOError):
        pass
    healthy()
    s.close()


def main():
    image = os.path.join(os.environ["TEST_DIR"], "a.raw")
    subprocess.run([IMG, "create", "-q", "-f", "raw", image, "8M"], check=True)
    server = subprocess.Popen([NBD, "-k", PATH, "-t", "-e", "0", "-f", "raw", image])
    try:
        for _ in range(3000):
            try:                            # the socket's file is there a moment before anybody listens
                connect().close()
                break
            except OSError:
                time.sleep(0.02)
        for test in (wrong_handshakes, wrong_requests, vanishing, never_reads):
            healthy()
            test()
            assert server.poll() is None, f"the server died in {test.__name__}"
        healthy()
        with open(f"/proc/{server.pid}/status") as f:
            peak = int(next(line for line in f if line.startswith("VmHWM")).split()[1])
        assert peak < 256 * 1024, f"{peak} KiB"
        assert len(os.listdir(f"/proc/{server.pid}/fd")) < 40
        server.terminate()
        assert server.wait(60) == 0
    finally:
        server.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
