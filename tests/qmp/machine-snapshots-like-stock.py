#!/usr/bin/env python3
"""Snapshots of a whole machine (jobs, savevm, loadvm, delvm, their errors, events and lists) answer as the stock program."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import re
import shutil
import subprocess
import sys

from lib import Emulator, masked, compare_conversations, skip

STOCK_IMG = os.environ.get("STOCK_QEMU_IMG", "")
DATES = re.compile(r"(?<=again) +\d+(\.\d+)? .?i?B |\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \d\d:\d\d:\d\d\.\d{3}|(?<=vm-)\d{14}")
NODES = [word for name, driver in (("a", "qcow2"), ("b", "qcow2"), ("r", "raw"))
         for word in ("-blockdev", f"{driver},node-name={name},file.driver=file,file.filename={name}.img")]


def job(command, tag, vmstate="a", devices=("a", "b")):
    arguments = {"job-id": "j", "tag": tag, "devices": list(devices)}
    if command != "delete":
        arguments["vmstate"] = vmstate

    def run(vm):
        replies = [vm.ask("snapshot-" + command, arguments)]
        if "return" in replies[0]:
            vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == "concluded")
        return replies + [vm.ask("query-jobs"), vm.ask("job-dismiss", {"id": "j"}), vm.ask("query-status")]
    run.__name__ = f"{command} {tag!r} {vmstate} {devices}"
    return [run]


def hmp(*lines):
    return [("human-monitor-command", {"command-line": line}) for line in lines]


SCRIPT = [
    *job("save", "s1"), ("cont", None), *job("save", "s2"), *job("save", "s1"), *job("save", ""),
    *job("save", "x", "nope", ["a"]), *job("save", "x", "a", []), *job("save", "x", "a", ["a", "nope"]),
    *job("save", "x", "r", ["a", "r"]), *job("save", "x", "a", ["a", "r"]), *job("save", "x", "a", ["b"]),
    *job("save", "half", "a", ["a"]), *job("load", "half"), ("cont", None), *job("save", "half"), *job("load", "half", "b", ["b"]),
    *job("load", "s1"), ("cont", None), *job("load", "nope"), *job("load", "s1", "b"), ("stop", None), *job("load", "s1"),
    *job("load", "s1", "zz", ["a"]), *job("delete", "s1", devices=["a"]), *job("load", "s1"), *job("delete", "s1"),
    *job("delete", "nope"), *job("delete", "nope", devices=[]), *job("delete", "x", devices=["r"]), *job("delete", "x", devices=["zz"]),
    ("snapshot-save", {"job-id": "", "tag": "t", "vmstate": "a", "devices": ["a"]}),
    ("snapshot-save", {"job-id": "1 x", "tag": "t", "vmstate": "a", "devices": ["a"]}),
    ("snapshot-save", {"job-id": "j", "tag": "t"}), ("snapshot-load", {"job-id": "j", "tag": "t", "vmstate": "a", "devices": "a"}),
    *hmp("info snapshots", "savevm", "savevm h1", "loadvm h1", "loadvm zz", "delvm zz", "info snapshots"),
    ("blockdev-del", {"node-name": "r"}), *hmp("info snapshots", "savevm h1", "info snapshots"), ("cont", None),
    *hmp("savevm h1"), ("query-status", None), *hmp("loadvm h1"), ("query-status", None), *hmp("loadvm zz"), ("query-status", None),
    *hmp("loadvm half", "delvm zz", "delvm half", "info snapshots", "delvm h1", "info snapshots", "loadvm", "delvm", "savevm a b"),
    *hmp("savevm kept"), ("blockdev-del", {"node-name": "a"}), *hmp("loadvm kept", "info snapshots"),
]
LATER = [("query-status", None), *hmp("info snapshots", "loadvm kept"), ("query-status", None), *hmp("savevm again", "info snapshots")]


def mask(value):
    """Without dates and clocks, which time decides."""
    if isinstance(value, str):
        return DATES.sub("DATE", value)
    if isinstance(value, list):
        return [mask(item) for item in value]
    return {key: mask(item) for key, item in masked(value).items()} if isinstance(value, dict) else value


def prepare(folder):
    for name, form in (("a", "qcow2"), ("b", "qcow2"), ("r", "raw")):
        subprocess.run([STOCK_IMG, "create", "-q", "-f", form, f"{folder}/{name}.img", "16M"], check=True)


def prepare_saved(folder):
    """Images with a snapshot that the stock program took, once for all."""
    store = os.path.join(os.environ.get("TEST_DIR", "."), "saved")
    if not os.path.isdir(store):
        os.mkdir(store)
        prepare(store)
        with Emulator("stock", NODES[:4] + ["-m", "2"], "none", cwd=store) as vm:
            vm.hmp("savevm kept")
    for name in "ab":
        shutil.copy(f"{store}/{name}.img", folder)


def main():
    if not STOCK_IMG:
        skip("no stock qemu-img")
    different = compare_conversations(SCRIPT, NODES + ["-m", "2"], "none", prepare, mask=mask)
    for machine, options in (("none", ["-m", "2"]), ("none", ["-m", "3"]), ("pc", ["-m", "2"]), ("none", ["-m", "2", "-loadvm", "kept"])):
        different += compare_conversations(LATER, NODES[:4] + options, machine, prepare_saved, mask=mask)
    sys.exit(different != 0)


main()
