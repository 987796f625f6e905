#!/usr/bin/env python3
"""Stored bitmaps of an image that is reopened writable and read-only, or committed into: in memory and in the file as the stock program has them.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from lib import Emulator, differences, masked, program

IMG, IO = (program("stock", name) for name in ("QEMU_IMG", "QEMU_IO"))


def run(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_images(folder):
    run(folder, IMG, "create", "-q", "-f", "qcow2", "b", "16M")
    run(folder, IO, "-c", "write -P 1 0 2M", "b")
    for options in (["b", "on"], ["--disable", "b", "off"], ["-g", "4096", "b", "fine"]):
        run(folder, IMG, "bitmap", "--add", *options)
    run(folder, IO, "-c", "write -P 2 1M 128k", "b")
    run(folder, IMG, "create", "-q", "-f", "qcow2", "-b", "b", "-F", "qcow2", "t")
    run(folder, IO, "-c", "write -P 3 5M 1M", "t")


class Session:
    def __init__(self, vm, file_first):
        self.vm, self.log, self.file_first = vm, [], file_first

    def ask(self, command, **arguments):
        self.log.append((command, masked(self.vm.ask(command, arguments))))

    def look(self, what):
        """Bitmaps of the node in memory, and what another program sees in the file."""
        nodes = self.vm.cmd("query-named-block-nodes")
        self.log.append((what, [n.get("dirty-bitmaps") for n in nodes if n["node-name"] == "b"]))
        info = json.loads(run(self.vm.folder, IMG, "info", "-U", "--output=json", "b"))
        self.log.append((what + " in the file", info["format-specific"]["data"].get("bitmaps")))

    def node(self, read_only):
        return [{"driver": "file", "node-name": "bf", "filename": "b", "read-only": read_only},
                {"driver": "qcow2", "node-name": "b", "file": "bf", "read-only": read_only}]

    def reopen(self, read_only):
        nodes = self.node(read_only)
        self.ask("blockdev-reopen", options=nodes if self.file_first else nodes[::-1])
        self.look(f"after reopening {'read-only' if read_only else 'writable'}")

    def change(self):
        self.vm.hmp('qemu-io b "write -P 9 8M 64k"')
        self.look("after a write")
        self.ask("block-dirty-bitmap-clear", node="b", name="on")
        self.ask("block-dirty-bitmap-remove", node="b", name="fine")
        self.ask("block-dirty-bitmap-add", node="b", name="new", persistent=True)
        self.look("after changes of bitmaps")

    def commit(self):
        self.ask("blockdev-add", driver="qcow2", **{"node-name": "t", "backing": "b", "file": {"driver": "file", "filename": "t"}})
        self.vm.cmd("block-commit", {"device": "t", "job-id": "j", "top-node": "t", "base-node": "b"})
        self.vm.wait_event("BLOCK_JOB_READY")
        self.vm.cmd("job-complete", {"id": "j"})
        self.vm.wait_event("BLOCK_JOB_COMPLETED")
        self.look("after a commit")


def converse(kind, file_first, folder):
    make_images(folder)
    with Emulator(kind, cwd=folder, stdout=subprocess.DEVNULL) as vm:
        s = Session(vm, file_first)
        for node in s.node(True):
            s.ask("blockdev-add", **node)
        s.look("read-only")
        for read_only in (False, True, False):
            s.reopen(read_only)
        s.change()
        s.reopen(True)
        s.change()                                   # refused
        s.reopen(False)
        s.commit()
        s.reopen(True)
    s.log.append(("at the end", json.loads(run(folder, IMG, "info", "--output=json", "b"))["format-specific"]))
    run(folder, IMG, "check", "-q", "b")
    return s.log


def main():
    bad = 0
    for file_first in (True, False):
        logs = {}
        for kind in ("stock", "ours"):
            with tempfile.TemporaryDirectory(dir=os.environ["TEST_DIR"]) as folder:
                logs[kind] = converse(kind, file_first, folder)
                logs[kind] = json.loads(re.sub(re.escape(folder), "", json.dumps(logs[kind])))
        for line in differences(logs["stock"], logs["ours"]):
            bad += 1
            print(line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
