#!/usr/bin/env python3
"""A vhost-user front end sees the same device, statuses and data through our export as through the stock daemon's.

Then the stock emulator's firmware boots from our export and writes to it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import hashlib
import mmap
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from lib import Daemon, differences, program, skip
from vhostuser import (F_EVENT_IDX, F_INDIRECT, F_PROTOCOL, F_VERSION_1, GET_QUEUE_NUM, GET_VRING_BASE, GUEST, SET_CONFIG, SIZE,
                       SET_LOG_BASE, T_DISCARD, T_FLUSH, T_GET_ID, T_IN, T_OUT, T_WRITE_ZEROES, USER, FrontEnd)

CONTENT = bytes(range(256)) * 4096             # 1 MiB
# Offered by the stock daemon only: back end requests, page faults over the wire, host notifiers.
UNUSED = 1 << 5 | 1 << 8 | 1 << 10 | 1 << 11
WCE = 32


def facts(fe):
    offered = fe.negotiate()
    config = bytearray(fe.config())
    # The stock daemon tells a write-through cache and has a write-back one: a guest would not flush. Ours tells the truth.
    config[WCE] = 0
    return offered, fe.protocol & ~UNUSED, bytes(config), fe.ask_u64(GET_QUEUE_NUM)


def requests(fe):
    fe.start()
    yield fe.read(0, 8)
    yield fe.read(2047, 1), fe.read(2047, 2)[0], fe.read(2048, 1)[0], fe.read(1 << 60, 1)[0]
    yield fe.write(2, b"x" * 1024, queue=1, pieces=3), fe.read(0, 8, queue=1)
    yield fe.write(1, b"y" * 512), fe.read(0, 8, pieces=8), fe.read(0, 8, indirect=True, pieces=5)
    yield fe.request(T_IN, 0, in_bytes=513)[0::2], fe.request(T_IN, 0, in_bytes=0)[0::2], fe.request(T_OUT, 0)[0::2]
    yield fe.request(T_FLUSH, 0), fe.request(T_GET_ID, 0, in_bytes=8)
    status, text, length = fe.request(T_GET_ID, 0, in_bytes=20)
    yield status, text.split(b"\0")[0], length
    for kind in (T_DISCARD, T_WRITE_ZEROES):
        yield [fe.ranged(kind, 16, 8), fe.ranged(kind, 32, 8, 1), fe.ranged(kind, 0, 40000), fe.ranged(kind, 2047, 2),
               fe.ranged(kind, 0, 8, 2), fe.ranged(kind, 0, 0), fe.ranged(kind, 3, 1), fe.request(kind, 0, out=bytes(32))[0]]
        yield fe.read(0, 64)
    yield fe.request(77, 0, in_bytes=512)[0::2], fe.request(77, 0, out=b"1234")[0::2], fe.request(2, 0, in_bytes=512)[0::2]
    yield fe.request(T_IN, 0, in_bytes=1024)[2], fe.request(T_OUT, 8, out=b"z" * 512)[2], fe.request(T_OUT, 5000, out=b"z" * 512)[2]
    yield "slots", sorted_slots(fe)
    yield "base", fe.ask(GET_VRING_BASE, struct.pack("<II", 0, 0)), fe.ask(GET_VRING_BASE, struct.pack("<II", 1, 0))
    fe.queues[1].kick, fe.queues[1].call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)
    fe.start_queue(fe.queues[1])
    yield "again", fe.read(0, 1, queue=1)


def sorted_slots(fe):
    """Several requests at once: what each slot got."""
    q = fe.queues[0]
    for slot in range(8):
        fe.request(T_IN, 64 + slot * 2, in_bytes=1024, slot=slot, wait=False)
    heads = sorted(q.wait()[0] for _ in range(8))
    step = (SIZE - fe.data) // 16
    return heads, [bytes(fe.memory[fe.data + slot * step + 64:fe.data + slot * step + 1088]) for slot in range(8)]


def logged(fe):
    """Pages that a read into guest memory marks in the log of writes: the data's, the status byte's and the used ring's."""
    fe.negotiate(features=F_VERSION_1 | F_PROTOCOL | 1 << 26)
    fe.share_memory()
    fe.start_queue(fe.queues[0])
    size = (GUEST + SIZE) // 4096 // 8 + 8
    fd = os.memfd_create("log")
    os.ftruncate(fd, size)
    fe.reply_ack, ack = False, fe.reply_ack
    fe.ask(SET_LOG_BASE, struct.pack("<QQ", size, 0), [fd])
    fe.reply_ack = ack
    fe.read(0, 16)
    with mmap.mmap(fd, size) as log:
        first = GUEST // 4096
        pages = [page - first for page in range(first, first + SIZE // 4096) if log[page // 8] >> (page % 8) & 1]
    os.close(fd)
    return pages


def modes(fe):
    fe.start(features=F_VERSION_1 | F_PROTOCOL | F_INDIRECT | F_EVENT_IDX)
    fe.queues[0].put(fe.queues[0].avail + 4 + 2 * fe.queues[0].num, "H", 0)
    return fe.read(0, 1)


def cache(fe):
    fe.start()

    def switch(on):
        return fe.tell(SET_CONFIG, struct.pack("<III", WCE, 1, 0) + bytes([on] + [0] * 255)), fe.config()[WCE]
    return switch(1), switch(0), fe.read(0, 1)


def look(kind, extra):
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    path = pathlib.Path(folder) / "image"
    path.write_bytes(CONTENT)
    seen = []
    if kind == "stock":                        # which hangs when it loses a client in a thread
        extra = extra.replace(",iothread=io", "")
    with Daemon(kind, ["--object", "iothread,id=io", "--blockdev", "file,filename=image,node-name=n,discard=unmap",
                       "--export", f"vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=vu,num-queues=2{extra}"], cwd=folder) as vm:
        for fn in (facts, requests, modes, cache) + ((logged,) if "writable" in extra else ()):
            with FrontEnd(f"{folder}/vu", queues=2) as fe:
                seen.append((fn.__name__, list(fn(fe)) if fn is requests else fn(fe)))
        with FrontEnd(f"{folder}/vu") as fe:
            fe.start()
            seen.append(vm.cmd("query-block-exports"))
            seen.append(vm.ask("block-export-del", {"id": "e"}))
            seen.append(fe.ended())
            seen.append(vm.wait_event("BLOCK_EXPORT_DELETED")["data"])
            seen.append(vm.ask("block-export-del", {"id": "e", "mode": "hard"}))
        seen.append(os.path.exists(f"{folder}/vu"))
    seen.append(path.read_bytes())
    return seen


N = ["--blockdev", "null-co,node-name=n,size=1048576"]
BAD = ["addr.type=unix,addr.path=/nonexistent/v", "addr.type=inet,addr.host=localhost,addr.port=0", "addr.type=vsock,addr.cid=1,addr.port=7",
       "addr.type=fd,addr.str=77", "addr.type=unix,addr.path=v,num-queues=0", "addr.type=unix,addr.path=v,num-queues=70000",
       "addr.type=unix,addr.path=v,logical-block-size=3", "addr.type=unix,addr.path=v,logical-block-size=1536",
       "addr.type=unix,addr.path=v,logical-block-size=4194304", "addr.type=unix,addr.path=v,iothread=x", "addr.type=unix",
       "addr.type=unix,addr.path=v,foo=1", "addr.type=unix,addr.path=v,writable=maybe"]


def refusals(kind):
    for options in BAD:
        done = subprocess.run(["qemu-storage-daemon", *N, "--export", f"vhost-user-blk,id=a,node-name=n,{options}"], text=True,
                              executable=program(kind, "QEMU_STORAGE_DAEMON"), capture_output=True, timeout=60, check=False)
        yield options, done.returncode, done.stdout, done.stderr


BOOT = bytes.fromhex("31c0 8ec0 8ed8 bb0080 b80102 b90200 b600 cd13 7210 b80103 b90300 cd13 7206 b010 e6f4 ebfa b020 e6f4 ebfa")


def boot():
    """The firmware of the stock emulator reads a sector of our export through its own driver; its code copies another one."""
    emulator = os.environ.get("STOCK_QEMU_SYSTEM", "")
    if not emulator:
        return 0
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    path = pathlib.Path(folder) / "image"
    path.write_bytes(BOOT.ljust(510, b"\0") + b"\x55\xaa" + b"second sector".ljust(512, b".") + bytes(1022 * 1024))
    with Daemon("ours", ["--object", "iothread,id=io", "--blockdev", "file,filename=image,node-name=n", "--export",
                         "vhost-user-blk,id=e,node-name=n,addr.type=unix,addr.path=vu,writable=on,iothread=io"], cwd=folder):
        done = subprocess.run(
            [emulator, "-machine", "q35,memory-backend=m", "-accel", "tcg", "-display", "none", "-nodefaults", "-m", "64",
             "-object", "memory-backend-memfd,id=m,size=64M,share=on", "-chardev", f"socket,id=c,path={folder}/vu",
             "-device", "vhost-user-blk-pci,chardev=c,bootindex=0", "-device", "isa-debug-exit,iobase=0xf4"],
            timeout=120, capture_output=True, text=True, check=False)
    content = path.read_bytes()
    if done.returncode != 33 or content[1024:1536] != content[512:1024]:
        print(f"boot: exit status {done.returncode}, {done.stderr}, sector 2: {content[1024:1040]}")
        return 1
    return 0


def plain(value):
    """With digests in place of long data."""
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return value.hex() if len(value) < 100 else f"{len(value)} bytes, {hashlib.sha1(value).hexdigest()}"
    return value


def main():
    if not os.environ.get("STOCK_QEMU_STORAGE_DAEMON"):
        skip("the stock qemu-storage-daemon is not installed")
    bad = 0
    for extra in ("", ",writable=on", ",writable=on,logical-block-size=4096,iothread=io"):
        stock, ours = look("stock", extra), look("ours", extra)
        for line in differences(plain(stock), plain(ours), extra or "(read-only)"):
            bad += 1
            print(line)
    for stock, ours in zip(refusals("stock"), refusals("ours")):
        if stock != ours:
            bad += 1
            print(f"stock: {stock}\nours:  {ours}")
    bad += boot()
    return 1 if bad else 0


if __name__ == "__main__":
    assert USER
    sys.exit(main())
