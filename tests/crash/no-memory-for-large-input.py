#!/usr/bin/env python3
"""Memory that lacks for what a peer sends is told as an error, and the program goes on: each large allocation (32 KiB or more) that
conversations by QMP, HMP, qtest and NBD cause is made to fail in turn (tests/crash/failalloc.c).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.environ["TEST_SRC"] + "/crash")
from injector import Control, preloaded

IMG, NBD, SYSTEM, DAEMON = (os.environ[name] for name in ("QEMU_IMG", "QEMU_NBD", "QEMU_SYSTEM", "QEMU_STORAGE_DAEMON"))
ONLY = sys.argv[1:]
MOST = 60
BIG = "b" * 100_000
failures = injected = 0


def wrong(text):
    global failures
    failures += 1
    print(f"FAIL: {text}")


class Talker:
    """A program that is spoken to by lines on its standard input."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open("stderr", "w+b"), env={**os.environ, **preloaded()})

    def say(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until(self, words):
        """Lines up to one with `words`; None at the end."""
        lines = []
        while line := self.process.stdout.readline():
            lines.append(line)
            if words in line:
                return lines
        return None

    def end(self):
        self.process.terminate()
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "hangs"


def each_allocation(name, start, converse):
    """converse(talker, number) with the number-th large allocation failing, until none is left; False from it: something is wrong."""
    global injected
    if ONLY and not any(word in name for word in ONLY):
        return
    talker = start()
    for at in range(1, MOST + 1):
        try:
            good = converse(talker, at)
        except (BrokenPipeError, ConnectionError):
            good = False
        control.stop()
        trips = control.trips()
        injected += trips
        if not good:
            with open("stderr", "rb") as file:
                wrong(f"{name}: large allocation {at}: {file.read()[-3500:].decode(errors='replace')}")
            talker.process.kill()
            talker.process.wait()
            return
        if not trips:
            break
    code = talker.end()
    if code not in (0, -15):
        wrong(f"{name}: exit {code}")


# --- QMP ---------------------------------------------------------------------------------------------------------------------------

def qmp(command):
    def start():
        talker = Talker(command)
        talker.until(b'"QMP"')
        talker.say(b'{"execute":"qmp_capabilities"}\n')
        talker.until(b'"return"')
        return talker
    return start


def qmp_converse(data, then=()):
    """Each reply is JSON, and the session goes on; then: commands that undo."""
    def converse(talker, at):
        control.arm(at)
        talker.say(data + b"\n")
        talker.say(b'{"execute":"query-version","id":"done"}\n')
        lines = talker.until(b'"id": "done"')
        if lines is None:
            return False
        for line in lines:
            reply = json.loads(line)
            if "error" in reply and reply["error"]["class"] not in ("GenericError", "CommandNotFound", "DeviceNotFound"):
                return False
        control.stop()
        for undo in then:
            talker.say(json.dumps(undo).encode() + b"\n")
        talker.say(b'{"execute":"query-version","id":"undone"}\n')
        return talker.until(b'"id": "undone"') is not None
    return converse


def command(name, arguments=None, **more):
    return json.dumps({"execute": name, "arguments": arguments or {}, **more}).encode()


def qmp_cases():
    yield "an id", command("query-version", id=BIG), ()
    yield "a list for an id", command("query-version", id=list(range(30_000))), ()
    yield "an object for an id", command("query-version", id={f"k{i}": i for i in range(20_000)}), ()
    yield "a command's name", command(BIG), ()
    yield "an argument's name", command("query-version", {BIG: 1}), ()
    yield "many arguments", command("query-version", {f"k{i}": i for i in range(20_000)}), ()
    yield "a word", b"a" * 200_000, ()
    yield "a number", b"1" * 200_000, ()
    yield "a string that does not end", b'"' + b"s" * 200_000 + b"\n", ()
    yield "escapes", b'"' + b"\\u00e4" * 40_000 + b'"', ()
    yield "a wrong type", command("block_resize", {"device": "x", "size": BIG}), ()
    yield "a list", command("qmp_capabilities", {"enable": ["oob"] * 20_000}), ()
    yield "a node's name", command("blockdev-add", {"driver": "null-co", "node-name": BIG}), ()
    yield "a file's name", command("blockdev-add", {"driver": "file", "node-name": "n", "filename": BIG}), ()
    yield "a file's name as JSON", command("blockdev-add", {"driver": "raw", "node-name": "n", "file": "json:" + json.dumps({"driver": "null-co", "a": BIG})}), ()
    yield "a driver", command("blockdev-add", {"driver": BIG, "node-name": "n"}), ()
    yield "a socket's path", command("blockdev-add", {"driver": "nbd", "node-name": "n", "server": {"type": "unix", "path": BIG}}), ()
    yield "a host", command("blockdev-add", {"driver": "nbd", "node-name": "n", "server": {"type": "inet", "host": BIG, "port": "1"}}), ()
    yield "nodes of a quorum", command("blockdev-add", {"driver": "quorum", "node-name": "n", "vote-threshold": 1, "children": ["x"] * 20_000}), ()
    yield "a transaction", command("transaction", {"actions": [{"type": "abort", "data": {}}] * 10_000}), ()
    yield "a node that is not there", command("blockdev-del", {"node-name": BIG}), ()
    yield "a bitmap", command("block-dirty-bitmap-add", {"node": "null", "name": BIG}), ()
    yield "a bitmap's node", command("block-dirty-bitmap-add", {"node": BIG, "name": "x"}), ()
    yield "a secret", command("object-add", {"qom-type": "secret", "id": "s", "data": BIG}), ({"execute": "object-del", "arguments": {"id": "s"}},)
    yield "an object's name", command("object-add", {"qom-type": "secret", "id": BIG, "data": "x"}), ()
    yield "an object's type", command("object-add", {"qom-type": BIG, "id": "x"}), ()
    yield "a path of objects", command("qom-get", {"path": "/" + BIG, "property": "x"}), ()
    yield "a property", command("qom-set", {"path": "/objects/null", "property": BIG, "value": BIG}), ()
    yield "a job", command("blockdev-create", {"job-id": "j", "options": {"driver": "file", "filename": BIG, "size": 1}}), ({"execute": "job-dismiss", "arguments": {"id": "j"}},)
    yield "a job that is not there", command("job-cancel", {"id": BIG}), ()
    yield "an export", command("nbd-server-start", {"addr": {"type": "unix", "data": {"path": BIG}}}), ({"execute": "nbd-server-stop"},)
    yield "an export's name", command("block-export-add", {"type": "nbd", "id": "e", "node-name": "null", "name": BIG}), ()
    yield "a character device", command("chardev-add", {"id": "c", "backend": {"type": "file", "data": {"out": BIG}}}), ()
    yield "a character device's socket", command("chardev-add", {"id": "c", "backend": {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": BIG}}}}}), ()


def system_cases():
    yield "a line of HMP", command("human-monitor-command", {"command-line": "info " + BIG}), ()
    yield "a ring of characters", command("ringbuf-write", {"device": "ring", "data": BIG}), ()
    yield "a ring that is read", command("ringbuf-read", {"device": "ring", "size": 65536}), ()
    yield "a device", command("device_add", {"driver": BIG, "id": "d"}), ()
    yield "a device's name", command("device_add", {"driver": "virtio-blk-pci", "id": BIG}), ()
    yield "a device's property", command("device_add", {"driver": "virtio-blk-pci", "id": "d", BIG: BIG}), ()
    yield "a device that is not there", command("device_del", {"id": BIG}), ()
    yield "a medium", command("blockdev-change-medium", {"id": "x", "filename": BIG}), ()
    yield "a snapshot", command("blockdev-snapshot-sync", {"node-name": "null", "snapshot-file": BIG, "snapshot-node-name": "s"}), ()
    yield "a snapshot inside", command("blockdev-snapshot-internal-sync", {"device": "null", "name": BIG}), ()
    yield "a migration", command("migrate", {"uri": "unix:" + BIG}), ()
    yield "where a migration comes from", command("migrate-incoming", {"uri": BIG}), ()
    yield "a descriptor", command("getfd", {"fdname": BIG}), ()
    yield "a mirror", command("blockdev-mirror", {"job-id": "j", "device": "null", "target": BIG, "sync": "full"}), ()
    yield "limits", command("block_set_io_throttle", {"id": "x", "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0, "group": BIG}), ()
    yield "events", command("trace-event-set-state", {"name": BIG, "enable": True}), ()


def monitors():
    machine = [SYSTEM, "-machine", "none", "-display", "none", "-nodefaults", "-blockdev", "null-co,node-name=null", "-chardev", "ringbuf,id=ring,size=64k", "-qmp", "stdio"]
    daemon = [DAEMON, "--chardev", "stdio,id=c", "--monitor", "c", "--blockdev", "null-co,node-name=null"]
    for name, data, then in [*qmp_cases(), *system_cases()]:
        each_allocation(f"QMP, {name}", qmp(machine), qmp_converse(data, then))
    for name, data, then in qmp_cases():
        if name in ("an id", "a node's name", "a word"):
            each_allocation(f"QMP of the daemon, {name}", qmp(daemon), qmp_converse(data, then))


# --- qtest ----------------------------------------------------------------------------------------------------------------------------

def qtest():
    pc = [SYSTEM, "-machine", "pc", "-accel", "qtest", "-display", "none", "-nodefaults", "-S", "-m", "16", "-qtest-log", "none", "-qtest", "stdio", "-monitor", "none"]
    for name, line in {"a write": "write 0x0 0x20000 0x" + "5a" * 0x20000, "a write in base64": "b64write 0x0 0x18000 " + base64.b64encode(bytes(0x18000)).decode(),
                       "a read": "read 0x0 0x20000", "a read in base64": "b64read 0x0 0x20000", "a fill": "memset 0x0 0x100000 0x1", "no command": "x" * 200_000}.items():
        def converse(talker, at, line=line):
            control.arm(at)
            talker.say(line.encode() + b"\n")
            first = talker.process.stdout.readline()
            control.stop()
            if not first:
                return False
            talker.say(b"readb 0x0\n")
            return talker.until(b"OK 0x") is not None
        each_allocation(f"qtest, {name}", lambda: Talker(pc), converse)


# --- NBD ---------------------------------------------------------------------------------------------------------------------------------

def nbd_option(s, number, data):
    s.sendall(b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data)


def nbd_client(act):
    """Connects, and has act(socket) do its worst; the server is to serve another client after it."""
    def converse(talker, at):
        control.arm(at)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect("nbd")
            s.settimeout(20)
            try:
                s.recv(18, socket.MSG_WAITALL)
                s.sendall(struct.pack(">I", 3))
                act(s)
            except (ConnectionError, OSError):
                pass
        control.stop()
        good = subprocess.run([IMG, "info", "nbd+unix:///?socket=nbd"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        return good and talker.process.poll() is None
    return converse


def nbd_go(s):
    nbd_option(s, 7, struct.pack(">IH", 0, 0))
    s.recv(4096)


def nbd_request(kind, length, data=b"", flags=0):
    def act(s):
        nbd_go(s)
        s.sendall(struct.pack(">IHHQQI", 0x25609513, flags, kind, 1, 0, length) + data)
        left = 16 + (length if kind == 0 else 0)
        while left > 0:
            left -= len(s.recv(min(left, 1 << 20))) or left
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 2, 2, 0, 0))
    return act


def nbd_servers():
    subprocess.run([IMG, "create", "-q", "-f", "raw", "disk", "64M"], check=True)

    def start():
        if os.path.exists("nbd"):
            os.unlink("nbd")
        talker = Talker([NBD, "-t", "-f", "raw", "-k", os.path.abspath("nbd"), "-e", "4", "disk"])
        while not os.path.exists("nbd"):
            time.sleep(0.02)
        return talker

    for name, act in {"a read": nbd_request(0, 8 << 20), "a write": nbd_request(1, 8 << 20, bytes(8 << 20)), "zeroes": nbd_request(6, 8 << 20), "a trim": nbd_request(4, 8 << 20),
                      "a long option": lambda s: (nbd_option(s, 3, bytes(60_000)), s.recv(4096)), "a long name": lambda s: (nbd_option(s, 7, struct.pack(">I", 50_000) + bytes(50_002)), s.recv(4096)),
                      "an unknown option": lambda s: (nbd_option(s, 77, bytes(1 << 20)), s.recv(4096))}.items():
        each_allocation(f"NBD, {name}", start, nbd_client(act))


def main():
    global control
    if os.environ.get("UNDER_SANITIZER"):
        print("sanitizers have the allocator")
        sys.exit(77)
    os.chdir(os.environ["TEST_DIR"])
    control = Control()
    for part in (monitors, qtest, nbd_servers):
        part()
    print(f"{injected} large allocations failed: {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
