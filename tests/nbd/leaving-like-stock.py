#!/usr/bin/env python3
"""How qemu-nbd ends, and what does not end it (clients that break off or lie): status, messages, files as with stock.

Ours also removes its pid file; stock leaves it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

PATIENCE = 60


def until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


class Server:
    def __init__(self, kind, *args):
        self.program = os.environ["QEMU_NBD" if kind == "ours" else "STOCK_QEMU_NBD"]
        self.folder = os.path.join(os.environ["TEST_DIR"], kind)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", "a.qcow2", "1M"], cwd=self.folder, check=True)
        with open(os.path.join(self.folder, "err"), "w") as err:
            self.process = subprocess.Popen([self.program, "-k", os.path.join(self.folder, "s"), "--pid-file=p", "-f", "qcow2", *args],
                                            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=err, stderr=err)

    def ready(self):
        until(lambda: os.path.exists(os.path.join(self.folder, "p")) or self.process.poll() is not None, "the pid file")

    def client(self):
        self.ready()
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(PATIENCE)
        s.connect(os.path.join(self.folder, "s"))
        return s

    def err(self):
        with open(os.path.join(self.folder, "err")) as f:
            return f.read()

    def end(self):
        code = self.process.wait(PATIENCE)
        files = [name for name in sorted(os.listdir(self.folder)) if name != "p"]
        unlocked = subprocess.run([os.environ["QEMU_IO"], "-c", "write 0 512", os.path.join(self.folder, "a.qcow2")],
                                  stdout=subprocess.DEVNULL, check=False).returncode
        return code, files, unlocked, self.err()


def take(s, size):
    data = b""
    while len(data) < size:
        part = s.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def option(number, data=b""):
    return b"IHAVEOPT" + struct.pack(">II", number, len(data)) + data


FLAGS = struct.pack(">I", 3)
# What a client says after the greeting, and how many bytes it then waits for; none of them gets into service.
UNFINISHED = {
    "nothing": (b"", 0), "flags": (FLAGS, 0), "unknown flags": (struct.pack(">I", 0x100), 1), "bad magic": (FLAGS + b"x" * 16, 1),
    "no such export": (FLAGS + option(1, b"nope"), 1), "abort": (FLAGS + option(2), 20),
}


def unfinished(words, expect):
    """The server tells what was wrong, and serves on; the next client ends it."""
    def case(server):
        s = server.client()
        take(s, 18)
        s.sendall(words)
        try:
            take(s, expect)
        except ConnectionResetError:
            pass
        s.close()
        served(server)
        return server.end()
    return case


def served(server):
    s = server.client()
    take(s, 18)
    s.sendall(FLAGS + option(1))
    assert len(take(s, 10)) == 10
    s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 1, 1, 0, 4) + b"data")
    take(s, 16)
    s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 2, 2, 0, 0))
    s.close()


def wrong_request(server):
    s = server.client()
    take(s, 18)
    s.sendall(FLAGS + option(1))
    take(s, 10)
    s.sendall(b"z" * 28)
    take(s, 1)
    s.close()
    return server.end()


def signalled(number):
    def case(server):
        server.ready()
        server.process.send_signal(number)
        try:
            server.process.wait(5)
        except subprocess.TimeoutExpired:          # stock forgets a signal that comes right after it wrote its pid file
            server.process.send_signal(number)
        return server.end()
    return case


def signalled_while_serving(server):
    """What was answered is in the image."""
    s = server.client()
    take(s, 18)
    s.sendall(FLAGS + option(1))
    take(s, 10)
    s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 1, 1, 4096, 4096) + b"\x11" * 4096)
    take(s, 16)
    server.process.terminate()
    take(s, 1)
    s.close()
    return server.end(), subprocess.run([os.environ["QEMU_IO"], "-c", "read -P 17 4096 4096", os.path.join(server.folder, "a.qcow2")],
                                        stdout=subprocess.DEVNULL, check=False).returncode


def stray_signals(server):
    server.ready()
    for number in (signal.SIGUSR1, signal.SIGIO, signal.SIGPIPE):
        server.process.send_signal(number)
    served(server)
    return server.end()


CASES = [(name, ["-t", "a.qcow2"], signalled(number)) for name, number in
         (("SIGTERM", signal.SIGTERM), ("SIGINT", signal.SIGINT), ("SIGHUP", signal.SIGHUP), ("SIGKILL", signal.SIGKILL))]
CASES += [(f"client says {name}", ["a.qcow2"], unfinished(*words)) for name, words in UNFINISHED.items()]
CASES += [("wrong request", ["a.qcow2"], wrong_request), ("while serving", ["-t", "a.qcow2"], signalled_while_serving),
          ("stray signals", ["a.qcow2"], stray_signals), ("no image", ["no.qcow2"], lambda server: server.end()),
          ("pid file in no folder", ["--pid-file=no/p", "a.qcow2"], lambda server: server.end())]


def main():
    for number in (signal.SIGINT, signal.SIGHUP):       # ignored where this was started in the background
        signal.signal(number, signal.SIG_DFL)
    if not os.environ["STOCK_QEMU_NBD"]:
        print("qemu-nbd is not there")
        return 77
    different = 0
    for name, args, case in CASES:
        seen = []
        for kind in ("stock", "ours"):
            server = Server(kind, *args)
            try:
                seen.append(case(server))
            finally:
                if server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()
            if kind == "ours" and name != "SIGKILL" and os.path.exists(os.path.join(server.folder, "p")):
                different += 1
                print(f"{name}: the pid file is still there")
        if seen[0] != seen[1]:
            different += 1
            print(f"{name}\n  stock: {seen[0]}\n  ours:  {seen[1]}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
