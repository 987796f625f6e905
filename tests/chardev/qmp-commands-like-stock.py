#!/usr/bin/env python3
"""QMP commands on character devices answer as the stock emulator's, errors included.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import re
import socket
import subprocess
import sys
import time

if not os.environ.get("STOCK_QEMU_SYSTEM"):
    print("the stock qemu-system-x86_64 is not installed")
    sys.exit(77)


def add(name, kind, data=None):
    return ("chardev-add", {"id": name, "backend": {"type": kind, "data": data or {}}})


def change(name, kind, data=None):
    return ("chardev-change", {"id": name, "backend": {"type": kind, "data": data or {}}})


def address(kind, **data):
    return {"type": kind, "data": data}


def hmp(line, **more):
    return ("human-monitor-command", {"command-line": line, **more})


UNIX = address("unix", path="a.sock")
COMMANDS = [
    add("n", "null"), add("n", "null"), add("1", "null"), add("foo/", "null"), add("a", "foo"), add("p", "pty"),
    add("m", "mux", {"chardev": "zz"}), add("m", "mux", {"chardev": "n"}), add("m2", "mux", {"chardev": "m"}),
    add("s", "socket"), add("s", "socket", {"addr": UNIX, "server": True, "wait": False}),
    add("s2", "socket", {"addr": address("unix", path="/nonexist/zz"), "server": False}),
    add("s2", "socket", {"addr": address("fd", str="foo"), "server": False}),
    add("s3", "socket", {"addr": address("fd", str="3"), "server": False, "wait": True}),
    add("s3", "socket", {"addr": UNIX, "server": True, "wait": False, "reconnect": 3}),
    add("s5", "socket", {"addr": {"type": "unix"}}),
    add("s5", "socket", {"addr": address("unix")}), add("s5", "socket", {"addr": address("inet", host="a")}),
    add("r", "ringbuf", {"size": 5}), add("r", "ringbuf", {"size": -4}), add("r", "ringbuf", {"size": "16"}),
    add("r", "ringbuf", {"size": 16}), add("mem", "memory"), add("f", "file", {"out": "out", "in": "/nonexist"}),
    add("f", "file"), add("f", "file", {"out": "out", "append": True}), add("con", "console"),
    add("pi", "pipe", {"device": "/x"}),
    add("u", "udp", {"remote": address("inet", host="127.0.0.1", port="9")}),
    add("l", "null", {"logfile": "/nonexist/x"}),
    ("query-chardev", {}),
    change("r", "null"), change("m", "null"), change("zz", "null"), ("chardev-remove", {"id": "n"}),
    ("chardev-remove", {"id": "zz"}), ("ringbuf-write", {"device": "r", "data": "x"}),
    change("r", "ringbuf", {"size": 16}),
    ("ringbuf-write", {"device": "r", "data": "aGVsbG8=", "format": "base64"}),
    ("ringbuf-write", {"device": "r", "data": "aGVs bG8", "format": "base64"}),
    ("ringbuf-write", {"device": "r", "data": "x", "format": "hex"}), ("ringbuf-read", {"device": "r", "size": 3}),
    ("ringbuf-read", {"device": "r", "size": 30, "format": "base64"}), ("ringbuf-read", {"device": "r", "size": -1}),
    ("ringbuf-read", {"device": "n", "size": 1}), ("ringbuf-read", {"device": "zz", "size": 1}),
    ("ringbuf-write", {"device": "r", "data": "/w==", "format": "base64"}),
    ("ringbuf-read", {"device": "r", "size": 10}),
    ("ringbuf-write", {"device": "r", "data": "0123456789abcdefghijklmnop"}),
    ("ringbuf-read", {"device": "r", "size": 99}),
    ("chardev-send-break", {"id": "zz"}), ("chardev-send-break", {"id": "r"}), ("chardev-remove", {"id": "m2"}),
    ("chardev-remove", {"id": "m"}), ("chardev-remove", {"id": "n"}), ("chardev-remove", {"id": "s4"}),
    ("chardev-remove", {"id": "compat_monitor0"}), ("query-chardev", {}),
    hmp("foo"), hmp(""), hmp("help stop"), hmp("chardev-add null,id=zz"), hmp("chardev-add null,id=zz"),
    hmp("info history"),
    hmp("chardev-add foo"), hmp("chardev-add foo,id=b"), hmp("chardev-add null,id=b,foo=1"),
    hmp("chardev-change zz ringbuf"),
    hmp("chardev-change zz ringbuf,id=a"), hmp("chardev-change zz foo"), hmp("ringbuf_write zz \"a b\\n\""),
    hmp("ringbuf_read zz 100"), hmp("info name", **{"cpu-index": 3}), hmp("chardev-remove zz"),
    hmp("chardev-remove zz"),
]


def plain(reply):
    return re.sub(r"/dev/pts/\d+", "/dev/pts/N", json.dumps(reply, sort_keys=True))


def talk(name, program):
    folder = os.path.join(os.environ["TEST_DIR"], name)
    os.mkdir(folder)
    wait = "on" if name == "stock" else "off"          # it may take a client in two threads at once while it starts
    process = subprocess.Popen([program, "-machine", "none", "-display", "none", "-nodefaults", "-qmp",
                                f"unix:qmp,server=on,wait={wait}"], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chdir(folder)
    client = socket.socket(socket.AF_UNIX)
    for _ in range(600):
        try:
            client.connect("qmp")
            break
        except OSError:
            time.sleep(0.05)
    stream = client.makefile("rw")
    stream.readline()
    replies = []
    for command, arguments in [("qmp_capabilities", {})] + COMMANDS:
        stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        stream.flush()
        line = stream.readline()
        if not line:
            replies.append(f"{command}: the emulator is gone")
            break
        replies.append(f"{command} {json.dumps(arguments)}\n    {plain(json.loads(line))}")
    process.kill()
    process.wait()
    return replies


stock, ours = talk("stock", os.environ["STOCK_QEMU_SYSTEM"]), talk("ours", os.environ["QEMU_SYSTEM"])
different = [(a, b) for a, b in zip(stock, ours) if a != b]
for a, b in different:
    print(f"stock {a}\nours  {b}")
print(f"{len(COMMANDS)} commands, {len(different)} replies differ")
sys.exit(1 if different or len(stock) != len(ours) else 0)
