#!/usr/bin/env python3
"""No input makes a program use over 256 MiB or 10 s of a processor, crash or hang: LUKS headers, json: names, option strings, configuration
files, QMP, HMP and qtest lines, websocket frames, an NBD server's answers.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

IMG, IO, SYSTEM = os.environ["QEMU_IMG"], os.environ["QEMU_IO"], os.environ["QEMU_SYSTEM"]
PEAK_KIB, CPU_SECONDS, WALL_SECONDS = 256 << 10, 10, 120
SANITIZED = bool(os.environ.get("UNDER_SANITIZER"))
LUKS_SLOT, ENABLED = 48, 0x00AC71F3
LONGEST_WORD = 120_000                           # of a command line
failures = count = 0


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def processor(pid):
    """Ticks that a process has used; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[11]) + int(fields[12])


def end_when_idle(process):
    """
    A server that has taken all of its input and waits for more is asked to go, as often as that takes.  Waiting it uses less
    than a tenth of a processor (a machine's timers go on).
    """
    seen = []
    while (now := processor(process.pid)) is not None:
        seen = [*seen[-10:], now] if process.stdin.closed else []
        if len(seen) > 10 and now - seen[0] < 10:
            os.kill(process.pid, signal.SIGTERM)
            seen = []
        time.sleep(0.1)


def bounded(name, command, feed=b"", serves=False):
    """Run, give it `feed` and the end of its input; what it printed.  serves: it does not go by itself."""
    global failures, count
    count += 1
    with open("out", "w+b") as out:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, preexec_fn=limit)
        timer = threading.Timer(WALL_SECONDS, os.kill, [process.pid, signal.SIGKILL])   # its own kill() would reap it
        timer.start()
        helpers = [timer]
        if serves:
            helpers.append(threading.Thread(target=end_when_idle, args=(process,)))
            helpers[-1].start()
        try:
            for at in range(0, len(feed), 1 << 20):
                process.stdin.write(feed[at:at + (1 << 20)])
            process.stdin.close()
        except BrokenPipeError:
            pass
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        for thread in helpers:
            thread.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read(1 << 20).decode(errors="replace")
    seconds = usage.ru_utime + usage.ru_stime
    if code not in (0, 1, -15 if serves else 0) or (not SANITIZED and (usage.ru_maxrss > PEAK_KIB or seconds > CPU_SECONDS)):
        failures += 1
        print(f"{name}: exit {code}, {usage.ru_maxrss} KiB, {seconds:.1f} s: {text[-300:]}")
    return text


def told(name, text, words):
    global failures
    if words not in text:
        failures += 1
        print(f"{name}: {words!r} is not said: {text[-300:]}")


# --- LUKS -----------------------------------------------------------------------------------------------------------------

