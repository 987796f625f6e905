#!/usr/bin/env python3
"""werror=stop: the machine stops, the request waits, `cont` carries it out; rerror=report; with and without an iothread.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import struct
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import Disk, IN, Machine

NODE = {"driver": "blkdebug", "node-name": "n0", "image": {"driver": "raw", "file": {"driver": "file", "filename": "disk.raw"}},
        "inject-error": [{"event": "none", "iotype": "write", "errno": 28, "once": True},
                         {"event": "none", "iotype": "read", "errno": 5, "once": True, "sector": 4}]}


def run(*more, thread=""):
    with open("disk.raw", "wb") as image:
        image.truncate(1 << 20)
    with Machine("-blockdev", json.dumps(NODE), *more, "-device",
                 "virtio-blk-pci,drive=n0,addr=4,werror=stop,rerror=report" + thread) as machine:
        machine.qmp("cont")
        disk = Disk(machine, 4)
        ring, header, data, status = disk.queues[0], machine.alloc(16), machine.alloc(512), machine.alloc(1)
        machine.write(header, struct.pack("<IIQ", 1, 0, 2))
        machine.write(data, b"q" * 512)
        ring.put([(header, 16, False), (data, 512, False), (status, 1, True)])
        ring.kick()
        event = machine.wait_event("BLOCK_IO_ERROR")["data"]
        assert event["nospace"] and event["action"] == "stop" and event["operation"] == "write", event
        machine.wait_event("STOP")
        assert machine.qmp("query-status")["status"] == "io-error"
        assert machine.qmp("query-block")[0]["io-status"] == "nospace"
        machine.qmp("cont")
        ring.wait()
        assert machine.read(status, 1) == b"\0" and disk.read(2, 512) == b"q" * 512
        assert machine.qmp("query-block")[0]["io-status"] == "ok"
        assert disk.request(IN, 4, length=512)[0] == 1
        assert machine.wait_event("BLOCK_IO_ERROR")["data"]["action"] == "report"
        assert disk.request(IN, 4, length=512)[0] == 0


run()
run("-object", "iothread,id=io0", thread=",iothread=io0")
