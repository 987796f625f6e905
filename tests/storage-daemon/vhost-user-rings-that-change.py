#!/usr/bin/env python3
"""vhost-user front ends whose second thread rewrites descriptors, tables, indices and headers while the back end reads them, or keeps the
ring from ever being empty: the daemon answers its monitor, serves its other exports and goes on with the next front end.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import random
import select
import signal
import struct
import sys
import tempfile
import time

from lib import Daemon
from vhostuser import GUEST, INDIRECT, NEXT, SIZE, WRITE, FrontEnd

TABLE = 1 << 20


def in_another_process(work):
    """Shares the memory of the front end."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def end(child):
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def flood(fe, queue, head):
    """The index of what is available stays ahead of what was used."""
    memory, used, avail, num = fe.memory, queue.used + 2, queue.avail + 2, queue.num
    for slot in range(num):
        queue.put(queue.avail + 4 + 2 * slot, "H", head)
    while True:
        for _ in range(1000):
            memory[avail:avail + 2] = (int.from_bytes(memory[used:used + 2], "little") + num - 1 & 0xffff).to_bytes(2, "little")
        os.eventfd_write(queue.kick, 1)


def never_empty(path, vm, kind):
    """Requests that are answered at once (what is unknown, an identity, a range past the end)."""
    with FrontEnd(path) as fe:
        fe.start()
        q, at = fe.queues[0], fe.data
        struct.pack_into("<IIQ", fe.memory, at, kind, 0, 1 << 40)
        q.descriptor(0, GUEST + at, 16, NEXT, 1)
        q.descriptor(1, GUEST + at + 1024, 513, WRITE, 0)
        child = in_another_process(lambda: flood(fe, q, 0))
        try:
            os.eventfd_write(q.kick, 1)
            for _ in range(5):
                before, limit = q.get(q.used + 2, "H")[0], time.monotonic() + 60
                while q.get(q.used + 2, "H")[0] == before and time.monotonic() < limit:
                    pass
                assert time.monotonic() < limit, "the flood is not served"
                vm.cmd("query-block-exports")
                assert time.monotonic() < limit + 60, "the monitor had to wait"
        finally:
            end(child)


def change(fe, seed):
    """Fields that fit, and others, one after the other for ever."""
    rng, memory, q = random.Random(seed), fe.memory, fe.queues[0]
    places = [fe.data, fe.data + 64, TABLE, SIZE - 8, SIZE, 1 << 40]
    while True:
        what = rng.randrange(8)
        if what < 5:
            base = rng.choice((q.base, TABLE)) + 16 * rng.randrange(12)
            struct.pack_into("<QIHH", memory, base, GUEST + rng.choice(places[:4] if what else places), rng.choice((16, 64, 512, 4096, 1, 16 * 12)) if what else rng.getrandbits(32),
                             rng.choice((0, NEXT, NEXT, WRITE, NEXT | WRITE, INDIRECT)), rng.randrange(12) if what else rng.getrandbits(16))
        elif what == 5:
            struct.pack_into("<IIQ", memory, fe.data, rng.choice((0, 0, 1, 4, 8, 11, 13, 99)), 0, rng.choice((0, 8, 2040, 1 << 60)))
        elif what == 6:
            struct.pack_into("<H", memory, q.avail + 4 + 2 * rng.randrange(q.num), rng.randrange(12))
        else:
            struct.pack_into("<QII", memory, fe.data + 64, rng.choice((0, 8, 1 << 50)), rng.choice((1, 8, 1 << 30)), rng.choice((0, 1, 7)))


def changing(path, seed):
    rng = random.Random(seed)
    with FrontEnd(path) as fe:
        fe.start()
        child = in_another_process(lambda: change(fe, seed))
        try:
            for _ in range(200):
                q = fe.queues[0]
                for i in range(12):
                    q.descriptor(i, GUEST + fe.data, 512, rng.choice((NEXT, NEXT | WRITE, WRITE)), (i + 1) % 12)
                q.descriptor(rng.randrange(12), GUEST + TABLE, 16 * 12, INDIRECT)
                q.offer(rng.randrange(12))
                if fe.sock in select.select([fe.sock], [], [], 0)[0]:
                    return
        finally:
            end(child)


def alive(path):
    with FrontEnd(path) as fe:
        fe.start()
        assert fe.read(0, 8)[0] == 0


def main():
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    path, beside = f"{folder}/vu", f"{folder}/beside"
    for name in ("image", "other"):
        pathlib.Path(folder, name).write_bytes(b"s" * (1 << 20))
    with open(f"{folder}/log", "w", encoding="utf-8") as log:
        for thread in ("", ",iothread=io"):
            with Daemon("ours", ["--object", "iothread,id=io", "--blockdev", "file,filename=image,node-name=n,discard=unmap", "--blockdev", "file,filename=other,node-name=o",
                                 "--export", f"vhost-user-blk,id=e,node-name=n,writable=on,addr.type=unix,addr.path=vu{thread}",
                                 "--export", "vhost-user-blk,id=b,node-name=o,addr.type=unix,addr.path=beside"], cwd=folder, stderr=log) as vm:
                for kind in (99, 8, 0):
                    never_empty(path, vm, kind)
                    alive(beside)
                for seed in range(20):
                    changing(path, seed)
                alive(path)
                alive(beside)
                descriptors = len(os.listdir(f"/proc/{vm.process.pid}/fd"))
                vm.cmd("block-export-del", {"id": "e"})
                vm.wait_event("BLOCK_EXPORT_DELETED")
                assert descriptors < 40, descriptors
    assert pathlib.Path(folder, "other").read_bytes() == b"s" * (1 << 20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
