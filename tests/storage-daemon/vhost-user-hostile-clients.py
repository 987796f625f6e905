#!/usr/bin/env python3
"""vhost-user front ends that break the protocol, lie about memory and rings, or vanish lose their connection; the daemon goes on.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import random
import socket
import struct
import sys
import tempfile

from lib import Daemon
from vhostuser import (ADD_MEM_REG, GET_CONFIG, GET_FEATURES, GET_VRING_BASE, GUEST, INDIRECT, NEXT, REM_MEM_REG, RING_BYTES, SET_CONFIG,
                       SET_FEATURES, SET_LOG_BASE, SET_MEM_TABLE, SET_OWNER, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL,
                       SET_VRING_ENABLE, SET_VRING_KICK, SET_VRING_NUM, SIZE, T_IN, USER, WRITE, FrontEnd)

Q = struct.Struct("<Q")


def message(*args, **more):
    """A message after which the connection ends."""
    def attack(fe):
        fe.negotiate(protocol=1 << 15)
        fe.send(*args, **more)
        return fe.ended()
    return attack


def regions(table, count=None, fds=None):
    def attack(fe):
        fe.negotiate(protocol=0)
        body = struct.pack("<II", len(table) if count is None else count, 0) + b"".join(struct.pack("<QQQQ", *one) for one in table)
        fe.send(SET_MEM_TABLE, body, [fe.memfd] * (len(table) if fds is None else fds))
        return fe.ended()
    return attack


def region_fd(make):
    def attack(fe):
        fe.negotiate(protocol=0)
        fds = make()
        fe.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, GUEST, SIZE, USER, 0), fds[:1])
        for fd in fds:
            os.close(fd)
        return fe.ended()
    return attack


def ring(setup):
    """A device that runs; setup writes nonsense into its ring."""
    def attack(fe):
        fe.start()
        setup(fe, fe.queues[0])
        os.eventfd_write(fe.queues[0].kick, 1)
        return fe.ended()
    return attack


def chain(*descriptors):
    def setup(fe, q):
        for i, (addr, length, flags, following) in enumerate(descriptors):
            q.descriptor(i, GUEST + addr if addr < SIZE else addr, length, flags, following)
        q.offer(0, kick=False)
    return ring(setup)


def place(**where):
    """Rings at wrong places, of wrong sizes."""
    def attack(fe):
        fe.negotiate(protocol=0)
        fe.share_memory()
        at = {"num": 64, "desc": USER, "used": USER + 32768, "avail": USER + 1024, "index": 0, **where}
        fe.send(SET_VRING_NUM, struct.pack("<II", 0, at["num"]))
        fe.send(SET_VRING_ADDR, struct.pack("<IIQQQQ", at["index"], 0, at["desc"], at["used"], at["avail"], 0))
        fe.send(SET_VRING_KICK, Q.pack(0), [fe.queues[0].kick])
        fe.send(SET_VRING_ENABLE, struct.pack("<II", 0, 1))
        return fe.ended()
    return attack


def kick(make):
    """A kick descriptor that is something else; the peer may or may not notice."""
    def attack(fe):
        fe.start()
        fds = make()
        fe.tell(SET_VRING_KICK, Q.pack(0), fds[:1])
        os.write(fds[-1], bytes(3))
        for fd in fds:
            os.close(fd)
        return True
    return attack


def call(make):
    def attack(fe):
        fe.start()
        fds = make()
        fe.tell(SET_VRING_CALL, Q.pack(0), fds[-1:])
        fe.request(T_IN, 0, in_bytes=512, wait=False)
        for fd in fds:
            os.close(fd)
        return True
    return attack


def shrink(fe):
    """The memory is taken away while its rings are in use."""
    fe.start()
    fe.read(0, 8)
    fe.memory.close()
    os.ftruncate(fe.memfd, 0)
    os.eventfd_write(fe.queues[0].kick, 1)
    return fe.ended()


def vanish(fe):
    """Gone with requests in flight."""
    fe.start()
    for slot in range(12):
        fe.request(T_IN, slot * 16, in_bytes=8192, slot=slot, wait=False)
    return True


def swap(fe):
    """The memory is exchanged with requests in flight."""
    fe.start()
    for slot in range(12):
        fe.request(T_IN, slot * 16, in_bytes=8192, slot=slot, wait=False)
    for _ in range(3):
        fe.share_memory()
    for _ in range(12):
        fe.queues[0].wait()
    return fe.read(0, 1)[0] == 0


def jump(fe, q):
    q.put(q.avail + 2, "H", q.next_avail + q.num + 1)


def bad_head(fe, q):
    q.put(q.avail + 4, "HH", q.num, q.num)
    q.put(q.avail + 2, "H", q.next_avail + 1)


def indirect(length, nested=False):
    def setup(fe, q):
        table = fe.data
        q.descriptor(0, GUEST + table, length, INDIRECT)
        for i in range(64):
            q.descriptor(i, GUEST + fe.data + 4096, 16, INDIRECT if nested else NEXT, (i + 1) % 64, table)
        q.offer(0, kick=False)
    return ring(setup)


def slots(fe):
    """More regions than there is room for."""
    fe.negotiate(protocol=1 << 15)
    for i in range(40):
        fe.send(ADD_MEM_REG, struct.pack("<QQQQQ", 0, GUEST + i * 4096, 4096, USER + i * 4096, i * 4096), [fe.memfd])
    return fe.ended()


def file(data=b""):
    fd = os.memfd_create("file")
    os.write(fd, data)
    return [fd]


ATTACKS = {
    "version": message(GET_FEATURES, flags=0), "unknown": message(99), "zero": message(0), "late": message(26),
    "huge": message(GET_FEATURES, size=0xFFFFFFFF), "large": message(SET_CONFIG, size=4096), "short": message(SET_FEATURES, b"1234"),
    "features": message(SET_FEATURES, Q.pack(1 << 63)), "config": message(SET_CONFIG, struct.pack("<III", 0, 1, 0) + bytes(256)),
    "queue": message(SET_VRING_NUM, struct.pack("<II", 7, 64)), "queue base": message(GET_VRING_BASE, struct.pack("<II", 0xFFFFFFFF, 0)),
    "no kick": message(SET_VRING_KICK, Q.pack(0)), "no log": message(SET_LOG_BASE, Q.pack(4096) * 2),
    "no region": message(REM_MEM_REG, Q.pack(0) * 5), "no fd": message(ADD_MEM_REG, struct.pack("<QQQQQ", 0, GUEST, SIZE, USER, 0)),
    "regions": regions([(GUEST + i * 4096, 4096, USER + i * 4096, 0) for i in range(9)]), "count": regions([(GUEST, SIZE, USER, 0)], count=8),
    "many": regions([], count=0x7FFFFFFF), "fds": regions([(GUEST, SIZE, USER, 0)], fds=0), "too long": regions([(GUEST, SIZE + 1, USER, 0)]),
    "offset": regions([(GUEST, SIZE, USER, 4096)]), "wrap": regions([(GUEST, SIZE, USER, (1 << 64) - 4096)]),
    "wrap guest": regions([((1 << 64) - 4096, SIZE, USER, 0)]), "empty": regions([(GUEST, 0, USER, 0)]),
    "overlap": regions([(GUEST, 8192, USER, 0), (GUEST + 4096, 8192, USER + 8192, 0)]),
    "pipe": region_fd(os.pipe), "null": region_fd(lambda: [os.open("/dev/null", os.O_RDWR)]),
    "read-only": region_fd(lambda: [os.open("/proc/self/exe", os.O_RDONLY)]),
    "num 0": place(num=0), "num 3": place(num=3), "num big": place(num=65536), "desc": place(desc=1), "desc end": place(desc=USER + SIZE - 16),
    "used": place(used=USER + SIZE - 8), "avail": place(avail=0), "unaligned": place(used=USER + 32769), "index": place(index=9),
    "jump": ring(jump), "head": ring(bad_head),
    "loop": chain((RING_BYTES * 2, 16, NEXT, 1), (RING_BYTES * 2, 16, NEXT, 0)), "self": chain((RING_BYTES * 2, 16, NEXT, 0)),
    "next": chain((RING_BYTES * 2, 16, NEXT, 64)), "nothing": chain((RING_BYTES * 2, 0, 0, 0)),
    "outside": chain((GUEST + SIZE - 8, 16, 0, 0)), "far": chain(((1 << 64) - 8, 16, 0, 0)),
    "order": chain((RING_BYTES * 2, 16, NEXT | WRITE, 1), (RING_BYTES * 2, 16, 0, 0)),
    "no status": chain((RING_BYTES * 2, 16, 0, 0)), "header": chain((RING_BYTES * 2, 8, NEXT, 1), (RING_BYTES * 2, 1, WRITE, 0)),
    "table size": indirect(17), "table empty": indirect(0), "table loop": indirect(16 * 64), "nested": indirect(16 * 64, True),
    "kick file": kick(lambda: file(bytes(64))), "kick pipe": kick(os.pipe), "call pipe": call(os.pipe), "call file": call(file),
    "call null": call(lambda: [os.open("/dev/null", os.O_RDONLY)]),
    "slots": slots, "shrink": shrink, "vanish": vanish, "swap": swap,
}


def noise(path, rng):
    """Bytes at random, messages with random fields, descriptors in all of them."""
    with FrontEnd(path) as fe:
        fe.negotiate()
        try:
            for _ in range(20):
                request = rng.choice([SET_OWNER, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, GET_CONFIG,
                                      SET_VRING_CALL, SET_VRING_ENABLE, ADD_MEM_REG, REM_MEM_REG, SET_LOG_BASE, rng.randrange(60)])
                body = b"".join(Q.pack(rng.choice([0, 1, 2, 64, USER, GUEST, SIZE, 1 << 32, rng.getrandbits(64)]))
                                for _ in range(rng.randrange(12)))
                fe.send(request, body, [fe.memfd] * rng.choice([0, 1, 1, 2, 16]), flags=rng.choice([1, 1, 9, 5, 3]))
        except OSError:
            pass


def alive(path):
    with FrontEnd(path) as fe:
        fe.start()
        assert fe.read(0, 8) == (0, b"s" * 4096)


def main():
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    path = f"{folder}/vu"
    pathlib.Path(folder, "image").write_bytes(b"s" * (1 << 20))
    bad = 0
    with open(f"{folder}/log", "w", encoding="utf-8") as log, \
            Daemon("ours", ["--object", "iothread,id=io", "--blockdev", "file,filename=image,node-name=n", "--export",
                            "vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=vu,iothread=io"], cwd=folder, stderr=log) as vm:
        for name, attack in ATTACKS.items():
            try:
                with FrontEnd(path) as fe:
                    try:
                        ended = attack(fe)
                    except (EOFError, BrokenPipeError, ConnectionResetError):
                        ended = True
                    except ValueError:                 # a mapping that the attack closed
                        ended = True
                if not ended:
                    raise AssertionError("the connection goes on")
                alive(path)
            except (AssertionError, OSError, EOFError) as error:
                bad += 1
                print(f"{name}: {error!r}")
        rng = random.Random(7)
        for _ in range(100):
            noise(path, rng)
        for _ in range(300):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(path)
                sock.send(bytes(rng.randrange(12)))
        alive(path)
        descriptors = len(os.listdir(f"/proc/{vm.process.pid}/fd"))
        vm.cmd("block-export-del", {"id": "e"})
        vm.wait_event("BLOCK_EXPORT_DELETED")
        if descriptors > 30:
            bad += 1
            print(f"{descriptors} descriptors are open")
    if "assert" in (text := pathlib.Path(folder, "log").read_text()):
        bad += 1
        print(text[-2000:])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
