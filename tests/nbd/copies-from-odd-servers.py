#!/usr/bin/env python3
"""Copies from a server that tells of its zeroes by the byte, whatever its block size, sends answers in scattered pieces, or ends in the
middle: what convert, dd and compare say they copied is what the server has; where they cannot know, they fail.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import struct
import subprocess
import sys

import nbdserver

FOLDER, IMG = os.environ["TEST_DIR"], os.environ["QEMU_IMG"]
SIZE = 64 << 10
DONE, DATA, STATUS = 1, 1, 5
# Where zeroes and data begin by turns.
EDGES = [0, 100, 512, 700, 1024, 1025, 4096, 5000, 8192, 8193, 12288, 12289, 20000, 20480, 30000, 40960, 65000, SIZE]


def contents():
    disk = bytearray(random.Random(3).randbytes(SIZE))
    for start, end in zip(EDGES[::2], EDGES[1::2]):
        disk[start:end] = bytes(end - start)
    return disk


class Server(nbdserver.Server):
    """Structured replies and block status; blocks: least, best and longest; pieces: data is sent in as many, in any order."""

    def __init__(self, path, blocks=None, pieces=1, ends_at=None):
        self.blocks, self.pieces, self.ends_at, self.random = blocks, pieces, ends_at, random.Random(7)
        super().__init__(path, SIZE)
        self.disk = contents()

    def greet(self, connection, stream):
        connection.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        stream.read(4)
        option = None
        while option != nbdserver.OPT_GO:
            _, option, length = struct.unpack(">8sII", stream.read(16))
            stream.read(length)
            answers = {8: [(1, b"")], 10: [(4, struct.pack(">I", 1) + b"base:allocation"), (1, b"")],
                       7: ([(3, struct.pack(">HIII", 3, *self.blocks))] if self.blocks else []) + [
                           (3, struct.pack(">HQH", 0, SIZE, self.flags)), (1, b"")]}.get(option, [(nbdserver.UNSUPPORTED, b"")])
            for kind, body in answers:
                connection.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(body)) + body)

    def request(self, connection, stream):
        _, _, kind, handle, offset, length = struct.unpack(">IHHQQI", stream.read(28))

        def chunk(what, body, flags=DONE):
            connection.sendall(struct.pack(">IHHQI", 0x668E33EF, flags, what, handle, len(body)) + body)

        if kind == nbdserver.READ:
            if self.ends_at is not None and offset + length > self.ends_at:
                connection.sendall(struct.pack(">IHHQIQ", 0x668E33EF, DONE, DATA, handle, 8 + length, offset) + bytes(length // 2))
                return False
            step = -(-length // self.pieces)
            places = list(range(offset, offset + length, step))
            self.random.shuffle(places)
            for at in places:
                chunk(DATA, struct.pack(">Q", at) + self.disk[at:min(at + step, offset + length)], DONE * (at == places[-1]))
        elif kind == nbdserver.STATUS:
            after = next(i for i, edge in enumerate(EDGES) if edge > offset)
            chunk(STATUS, struct.pack(">III", 1, min(EDGES[after], offset + length) - offset, 3 * (after % 2)))
        return kind != nbdserver.DISC


def run(*args):
    return subprocess.run([IMG, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)


def copies(uri, model):
    """What each way to copy says and makes: (name, status, equal to the model)."""
    out, back = os.path.join(FOLDER, "out"), os.path.join(FOLDER, "back")
    for name, words in (("raw", ["convert", "-f", "raw", "-O", "raw", uri, out]), ("qcow2", ["convert", "-f", "raw", "-O", "qcow2", uri, out]),
                        ("out of order", ["convert", "-m", "16", "-W", "-f", "raw", "-O", "qcow2", uri, out]),
                        ("compressed", ["convert", "-c", "-f", "raw", "-O", "qcow2", uri, out]), ("no detection", ["convert", "-S", "0", "-f", "raw", "-O", "raw", uri, out]),
                        ("dd", ["dd", "-f", "raw", "-O", "raw", "bs=3000", f"if={uri}", f"of={out}"])):
        done = run(*words)
        same = False
        if done.returncode == 0:
            run("convert", "-O", "raw", out, back)
            with open(back, "rb") as f:
                same = f.read() == model
        yield name, done.returncode, same, done.stdout
    done = run("compare", "-f", "raw", "-F", "raw", uri, os.path.join(FOLDER, "model"))
    yield "compare", done.returncode, done.stdout == "Images are identical.\n", done.stdout


def main():
    model, bad, tried = bytes(contents()), [], 0
    with open(os.path.join(FOLDER, "model"), "wb") as f:
        f.write(model)
    for i, (options, good) in enumerate([
            ({}, True), ({"blocks": (1, 4096, 65536)}, True), ({"blocks": (512, 4096, 65536)}, True), ({"blocks": (4096, 4096, 65536)}, True),
            ({"blocks": (65536, 65536, 65536)}, True), ({"pieces": 3}, True), ({"pieces": 500}, True),
            ({"pieces": 77, "blocks": (512, 512, 4096)}, True), ({"ends_at": 40000}, False), ({"ends_at": 0, "blocks": (4096, 4096, 4096)}, False)]):
        server = Server(os.path.join(FOLDER, f"s{i}"), **options)
        for name, status, same, text in copies("nbd+unix:///?socket=" + server.path, model):
            tried += 1
            if (status == 0 and same) != good or (not good and (status == 0 or not text)):
                bad.append((options, name, status, same, text))
        server.close()
    for one in bad:
        print(*one)
    print(f"{tried} copies, {len(bad)} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
