"""A small vhost-user front end: shares a memfd with the back end and drives virtio-blk through rings in it.

    with FrontEnd("path", queues=2) as fe:
        fe.start()
        status, data = fe.read(0, 8)                 # sectors

The memory: 64 KiB for each queue's rings and descriptors, then data. Its guest address is GUEST, the front end's own USER.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import array
import mmap
import os
import select
import socket
import struct

(GET_FEATURES, SET_FEATURES, SET_OWNER, RESET_OWNER, SET_MEM_TABLE, SET_LOG_BASE, SET_LOG_FD, SET_VRING_NUM, SET_VRING_ADDR,
 SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES,
 GET_QUEUE_NUM, SET_VRING_ENABLE) = range(1, 19)
SET_SLAVE_REQ_FD, GET_CONFIG, SET_CONFIG = 21, 24, 25
GET_INFLIGHT_FD, SET_INFLIGHT_FD, RESET_DEVICE, GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = 31, 32, 34, 36, 37, 38
F_PROTOCOL, F_VERSION_1, F_EVENT_IDX, F_INDIRECT = 1 << 30, 1 << 32, 1 << 29, 1 << 28
P_MQ, P_REPLY_ACK, P_CONFIG, P_INFLIGHT, P_MEM_SLOTS = 1 << 0, 1 << 3, 1 << 9, 1 << 12, 1 << 15
NEXT, WRITE, INDIRECT = 1, 2, 4
T_IN, T_OUT, T_FLUSH, T_GET_ID, T_DISCARD, T_WRITE_ZEROES = 0, 1, 4, 8, 11, 13
GUEST, USER = 0x100000000, 0x7F0000000000
RING_BYTES, SIZE = 65536, 4 << 20
TIMEOUT = 120.0


class Queue:
    """One ring of `num` descriptors at `base` of the shared memory; one request at a time unless the caller says so."""

    def __init__(self, front, index, num):
        self.front, self.index, self.num, self.base = front, index, num, index * RING_BYTES
        self.avail, self.used = self.base + 16 * num, self.base + 32768
        self.next_avail = self.seen_used = 0
        self.kick, self.call = os.eventfd(0, os.EFD_NONBLOCK), os.eventfd(0, os.EFD_NONBLOCK)

    def put(self, at, fmt, *values):
        struct.pack_into("<" + fmt, self.front.memory, at, *values)

    def get(self, at, fmt):
        return struct.unpack_from("<" + fmt, self.front.memory, at)

    def descriptor(self, i, addr, length, flags=0, following=0, table=None):
        self.put((self.base if table is None else table) + 16 * i, "QIHH", addr, length, flags, following)

    def offer(self, head, kick=True):
        self.put(self.avail + 4 + 2 * (self.next_avail % self.num), "H", head)
        self.next_avail = (self.next_avail + 1) & 0xFFFF
        self.front.memory[self.avail + 2:self.avail + 4] = self.next_avail.to_bytes(2, "little")      # struct would write zeroes first
        if kick:
            os.eventfd_write(self.kick, 1)

    def wait(self, timeout=TIMEOUT):
        """(head, length) of the next one given back; None when the connection ends first."""
        while self.get(self.used + 2, "H")[0] == self.seen_used:
            ready, _, _ = select.select([self.call, self.front.sock], [], [], timeout)
            if self.call in ready:
                os.eventfd_read(self.call)
            elif self.front.sock in ready:
                return None
            elif not ready:
                raise TimeoutError(f"queue {self.index} gave nothing back")
        entry = self.get(self.used + 4 + 8 * (self.seen_used % self.num), "II")
        self.seen_used = (self.seen_used + 1) & 0xFFFF
        return entry


class FrontEnd:
    def __init__(self, path, queues=1, num=64):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)                 # waits while another one is served
        self.sock.settimeout(TIMEOUT)
        self.memfd = os.memfd_create("guest")
        os.ftruncate(self.memfd, SIZE)
        self.memory = mmap.mmap(self.memfd, SIZE)
        self.queues = [Queue(self, i, num) for i in range(queues)]
        self.data = queues * RING_BYTES
        self.reply_ack = False

    # --- messages ---------------------------------------------------------------------------

    def send(self, request, payload=b"", fds=(), flags=1, size=None):
        message = struct.pack("<III", request, flags, len(payload) if size is None else size) + payload
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.sock.sendmsg([message], control)

    def receive(self):
        """(request, flags, payload, descriptors); None at the end."""
        data, control, _, _ = self.sock.recvmsg(12, 1024)
        if not data:
            return None
        fds = array.array("i")
        for _, _, body in control:
            fds.frombytes(body[:len(body) // 4 * 4])
        while len(data) < 12:
            data += self.sock.recv(12 - len(data))
        request, flags, size = struct.unpack("<III", data)
        payload = b""
        while len(payload) < size:
            part = self.sock.recv(size - len(payload))
            if not part:
                return None
            payload += part
        return request, flags, payload, list(fds)

    def ask(self, request, payload=b"", fds=()):
        self.send(request, payload, fds)
        answer = self.receive()
        if answer is None:
            raise EOFError(f"connection ended at request {request}")
        assert answer[0] == request and answer[1] == 5, answer
        return answer[2]

    def ask_u64(self, request, payload=b""):
        return struct.unpack("<Q", self.ask(request, payload))[0]

    def tell(self, request, payload=b"", fds=()):
        """With an acknowledgement where it was agreed on: its value."""
        self.send(request, payload, fds, flags=9 if self.reply_ack else 1)
        if not self.reply_ack:
            return 0
        answer = self.receive()
        if answer is None:
            raise EOFError(f"connection ended at request {request}")
        return struct.unpack("<Q", answer[2])[0]

    def ended(self):
        """Does the back end close the connection?"""
        try:
            return self.receive() is None
        except ConnectionResetError:
            return True

    def negotiate(self, features=None, protocol=None):
        self.tell(SET_OWNER)
        offered = self.ask_u64(GET_FEATURES)
        self.features = offered & (F_VERSION_1 | F_PROTOCOL | F_INDIRECT) if features is None else features
        self.protocol = self.ask_u64(GET_PROTOCOL_FEATURES)
        wanted = self.protocol & (P_MQ | P_REPLY_ACK | P_CONFIG) if protocol is None else protocol
        self.tell(SET_PROTOCOL_FEATURES, struct.pack("<Q", wanted))
        self.reply_ack = bool(wanted & P_REPLY_ACK)
        self.tell(SET_FEATURES, struct.pack("<Q", self.features))
        return offered

    def config(self, size=60, offset=0):
        return self.ask(GET_CONFIG, struct.pack("<III", offset, size, 0) + bytes(size))[12:]

    def share_memory(self, regions=None):
        regions = [(GUEST, SIZE, USER, 0)] if regions is None else regions
        body = struct.pack("<II", len(regions), 0) + b"".join(struct.pack("<QQQQ", *region) for region in regions)
        return self.tell(SET_MEM_TABLE, body, [self.memfd] * len(regions))

    def start_queue(self, queue, enable=True):
        i = queue.index
        self.tell(SET_VRING_NUM, struct.pack("<II", i, queue.num))
        self.tell(SET_VRING_BASE, struct.pack("<II", i, queue.next_avail))
        self.tell(SET_VRING_ADDR, struct.pack("<IIQQQQ", i, 0, USER + queue.base, USER + queue.used, USER + queue.avail, 0))
        self.tell(SET_VRING_CALL, struct.pack("<Q", i), [queue.call])
        self.tell(SET_VRING_KICK, struct.pack("<Q", i), [queue.kick])
        if enable:
            self.tell(SET_VRING_ENABLE, struct.pack("<II", i, 1))

    def start(self, **options):
        self.negotiate(**options)
        self.share_memory()
        for queue in self.queues:
            self.start_queue(queue)

    # --- requests ---------------------------------------------------------------------------

    def request(self, kind, sector, out=b"", in_bytes=0, queue=0, indirect=False, pieces=1, slot=0, wait=True):
        """(status, what was written to us, length told). Data in `pieces` descriptors; several at once use other slots."""
        q, step = self.queues[queue], (SIZE - self.data) // 16
        at = self.data + slot * step
        header, status, data = at, at + 16, at + 64
        struct.pack_into("<IIQ", self.memory, header, kind, 0, sector)
        self.memory[status:status + 1] = b"\xff"
        self.memory[data:data + len(out)] = out
        chain = [(header, 16, 0)]
        length = len(out) or in_bytes
        for piece in range(pieces if length else 0):
            begin, end = length * piece // pieces, length * (piece + 1) // pieces
            chain.append((data + begin, end - begin, 0 if out else WRITE))
        chain.append((status, 1, WRITE))
        first = slot * (q.num // 16) if not indirect else slot
        table = self.data + 15 * step + 4096 * slot if indirect else None
        for i, (where, size, flags) in enumerate(chain):
            last = i == len(chain) - 1
            base = 0 if indirect else first
            q.descriptor(base + i, GUEST + where, size, flags | (0 if last else NEXT), 0 if last else base + i + 1, table)
        if indirect:
            q.descriptor(first, GUEST + table, 16 * len(chain), INDIRECT)
        q.offer(first)
        if not wait:
            return None
        entry = q.wait()
        if entry is None:
            raise EOFError("connection ended in a request")
        assert entry[0] == first, (entry, first)
        return self.memory[status], bytes(self.memory[data:data + in_bytes]), entry[1]

    def read(self, sector, sectors, **more):
        return self.request(T_IN, sector, in_bytes=512 * sectors, **more)[:2]

    def write(self, sector, data, **more):
        return self.request(T_OUT, sector, out=data, **more)[0]

    def ranged(self, kind, sector, sectors, flags=0, **more):
        return self.request(kind, 0, out=struct.pack("<QII", sector, sectors, flags), **more)[0]

    def close(self):
        self.sock.close()
        for queue in self.queues:
            os.close(queue.kick)
            os.close(queue.call)
        self.memory.close()
        os.close(self.memfd)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
