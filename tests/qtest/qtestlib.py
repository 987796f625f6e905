"""Drive a machine without a processor: QMP and qtest sockets, PCI, virtio rings.

The same script works on the program under test (QEMU_SYSTEM) and on the stock emulator (STOCK_QEMU_SYSTEM),
which runs with its processor stopped (-S) where it has no qtest accelerator.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

TIMEOUT = 90


def program(stock=False):
    """Path of the emulator, "" when there is none."""
    if stock:
        return os.environ.get("STOCK_QEMU_SYSTEM", shutil.which("qemu-system-x86_64", path="/usr/bin:/bin") or "")
    return os.environ["QEMU_SYSTEM"]


def skip(reason):
    print(reason)
    sys.exit(77)


class Machine:
    """A running emulator with a QMP and a qtest connection."""

    def __init__(self, *args, stock=False, board="pc", memory="64", halting=True):
        self.stock = stock
        self.folder = tempfile.mkdtemp(prefix="qtest.")
        listeners = [self._listen(name) for name in ("qmp", "qtest")]
        command = [program(stock), "-machine", board, "-accel", "tcg" if stock else "qtest", "-S", "-nodefaults",
                   "-no-user-config", "-display", "none", "-vga", "none", "-m", memory, "-qtest-log", "none",
                   "-qmp", "unix:" + self.folder + "/qmp", "-qtest", "unix:" + self.folder + "/qtest", *args]
        if stock and board != "none" and halting and "-bios" not in args:
            command += ["-bios", self._halting_firmware()]
        self.process = subprocess.Popen(command)
        self.qtest_socket = self._accept(listeners[1])
        self.qmp_socket = self._accept(listeners[0])
        self.qtest_file = self.qtest_socket.makefile("r")
        self.qmp_file = self.qmp_socket.makefile("r")
        self.events, self.interrupts = [], []
        self.greeting = json.loads(self.qmp_file.readline())
        self.qmp("qmp_capabilities")
        self.next_page = 0x100000

    def _halting_firmware(self):
        """Stock's processor runs after `cont`: it shall not touch what the test drives."""
        path = self.folder + "/halt.bin"
        with open(path, "wb") as file:
            file.write(b"\xf4" * (256 << 10))
        return path

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.folder + "/" + name)
        listener.listen(1)
        listener.settimeout(TIMEOUT)
        return listener

    def _accept(self, listener):
        try:
            connection, _ = listener.accept()
        except socket.timeout:
            self.process.kill()
            raise
        connection.settimeout(TIMEOUT)
        listener.close()
        return connection

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        if self.process.poll() is None:
            try:
                self.qmp("quit")
                self.process.wait(TIMEOUT)
            except (OSError, ValueError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- QMP -----------------------------------------------------------------------------
    def qmp(self, command, **arguments):
        """The "return" value, or the "error" object."""
        request = {"execute": command}
        if arguments:
            request["arguments"] = {key.replace("_", "-") if key not in KEEP else key: value
                                    for key, value in arguments.items()}
        return self.raw(request)

    def raw(self, request):
        self.qmp_socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            line = self.qmp_file.readline()
            if not line:
                raise OSError("the monitor hung up")
            reply = json.loads(line)
            if "event" in reply:
                self.events.append(reply)
            else:
                return reply["return"] if "return" in reply else reply["error"]

    def hmp(self, line):
        return self.raw({"execute": "human-monitor-command", "arguments": {"command-line": line}})

    def wait_event(self, name):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            self.qmp("query-status")
            time.sleep(0.01)
        raise TimeoutError(name)

    # --- qtest ---------------------------------------------------------------------------
    def qtest(self, line):
        self.qtest_socket.sendall(line.encode() + b"\n")
        while True:
            reply = self.qtest_file.readline()
            if not reply:
                raise OSError("qtest hung up")
            reply = reply.strip()
            if reply.startswith("IRQ"):
                self.interrupts.append(reply)
            elif reply.startswith("OK"):
                return reply[3:]
            else:
                raise ValueError(line + " -> " + reply)

    def inb(self, port):
        return int(self.qtest(f"inb {port:#x}"), 16) & 0xff

    def inw(self, port):
        return int(self.qtest(f"inw {port:#x}"), 16) & 0xffff

    def inl(self, port):
        return int(self.qtest(f"inl {port:#x}"), 16)

    def outb(self, port, value):
        self.qtest(f"outb {port:#x} {value:#x}")

    def outw(self, port, value):
        self.qtest(f"outw {port:#x} {value:#x}")

    def outl(self, port, value):
        self.qtest(f"outl {port:#x} {value:#x}")

    def read(self, address, length):
        return bytes.fromhex(self.qtest(f"read {address:#x} {length:#x}")[2:]) if length else b""

    def write(self, address, data):
        if data:
            self.qtest(f"write {address:#x} {len(data):#x} 0x{bytes(data).hex()}")

    def readl(self, address):
        return int(self.qtest(f"readl {address:#x}"), 16)

    def writel(self, address, value):
        self.qtest(f"writel {address:#x} {value:#x}")

    def load(self, address, size):
        return int(self.qtest(f"read{'_bw_l___q'[size]} {address:#x}"), 16)

    def store(self, address, value, size):
        self.qtest(f"write{'_bw_l___q'[size]} {address:#x} {value:#x}")

    def alloc(self, size, align=4096):
        address = (self.next_page + align - 1) // align * align
        self.next_page = address + size
        return address


KEEP = ("backing_file",)


class PciDevice:
    """A device on bus 0, by its address; BARs are placed when enabled."""

    next_io, next_memory = 0xc000, 0xe0000000

    def __init__(self, machine, slot, function=0):
        self.m = machine
        self.devfn = slot << 3 | function
        self.bars = {}

    def config(self, offset, size=4):
        self.m.outl(0xcf8, 0x80000000 | self.devfn << 8 | offset & 0xfc)
        return {1: self.m.inb, 2: self.m.inw, 4: self.m.inl}[size](0xcfc + (offset & 3))

    def set_config(self, offset, value, size=4):
        self.m.outl(0xcf8, 0x80000000 | self.devfn << 8 | offset & 0xfc)
        {1: self.m.outb, 2: self.m.outw, 4: self.m.outl}[size](0xcfc + (offset & 3), value)

    def enable(self):
        """Place all BARs, switch on I/O, memory and bus mastering."""
        io, memory = PciDevice.next_io + (self.devfn >> 3) * 0x200, PciDevice.next_memory + (self.devfn >> 3) * 0x100000
        index = 0
        while index < 6:
            register = 0x10 + 4 * index
            self.set_config(register, 0xffffffff)
            answer = self.config(register)
            if not answer:
                index += 1
                continue
            wide = not answer & 1 and answer & 4
            if answer & 1:
                size = -(answer & ~3) & 0xffff
                io = (io + size - 1) // size * size
                self.bars[index] = io
                self.set_config(register, io)
                io += size
            else:
                size = -(answer & ~15) & 0xffffffff
                memory = (memory + size - 1) // size * size
                self.bars[index] = memory
                self.set_config(register, memory)
                if wide:
                    self.set_config(register + 4, 0)
                memory += size
            index += 2 if wide else 1
        self.set_config(4, 7, 2)
        return self


INDIRECT, EVENT_IDX, VERSION_1 = 1 << 28, 1 << 29, 1 << 32


class AhciPort:
    """Port 0 of the AHCI controller at 1f.2: its registers; command list at 0x10000, received FIS at 0x11000."""
    base = 0xe0000000

    def __init__(self, machine):
        self.m = machine
        pci = PciDevice(machine, 31, 2)
        pci.set_config(0x24, self.base)
        pci.set_config(4, 7, 2)
        machine.writel(self.base + 4, 0x80000002)
        self.start()

    def put(self, register, value):
        self.m.writel(self.base + 0x100 + register, value)

    def get(self, register):
        return self.m.readl(self.base + 0x100 + register)

    def start(self):
        for area in (0x10000, 0x11000, 0x12000):
            self.m.qtest(f"memset {area:#x} 0x1000 0")
        for register, value in ((0x00, 0x10000), (0x04, 0), (0x08, 0x11000), (0x0c, 0), (0x30, 0xffffffff), (0x10, 0xffffffff), (0x14, 0), (0x18, 0x11)):
            self.put(register, value)


class VirtioPci(PciDevice):
    """The modern interface, or the legacy one (legacy=True)."""

    def __init__(self, machine, slot, legacy=False):
        super().__init__(machine, slot)
        self.legacy = legacy
        self.enable()
        if not legacy:
            self.common, self.isr, self.device, self.notify = (self.bars[4] + 0x1000 * i for i in range(4))

    def status(self, value=None):
        if value is None:
            return self.m.inb(self.bars[0] + 18) if self.legacy else self.m.load(self.common + 0x14, 1)
        if self.legacy:
            self.m.outb(self.bars[0] + 18, value)
        else:
            self.m.store(self.common + 0x14, value, 1)
        return value

    def features(self):
        if self.legacy:
            return self.m.inl(self.bars[0])
        value = 0
        for i in range(2):
            self.m.store(self.common, i, 4)
            value |= self.m.load(self.common + 4, 4) << 32 * i
        return value

    def set_features(self, value):
        if self.legacy:
            self.m.outl(self.bars[0] + 4, value & 0xffffffff)
            return
        for i in range(2):
            self.m.store(self.common + 8, i, 4)
            self.m.store(self.common + 12, value >> 32 * i & 0xffffffff, 4)

    def start(self, features, queues=1, size=None):
        """Negotiate and set up the queues; returns them."""
        self.status(0)
        self.status(1)
        self.status(3)
        self.set_features(features | (0 if self.legacy else VERSION_1))
        self.event_idx = bool(features & EVENT_IDX)
        if not self.legacy:
            self.status(11)
            assert self.status() & 8, "features were refused"
        rings = [VirtQueue(self, i, size) for i in range(queues)]
        self.status(7 if self.legacy else 15)
        return rings

    def read_isr(self):
        return self.m.inb(self.bars[0] + 19) if self.legacy else self.m.load(self.isr, 1)

    def device_config(self, offset, size):
        if self.legacy:
            return {1: self.m.inb, 2: self.m.inw, 4: self.m.inl}[size](self.bars[0] + 20 + offset)
        return self.m.load(self.device + offset, size)

    def set_device_config(self, offset, value, size):
        if self.legacy:
            {1: self.m.outb, 2: self.m.outw, 4: self.m.outl}[size](self.bars[0] + 20 + offset, value)
        else:
            self.m.store(self.device + offset, value, size)


NEXT, WRITE, IS_INDIRECT = 1, 2, 4


class VirtQueue:
    def __init__(self, device, index, size=None):
        self.d, self.m, self.index = device, device.m, index
        m = self.m
        if device.legacy:
            m.outw(device.bars[0] + 14, index)
            self.size = m.inw(device.bars[0] + 12)
        else:
            m.store(device.common + 0x16, index, 2)
            if size:
                m.store(device.common + 0x18, size, 2)
            self.size = m.load(device.common + 0x18, 2)
        self.desc = m.alloc(16 * self.size + 4096 * 4 + 8 * self.size)
        self.avail = self.desc + 16 * self.size
        self.used = (self.avail + 4 + 2 * self.size + 2 + 4095) // 4096 * 4096
        m.qtest(f"memset {self.desc:#x} {self.used + 8 * self.size + 8 - self.desc:#x} 0")
        if device.legacy:
            m.outl(device.bars[0] + 8, self.desc >> 12)
        else:
            for register, address in ((0x20, self.desc), (0x28, self.avail), (0x30, self.used)):
                m.store(device.common + register, address, 4)
                m.store(device.common + register + 4, 0, 4)
            m.store(device.common + 0x1c, 1, 2)
        self.free = 0
        self.avail_index = 0
        self.used_index = 0

    def put(self, buffers, indirect=False):
        """Add a chain of (address, length, device writes); returns its head."""
        table, first = (self.m.alloc(16 * len(buffers), 16), 0) if indirect else (self.desc, self.free)
        for i, (address, length, writable) in enumerate(buffers):
            last = i == len(buffers) - 1
            at = first + i if indirect else (first + i) % self.size
            self.m.write(table + 16 * at, struct.pack("<QIHH", address, length, (WRITE if writable else 0) | (0 if last else NEXT),
                                                      0 if last else (at + 1 if indirect else (at + 1) % self.size)))
        head = self.free
        if indirect:
            self.m.write(self.desc + 16 * head, struct.pack("<QIHH", table, 16 * len(buffers), IS_INDIRECT, 0))
        self.free = (self.free + (1 if indirect else len(buffers))) % self.size
        self.offer(head)
        return head

    def offer(self, head):
        self.m.write(self.avail + 4 + 2 * (self.avail_index % self.size), struct.pack("<H", head))
        self.avail_index = self.avail_index + 1 & 0xffff
        self.m.write(self.avail + 2, struct.pack("<H", self.avail_index))

    def kick(self):
        if self.d.legacy:
            self.m.outw(self.d.bars[0] + 16, self.index)
        else:
            self.m.store(self.d.notify + 4 * self.index, self.index, 2)

    def wait(self, seconds=None):
        """(head, length) of the next used element."""
        end = time.monotonic() + (seconds or TIMEOUT)
        while struct.unpack("<H", self.m.read(self.used + 2, 2))[0] == self.used_index:
            if time.monotonic() > end:
                raise TimeoutError("the device did not answer")
            time.sleep(0.002)
        element = struct.unpack("<II", self.m.read(self.used + 4 + 8 * (self.used_index % self.size), 8))
        self.used_index = self.used_index + 1 & 0xffff
        return element

    def run(self, out, in_length, indirect=False):
        """One request: bytes to the device, bytes back."""
        buffers = []
        pieces = out if isinstance(out, list) else [out]
        for piece in pieces:
            if piece:
                address = self.m.alloc(len(piece), 16)
                self.m.write(address, piece)
                buffers.append((address, len(piece), False))
        lengths = in_length if isinstance(in_length, list) else [in_length]
        answers = []
        for length in lengths:
            address = self.m.alloc(length, 16)
            self.m.qtest(f"memset {address:#x} {length:#x} 0xee")
            buffers.append((address, length, True))
            answers.append((address, length))
        head = self.put(buffers, indirect)
        self.kick()
        used, length = self.wait()
        assert used == head, f"expected element {head}, got {used}"
        self.length = length
        self.m.next_page = max(self.m.next_page, 0)
        return b"".join(self.m.read(address, size) for address, size in answers)


IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13


class Disk:
    """virtio-blk requests on one queue; each returns (status, data)."""

    def __init__(self, machine, slot, legacy=False, features=INDIRECT, queues=1):
        self.device = VirtioPci(machine, slot, legacy)
        self.offered = self.device.features()
        self.queues = self.device.start(self.offered & (features | 0x7fff), queues)
        self.indirect = bool(features & INDIRECT)

    def request(self, kind, sector=0, data=b"", length=0, queue=0):
        answer = self.queues[queue].run([struct.pack("<IIQ", kind, 0, sector)] + ([data] if data else []),
                                        ([length] if length else []) + [1], self.indirect)
        return answer[-1], answer[:-1]

    def read(self, sector, length, **more):
        status, data = self.request(IN, sector, length=length, **more)
        assert status == 0, status
        return data

    def write(self, sector, data, **more):
        status, _ = self.request(OUT, sector, data, **more)
        assert status == 0, status

    def flush(self):
        return self.request(FLUSH)[0]

    def identity(self):
        return self.request(GET_ID, length=20)

    def discard(self, sector, sectors, flags=0):
        return self.request(DISCARD, 0, struct.pack("<QII", sector, sectors, flags))[0]

    def write_zeroes(self, sector, sectors, flags=0):
        return self.request(WRITE_ZEROES, 0, struct.pack("<QII", sector, sectors, flags))[0]
