"""Start an emulator (ours or the stock one), talk QMP to it, compare two conversations.

    with Emulator("ours", ["-blockdev", "null-co,node-name=n"]) as vm:
        vm.cmd("block_resize", {"node-name": "n", "size": 512})       # the result, or QMPError
        vm.ask("query-block")                                          # the whole reply
        vm.wait_event("STOP")

    compare_conversations([("query-status", None), {"execute": "x"}, b"raw bytes"], args=[...])

Programs come from QEMU_SYSTEM and STOCK_QEMU_SYSTEM (see tests/run.py); a test is skipped (exit 77) when one that
it needs is not there.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import array
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TIMEOUT = 90.0
# Members whose values differ from run to run; their presence is compared, their values are not.
VOLATILE = {"timestamp", "date-sec", "date-nsec", "vm-clock-sec", "vm-clock-nsec", "pid", "thread-id", "fd", "idle_time_ns",
            "rd_total_time_ns", "wr_total_time_ns", "flush_total_time_ns", "unmap_total_time_ns"}


def skip(reason):
    print(reason)
    sys.exit(77)


def program(kind, what="QEMU_SYSTEM"):
    """Path of "ours" or "stock"."""
    name = what if kind == "ours" else f"STOCK_{what}"
    path = os.environ.get(name, "")
    if not path or not os.path.exists(path):
        skip(f"{name} is not there")
    return path


class QMPError(Exception):
    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.cls, self.desc = error["class"], error["desc"]


class Client:
    """One connection. Replies and events come in one stream: events are kept in .events."""

    def __init__(self, sock, negotiate=True, enable=()):
        self.sock, self.buffer, self.events = sock, b"", []
        self.sock.settimeout(TIMEOUT)
        self.greeting = self.read()
        if negotiate:
            self.cmd("qmp_capabilities", {"enable": list(enable)} if enable else None)

    def close(self):
        self.sock.close()

    def send(self, data, fds=()):
        """Bytes, or something to be sent as JSON."""
        if not isinstance(data, bytes):
            data = json.dumps(data).encode() + b"\n"
        if fds:
            self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        else:
            self.sock.sendall(data)

    def read_line(self):
        """b"" at the end."""
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def read(self):
        """The next message of any kind; None at the end."""
        line = self.read_line()
        return json.loads(line) if line else None

    def reply(self):
        """The next message that is no event."""
        while True:
            message = self.read()
            if message is None or "event" not in message:
                return message
            self.events.append(message)

    def ask(self, name, arguments=None, fds=(), **members):
        request = {"execute": name, **({"arguments": arguments} if arguments is not None else {}), **members}
        self.send(request, fds)
        return self.reply()

    def cmd(self, name, arguments=None, fds=()):
        reply = self.ask(name, arguments, fds)
        if reply is None:
            raise EOFError(f"connection ended at {name}")
        if "error" in reply:
            raise QMPError(reply["error"])
        return reply["return"]

    def hmp(self, line):
        return self.cmd("human-monitor-command", {"command-line": line})

    def wait_event(self, name, match=lambda data: True, timeout=TIMEOUT):
        """Takes the first such event, past or to come, out of .events."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name and match(event.get("data", {})):
                    self.events.remove(event)
                    return event
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                message = self.read()
            finally:
                self.sock.settimeout(TIMEOUT)
            if message is None:
                raise EOFError(f"connection ended before {name}")
            self.events.append(message)


def connect(path, timeout=TIMEOUT):
    """A socket connected to path, waiting for it to be there."""
    end = time.monotonic() + timeout
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(path)
            return sock
        except OSError:
            sock.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def stock_waits(kind, first, stderr):
    """The stock programs may accept a client in two threads at once while they start: they hang, or greet it twice and forget what was agreed.
    So they wait for the first one (and say so)."""
    return "on" if kind == "stock" and first and stderr is None else "off"


