#!/usr/bin/env python3
"""SIGTERM, `nbd-server-stop` and `block-export-del` are not held up by clients that take no answers, and use no processor meanwhile.

The stock qemu-nbd goes round in circles for ever there: its socket, once shut down, is never writable.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import struct
import subprocess
import sys

from lib import connect, read

NBD, DAEMON = os.environ["QEMU_NBD"], os.environ["QEMU_STORAGE_DAEMON"]
PATH = os.path.join(os.environ["TEST_DIR"], "s")
PATIENCE = 90


def stuck():
    """A client that asked for more than the socket takes, has seen the first byte of it, and reads no further."""
    s = connect(PATH, PATIENCE)
    for handle in range(4):
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, handle, 0, 8 << 20))
    read(s, 1)
    return s


def qemu_nbd(image):
    server = subprocess.Popen([NBD, "-k", PATH, "-t", "-e", "4", "-f", "raw", image])
    try:
        clients = [stuck() for _ in range(3)]
        server.terminate()
        assert server.wait(PATIENCE) == 0
        assert not os.path.exists(PATH)
        for s in clients:
            s.close()
    finally:
        server.kill()


class Daemon:
    def __init__(self, image):
        self.process = subprocess.Popen([DAEMON, "--chardev", "stdio,id=m", "--monitor", "m", "--blockdev", f"file,node-name=n,filename={image}"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.cmd("qmp_capabilities")

    def until(self, true):
        while True:
            line = json.loads(self.process.stdout.readline())
            if true(line):
                return line

    def cmd(self, command, **arguments):
        self.process.stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.until(lambda line: "event" not in line)
        assert "return" in answer, (command, answer)


def daemon(image, iothread):
    d = Daemon(image)
    try:
        if iothread:
            d.cmd("object-add", **{"qom-type": "iothread", "id": "t"})
        for how in ("export", "stop"):
            d.cmd("nbd-server-start", addr={"type": "unix", "data": {"path": PATH}})
            d.cmd("block-export-add", **{"type": "nbd", "id": "e", "name": "", "node-name": "n"}, **({"iothread": "t"} if iothread else {}))
            clients = [stuck() for _ in range(3)]
            if how == "export":
                d.cmd("block-export-del", id="e", mode="hard")
                d.until(lambda line: line.get("event") == "BLOCK_EXPORT_DELETED")
            d.cmd("nbd-server-stop")
            for s in clients:
                s.close()
        d.cmd("blockdev-del", **{"node-name": "n"})
        d.cmd("quit")
        assert d.process.wait(PATIENCE) == 0
    finally:
        d.process.kill()


def main():
    image = os.path.join(os.environ["TEST_DIR"], "a.raw")
    with open(image, "wb") as f:
        f.truncate(64 << 20)
    qemu_nbd(image)
    for iothread in (False, True):
        daemon(image, iothread)
    return 0


if __name__ == "__main__":
    sys.exit(main())
