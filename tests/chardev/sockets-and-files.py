#!/usr/bin/env python3
"""Character devices carry bytes: reconnecting clients, waiting servers, terminals, pipes, files, logs, descriptors.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import array
import fcntl
import os
import pty
import re
import socket
import subprocess
import sys
import termios
import time

QEMU = os.environ["QEMU_SYSTEM"]
os.chdir(os.environ["TEST_DIR"])
failures = []


def start(*options, stdin=subprocess.DEVNULL, **more):
    return subprocess.Popen([QEMU, "-machine", "none", "-display", "none", "-nodefaults", *options], stdin=stdin,
                            stdout=more.pop("stdout", subprocess.PIPE), stderr=subprocess.STDOUT, **more)


def check(what, condition, seen=""):
    if not condition:
        failures.append(what)
        print(f"failed: {what} {seen!r}")


def until(read, wanted, seconds=60):
    """Gather what read() gives until wanted is in it."""
    seen, end = b"", time.monotonic() + seconds
    while wanted not in seen and time.monotonic() < end:
        try:
            piece = read()
        except (BlockingIOError, socket.timeout):
            piece = b""
            time.sleep(0.02)
        seen += piece or b""
    return seen


def connect(path):
    for _ in range(400):
        try:
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.settimeout(1)
            return client
        except OSError:
            time.sleep(0.05)
    sys.exit(f"cannot connect to {path}")


def test_reconnect():
    emulator = start("-chardev", "socket,id=c,path=later,reconnect=1", "-mon", "c")
    time.sleep(0.3)
    server = socket.socket(socket.AF_UNIX)
    server.bind("later")
    server.listen(1)
    for _ in range(2):
        client, _ = server.accept()
        client.settimeout(1)
        check("a monitor connects again and again", b"(qemu) " in until(lambda: client.recv(4096), b"(qemu) "))
        client.close()
    emulator.kill()
    text = emulator.communicate()[0]
    check("the first failure is told once", text.count(b"Unable to connect character device c: ") == 1, text)


def test_wait():
    emulator = start("-chardev", "socket,id=c,path=waits,server=on", "-mon", "c")
    line = emulator.stdout.readline()
    check("a server says that it waits",
          b"QEMU waiting for connection on: disconnected:unix:waits,server=on" in line, line)
    client = connect("waits")
    check("and goes on with its client", b"(qemu) " in until(lambda: client.recv(4096), b"(qemu) "))
    client.close()
    client = connect("waits")
    check("a second client finds it", b"(qemu) " in until(lambda: client.recv(4096), b"(qemu) "))
    client.sendall(b"quit\n")
    check("quit ends it", emulator.wait(60) == 0)
    check("its socket is gone", not os.path.exists("waits"))


def test_descriptor():
    mine, theirs = socket.socketpair()
    emulator = start("-chardev", f"socket,id=c,fd={theirs.fileno()}", "-mon", "c", pass_fds=(theirs.fileno(),))
    mine.settimeout(1)
    check("an inherited socket carries a monitor", b"(qemu) " in until(lambda: mine.recv(4096), b"(qemu) "))
    emulator.kill()
    emulator.wait()


def test_passed_descriptor():
    emulator = start("-monitor", "unix:m,server=on,wait=off")
    client = connect("m")
    until(lambda: client.recv(4096), b"(qemu) ")
    with open("passed", "w", encoding="utf-8") as file:
        client.sendmsg([b"getfd abc\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()]))])
    check("getfd takes a descriptor", b"Error" not in until(lambda: client.recv(4096), b"(qemu) "))
    client.sendall(b"closefd abc\n")
    check("closefd finds it", b"Error" not in until(lambda: client.recv(4096), b"(qemu) "))
    client.sendall(b"closefd abc\n")
    answer = until(lambda: client.recv(4096), b"not found")
    check("once", b"Error: File descriptor named 'abc' not found" in answer, answer)
    emulator.kill()
    emulator.wait()


def test_terminal():
    parent, child = pty.openpty()
    before = termios.tcgetattr(child)
    emulator = start("-monitor", "stdio", stdin=child, stdout=child)
    os.set_blocking(parent, False)
    check("a monitor on a terminal greets", b"(qemu) " in until(lambda: os.read(parent, 4096), b"(qemu) "))
    check("in raw mode", not termios.tcgetattr(child)[3] & termios.ICANON)
    os.write(parent, b"quit\r")
    check("quit", emulator.wait(60) == 0)
    check("the terminal is as before", termios.tcgetattr(child) == before)
    check("and blocks again", not fcntl.fcntl(child, fcntl.F_GETFL) & os.O_NONBLOCK)


def test_pty():
    emulator = start("-monitor", "pty")
    line = emulator.stdout.readline().decode()
    path = re.search(r"char device redirected to (\S+) \(label compat_monitor0\)", line)
    check("the name of the pty is told", path, line)
    fd = os.open(path[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    check("opening it starts the monitor", b"(qemu) " in until(lambda: os.read(fd, 4096), b"(qemu) "))
    os.write(fd, b"quit\r")
    check("quit", emulator.wait(60) == 0)
    os.close(fd)


def test_pipe_log():
    os.mkfifo("p.in")
    os.mkfifo("p.out")
    emulator = start("-chardev", "pipe,id=c,path=p,logfile=log", "-mon", "c")
    writer, reader = os.open("p.in", os.O_RDWR), os.open("p.out", os.O_RDWR | os.O_NONBLOCK)
    until(lambda: os.read(reader, 4096), b"(qemu) ")
    os.write(writer, b"info name\nquit\n")
    check("quit through a pipe", emulator.wait(60) == 0)
    with open("log", "rb") as file:
        check("the log has what was printed", b"(qemu) " in file.read())


def test_file():
    with open("out", "w", encoding="utf-8") as file:
        file.write("before\n")
    start("-chardev", "file,id=c,path=out,append=on", "-mon", "c", "-monitor", "unix:m2,server=on,wait=off")
    client = connect("m2")
    until(lambda: client.recv(4096), b"(qemu) ")
    client.sendall(b"chardev-add ringbuf,id=r,size=16\nringbuf_write r hello\nringbuf_read r 99\nquit\n")
    check("rings keep text", b"\r\nhello\r\n" in until(lambda: client.recv(4096), b"\r\nhello\r\n"))
    with open("out", encoding="utf-8") as file:
        text = file.read()
    check("a file is appended to", text.startswith("before\nQEMU ") and "monitor" in text, text)


for name, function in list(globals().items()):
    if name.startswith("test_"):
        function()
print(f"{len(failures)} failures")
sys.exit(1 if failures else 0)
