#!/usr/bin/env python3
"""What belongs to a session itself answers as the stock program: negotiation, bad JSON, ids, descriptors, out-of-band."""
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import os
import socket
import sys

from lib import Emulator, masked

NEGOTIATE = {"execute": "qmp_capabilities"}
# What a client may send before it has negotiated, and then.
BEFORE = [
    {"execute": "query-status"}, {"execute": "bogus"}, b"[]\n", b"{}\n", b"nonsense\n",
    {"execute": "qmp_capabilities", "arguments": {"enable": ["bogus"]}},
    {"execute": "qmp_capabilities", "arguments": {"enable": "oob"}},
    {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"], "x": 1}},
    {"exec-oob": "qmp_capabilities"}, {"exec-oob": "query-status"},
]
AFTER = [
    NEGOTIATE, {"execute": "qmp_capabilities", "arguments": {"enable": 1}}, {"execute": "bogus", "id": [1, {"a": 2}]},
    b"[]", b"1 ", b"null ", b'"x"', b"{}", {"id": 3}, {"arguments": {}}, {"execute": 1}, {"execute": None},
    {"execute": "query-status", "arguments": 1, "id": 3}, {"execute": "query-status", "arguments": []},
    {"execute": "query-status", "foo": 1, "id": 4}, {"execute": "query-status", "exec-oob": "x"},
    {"exec-oob": "query-status", "id": 5}, {"exec-oob": "bogus"}, {"exec-oob": 1}, {"exec-oob": "query-yank"},
    {"exec-oob": "yank", "arguments": {"instances": [{"type": "block-node", "node-name": "x"}]}, "id": "y"},
    {"exec-oob": "yank", "arguments": {"instances": []}}, {"execute": "yank", "arguments": {"instances": [{"type": "migration"}]}},
    {"execute": "query-status", "id": None}, {"execute": "query-status", "id": ""}, {"execute": "query-status", "id": {"b": 1, "a": []}},
    {"execute": "query-status", "id": 2 ** 64 - 1}, {"execute": "query-status", "id": -2 ** 63}, {"execute": "query-status", "id": 1e300},
    b'{"execute":"query-status","id":"\\u0000\\u20ac\\ud83d\\ude00\xc3\xa9\\"\\\\\\/\\b\\f\\n\\r\\t"}', b"{'execute':'query-status','id':'a\\'b\"c'}",
    b'{"execute":"query-status","id":18446744073709551616}', b'{"execute":"query-status","id":0.1}', b'{"execute":"query-status","id":-0}',
    b"[}\n", b"}\n", b"]\n", b'{"a":1 "b"}\n', b'{"a":tru}\n', b'{"a":}\n', b'{"a"}\n', b"{1:2}\n", b'{"a":1,}\n', b"[1,]\n",
    b'{"execute":"x","execute":"y"}\n', b"$\n", b"%\n", b"01\n", b"-\n", b"1.\n", b"1e\n", b'"\\x"\n', b'"\\u12"\n', b'"\\ud800"\n', b'"\\udc00"\n',
    b'{"a":"\xc3"}\n', b'{"a":"\xed\xa0\x80"}\n', b'{"a":"\xc0\x80"}', b'{"a":"\xf4\x90\x80\x80"}\n', b'"\x01\n', b"\xff\n", b"'\n",
    b"[" * 1024 + b"]" * 1024, b"[" * 1025 + b"\n", b'{"a":' * 1025 + b"\n", b'{"execute":"query-status","id":' + b"[" * 1000 + b"]" * 1000 + b"}",
    b'"' + b"x" * 300000 + b'"', b'{"execute":"' + b"y" * 100000 + b'"}', b" \t\r\n{} \t\r\n",
]


def descriptors(vm):
    """Replies to commands that take descriptors, with the numbers of descriptors left out."""
    null = [os.open("/dev/null", mode) for mode in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY)]
    pair = socket.socketpair()
    script = [
        ("getfd", {"fdname": "a"}, []), ("getfd", {"fdname": "1"}, null[:1]), ("getfd", {"fdname": ""}, null[:1]),
        ("getfd", {"fdname": "a"}, null[:1]), ("getfd", {"fdname": "a"}, null), ("getfd", {"fdname": "b"}, []),
        ("closefd", {"fdname": "a"}, []), ("closefd", {"fdname": "a"}, []), ("closefd", {"fdname": ""}, null[:1]),
        ("add-fd", None, []), ("add-fd", None, null[:1]), ("add-fd", {"fdset-id": 5, "opaque": "hi"}, null[1:2]),
        ("add-fd", {"fdset-id": 5}, null[2:]), ("add-fd", {"fdset-id": -1}, null[2:]), ("add-fd", {"fdset-id": 1}, null),
        ("add-fd", {}, null[:1]), ("query-fdsets", None, []), ("remove-fd", {"fdset-id": 77}, []),
        ("remove-fd", {"fdset-id": 5, "fd": 0}, []), ("remove-fd", {"fdset-id": 5}, []), ("query-fdsets", None, []),
        ("add_client", {"protocol": "spice", "fdname": "x"}, []), ("getfd", {"fdname": "s"}, [pair[0].fileno()]),
        ("add_client", {"protocol": "bogus", "fdname": "s"}, []), ("getfd", {"fdname": "s"}, null[:1]),
        ("add_client", {"protocol": "spice", "fdname": "s"}, []), ("getfd", {"fdname": "s"}, [pair[0].fileno()]),
        ("add_client", {"protocol": "@dbus-display", "fdname": "s"}, []),
    ]
    replies = [(step[:2], masked(vm.ask(*step))) for step in script]
    for fd in null:
        os.close(fd)
    return replies


def conversation(kind):
    lines = []
    with Emulator(kind, negotiate=False) as vm:
        lines.append(("greeting", {**vm.greeting["QMP"], "version": None}))
        for step in BEFORE:
            vm.send(step)
            lines.append((step, vm.reply()))
        vm.send({"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}, "id": "q"})
        lines.append(("negotiation", vm.reply()))
        for step in AFTER:
            vm.send(step)
            # What comes behind it says where its replies end.
            vm.send({"execute": "query-name", "id": "end"})
            while True:
                reply = vm.reply()
                if reply.get("id") == "end":
                    break
                # Which of the peer's connections there are differs.
                lines.append((step, {"return": "some"} if step == {"exec-oob": "query-yank"} else reply))
        lines += descriptors(vm)
    return lines


def main():
    sys.setrecursionlimit(20000)
    stock, ours = conversation("stock"), conversation("ours")
    bad = 0
    for one, two in zip(stock, ours):
        if one != two:
            bad += 1
            print(f"{str(one[0])[:200]} / {str(two[0])[:200]}\n  stock: {json.dumps(one[1])[:300]}\n  ours:  {json.dumps(two[1])[:300]}")
            if one[0] != two[0]:
                break
    if len(stock) != len(ours):
        bad += 1
        print(f"{len(stock)} replies there, {len(ours)} here")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
