#!/usr/bin/env python3
"""Tab completes commands, devices, files and choices as the stock monitor does, escapes included.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

FILES = ["one.img", "one.raw", "two", "three words"]
LINES = [
    "block_r", "info blocks", "eject ", "eject d", "eject -f ", "block_resize n", "block_resize ", "chardev-remove ",
    "chardev-remove a", "ringbuf_read ", "ringbuf_write ", "change dr0 on", "change dr0 one.i", "change dr0 /et",
    "change dr0 /dev/nul", "logfile tw", "trace-event zzz ", "info block ", "foo", "foo ", "qemu-io ", "commit ",
    "drive_del ", "block_set_io_throttle ", "chardev-send-break ", "closefd ", "chardev-change ", "chardev-change abc ",
    "snapshot_blkdev ", "object_del ", "object_add iot", "device_del ", "info name ", "help info blocks", "x /1",
    "stop |", "\"", "eject \"d", "delvm ", "qom-get /", "info xyz", "  conti", "cont", "object_add throttle-g",
]
CLEAR = b"\x05" + b"\x17" * 8
ARGUMENTS = ["-machine", "none", "-chardev", "null,id=abc", "-chardev", "ringbuf,id=abd", "-blockdev",
             "null-co,node-name=nn1", "-object", "iothread,id=io0"]

for name in FILES:
    open(os.path.join(os.environ["TEST_DIR"], name), "w", encoding="utf-8").close()
steps = [b"drive_add 0 if=none,id=dr0,file=null-co://,format=raw\n"]
for line in LINES:
    steps += [line.encode(), b"\t", CLEAR]
sys.exit(1 if lib.compare_keys(steps, ARGUMENTS, files=[os.path.join(os.environ["TEST_DIR"], name) for name in FILES])
         else 0)
