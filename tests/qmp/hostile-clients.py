#!/usr/bin/env python3
"""10,000 connections one after another, cut anywhere, and a client that never reads: no leak, no delay for others."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import random
import sys
import time

from lib import Emulator, connect

CONNECTIONS = 10000
HELLO = b'{"execute":"qmp_capabilities"}'
PIECES = [b"", b"{", b'{"execute":', HELLO, HELLO + b'{"execute":"query-block', HELLO + b'{"execute":"query-commands"}' * 3,
          HELLO + b'{"execute":"stop","arguments":{"x":[[[', b"\xff\xfe\x00garbage" * 20, HELLO + b'{"exec-oob":"query-yank"}',
          b'{"execute":"qmp_capabilities","arguments":{"enable":["oob"]}}{"exec-oob":"query-yank"}{"exec-oob":"qu', b"[" * 900, b'"' + b"x" * 3000]


def resources(pid):
    """Bytes in memory, number of descriptors."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir(f"/proc/{pid}/fd"))


def is_sanitized(pid):
    """The address sanitizer keeps freed memory for a while."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
        return "libasan" in file.read()


def one_after_another(vm, chance):
    """Each goes away somewhere else, on the second monitor."""
    for i in range(CONNECTIONS):
        sock = connect(vm.sockets[1])
        piece = PIECES[i % len(PIECES)]
        try:
            sock.sendall(piece[:chance.randrange(len(piece) + 1)] if i % 5 else piece)
            if i % 7 == 0:
                sock.recv(1 << chance.randrange(10))
        except OSError:
            pass
        sock.close()


def fill(sock, data):
    """Sends data again and again until nothing more is taken for a while; how often it was sent whole, bytes of the last."""
    sock.setblocking(False)
    whole, at, idle = 0, 0, 0
    while idle < 20:
        try:
            at += sock.send(data[at:])
            idle = 0
        except BlockingIOError:
            idle += 1
            time.sleep(0.05)
        if at == len(data):
            whole, at = whole + 1, 0
    sock.setblocking(True)
    return whole, at


def never_reads(vm):
    """Its requests wait; another client is served meanwhile; when it reads at last, each request has its reply."""
    quiet = vm.client(1)
    request = b'{"execute":"query-commands"}\n' * 50
    whole, at = fill(quiet.sock, request)
    memory, _ = resources(vm.process.pid)
    start = time.monotonic()
    for _ in range(200):
        vm.cmd("query-status")
    assert time.monotonic() - start < 60, "others wait for a client that does not read"
    # Events that it does not read either.
    for _ in range(8000):
        vm.send(b'{"execute":"cont"}{"execute":"stop"}\n')
        vm.reply()
        vm.reply()
    vm.events.clear()
    after, _ = resources(vm.process.pid)
    assert after - memory < 40 << 20 or is_sanitized(vm.process.pid), f"{after - memory} bytes kept for a client that does not read"
    replies = 0
    quiet.sock.settimeout(60)
    missing = request[at:]
    while replies < whole * 50 or missing:
        if missing:
            quiet.sock.setblocking(False)
            try:
                missing = missing[quiet.sock.send(missing):] if at else b""
                whole += not missing and at > 0
            except BlockingIOError:
                pass
            quiet.sock.settimeout(60)
        replies += "return" in quiet.reply()
    quiet.close()


def main():
    chance = random.Random(3)
    with Emulator("ours", monitors=2) as vm:
        for _ in range(20):
            connect(vm.sockets[1]).close()
        vm.cmd("query-commands")
        before = resources(vm.process.pid)
        one_after_another(vm, chance)
        last = vm.client(1)
        assert last.cmd("query-status")["status"] == "prelaunch"
        last.close()
        time.sleep(0.2)
        after = resources(vm.process.pid)
        print(f"{CONNECTIONS} connections: memory {before[0]} -> {after[0]}, descriptors {before[1]} -> {after[1]}")
        assert after[1] <= before[1] + 1
        assert after[0] - before[0] < 16 << 20 or is_sanitized(vm.process.pid)
        never_reads(vm)
        assert vm.cmd("query-status")["running"] is False
    return 0


if __name__ == "__main__":
    sys.exit(main())
