#!/usr/bin/env python3
"""Servers that answer requests in unusual or wrong ways (holes, errors with and without offsets, chunks of no kind, too short, too long,
outside, for nobody): reads, writes and the map show what stock shows, and nothing hangs.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import socket
import struct
import subprocess
import sys
import threading

from lib import read

PATH = os.path.join(os.environ["TEST_DIR"], "s")
PROGRAMS = [(os.environ["STOCK_QEMU_IO"], os.environ["STOCK_QEMU_IMG"]), (os.environ["QEMU_IO"], os.environ["QEMU_IMG"])]
HELLO = b"NBDMAGICIHAVEOPT"
SIZE, PIECE = 1 << 20, 4096
NONE, DATA, HOLE, STATUS, ERROR, ERROR_AT = 0, 1, 2, 5, 0x8001, 0x8002
DONE = 1


def chunk(handle, kind, data=b"", flags=DONE, length=None, magic=0x668E33EF):
    return struct.pack(">IHHQI", magic, flags, kind, handle, len(data) if length is None else length) + data


def simple(handle, error=0, data=b"", magic=0x67446698):
    return struct.pack(">IIQ", magic, error, handle) + data


def part(offset, data):
    return struct.pack(">Q", offset) + data


def hole(offset, length):
    return struct.pack(">QI", offset, length)


def error(code, text=b"", length=None):
    return struct.pack(">IH", code, len(text) if length is None else length) + text


# What is sent for a read of PIECE bytes at 0: of the request's handle.
READS = {
    "data": lambda h: chunk(h, DATA, part(0, b"d" * PIECE)),
    "hole": lambda h: chunk(h, HOLE, hole(0, PIECE)),
    "data and hole": lambda h: chunk(h, HOLE, hole(512, PIECE - 512), 0) + chunk(h, DATA, part(0, b"e" * 512)),
    "end by nothing": lambda h: chunk(h, DATA, part(0, b"f" * PIECE), 0) + chunk(h, NONE),
    "pieces backwards": lambda h: b"".join(chunk(h, DATA, part(at, bytes([at // 512]) * 512), int(at == 0)) for at in range(PIECE - 512, -1, -512)),
    "odd bytes, then even": lambda h: b"".join(chunk(h, DATA, part(at, bytes([at % 251])), int(at == PIECE - 2))
                                               for at in [*range(1, PIECE, 2), *range(0, PIECE, 2)]),
    "error": lambda h: chunk(h, ERROR, error(5)),
    "error with text": lambda h: chunk(h, ERROR, error(28, b"there is no room")),
    "error unknown": lambda h: chunk(h, ERROR, error(777, b"?")),
    "error of nothing": lambda h: chunk(h, ERROR, error(0)),
    "error at an offset": lambda h: chunk(h, ERROR_AT, error(5, b"bad") + struct.pack(">Q", 512)),
    "error of unknown kind": lambda h: chunk(h, 0x80FF, error(5, b"new")),
    "error, then data": lambda h: chunk(h, ERROR, error(5), 0) + chunk(h, DATA, part(0, b"d" * PIECE)),
    "error too short": lambda h: chunk(h, ERROR, b"\0\0"),
    "error longer than told": lambda h: chunk(h, ERROR, error(5, b"x", 400)),
    "nothing at all": lambda h: chunk(h, NONE),
    "nothing with data": lambda h: chunk(h, NONE, b"12345678"),
    "nothing, not the end": lambda h: chunk(h, NONE, b"", 0),
    "half": lambda h: chunk(h, DATA, part(0, b"d" * 512)),
    "data without an offset": lambda h: chunk(h, DATA, b"12345678"),
    "data before the request": lambda h: chunk(h, DATA, part(SIZE - 512, b"d" * 512)),
    "data past the request": lambda h: chunk(h, DATA, part(PIECE - 512, b"d" * 1024)),
    "hole past the request": lambda h: chunk(h, HOLE, hole(PIECE - 512, 1024)),
    "hole of nothing": lambda h: chunk(h, HOLE, hole(0, 0)),
    "hole too short": lambda h: chunk(h, HOLE, b"1234"),
    "status for a read": lambda h: chunk(h, STATUS, struct.pack(">III", 1, PIECE, 0)),
    "kind unknown": lambda h: chunk(h, 77, b"1234"),
    "half twice": lambda h: 2 * chunk(h, DATA, part(0, b"d" * (PIECE // 2)), 0) + chunk(h, NONE),
    "second half twice": lambda h: 2 * chunk(h, DATA, part(PIECE // 2, b"d" * (PIECE // 2)), 0) + chunk(h, NONE),
    "data over a hole": lambda h: chunk(h, HOLE, hole(0, PIECE), 0) + chunk(h, DATA, part(512, b"d" * 512)),
    "hole over data": lambda h: chunk(h, DATA, part(512, b"d" * 512), 0) + chunk(h, HOLE, hole(0, PIECE)),
    "errors without end": lambda h: chunk(h, ERROR, error(5), 0) * 70000,
    "error of 4 GiB": lambda h: chunk(h, ERROR, error(5), 0, length=0xFFFFFFFF),
    "simple reply": lambda h: simple(h, 0, b"s" * PIECE),
    "another handle": lambda h: chunk(h ^ 0x5555, DATA, part(0, b"d" * PIECE)),
    "bad magic": lambda h: simple(h, magic=0x12345678),
    "gone": lambda h: b"",
    "cut": lambda h: chunk(h, DATA, part(0, b"d" * 100), length=8 + PIECE),
}
WRITES = {
    "good": lambda h: simple(h),
    "no room": lambda h: simple(h, 28),
    "no right": lambda h: simple(h, 1),
    "unknown error": lambda h: simple(h, 4711),
    "chunk": lambda h: chunk(h, NONE),
    "chunk of an error": lambda h: chunk(h, ERROR, error(28, b"full")),
    "chunk of data": lambda h: chunk(h, DATA, part(0, b"x" * 16)),
    "another handle": lambda h: simple(h + 99),
}
STATUSES = {
    "one": lambda h: chunk(h, STATUS, struct.pack(">III", 1, SIZE, 3)),
    "two": lambda h: chunk(h, STATUS, struct.pack(">IIIII", 1, 65536, 0, SIZE - 65536, 3)),
    "124 of them": lambda h: chunk(h, STATUS, struct.pack(">I", 1) + struct.pack(">II", SIZE, 0) * 124),
    "125 of them": lambda h: chunk(h, STATUS, struct.pack(">I", 1) + struct.pack(">II", SIZE, 0) * 125),
    "longer than asked": lambda h: chunk(h, STATUS, struct.pack(">III", 1, 2 * SIZE, 0)),
    "of no length": lambda h: chunk(h, STATUS, struct.pack(">III", 1, 0, 0)),
    "of another context": lambda h: chunk(h, STATUS, struct.pack(">III", 2, SIZE, 0)),
    "none": lambda h: chunk(h, STATUS, struct.pack(">I", 1)),
    "half a pair": lambda h: chunk(h, STATUS, struct.pack(">IIH", 1, SIZE, 0)),
    "nothing": lambda h: chunk(h, NONE),
    "error": lambda h: chunk(h, ERROR, error(22, b"not now")),
    "simple": lambda h: simple(h),
    "data": lambda h: chunk(h, DATA, part(0, b"d" * 512)),
}


# What was not sent is not there: stock shows whatever its buffer held.  What came twice breaks the protocol: stock takes the last.
WRONG, NOT_THERE = (1, "read failed: Invalid argument\n"), (1, "read failed: Input/output error\n")
UNLIKE = {"half": NOT_THERE, "nothing at all": NOT_THERE, "half twice": WRONG, "second half twice": WRONG, "data over a hole": WRONG,
          "hole over data": WRONG}
# Stock waits for ever.
OURS_ALONE = {"errors without end": WRONG, "error of 4 GiB": WRONG}


def negotiate(s, structured):
    s.sendall(HELLO + struct.pack(">H", 3))
    read(s, 4)
    while True:
        _, option, length = struct.unpack(">8sII", read(s, 16))
        data = read(s, length)

        def reply(kind, body=b""):
            s.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(body)) + body)

        if option == 8 and structured:
            reply(1)
        elif option == 10 and structured and b"base:allocation" in data:
            reply(4, struct.pack(">I", 1) + b"base:allocation")
            reply(1)
        elif option == 10:
            reply(1)
        elif option == 7:
            reply(3, struct.pack(">HQH", 0, SIZE, 1 | 4 | 8 | 32 | 64))
            reply(1)
            return
        else:
            reply(0x80000001)


def serve(s, answer, command, structured):
    """One answer of the kind wanted to that command; others are answered well, a read of other places with zeroes."""
    negotiate(s, structured)
    while True:
        _, flags, kind, handle, offset, length = struct.unpack(">IHHQQI", read(s, 28))
        if kind == 1:
            read(s, length)
        if kind == 2:
            return
        if kind == command:
            s.sendall(answer(handle))
            if answer in (READS["gone"], READS["cut"]):
                return
        elif kind == 7:
            s.sendall(chunk(handle, STATUS, struct.pack(">III", 1, length, 0)))
        elif kind == 0 and structured:
            s.sendall(chunk(handle, HOLE, hole(offset, length)))
        else:
            s.sendall(simple(handle, 0, bytes(length) if kind == 0 else b""))


def ask(program, arguments, answer, command, structured):
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(PATH):
        os.unlink(PATH)
    listener.bind(PATH)
    listener.listen(4)

    def work():
        try:
            while True:
                s, _ = listener.accept()
                with s:
                    try:
                        serve(s, answer, command, structured)
                    except (OSError, EOFError, struct.error):
                        pass
        except OSError:
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(60)
    out = re.sub(r"[^\n]*ops; [^\n]*\n", "TIMES\n", done.stdout)
    return done.returncode, out


def main():
    if not all(all(pair) for pair in PROGRAMS):
        print("no stock programs")
        sys.exit(77)
    uri = "nbd+unix:///?socket=" + PATH
    cases = [("read " + name, 0, ["-r", "-f", "raw", uri, "-c", "read -v 0 %d" % PIECE], a, 0, structured)
             for structured in (True, False) for name, a in READS.items() if structured or name in ("simple reply", "data", "gone", "cut", "bad magic")]
    cases += [("write " + name, 0, ["-f", "raw", uri, "-c", "write 0 %d" % PIECE], a, 1, s) for s in (True, False) for name, a in WRITES.items()]
    cases += [("map " + name, 1, ["map", "-f", "raw", "--output=json", uri], a, 7, True) for name, a in STATUSES.items()]
    failed = 0
    for name, which, arguments, answer, command, structured in cases:
        what = name.removeprefix("read ")
        ours = ask(PROGRAMS[1][which], arguments, answer, command, structured)
        if ours in (UNLIKE.get(what), OURS_ALONE.get(what)):
            continue
        stock = OURS_ALONE.get(what) or ask(PROGRAMS[0][which], arguments, answer, command, structured)
        if stock != ours:
            failed += 1
            print("%s (%s): stock %s\n  ours %s" % (name, "structured" if structured else "simple", stock, ours))
    print("%d answers, %d shown in another way" % (len(cases), failed))
    sys.exit(failed > 0)


main()
