#!/usr/bin/env python3
"""-drive and -blockdev in all their forms make the same backends and nodes as with the stock emulator, or fail alike.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from blockdev_scripts import image, masked, text
from lib import program

NONE = "if=none,id=d0,"
A = NONE + "file=a.qcow2"
NODE = "driver=qcow2,node-name=n,file.driver=file,file.filename="
DRIVES = [
    A, A + ",format=qcow2,node-name=n0,cache=none,aio=native,discard=unmap,detect-zeroes=unmap", "if=none,file=a.qcow2",
    NONE + "file=c.raw", NONE + "file=c.raw,format=raw,read-only=on", NONE + "file=c.raw,format=raw,readonly=on",
    NONE + "file=c.raw,format=raw,readonly", "if=none,id=d0", NONE + "media=cdrom", NONE + "media=cdrom,file=c.raw,format=raw",
    NONE + "media=foo", "id=d0,if=foo", "id=1d,if=none", NONE + "file=nope", A + ",format=nope", A + ",foo=bar", A + ",serial=x",
    A + ",cache=foo", A + ",cache=writethrough", A + ",cache=unsafe", A + ",cache=directsync", A + ",cache=none,cache.direct=off",
    A + ",aio=foo", A + ",aio=native", A + ",werror=foo", A + ",rerror=enospc", A + ",werror=stop,rerror=ignore",
    "if=floppy,id=d0,file=a.qcow2,werror=stop", A + ",bps=100", A + ",bps=100,throttling.bps-total=3",
    A + ",throttling.bps-total=100,throttling.bps-total-max=200,throttling.bps-total-max-length=3,throttling.group=gg",
    A + ",throttling.bps-total=x", A + ",bps=1,bps_rd=1", A + ",iops_size=1", A + ",snapshot=on", A + ",copy-on-read=on",
    A + ",read-only=on,copy-on-read=on", NONE + "index=0,bus=1,file=a.qcow2", "if=ide,id=d0,unit=2,file=a.qcow2",
    "if=none,unit=x", NONE + "file=top.qcow2", NONE + "file=d,,x.raw,format=raw",
    NONE + "driver=qcow2,file.driver=file,file.filename=a.qcow2", NONE + "file.filename=a.qcow2",
    NONE + "driver=qcow2,format=qcow2,file=a.qcow2",
    NONE + 'file=json:{"driver":"qcow2","file":{"driver":"file","filename":"a.qcow2"}}', A + ",backing.driver=raw",
    NONE + "file=top.qcow2,backing.read-only=off", NONE + "file=", A + ",node-name=d0", A + ",detect-zeroes=foo",
    A + ",detect-zeroes=unmap", A + ",discard=foo", A + ",stats-account-invalid=off,stats-intervals.0=60",
    A + ",stats-intervals.0=0", A + ",stats-intervals.0=x", A + ",snapshot=maybe", A + ",read-only=on,readonly=on",
]
NODES = [
    "qcow2,node-name=n,file.driver=file,file.filename=a.qcow2", "driver=qcow2,file.driver=file,file.filename=a.qcow2",
    '{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"a.qcow2"}}',
    '{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"a.qcow2"},"foo":1}', NODE + "a.qcow2,foo=1",
    "driver=nope,node-name=n", "node-name=n", "driver=qcow2,node-name=n,file=nope", NODE + "nope", NODE + "a.qcow2,read-only=foo",
    NODE + "a.qcow2,l2-cache-size=1x", NODE + "a.qcow2,read-only=on,cache.direct=on,detect-zeroes=on", NODE + "top.qcow2,backing=",
    '{"driver":"qcow2","node-name":"n","backing":null,"file":{"driver":"file","filename":"top.qcow2"}}', '{"driver":"qcow2"',
    "[]", '"x"', "", "help", "driver=null-co,node-name=n,size=1M", "driver=null-co,node-name=n,size=1048576,read-zeroes=on",
]
PAIRS = [
    ["-drive", "if=none,file=a.qcow2", "-drive", "if=none,file=b.qcow2"], ["-drive", "id=d0,if=none", "-drive", "id=d0,if=none"],
    ["-drive", A, "-snapshot"], ["-snapshot", "-drive", A + ",snapshot=off"],
    ["-drive", NONE + "unit=2,file=a.qcow2", "-drive", "if=none,id=d1,unit=2,file=b.qcow2"],
    ["-blockdev", "driver=qcow2,node-name=d0,file.driver=file,file.filename=b.qcow2", "-drive", A],
    ["-blockdev", "driver=file,node-name=f,filename=a.qcow2", "-blockdev", "driver=qcow2,node-name=n,file=f"],
    ["-blockdev", "driver=qcow2,node-name=n,file=f", "-blockdev", "driver=file,node-name=f,filename=a.qcow2"],
]


def prepare(folder):
    for name in ("a", "b", "base"):
        image(folder, name + ".qcow2")
    image(folder, "top.qcow2", None, "qcow2", "-b", "base.qcow2", "-F", "qcow2")
    image(folder, "c.raw", fmt="raw")
    image(folder, "d,x.raw", "1M", "raw")


def outcome(kind, args, folder):
    """Exit status, messages, and what the monitor shows."""
    accel = "qtest" if kind == "ours" else "tcg"
    command = [program(kind), "-machine", "none", "-accel", accel, "-S", "-nodefaults", "-display", "none", "-qmp", "stdio", *args]
    commands = "".join(json.dumps({"execute": name}) + "\n"
                       for name in ("qmp_capabilities", "query-block", "query-named-block-nodes", "quit"))
    done = subprocess.run(command, input=commands, cwd=folder, capture_output=True, text=True, timeout=30)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, text(done.stderr), masked([reply for reply in replies if "return" in reply or "error" in reply])


def main():
    bad = 0
    cases = [["-drive", drive] for drive in DRIVES] + [["-blockdev", node] for node in NODES] + PAIRS
    folder = tempfile.mkdtemp(dir=os.environ.get("TEST_DIR"))
    prepare(folder)
    for args in cases:
        stock, ours = outcome("stock", args, folder), outcome("ours", args, folder)
        if stock != ours:
            bad += 1
            print(f"{args}\n  stock: {json.dumps(stock)}\n  ours:  {json.dumps(ours)}")
    shutil.rmtree(folder)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