def luks():
    subprocess.run([IMG, "create", "-q", "-f", "luks", "--object", "secret,id=s,data=x", "-o", "key-secret=s,iter-time=10", "good", "1M"], check=True)
    with open("good", "rb") as file:
        good = file.read()

    def slot(i, at, value):
        return (208 + LUKS_SLOT * i + at, struct.pack(">I", value))

    every = [slot(i, 0, ENABLED) for i in range(8)]
    others, much = every[1:], 54_285_714                     # what 9.5 s allow for sha256
    cases = {"iterations of a slot": [slot(0, 4, 0xFFFFFFFF)], "iterations just over": [slot(0, 4, much // 2)],
             "iterations of the key": [(164, b"\xff" * 4)], "all slots": every + [slot(i, 4, 1 << 26) for i in range(8)],
             "the key in all slots": every + [slot(i, 4, 1) for i in range(8)] + [(164, struct.pack(">I", much))],
             "iterations after those of others": every + [slot(i, 4, 400_000) for i in range(7)] + [slot(7, 4, much // 2 - 1_000_000)],
             "opens: more work in other slots": others + [slot(i, 4, 0xFFFFFFFF) for i in range(1, 8)],
             "opens: less work in other slots": others + [slot(i, 4, i) for i in range(1, 8)],
             "bytes of the key": [(108, b"\xff" * 4)], "bytes of the key 2^31": [(108, struct.pack(">I", 1 << 31)), (104, b"\xff" * 4)],
             "payload": [(104, b"\xff" * 4)], "stripes": [slot(0, 44, 0xFFFFFFFF)], "place of a slot": [slot(0, 40, 0xFFFFFF00), (104, b"\xff" * 4)]}
    for name, patches in cases.items():
        data = bytearray(good)
        for at, what in patches:
            data[at:at + len(what)] = what
        with open("bad", "wb") as file:
            file.write(data)
        text = bounded(f"LUKS, {name}", [IO, "--object", "secret,id=s,data=x", "--image-opts", "driver=luks,key-secret=s,file.driver=file,file.filename=bad",
                                         "-c", "read 0 512"])
        if "all slots" in name or "iterations" in name or "key in all" in name:
            told(f"LUKS, {name}", text, "iterations of")
        if "iterations" in name:
            told(f"LUKS, {name}", text, "cryptsetup luksChangeKey")
        if "opens" in name:
            told(f"LUKS, {name}", text, "read 512/512 bytes")
        bounded(f"LUKS info, {name}", [IMG, "info", "bad"])
    text = bounded("LUKS, too much work at creation", [IMG, "create", "-q", "-f", "luks", "--object", "secret,id=s,data=x", "-o", "key-secret=s,iter-time=3000000", "new", "1M"])
    told("LUKS, too much work at creation", text, "PBKDF iterations")


# --- words of a command line --------------------------------------------------------------------------------------------

def nested(depth):
    text = '{"driver":"null-co"}'
    for _ in range(depth):
        text = '{"driver":"raw","file":' + text + "}"
    return text


def names():
    deep = LONGEST_WORD // 2
    for name, word in {"arrays": "json:" + "[" * LONGEST_WORD, "objects": "json:" + '{"a":' * (LONGEST_WORD // 5), "nodes": "json:" + nested(1000),
                       "more nodes": "json:" + nested(5000), "a string": 'json:{"driver":"' + "a" * LONGEST_WORD + '"}',
                       "escapes": 'json:{"driver":"' + "\\ud800" * (LONGEST_WORD // 6) + '"}', "keys": "json:{" + ",".join(f'"k{i}":{i}' for i in range(9000)) + "}",
                       "a number": "json:" + "9" * LONGEST_WORD, "an exponent": 'json:{"driver":"raw","size":1e999999999}', "a path": "a/" * deep,
                       "a protocol": "a" * LONGEST_WORD + ":x", "numbers of lists": 'json:{"driver":"quorum","children.4294967295":"x"}'}.items():
        bounded(f"file name, {name}", [IMG, "info", word])
    for name, word in {"dots": "file" + ".a" * deep + "=x", "commas": "a=" + "," * (LONGEST_WORD - 2), "keys": ",".join(f"k{i}=1" for i in range(12000)),
                       "a list": "driver=raw,file.999999999999=x", "a list's numbers": ",".join(f"x.{i}=1" for i in range(12000)), "equals": "=" * LONGEST_WORD,
                       "raw size": "driver=raw,size=16E,file.driver=null-co", "raw offset": "driver=raw,offset=8E,size=8E,file.driver=null-co,file.size=8E",
                       "dotted and not": "file=x,file" + ".b" * 100 + "=y"}.items():
        bounded(f"options, {name}", [IMG, "info", "--image-opts", word])
        bounded(f"object, {name}", [IMG, "info", "--object", word, "x"])
        bounded(f"blockdev, {name}", [SYSTEM, "-machine", "none", "-display", "none", "-nodefaults", "-blockdev", word, "-version"])
        bounded(f"creation, {name}", [IMG, "create", "-q", "-f", "qcow2", "-o", word, "new.qcow2", "1M"])


def configurations():
    for name, data in {"sections": b"[drive]\n" * 200_000, "one line": b'[drive "' + b"a" * 5_000_000, "a value": b'[drive "d"]\n  file = "' + b"b" * 5_000_000 + b'"\n',
                       "keys": b'[drive "d"]\n' + b"".join(b'  k%d = "v"\n' % i for i in range(100_000)), "zeroes": bytes(3_000_000)}.items():
        with open("config", "wb") as file:
            file.write(data)
        bounded(f"readconfig, {name}", [SYSTEM, "-machine", "none", "-display", "none", "-nodefaults", "-readconfig", "config", "-version"])
    with open("rules", "wb") as file:
        file.write(b'[inject-error]\nevent = "read_aio"\nerrno = "5"\n' * 50_000 + b"[" + b"x" * 1_000_000)
    bounded("blkdebug, rules", [IMG, "info", "blkdebug:rules:good"])


# --- monitors and qtest -------------------------------------------------------------------------------------------------------

def monitors():
    machine = [SYSTEM, "-machine", "none", "-display", "none", "-nodefaults"]
    hello = b'{"execute":"qmp_capabilities"}\n'
    for name, data in {"a string": b'{"execute":"' + b"a" * (70 << 20) + b'"}', "nesting": b"[" * (4 << 20), "tokens": b"[" + b"1," * 1_060_000 + b"1]", "strings": b"[" + (b"\"" + b"s" * (1 << 20) + b"\",") * 60 + b"1]",
                       "objects": b'{"a":' * 500_000, "garbage": bytes(range(128, 256)) * 40_000, "requests": hello * 2_000,
                       "an id": b'{"execute":"query-version","id":"' + b"i" * (8 << 20) + b'"}'}.items():
        bounded(f"QMP, {name}", [*machine, "-qmp", "stdio"], hello + data + b"\n" + b'{"execute":"quit"}\n', serves=True)
    for name, data in {"a line": b"info " + b"a" * (4 << 20), "quotes": b'"' * (1 << 20), "braces": b"print (" * 200_000, "commands": b"info status\n" * 2_000,
                       "escapes": b"\x1b[" * 500_000}.items():
        bounded(f"HMP, {name}", [*machine, "-monitor", "stdio"], data + b"\nquit\n", serves=True)
    pc = [SYSTEM, "-machine", "pc", "-accel", "qtest", "-display", "none", "-nodefaults", "-S", "-m", "16", "-qtest-log", "none", "-qtest", "stdio", "-monitor", "none"]
    for name, lines in {"lengths": "read 0x0 0x7fffffffffffffff\nb64read 0x0 0xffffffffffffffff\nmemset 0x0 0xffffffffffffffff 0x1\nwrite 0x0 0x7fffffffffffffff 0x00\n"
                        "b64write 0x0 0x7fffffff AAAA\nread 0x0 0x0\nread 0xfffffffffffffff0 0x20\n", "a line": "write 0x0 0x100 0x" + "0" * (8 << 20) + "\n",
                        "words": "outb " * 500_000 + "\n", "no end": "x" * (20 << 20)}.items():
        bounded(f"qtest, {name}", pc, lines.encode(), serves=True)


# --- wires ---------------------------------------------------------------------------------------------------------------------

def listening(name, serve):
    """A server for one connection, on a thread of its own."""
    if os.path.exists(name):
        os.unlink(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()

    def run():
        with listener, listener.accept()[0] as s:
            try:
                serve(s)
            except OSError:
                pass

    threading.Thread(target=run, daemon=True).start()


def nbd_servers():
    """Answers without end in the negotiation, and answers of impossible size to requests."""
    def reply(option, kind, data):
        return struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data

    def option(s):
        head = b""
        while len(head) < 16:
            head += s.recv(16 - len(head)) or b"\0" * 16
        _, number, length = struct.unpack(">QII", head[:16])
        while length:
            length -= len(s.recv(length)) or length
        return number

    def negotiate(s, endless, answer):
        s.sendall(b"NBDMAGICIHAVEOPT\0\3")
        s.recv(4)
        while True:
            number = option(s)
            if number == endless:
                for _ in range(3000):
                    s.sendall(reply(number, *answer) * 100)
                return
            if number == 7:
                s.sendall(reply(7, 3, struct.pack(">HQH", 0, 1 << 40, 1)) + reply(7, 1, b""))
                return
            s.sendall(reply(number, 1, b"") if number == 8 else reply(number, 4, struct.pack(">I", 1) + b"base:allocation") + reply(number, 1, b"")
                      if number == 10 else reply(number, 0x80000001, b""))

    def then(chunk):
        def serve(s):
            negotiate(s, 0, ())
            request = s.recv(28, socket.MSG_WAITALL)
            s.sendall(struct.pack(">IHHQI", 0x668E33EF, *chunk[:2], struct.unpack(">Q", request[8:16])[0], chunk[2]) + bytes(65536))
            while s.recv(65536):
                s.sendall(bytes(65536))
        return serve

    for number, answer in ((7, (3, struct.pack(">H", 77) + bytes(4000))), (10, (4, struct.pack(">I", 1) + b"base:allocation"))):
        listening("nbd", lambda s, n=number, a=answer: negotiate(s, n, a))
        bounded(f"NBD, no end of replies to option {number}", [IMG, "info", "nbd+unix:///e?socket=nbd"])
    for chunk in ((1, 1, 0xFFFFFFFF), (0, 1, 0x7FFFFFFF), (1, 5, 0xFFFFFFF4), (1, 0x8001, 0xFFFFFFFF), (1, 2, 12), (0, 0x7FFF, 1 << 30)):
        listening("nbd", then(chunk))
        bounded(f"NBD, answer {chunk}", [IO, "-f", "raw", "-r", "-c", "read 0 64k", "nbd+unix:///e?socket=nbd"])


def websockets():
    """A client of a chardev: a head without end, frames of impossible length."""
    with subprocess.Popen([SYSTEM, "-machine", "none", "-display", "none", "-nodefaults", "-chardev", "socket,id=c,path=ws,server=on,wait=off,websocket=on",
                           "-mon", "chardev=c", "-qmp", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as vm:
        vm.stdout.readline()
        hello = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" \
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: binary\r\n\r\n"
        for data in (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000, b"x" * (1 << 20), hello + b"\x82\xff" + b"\x7f" + b"\xff" * 11 + bytes(1 << 20),
                     hello + b"\x82\xfe\xff\xff" + bytes(4 + 65535), hello + b"\x89\xff" + struct.pack(">Q", 1 << 40) + bytes(1 << 20), hello + b"\x02\x80\0\0\0\0" * 50_000):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect("ws")
                s.settimeout(60)
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass
        with open(f"/proc/{vm.pid}/status", encoding="utf-8") as file:
            peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
        vm.stdin.write(b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n')
        vm.stdin.close()
        if vm.wait(120) or (peak > PEAK_KIB and not SANITIZED):
            global failures
            failures += 1
            print(f"websocket: exit {vm.returncode}, {peak} KiB")


def main():
    os.chdir(os.environ["TEST_DIR"])
    for part in (luks, names, configurations, monitors, nbd_servers, websockets):
        part()
    print(f"{count} inputs: {failures} over a bound")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
