"""What the tests of NBD servers share.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import socket
import struct
import time


def read(s, n):
    """Exactly n bytes; EOFError where the server closes before."""
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def connect(path, patience, export=b""):
    """A client of an export, through negotiation; the server may still be starting.  patience: seconds for that and for each wait."""
    end = time.monotonic() + patience
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(patience)
        try:
            s.connect(path)
            break
        except OSError:
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
    read(s, 18)
    s.sendall(struct.pack(">IQII", 3, 0x49484156454F5054, 1, len(export)) + export)
    read(s, 10)
    return s
