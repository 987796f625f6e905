"""A server whose single steps a test decides: which requests it answers, and when.

    server = Server(path, size)
    server.hold(FLUSH)           # requests of the kind wait from now on, until server.release()
    server.held.wait(60)         # one has come
    server.errors[FLUSH] = 5     # requests of the kind fail
    server.silent = True         # who connects from now on is never greeted
    server.drop()                # end all connections

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import socket
import struct
import threading

READ, WRITE, DISC, FLUSH, TRIM, STATUS, ZERO = 0, 1, 2, 3, 4, 7, 6
EXPORT, ACK, UNSUPPORTED = 3, 1, 0x80000001
OPT_GO = 7
FLAGS = 1 | 4 | 8 | 32 | 64             # has flags, flush, FUA, trim, write zeroes


class Server:
    def __init__(self, path, size, flags=FLAGS):
        self.path, self.size, self.flags = path, size, flags
        self.disk = bytearray(size)
        self.errors, self.silent, self.kinds, self.held, self.go = {}, False, set(), threading.Event(), threading.Event()
        self.connections, self.came = [], threading.Semaphore(0)
        self.listener = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def hold(self, *kinds):
        self.held.clear()
        self.go.clear()
        self.kinds = set(kinds)

    def release(self):
        self.kinds = set()
        self.go.set()

    def drop(self):
        while self.connections:
            try:
                self.connections.pop().shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        """No one is there any more."""
        listener, self.listener = self.listener, None
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        self.drop()
        self.release()

    def accept(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            self.came.release()
            threading.Thread(target=self.work, args=(connection, self.silent), daemon=True).start()

    def work(self, connection, silent):
        with connection, connection.makefile("rb") as stream:
            try:
                if silent:
                    stream.read(1)
                else:
                    self.greet(connection, stream)
                    while self.request(connection, stream):
                        pass
            except (OSError, struct.error):
                pass

    def greet(self, connection, stream):
        connection.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        stream.read(4)
        while True:
            _, option, length = struct.unpack(">8sII", stream.read(16))
            stream.read(length)
            answers = [(EXPORT, struct.pack(">HQH", 0, self.size, self.flags)), (ACK, b"")] if option == OPT_GO else [(UNSUPPORTED, b"")]
            for kind, body in answers:
                connection.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(body)) + body)
            if option == OPT_GO:
                return

    def request(self, connection, stream):
        _, _, kind, handle, offset, length = struct.unpack(">IHHQQI", stream.read(28))
        data = stream.read(length) if kind == WRITE else b""
        if kind in self.kinds:
            self.held.set()
            self.go.wait()
        error = self.errors.get(kind, 0)
        if not error and kind in (WRITE, ZERO):
            self.disk[offset:offset + length] = data or bytes(length)
        if kind != DISC:
            answer = bytes(self.disk[offset:offset + length]) if kind == READ and not error else b""
            connection.sendall(struct.pack(">IIQ", 0x67446698, error, handle) + answer)
        return kind != DISC
