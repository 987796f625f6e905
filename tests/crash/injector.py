"""Allocations of a program fail when a test says so: the page that the preloaded injector (failalloc.so) looks at, in "control".

SPDX-License-Identifier: GPL-2.0-or-later
"""
import mmap
import os
import struct

LARGE = 32 << 10                # smaller ones never fail


def preloaded():
    """What the environment of the program needs."""
    return {"LD_PRELOAD": os.path.join(os.environ["BUILD_DIR"], "tests/crash/failalloc.so"), "FAIL_ALLOC": os.path.abspath("control"),
            "G_SLICE": "always-malloc"}


class Control:
    def __init__(self):
        with open("control", "wb") as file:
            file.write(bytes(4096))
        with open("control", "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 4096)

    def arm(self, at, large=LARGE):
        """The at-th allocation of that size from here on fails."""
        self.page[0:32] = struct.pack("=qqqq", at, large, 0, 0)

    def stop(self):
        """No more from here on."""
        self.page[0:8] = bytes(8)

    def trips(self):
        """How many failed since `arm`."""
        return struct.unpack("=q", self.page[24:32])[0]
