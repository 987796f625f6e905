#!/usr/bin/env python3
"""The vduse-blk export makes the device that the stock daemon's makes, and serves it alike. The kernel is played by this test
(fake-vduse.c stands in the daemons' place for /dev/vduse), as hardly any machine has that module.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import mmap
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

from lib import Daemon, differences, program, skip
from vhostuser import GUEST, RING_BYTES, SIZE, T_DISCARD, T_FLUSH, T_GET_ID, T_IN, T_WRITE_ZEROES, FrontEnd, Queue

HEADER = struct.Struct("<IiiII")
BASE, CREATE, DESTROY, GET_FD, GET_FEATURES, SET_CONFIG, CONFIG_IRQ, VQ_SETUP, VQ_INFO, KICKFD, IRQ = \
    0x81, 2, 3, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17
GET_STATE, SET_STATUS, UPDATE_IOTLB = range(3)
MESSAGE = 152
TIMEOUT = 120


class Kernel(FrontEnd):
    """The kernel's side: answers ioctls, sends messages, and drives rings as a front end does."""

    def __init__(self, path, queues):        # pylint: disable=super-init-not-called
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(16)
        self.memfd = os.memfd_create("iova")
        os.ftruncate(self.memfd, SIZE)
        self.memory = mmap.mmap(self.memfd, SIZE)
        self.queues = [Queue(self, i, 64) for i in range(queues)]
        self.data = queues * RING_BYTES
        self.sock, self.other = socket.socketpair()
        self.ready, self.log, self.features, self.device = [False] * queues, [], 0, None
        self.event, self.ids = threading.Condition(), 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            data, control, _, _ = line.recvmsg(65536, 64)
            if len(data) < HEADER.size:
                continue
            kind, _, _, request, _ = HEADER.unpack(data[:HEADER.size])
            if chr(kind) == "d":
                with self.event:
                    self.device = line
                    self.event.notify_all()
            elif chr(kind) == "i":
                fds = [struct.unpack("i", body[:4])[0] for _, _, body in control]
                result, payload, fd = self.ioctl(request & 0xFF, bytearray(data[HEADER.size:]), fds)
                message = HEADER.pack(kind, 0 if result == 0 else -1, result, request, len(payload)) + payload
                socket.send_fds(line, [message], [fd]) if fd is not None else line.send(message)
                line.close()
            # the control device's connection stays open by this name
            else:
                self.control = line

    def note(self, *what):
        with self.event:
            self.log.append(what)
            self.event.notify_all()

    def ioctl(self, number, arg, fds):
        """(errno, argument, descriptor)"""
        index = struct.unpack_from("<I", arg)[0] if len(arg) >= 4 else None
        if number == CREATE:
            config = struct.unpack_from("<256sIIQII", arg)
            self.offered = config[3]
            self.note("create", config[0].rstrip(b"\0").decode(), *(hex(one) for one in config[1:]), bytes(arg[336:]).hex())
        elif number == DESTROY:
            self.note("destroy", bytes(arg).split(b"\0")[0].decode())
        elif number == VQ_SETUP:
            self.note("queue", *struct.unpack_from("<IH", arg))
        elif number == GET_FEATURES:
            struct.pack_into("<Q", arg, 0, self.features)
        elif number == VQ_INFO:
            q = self.queues[index]
            if self.ready[index]:
                struct.pack_into("<IIQQQHHHHB", arg, 0, index, q.num, GUEST + q.base, GUEST + q.avail, GUEST + q.used, q.next_avail, 0, 0, 0, 1)
        elif number == KICKFD:
            if fds:
                self.queues[index].kick = fds[0]
            self.note("kick", index, bool(fds))
        elif number == IRQ:
            os.eventfd_write(self.queues[index].call, 1)
        elif number == GET_FD:
            start = struct.unpack_from("<QQ", arg)[1]
            if not GUEST <= start < GUEST + SIZE:
                return 22, arg, None
            # Two pieces, so that a request may cross from one to the other.
            half = start >= GUEST + SIZE // 2
            struct.pack_into("<QQQB", arg, 0, half * SIZE // 2, GUEST + half * SIZE // 2, GUEST + (half + 1) * SIZE // 2 - 1, 3)
            return 0, arg, self.memfd
        elif number == SET_CONFIG:
            self.note("config", bytes(arg).hex())
        elif number == CONFIG_IRQ:
            self.note("config changed")
        return 0, bytes(arg), None

    def wait_for(self, condition):
        with self.event:
            assert self.event.wait_for(condition, TIMEOUT), self.log

    def tell(self, kind, payload):           # pylint: disable=arguments-differ
        """A message to the device; (result, what it says)."""
        self.wait_for(lambda: self.device)
        self.ids += 1
        self.device.settimeout(TIMEOUT)
        self.device.send((struct.pack("<II", kind, self.ids) + bytes(16) + payload).ljust(MESSAGE, b"\0"))
        answer = self.device.recv(4096)
        number, result = struct.unpack_from("<II", answer)
        assert number == self.ids and len(answer) == MESSAGE, answer
        return result, answer[24:32].hex()

    def start(self, **options):
        self.features, self.ready = options.get("features", self.offered & ~(1 << 29)), [True] * len(self.queues)
        return self.tell(SET_STATUS, b"\x07")

    def close(self):
        self.listener.close()
        self.sock.close()
        self.other.close()


def requests(fe):
    yield "read", fe.read(0, 8), fe.read(2047, 1), fe.read(2047, 2)[0], fe.read(1 << 60, 1)[0]
    yield "write", fe.write(8, b"x" * 4096, queue=1, pieces=3), fe.read(0, 64, pieces=8), fe.read(0, 64, indirect=True, pieces=5)
    yield "other", fe.request(T_FLUSH, 0), fe.request(77, 0, in_bytes=512)[0::2], fe.request(T_IN, 0, in_bytes=513)[0]
    status, text, length = fe.request(T_GET_ID, 0, in_bytes=20)
    yield status, text.split(b"\0")[0], length
    for kind in (T_DISCARD, T_WRITE_ZEROES):
        yield [fe.ranged(kind, 16, 8), fe.ranged(kind, 32, 8, 1), fe.ranged(kind, 0, 40000), fe.ranged(kind, 2047, 2), fe.ranged(kind, 0, 8, 2),
               fe.ranged(kind, 0, 0), fe.request(kind, 0, out=bytes(32))[0]]
    # Over the border between the two mappings: the data of slot 7 or so lie there.
    step = (SIZE - fe.data) // 16
    slot = (SIZE // 2 - fe.data) // step
    at = fe.data + slot * step + 64
    sectors = (SIZE // 2 - at) // 512 + 8
    yield "across", fe.read(0, min(sectors, step // 512 - 8), slot=slot)


def look(kind, shim, extra):
    folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ["TEST_DIR"]))
    (folder / "image").write_bytes(bytes(range(256)) * 4096)
    os.environ["FAKE_VDUSE"], os.environ["LD_PRELOAD"] = str(folder / "kernel"), shim
    kernel = Kernel(str(folder / "kernel"), 2)
    seen = []
    try:
        with Daemon(kind, ["--object", "iothread,id=io", "--blockdev", "file,filename=image,node-name=n,discard=unmap", "--export",
                           f"vduse-blk,id=e,node-name=n,name=dev0,num-queues=2{extra}"], cwd=str(folder), stderr=subprocess.DEVNULL) as vm:
            os.environ.pop("LD_PRELOAD")
            seen += [kernel.tell(GET_STATE, struct.pack("<I", 0)), kernel.tell(SET_STATUS, b"\x03"), kernel.start()]
            seen += list(requests(kernel))
            seen += [kernel.tell(UPDATE_IOTLB, struct.pack("<QQ", GUEST, GUEST + SIZE - 1)), kernel.read(0, 8)]
            seen += [kernel.tell(GET_STATE, struct.pack("<I", 0)), kernel.tell(GET_STATE, struct.pack("<I", 1))]
            seen.append(vm.ask("block_resize", {"node-name": "n", "size": 2 << 20}))
            kernel.wait_for(lambda: ("config changed",) in kernel.log)
            seen += [kernel.read(4000, 1), kernel.tell(SET_STATUS, b"\x00")]
            for queue in kernel.queues:
                kernel.memory[queue.base:queue.base + RING_BYTES] = bytes(RING_BYTES)
                queue.next_avail = queue.seen_used = 0
            seen += [kernel.start(), kernel.read(0, 8, queue=1), kernel.tell(9, b"")[0] if kind == "ours" else 1]
            seen += [vm.cmd("query-block-exports"), vm.ask("block-export-del", {"id": "e"}), vm.wait_event("BLOCK_EXPORT_DELETED")["data"]]
            kernel.wait_for(lambda: ("destroy", "dev0") in kernel.log)
    finally:
        os.environ.pop("LD_PRELOAD", None)
    seen.append([entry for entry in kernel.log if entry[0] != "kick"])
    seen.append((folder / "image").read_bytes())
    kernel.close()
    return seen


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def refusals(kind):
    for options in ("name=x", "name=x,num-queues=0", "name=x,queue-size=0", "name=x,queue-size=2", "name=x,queue-size=3", "name=x,queue-size=2048",
                    "name=x,logical-block-size=4", "name=x,logical-block-size=1536", "name=x,num-queues=70000", "name=..", "name=" + "1" * 300,
                    "name=x,serial=0123456789012345678901234567890123456789", "queue-size=4", "name=x,queue-size=2,logical-block-size=4",
                    "name=x,num-queues=0,queue-size=2", "name=x,foo=1", "name=x,iothread=nope"):
        done = subprocess.run(["qemu-storage-daemon", "--blockdev", "null-co,node-name=n", "--export", f"vduse-blk,id=a,node-name=n,{options}"],
                              text=True, executable=program(kind, "QEMU_STORAGE_DAEMON"), capture_output=True, timeout=60, check=False)
        yield options, done.returncode, done.stdout, done.stderr


def main():
    shim = os.path.join(os.environ["BUILD_DIR"], "tests", "storage-daemon", "fake-vduse.so")
    if not os.environ.get("STOCK_QEMU_STORAGE_DAEMON"):
        skip("the stock qemu-storage-daemon is not installed")
    bad = 0
    if not os.path.exists("/dev/vduse/control"):
        for stock, ours in zip(refusals("stock"), refusals("ours")):
            if stock != ours:
                bad += 1
                print(f"stock: {stock}\nours:  {ours}")
    if not os.environ.get("UNDER_SANITIZER"):            # which wants to be loaded first
        for extra in ("", ",writable=on,serial=abc", ",writable=on,queue-size=64,logical-block-size=1024,iothread=io"):
            stock_extra = extra.replace(",iothread=io", "")
            for line in differences(plain(look("stock", shim, stock_extra)), plain(look("ours", shim, extra)), extra or "(read-only)"):
                bad += 1
                print(line[:1500])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
