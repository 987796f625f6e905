"""Images made by the stock tools and damaged on purpose, for the qcow2 tests.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import sys

OURS = os.environ.get("QEMU_IMG", "")
STOCK = os.environ.get("STOCK_QEMU_IMG", "")
STOCK_IO = os.environ.get("STOCK_QEMU_IO", "")

# name: (offset, struct format)
FIELDS = {
    "magic": (0, "I"), "version": (4, "I"), "backing_offset": (8, "Q"), "backing_size": (16, "I"),
    "cluster_bits": (20, "I"), "size": (24, "Q"), "crypt": (32, "I"), "l1_size": (36, "I"), "l1_offset": (40, "Q"),
    "table_offset": (48, "Q"), "table_clusters": (56, "I"), "nb_snapshots": (60, "I"), "snapshots_offset": (64, "Q"),
    "incompatible": (72, "Q"), "compatible": (80, "Q"), "autoclear": (88, "Q"), "refcount_order": (96, "I"),
    "header_length": (100, "I"), "compression": (104, "B"),
}
BACKING_FORMAT, FEATURES, CRYPTO, BITMAPS, DATA_FILE = 0xE2792ACA, 0x6803F857, 0x0537BE77, 0x23852875, 0x44415441


def need_stock():
    if not STOCK or not STOCK_IO:
        print("skipped: needs the stock programs")
        sys.exit(77)


def run(*command, timeout=60):
    done = subprocess.run(command, capture_output=True, timeout=timeout)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def both(*arguments, ours="ours.qcow2", stock="stock.qcow2", timeout=60):
    """Results of the stock program and ours, each with its own file, names made equal."""
    results = []
    for program, name in ((STOCK, stock), (OURS, ours)):
        code, out, err = run(program, *arguments, name, timeout=timeout)
        results.append((code, out.replace(name, "IMAGE").strip(), err.replace(name, "IMAGE").strip()))
    return results


class Image:
    """The bytes of an image, with its structures by name."""

    def __init__(self, data):
        self.data = bytearray(data)
        self.cluster = 1 << self.field("cluster_bits")

    @classmethod
    def make(cls, name, options="", size="4M", commands=(), snapshot=False):
        code, _, err = run(STOCK, "create", "-q", "-f", "qcow2", *(["-o", options] if options else []), name, size)
        assert code == 0, err
        if commands:
            code, out, err = run(STOCK_IO, *[word for c in commands for word in ("-c", c)], name)
            assert code == 0, out + err
        if snapshot:
            assert run(STOCK, "snapshot", "-c", "s1", name)[0] == 0
            assert run(STOCK_IO, "-c", "write -P 4 0 64k", name)[0] == 0
        with open(name, "rb") as f:
            return cls(f.read())

    def copy(self):
        return Image(self.data)

    def save(self, *names, length=None):
        for name in names:
            with open(name, "wb") as f:
                f.write(self.data[:length])

    def field(self, name):
        offset, kind = FIELDS[name]
        return struct.unpack_from(">" + kind, self.data, offset)[0]

    def set_field(self, name, value):
        offset, kind = FIELDS[name]
        bits = 8 * struct.calcsize(kind)
        struct.pack_into(">" + kind, self.data, offset, value & ((1 << bits) - 1))

    def u64(self, offset):
        return struct.unpack_from(">Q", self.data, offset)[0]

    def set_u64(self, offset, value):
        if offset + 8 <= len(self.data):
            struct.pack_into(">Q", self.data, offset, value & (2**64 - 1))

    def l2_offset(self, index=0):
        return self.u64(self.field("l1_offset") + 8 * index) & 0x00FFFFFFFFFFFE00

    def block_offset(self, index=0):
        return self.u64(self.field("table_offset") + 8 * index) & ~511

    def set_extensions(self, extensions):
        """Replace all header extensions by (magic, length, data) triples."""
        start = self.field("header_length")
        self.data[start:512] = bytes(512 - start)
        at = start
        for magic, length, data in extensions:
            struct.pack_into(">II", self.data, at, magic, length)
            self.data[at + 8:at + 8 + len(data)] = data
            at += 8 + (len(data) + 7) // 8 * 8
