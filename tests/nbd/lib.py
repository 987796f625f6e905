"""What the tests of NBD servers share.

SPDX-License-Identifier: GPL-2.0-or-later
"""


def read(s, n):
    """Exactly n bytes; EOFError where the server closes before."""
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise EOFError
        data += part
    return data
