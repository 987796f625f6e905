#!/usr/bin/env python3
"""Commands that arrive while blockdev-create makes a LUKS image (which takes seconds of key derivation) are answered, quit too.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import sys

from lib import Emulator


def requests(path, last):
    options = {"driver": "luks", "file": "f", "size": 1048576, "key-secret": "s", "iter-time": 1000}
    return [
        {"execute": "object-add", "arguments": {"qom-type": "secret", "id": "s", "data": "x"}},
        {"execute": "blockdev-add", "arguments": {"driver": "file", "filename": path, "node-name": "f"}},
        {"execute": "blockdev-create", "arguments": {"job-id": "j", "options": options}},
        {"execute": last},
    ]


def main():
    for last in ("query-jobs", "query-status", "quit"):
        with Emulator("ours") as vm:
            path = f"{vm.folder}/a.luks"
            with open(path, "w", encoding="ascii"):
                pass
            vm.send(b"".join(json.dumps(r).encode() for r in requests(path, last)))
            for _ in range(4):
                reply = vm.reply()
                assert reply and "return" in reply, reply
            if last == "quit":
                assert vm.process.wait(60) == 0
            else:
                vm.cmd("query-jobs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
