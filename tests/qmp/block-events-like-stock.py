#!/usr/bin/env python3
"""Requests that fail or pass a threshold: the guest's status, I/O status, statistics and events are the stock emulator's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/qtest")
from qtestlib import IN, INDIRECT, OUT, Disk, Machine, program, skip

EVENTS = ("BLOCK_IO_ERROR", "BLOCK_WRITE_THRESHOLD", "QUORUM_REPORT_BAD", "QUORUM_FAILURE", "BLOCK_IMAGE_CORRUPTED", "STOP", "RESUME")
COUNTERS = ("rd_operations", "wr_operations", "flush_operations", "failed_rd_operations", "failed_wr_operations",
            "failed_flush_operations", "invalid_rd_operations", "invalid_wr_operations")


class Talk:
    """What one machine says."""

    def __init__(self, stock, *args):
        self.said, self.machine = [], Machine(*args, stock=stock)
        self.disk = None

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.machine.close()

    def request(self, kind, sector, data=b"", length=0):
        if not self.disk:
            self.disk = Disk(self.machine, 4, features=INDIRECT)
        self.said.append(("request", kind, sector, self.disk.request(kind, sector, data, length)[0]))
        self.look()

    def flush(self):
        self.said.append(("flush", self.disk.flush()))
        self.look()

    def look(self):
        block = self.machine.qmp("query-block")[0]
        stats = self.machine.qmp("query-blockstats")[0]["stats"]
        self.said.append((block.get("io-status"), {key: stats[key] for key in COUNTERS},
                          self.machine.qmp("query-status")["status"]))
        self.said += [(event["event"], event.get("data")) for event in self.machine.events if event["event"] in EVENTS]
        self.machine.events.clear()


def disk(*policies):
    return ["-device", "virtio-blk-pci,id=vb,drive=n0,addr=4" + "".join("," + policy for policy in policies)]


def faulty(errno, event):
    rules = f"inject-error.0.event={event},inject-error.0.errno={errno},inject-error.0.once=on"
    return ["-blockdev", f"driver=blkdebug,node-name=n0,image.driver=null-co,image.size=8388608,image.read-zeroes=on,{rules}"]


def report(stock):
    """Default policies: errors are reported, ENOSPC would stop."""
    with Talk(stock, *faulty(5, "pwritev"), *disk()) as t:
        t.request(OUT, 0, b"x" * 512)
        t.request(OUT, 0, b"x" * 512)
        t.request(IN, 1 << 60, length=512)
        t.request(IN, 0, length=512)
        t.flush()
        return t.said


def ignore(stock):
    with Talk(stock, *faulty(5, "pwritev"), *disk("werror=ignore")) as t:
        t.request(OUT, 8, b"x" * 512)
        t.request(OUT, 8, b"x" * 512)
        return t.said


def failed_read(stock):
    with Talk(stock, *faulty(5, "read_aio"), *disk("rerror=report")) as t:
        t.request(IN, 0, length=512)
        return t.said


def threshold(stock):
    with Talk(stock, "-blockdev", "driver=null-co,node-name=n0,size=8388608,read-zeroes=on", *disk()) as t:
        for limit in (4096, 4096, 0):
            t.machine.qmp("block-set-write-threshold", node_name="n0", write_threshold=limit)
            for sector in (0, 7, 8, 16, 24):
                t.request(OUT, sector, b"x" * 512)
            t.said.append(t.machine.qmp("query-block")[0]["inserted"]["write_threshold"])
        return t.said


def quorum(stock):
    children = []
    for i in range(3):
        rules = ",inject-error.0.event=pwritev,inject-error.0.errno=5" if i < 2 else ""
        children += ["-blockdev", f"driver=blkdebug,node-name=c{i},image.driver=null-co,image.size=8388608,image.read-zeroes=on" + rules]
    with Talk(stock, *children, "-blockdev", "driver=quorum,node-name=n0,vote-threshold=2,children.0=c0,children.1=c1,children.2=c2",
              *disk()) as t:
        t.request(IN, 3, length=1024)
        t.request(OUT, 3, b"x" * 1024)
        return t.said


def stop_and_go_on(errno, policy):
    """A running machine stops for the error, and the request succeeds when it goes on (ours only: the stock one runs firmware)."""
    with Talk(False, *faulty(errno, "pwritev"), *disk(policy)) as t:
        disk_ = t.disk = Disk(t.machine, 4, features=INDIRECT)
        t.machine.qmp("cont")
        queue, buffers = disk_.queues[0], t.machine.alloc(1024)
        t.machine.write(buffers, OUT.to_bytes(4, "little") + bytes(4) + (8).to_bytes(8, "little") + b"\xff")
        queue.put([(buffers, 16, False), (buffers + 512, 512, False), (buffers + 16, 1, True)])
        queue.kick()
        t.machine.wait_event("STOP")
        events = [event["event"] for event in t.machine.events]
        assert "BLOCK_IO_ERROR" in events, events
        status = t.machine.qmp("query-status")["status"], t.machine.qmp("query-block")[0].get("io-status")
        assert status == ("io-error", "nospace" if errno == 28 else "failed"), status
        t.machine.qmp("cont")
        queue.wait()
        assert t.machine.read(buffers + 16, 1) == b"\0"
        assert t.machine.qmp("query-block")[0]["io-status"] == "ok"


def main():
    stop_and_go_on(28, "werror=enospc")
    stop_and_go_on(28, "werror=auto")
    stop_and_go_on(5, "werror=stop")
    if not program(stock=True):
        skip("no stock emulator")
    bad = 0
    for part in (report, ignore, failed_read, threshold, quorum):
        stock, ours = part(True), part(False)
        for step in range(max(len(stock), len(ours))):
            pair = [said[step] if step < len(said) else None for said in (stock, ours)]
            if pair[0] != pair[1]:
                bad += 1
                print(f"{part.__name__}, step {step}:\n  stock {pair[0]}\n  ours  {pair[1]}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
