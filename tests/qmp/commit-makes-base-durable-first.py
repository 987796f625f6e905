"""Proves that a commit into an image in the middle of a chain flushes it before the overlay names it: when the flush fails, so does the
job, and the overlay still names the image that was to go.  Otherwise a power cut after the job, or the removal of that image, loses data."""
import json
import os
import subprocess
import sys
import tempfile

import lib

IMG = os.environ["QEMU_IMG"]


def img(folder, *words):
    return subprocess.run([IMG, *words], cwd=folder, check=True, capture_output=True, text=True, timeout=90).stdout


def make_chain(folder):
    img(folder, "create", "-q", "-f", "qcow2", "base", "1M")
    for name, below in (("mid", "base"), ("top", "mid")):
        img(folder, "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name)


def nodes(rules):
    file = lambda name: {"driver": "file", "filename": name}
    return ({"node-name": "base", "driver": "qcow2", "file": {"driver": "blkdebug", "image": file("base"), **rules}},
            {"node-name": "mid", "driver": "qcow2", "file": file("mid"), "backing": "base"},
            {"node-name": "top", "driver": "qcow2", "file": file("top"), "backing": "mid"})


def commit(rules):
    """(how the job ended, what the overlay names)"""
    with tempfile.TemporaryDirectory() as folder:
        make_chain(folder)
        with lib.Emulator("ours", cwd=folder) as vm:
            for node in nodes(rules):
                vm.cmd("blockdev-add", node)
            vm.cmd("human-monitor-command", {"command-line": "qemu-io mid \"write 0 64k\""})
            vm.cmd("block-commit", {"job-id": "j", "device": "top", "top-node": "mid", "base-node": "base", "backing-file": "base"})
            end = vm.wait_event("BLOCK_JOB_COMPLETED")
            error = (end.get("data") or end).get("error")
            vm.quit()
        return error, json.loads(img(folder, "info", "--output=json", "top"))["backing-filename"]


def main():
    failures = 0
    for rules, expected in (({}, (None, "base")), ({"inject-error": [{"event": "flush_to_disk", "errno": 5}]}, ("Input/output error", "mid"))):
        got = commit(rules)
        if got != expected:
            failures += 1
            print(f"{rules}: {got}, not {expected}")
    return 1 if failures else 0


sys.exit(main())
