#!/usr/bin/env python3
"""What all clients of an NBD server make it keep is bounded, and who takes no answers, or sends no data, is not for ever in the way of others.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import struct
import subprocess
import sys
import threading

from lib import connect, read

NBD, IMG, DAEMON = os.environ["QEMU_NBD"], os.environ["QEMU_IMG"], os.environ["QEMU_STORAGE_DAEMON"]
FOLDER = os.environ["TEST_DIR"]
MiB = 1 << 20
REQUEST = struct.Struct(">IHHQQI")
READ, WRITE, DISC = 0, 1, 2
PATIENCE = 240
SANITIZED = "asan" in os.environ.get("TEST_FLAVOUR", "") or "ASAN_OPTIONS" in os.environ


def request(s, kind, offset, length, handle=1):
    s.sendall(REQUEST.pack(0x25609513, 0, kind, handle, offset, length))


def answer(s, length=0):
    magic, error, _ = struct.unpack(">IIQ", read(s, 16))
    assert magic == 0x67446698 and error == 0, (hex(magic), error)
    while length:
        length -= len(read(s, min(length, MiB)))


def in_good_health(path):
    """A client is served with small requests and the longest ones."""
    s = connect(path, PATIENCE)
    for size in (512, 32 * MiB, 512):
        request(s, READ, 0, size)
        answer(s, size)
    s.sendall(REQUEST.pack(0x25609513, 0, WRITE, 1, 0, 4 * MiB) + b"w" * (4 * MiB))
    answer(s)
    request(s, DISC, 0, 0)
    s.close()


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmHWM")).split()[1]) // 1024


def closed(s):
    """Whether the server ends it (after what it had sent before)."""
    try:
        while s.recv(MiB):
            pass
    except ConnectionError:
        pass
    return True


def qemu_nbd(image):
    """Clients that ask for all and read nothing, and others that announce data and send none."""
    path = os.path.join(FOLDER, "s")
    errors = os.path.join(FOLDER, "err")
    with open(errors, "w", encoding="utf-8") as err:
        server = subprocess.Popen([NBD, "-k", path, "-t", "-e", "0", "-f", "raw", image], stderr=err)
    try:
        in_good_health(path)
        stuck = []
        for i in range(4):
            s = connect(path, PATIENCE)
            for handle in range(16):
                request(s, READ, 0, 4 * MiB, handle)
            stuck.append(s)
            s = connect(path, PATIENCE)
            request(s, WRITE, 0, 4 * MiB + i)
            stuck.append(s)
        in_good_health(path)
        assert server.poll() is None
        assert SANITIZED or peak(server.pid) < 256, f"{peak(server.pid)} MiB"
        assert closed(stuck[0])
        for s in stuck:
            s.close()
        in_good_health(path)
        server.terminate()
        assert server.wait(PATIENCE) == 0
    finally:
        server.kill()
    with open(errors, encoding="utf-8") as err:
        assert "slow while others wait for memory" in err.read()


def own_server(image):
    """An export whose image comes from the same server: what it holds waits for what it keeps from itself, and goes on."""
    path = os.path.join(FOLDER, "t")
    done = []
    daemon = subprocess.Popen([DAEMON, "--chardev", "stdio,id=m", "--monitor", "m", "--nbd-server", f"addr.type=unix,addr.path={path}",
                               "--blockdev", f"file,node-name=below,filename={image}",
                               "--export", "nbd,id=b,node-name=below,name=below,writable=on"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for words in ({"execute": "qmp_capabilities"},
                      {"execute": "blockdev-add", "arguments": {"driver": "nbd", "node-name": "above", "export": "below",
                                                                "server": {"type": "unix", "path": path}}},
                      {"execute": "block-export-add", "arguments": {"type": "nbd", "id": "a", "node-name": "above"}}):
            daemon.stdin.write(json.dumps(words).encode() + b"\n")
        daemon.stdin.flush()
        for _ in range(4):                     # a greeting and the answers
            assert b"error" not in daemon.stdout.readline()
        clients = [connect(path, PATIENCE, b"above") for _ in range(6)]
        for s in clients:
            for handle in range(2):
                request(s, READ, 0, 32 * MiB, handle)
        readers = [threading.Thread(target=lambda s=s: [answer(s, 32 * MiB) for _ in range(2)] and done.append(s)) for s in clients]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        assert len(done) == len(clients), len(done)
        assert SANITIZED or peak(daemon.pid) < 320, f"{peak(daemon.pid)} MiB"
        daemon.terminate()
        assert daemon.wait(PATIENCE) == 0
    finally:
        daemon.kill()


def main():
    image = os.path.join(FOLDER, "a.raw")
    subprocess.run([IMG, "create", "-q", "-f", "raw", image, "64M"], check=True)
    own_server(image)
    qemu_nbd(image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
