#!/usr/bin/env python3
"""A monitor over a websocket: the handshake is answered as by the stock emulator, frames of all kinds are understood, and
clients that break the rules lose their connection without keeping the next one out.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

PROGRAMS = {"ours": os.environ["QEMU_STORAGE_DAEMON"], "stock": os.environ.get("STOCK_QEMU_STORAGE_DAEMON", "")}
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
BINARY, TEXT, CLOSE, PING, PONG, FIN = 2, 1, 8, 9, 10, 0x80


def request(method="GET", path="/", version="HTTP/1.1", **changes):
    headers = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": KEY,
               "Sec-WebSocket-Protocol": "binary", "Sec-WebSocket-Version": "13"}
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{method} {path} {version}"] + [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(lines + ["", ""]).encode()


REQUESTS = {
    "plain": request(), "path": request(path="/foo"), "old": request(version="HTTP/1.0"), "post": request("POST"),
    "no host": request(Host=None), "no upgrade": request(Upgrade=None), "no connection": request(Connection=None),
    "connection": request(Connection="keep-alive, upgrade"), "no key": request(Sec_WebSocket_Key=None), "key": request(Sec_WebSocket_Key="abc"),
    "no protocol": request(Sec_WebSocket_Protocol=None), "protocols": request(Sec_WebSocket_Protocol="chat, binary"),
    "protocol": request(Sec_WebSocket_Protocol="chat"), "version": request(Sec_WebSocket_Version="8"),
    "no version": request(Sec_WebSocket_Version=None), "garbage": b"hello\r\n\r\n", "case": request(Upgrade="WebSocket"),
    "header": b"GET / HTTP/1.1\r\nfoo\r\n\r\n", "many": request(**{f"X{i}": "1" for i in range(40)}),
    "long": b"GET / HTTP/1.1\r\nX: " + b"a" * 4077,
}


class Server:
    def __init__(self, kind):
        self.folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
        self.path = f"{self.folder}/ws"
        # The daemon writes its pidfile once it listens and its monitor is there: the stock one may take an earlier client in two threads at once.
        self.process = subprocess.Popen([PROGRAMS[kind], "--chardev", "socket,id=w,path=ws,server=on,wait=off,websocket=on", "--monitor", "w",
                                         "--pidfile", "pid"], cwd=self.folder, stderr=subprocess.DEVNULL)

    def connect(self):
        while not os.path.exists(f"{self.folder}/pid"):
            assert self.process.poll() is None
            time.sleep(0.01)
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.path)
        sock.settimeout(20)
        return sock

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(20)


def handshake(kind, data):
    """The head of the answer, without what is each server's own."""
    with Server(kind) as server, server.connect() as sock:
        sock.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer and (part := receive(sock)):
            answer += part
    head = answer.split(b"\r\n\r\n")[0].strip().decode()
    return re.sub(r"(Server|Date): [^\r]*", r"\1", head)


def receive(sock):
    try:
        return sock.recv(4096)
    except ConnectionResetError:
        return b""


class Client:
    def __init__(self, server, extra=b""):
        self.sock, self.buffer, self.text = server.connect(), b"", b""
        self.sock.sendall(request() + extra)
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head

    def more(self):
        part = receive(self.sock)
        if not part:
            raise EOFError
        self.buffer += part

    def take(self, n):
        while len(self.buffer) < n:
            self.more()
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def frame(self):
        """(first byte, payload)"""
        first, length = self.take(2)
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
        return first, self.take(length)

    @staticmethod
    def pack(data, op=BINARY, fin=FIN, mask=b"\x11\x22\x33\x44", length=None):
        length = len(data) if length is None else length
        head = struct.pack("BB", fin | op, (0x80 if mask else 0) | (length if length < 126 else 126 if length < 65536 else 127))
        head += struct.pack(">H", length) if 126 <= length < 65536 else struct.pack(">Q", length) if length >= 65536 else b""
        return head + mask + bytes(byte ^ mask[i % 4] if mask else byte for i, byte in enumerate(data))

    def send(self, *args, **more):
        self.sock.sendall(self.pack(*args, **more))

    def line(self):
        while b"\n" not in self.text:
            first, payload = self.frame()
            assert first == FIN | BINARY, (first, payload)
            self.text += payload
        line, self.text = self.text.split(b"\n", 1)
        return json.loads(line)

    def closes(self):
        """The status with which the server closes; None when it just ends."""
        try:
            while True:
                first, payload = self.frame()
                if first == FIN | CLOSE:
                    return struct.unpack(">H", payload)[0]
        except EOFError:
            return None


NEGOTIATE = b'{"execute": "qmp_capabilities"}'


def good(server):
    client = Client(server, Client.pack(NEGOTIATE))            # right behind the request
    assert "QMP" in client.line() and client.line() == {"return": {}}
    for piece in (b'{"execute":', b' "query-', b""):
        client.send(piece, op=0 if piece != b'{"execute":' else BINARY, fin=0)
        client.send(b"still there", op=PING)
    client.send(b'commands"}', op=0)
    for _ in range(3):
        assert client.frame() == (FIN | PONG, b"still there")
    assert len(client.line()["return"]) > 50
    for byte in Client.pack(b'{"execute": "query-qmp-schema", "id": "' + b"x" * 70000 + b'"}')[:300]:
        client.sock.sendall(bytes([byte]))
    client.sock.sendall(Client.pack(b'{"execute": "query-qmp-schema", "id": "' + b"x" * 70000 + b'"}')[300:])
    reply = client.line()
    assert len(json.dumps(reply)) > 100000 and reply["id"] == "x" * 70000
    client.send(struct.pack(">H", 1000), op=CLOSE)
    assert client.closes() == 1000
    client.sock.close()


BAD = {
    "text": ({"data": b"x", "op": TEXT}, 1003), "unmasked": ({"data": b"x", "mask": b""}, 1002), "reserved": ({"data": b"x", "fin": 0xC0}, 1002),
    "opcode": ({"data": b"x", "op": 3}, 1002), "control": ({"data": b"x", "op": 11}, 1002), "long ping": ({"data": b"x" * 126, "op": PING}, 1002),
    "ping in parts": ({"data": b"x", "op": PING, "fin": 0}, 1002), "continuation": ({"data": b"x", "op": 0}, 1002),
    "huge": ({"data": b"x", "length": (1 << 63) - 1}, None),
}


def main():
    bad = 0
    for name, data in REQUESTS.items() if PROGRAMS["stock"] else ():
        stock, ours = handshake("stock", data), handshake("ours", data)
        if stock != ours:
            bad += 1
            print(f"{name}\n  stock: {stock!r}\n  ours:  {ours!r}")
    with Server("ours") as server:
        good(server)
        for name, (frame, status) in BAD.items():
            client = Client(server)
            client.line()
            client.send(**frame)
            if status is None:
                client.sock.shutdown(socket.SHUT_WR)
            if client.closes() != status:
                bad += 1
                print(f"{name}: not closed with {status}")
            client.sock.close()
        for data in (b"", b"GET", *REQUESTS.values()):
            with server.connect() as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while receive(sock):
                    pass
        good(server)
        # Many pings of a client that never reads are dropped, and the next one is served.
        client = Client(server)
        client.sock.settimeout(2)
        try:
            for _ in range(2000):
                client.sock.sendall(Client.pack(b"p" * 125, op=PING) * 10)
        except OSError:
            pass
        client.sock.close()
        good(server)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