class Emulator(Client):
    """A program with one QMP client. Working folder: a new one, or the one given (so that both see equal paths)."""

    def __init__(self, kind, args=(), machine="none", negotiate=True, enable=(), monitors=1, cwd=None, stderr=None, stdout=None):
        self.kind = kind
        self.folder = cwd or tempfile.mkdtemp(prefix=f"{kind}.", dir=os.environ.get("TEST_DIR"))
        self.sockets = [os.path.join(self.folder, f"{kind}-{i}.sock") for i in range(monitors)]
        accel = "qtest" if kind == "ours" else "tcg"
        command = [program(kind), "-machine", machine, "-accel", accel, "-nodefaults", "-display", "none", "-S"]
        for path in self.sockets:
            wait = stock_waits(kind, path == self.sockets[0], stderr)
            command += ["-qmp", f"unix:{path},server=on,wait={wait}"]
        self.start(command + list(args), negotiate, enable, stderr, stdout)

    def start(self, command, negotiate, enable, stderr, stdout):
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=stdout,
                                        stderr=stderr)
        try:
            Client.__init__(self, self.connect(0), negotiate, enable)
        except BaseException:
            self.kill()
            raise

    def connect(self, index=0):
        while True:
            try:
                return connect(self.sockets[index], 0.1)
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"{self.kind}: ended with {self.process.returncode} before a monitor was there")

    def client(self, index=1, **options):
        """Another client, on another monitor."""
        return Client(self.connect(index), **options)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def quit(self):
        """Ends it; its exit status."""
        try:
            self.send({"execute": "quit"})
            while self.read() is not None:
                pass
        except OSError:
            pass
        self.close()
        return self.process.wait(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.kill()
        elif self.process.poll() is None:
            status = self.quit()
            # The stock program crashes at its end after some conversations.
            assert status == 0 or self.kind == "stock", f"{self.kind}: exit status {status}"


class Daemon(Emulator):
    """A storage daemon with one QMP client, likewise; args come before its monitors (--object, --blockdev, --export)."""

    def __init__(self, kind, args=(), machine=None, negotiate=True, enable=(), monitors=1, cwd=None, stderr=None, stdout=None):
        self.kind = kind
        self.folder = cwd or tempfile.mkdtemp(prefix=f"{kind}.", dir=os.environ.get("TEST_DIR"))
        self.sockets = [os.path.join(self.folder, f"{kind}-{i}.sock") for i in range(monitors)]
        command = [program(kind, "QEMU_STORAGE_DAEMON"), *args]
        for i, path in enumerate(self.sockets):
            wait = stock_waits(kind, i == 0, stderr)
            command += ["--chardev", f"socket,id=qmp{i},path={path},server=on,wait={wait}", "--monitor", f"qmp{i}"]
        self.start(command, negotiate, enable, stderr, stdout)


def masked(value, volatile=frozenset(VOLATILE)):
    """A copy in which values that may differ are None, and generated node names are numbered as they come."""
    names = {}

    def copy(item):
        if isinstance(item, dict):
            return {key: None if key in volatile else copy(item[key]) for key in sorted(item)}
        if isinstance(item, list):
            return [copy(one) for one in item]
        if isinstance(item, str):
            return re.sub(r"#block\d+", lambda match: names.setdefault(match.group(), f"#block-{len(names)}"), item)
        return item
    return copy(value)


def differences(stock, ours, place=""):
    """Lines that tell where two values differ."""
    if isinstance(stock, dict) and isinstance(ours, dict):
        for key in sorted(stock.keys() | ours.keys()):
            yield from differences(stock.get(key, "(absent)"), ours.get(key, "(absent)"), f"{place}.{key}")
    elif isinstance(stock, list) and isinstance(ours, list) and len(stock) == len(ours):
        for i, pair in enumerate(zip(stock, ours)):
            yield from differences(*pair, f"{place}[{i}]")
    elif stock != ours:
        yield f"{place}: stock {json.dumps(stock)}\n{' ' * len(place)}  ours  {json.dumps(ours)}"


def converse(vm, script):
    """Replies to each step: (name, arguments), a request, or bytes (one reply each). A callable gets vm and returns anything."""
    replies = []
    for step in script:
        if callable(step):
            replies.append(step(vm))
        elif isinstance(step, tuple):
            replies.append(vm.ask(*step))
        else:
            vm.send(step)
            replies.append(vm.reply())
    return replies


def compare_conversations(script, args=(), machine="none", prepare=None, mask=masked, events=True, cls=Emulator, **options):
    """Sends the same to both programs; prints what differs and returns the number of differences.

    prepare(folder) makes files in the working folder of each; both see the same relative names.
    """
    results, seen = {}, {}
    for kind in ("stock", "ours"):
        folder = tempfile.mkdtemp(prefix=f"{kind}.", dir=os.environ.get("TEST_DIR"))
        if prepare:
            prepare(folder)
        with cls(kind, args, machine, cwd=folder, **options) as vm:
            results[kind] = converse(vm, script)
            seen[kind] = [(event["event"], mask(event.get("data"))) for event in vm.events]
        shutil.rmtree(folder, ignore_errors=True)
    different = 0
    for step, stock, ours in zip(script, results["stock"], results["ours"]):
        if mask(stock) != mask(ours):
            different += 1
            print(step)
            for line in differences(mask(stock), mask(ours)):
                print("  " + line.replace("\n", "\n  "))
    if events and seen["stock"] != seen["ours"]:
        different += 1
        print(f"events\n  stock: {seen['stock']}\n  ours:  {seen['ours']}")
    return different
