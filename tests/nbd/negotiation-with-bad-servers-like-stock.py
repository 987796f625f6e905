#!/usr/bin/env python3
"""Servers that refuse an option, lie about lengths, cut replies short or are of before 2011: `qemu-nbd --list` and `qemu-img info`
say what stock says.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import socket
import struct
import subprocess
import sys
import threading

from lib import read

PATH = os.path.join(os.environ["TEST_DIR"], "s")
PROGRAMS = [(os.environ["STOCK_QEMU_NBD"], os.environ["STOCK_QEMU_IMG"]), (os.environ["QEMU_NBD"], os.environ["QEMU_IMG"])]
LIST, STARTTLS, INFO, GO, STRUCTURED, LIST_CONTEXT, SET_CONTEXT = 3, 5, 6, 7, 8, 9, 10
ACK, SERVER, INFO_REPLY, CONTEXT, DENIED = 1, 2, 3, 4, 0x80000002
HELLO, OLD = b"NBDMAGICIHAVEOPT", b"NBDMAGIC" + struct.pack(">Q", 0x420281861253)


def reply(option, kind, data=b"", length=None, magic=0x3E889045565A9):
    return struct.pack(">QIII", magic, option, kind, len(data) if length is None else length) + data


def text(data, length=None):
    return struct.pack(">I", len(data) if length is None else length) + data


def usual(option):
    """What a good server answers."""
    return {STRUCTURED: reply(option, ACK), LIST: reply(option, SERVER, text(b"e")) + reply(option, ACK),
            LIST_CONTEXT: reply(option, CONTEXT, text(b"base:allocation", 1)) + reply(option, ACK),
            SET_CONTEXT: reply(option, CONTEXT, text(b"base:allocation", 1)) + reply(option, ACK),
            INFO: reply(option, INFO_REPLY, struct.pack(">HQH", 0, 1 << 20, 1)) + reply(option, ACK)}.get(option, reply(option, 0x80000001))


def converse(s, option, answer):
    """A good server, but for one option; with option 0 it sends its answer at once and says no more."""
    if option == 0:
        s.sendall(answer)
        s.shutdown(socket.SHUT_WR)
        while s.recv(4096):
            pass
        return
    s.sendall(HELLO + struct.pack(">H", 3))
    read(s, 4)
    while True:
        _, asked, length = struct.unpack(">QII", read(s, 16))
        data = read(s, length)
        if asked == LIST_CONTEXT and b"qemu:" in data:      # stock asks for each kind, ours once for all
            s.sendall(reply(asked, ACK))
            continue
        s.sendall(answer if asked == option else usual(asked))
        if asked == option == GO or asked == 2:
            return


def serve(listener, option, answer):
    s = listener.accept()[0]
    with s:
        try:
            converse(s, option, answer)
        except (EOFError, OSError):
            pass


def tell(programs, option, answer):
    if os.path.exists(PATH):
        os.unlink(PATH)
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(PATH)
        listener.listen()
        server = threading.Thread(target=serve, args=(listener, option & 0xFF, answer), daemon=True)
        server.start()
        command = [programs[0], "-L", "-k", PATH]
        if option in (GO, SET_CONTEXT, 0x100):
            command = [programs[1], "info", f"nbd+unix:///e?socket={PATH}"]
        elif option == STARTTLS:
            command += ["--object", "tls-creds-anon,id=c,endpoint=client", "--tls-creds", "c"]
        result = subprocess.run(command, capture_output=True, timeout=120, check=False)
        server.join(120)
    return result.returncode, (result.stdout + result.stderr).replace(os.path.dirname(programs[0]).encode() + b"/", b"")


def refusals():
    for option in (STRUCTURED, LIST, LIST_CONTEXT, INFO, STARTTLS, GO):
        for code in [*range(0x80000001, 0x8000000A), 0x80000055, 5]:
            if option != GO or code != 0x80000001:
                yield option, f"refusal {code:#x}", reply(option, code)
        yield option, "reason", reply(option, 0x80000006, b"because")


def lengths():
    for option in (STRUCTURED, STARTTLS, LIST, INFO, LIST_CONTEXT, GO, SET_CONTEXT):
        for name, data in {"magic": reply(option, ACK, magic=5), "option": reply(99, ACK), "ack": reply(option, ACK, b"x"),
                           "huge": reply(option, ACK, length=0xFFFFFFFF), "huge error": reply(option, DENIED, length=0xFFFFFFFF)}.items():
            yield option, name, data
    for name, data in {"short": b"ab", "empty": b"", "name": text(b"e", 9), "long": text(b"e" * 4097), "most": text(b"e" * 4096),
                       "text": text(b"e") + b"d" * 4097, "nul": text(b"e") + b"d\0e", "no name": text(b"")}.items():
        yield LIST, name, reply(LIST, SERVER, data) + reply(LIST, ACK)
    for option in (INFO, GO):
        facts = reply(option, INFO_REPLY, struct.pack(">HQH", 0, 1 << 20, 1))
        for name, data in {"none": b"", "short": b"a", "empty": b"", "export": struct.pack(">HQ", 0, 1), "more": struct.pack(">HQI", 0, 1, 1),
                           "flags": struct.pack(">HQH", 0, 1, 0)}.items():
            yield option, name, (reply(option, INFO_REPLY, data) if name != "none" else b"") + reply(option, ACK)
        for sizes in ((0, 1, 1), (3, 4, 4), (1, 0, 1 << 20), (512, 256, 1 << 20), (512, 3000, 1 << 20), (1, 4096, 0)):
            yield option, f"blocks {sizes}", facts + reply(option, INFO_REPLY, struct.pack(">HIII", 3, *sizes)) + reply(option, ACK)
        yield option, "blocks", facts + reply(option, INFO_REPLY, struct.pack(">HII", 3, 1, 4096)) + reply(option, ACK)
    for sizes in ((131072, 131072, 131072), (512, 4096, 1024), (512, 4096, (1 << 20) + 1)):
        yield INFO, f"blocks {sizes}", usual(INFO)[:-20] + reply(INFO, INFO_REPLY, struct.pack(">HIII", 3, *sizes)) + reply(INFO, ACK)
    for option in (LIST_CONTEXT, SET_CONTEXT):
        for name in (b"", b"abc", b"abcd"):
            yield option, f"context {name}", reply(option, CONTEXT, name) + reply(option, ACK)
    yield LIST_CONTEXT, "error after", usual(LIST_CONTEXT)[:-20] + reply(LIST_CONTEXT, DENIED)
    yield SET_CONTEXT, "another", reply(SET_CONTEXT, CONTEXT, b"abcdother:thing") + reply(SET_CONTEXT, ACK)
    yield SET_CONTEXT, "two", usual(SET_CONTEXT)[:-20] + usual(SET_CONTEXT)


def greetings():
    good = HELLO + b"\0\3"
    both = {"garbage": b"X" * 200, "second": b"NBDMAGIC" + b"Y" * 200, "flags": HELLO + b"\0", "old": OLD + struct.pack(">QI", 1 << 20, 1) + bytes(124),
            "cut": good + reply(STRUCTURED, ACK)[:9], "plain": HELLO + b"\0\0", "no size": HELLO + b"\0\0ab",
            "no flags": HELLO + b"\0\0" + struct.pack(">Q", 1 << 20), "nothing": b""}
    for name, data in both.items():
        yield 0, name, data
        yield 0x100, name, data
    for name, data in {"old flags": OLD + struct.pack(">QI", 1 << 20, 0) + bytes(124), "old big": OLD + struct.pack(">QI", 1 << 20, 1 << 16) + bytes(124),
                       "old short": OLD + bytes(3), "error": good + reply(STRUCTURED, ACK) + reply(LIST, DENIED, b"abcdefgh")[:22]}.items():
        yield 0, name, data


def main():
    if not PROGRAMS[0][0]:
        print("needs the stock programs")
        return 77
    bad = count = 0
    for cases in (refusals(), lengths(), greetings()):
        for option, name, answer in cases:
            stock, ours = (tell(programs, option, answer) for programs in PROGRAMS)
            count += 1
            if stock != ours:
                bad += 1
                print(f"option {option}, {name}:\n  stock {stock}\n  ours  {ours}")
    print(f"{count} conversations, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
