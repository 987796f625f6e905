#!/usr/bin/env python3
"""qemu-img check --explain: each kind of damage in a line, with the place, what of the disk and its snapshots it touches, and the repair.

Without the option, and not on a terminal, not one byte more than stock prints.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import pty
import shutil
import struct
import subprocess
import sys

IMG, IO, STOCK = os.environ["QEMU_IMG"], os.environ["QEMU_IO"], os.environ["STOCK_QEMU_IMG"]
CLUSTER = 65536


def run(*args, codes=(0,)):
    done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode in codes, (args, done.returncode, done.stderr)
    return done.stdout


class Image:
    """Fields of a file with 64 KiB clusters, changed in place."""

    def __init__(self, name):
        self.f = open(name, "r+b")

    def get(self, offset, form=">Q"):
        self.f.seek(offset)
        return struct.unpack(form, self.f.read(struct.calcsize(form)))[0]

    def put(self, offset, value, form=">Q"):
        self.f.seek(offset)
        self.f.write(struct.pack(form, value))
        self.f.flush()

    def count_at(self, cluster):
        return (self.get(self.get(48)) & ~511) + 2 * cluster

    def l2_entry(self, guest_cluster, l1=None):
        table = self.get(self.get(40) if l1 is None else l1) & 0x00fffffffffffe00
        return table + 8 * guest_cluster

    def cluster_of(self, guest_cluster):
        return (self.get(self.l2_entry(guest_cluster)) & 0x00fffffffffffe00) // CLUSTER


def too_low(i):
    """Guest cluster 0 is shared with the snapshot."""
    i.put(i.count_at(i.cluster_of(0)), 1, ">H")


def free(i):
    i.put(i.count_at(i.cluster_of(1)), 0, ">H")


def too_high(i):
    i.put(i.count_at(i.cluster_of(0)), 5, ">H")


def leak(i):
    i.put(i.count_at(200), 1, ">H")
    i.put(i.count_at(201), 1, ">H")
    i.f.truncate(202 * CLUSTER)


def flag(i):
    i.put(i.l2_entry(0), i.get(i.l2_entry(0)) | 1 << 63)


def reserved(i):
    i.put(i.l2_entry(2), i.get(i.l2_entry(2)) | 2)


def unaligned(i):
    i.put(i.l2_entry(1), i.get(i.l2_entry(1)) + 512)


def outside(i):
    i.put(i.l2_entry(3), 1 << 40 | 1 << 63)


def l1_reserved(i):
    i.put(i.get(40), i.get(i.get(40)) | 1 << 60)


def table_free(i):
    """The active L2 table: all that it maps."""
    i.put(i.count_at((i.get(i.get(40)) & 0x00fffffffffffe00) // CLUSTER), 0, ">H")


def reftable(i):
    i.put(i.get(48) + 8, 513)


D0, D1, S0 = (0, CLUSTER, None), (CLUSTER, CLUSTER, None), (0, CLUSTER, "s")
ALL = (0, 64 << 20, None)
# damage, kind, ranges (offset, length, snapshot), does -r all (leaks) repair it?
CASES = [
    (too_low, "count-too-low", [D0, S0], "all"), (free, "in-use-but-free", [D1], "all"), (too_high, "count-too-high", [D0, S0], "leaks"),
    (leak, "leak", [], "leaks"), (flag, "copied-flag", [D0], "all"), (reserved, "l2-reserved-bits", [(2 * CLUSTER, CLUSTER, None)], None),
    (unaligned, "data-unaligned", [D1], None), (outside, "outside-file", [(3 * CLUSTER, CLUSTER, None)], None),
    (l1_reserved, "l1-reserved-bits", [ALL], None), (table_free, "in-use-but-free", [ALL], "all"), (reftable, "refcount-table", [], "all"),
]


def make():
    run(IMG, "create", "-q", "-f", "qcow2", "good.qcow2", "64M")
    run(IO, "-c", "write -P 1 0 256k", "good.qcow2")
    run(IMG, "snapshot", "-c", "s", "good.qcow2")
    run(IO, "-c", "write -P 2 64k 192k", "good.qcow2")


def on_terminal(name):
    """What check prints on a terminal, and its exit code."""
    master, slave = pty.openpty()
    process = subprocess.Popen([IMG, "check", name], stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    text = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(master)
    return text.decode().replace("\r\n", "\n"), process.wait()


def try_one(damage, kind, ranges, repair):
    name = damage.__name__
    shutil.copy("good.qcow2", "bad.qcow2")
    damage(Image("bad.qcow2"))
    plain = subprocess.run([IMG, "check", "bad.qcow2"], capture_output=True, text=True, check=False)
    if STOCK:
        stock = subprocess.run([STOCK, "check", "bad.qcow2"], capture_output=True, text=True, check=False)
        assert (plain.returncode, plain.stdout) == (stock.returncode, stock.stdout), (name, plain, stock)
    code = plain.returncode
    assert code in (2, 3), (name, code)
    said = run(IMG, "check", "--explain", "bad.qcow2", codes=(code,))
    assert said.startswith(plain.stdout) and "What was found:" in said and "What was found" not in plain.stdout, (name, said)
    assert on_terminal("bad.qcow2") == (said, code), name
    assert run(IMG, "check", "-q", "--explain", "bad.qcow2", codes=(code,)) == "", name
    assert "explanations" not in json.loads(run(IMG, "check", "--output=json", "bad.qcow2", codes=(code,))), name
    found = [f for f in json.loads(run(IMG, "check", "--output=json", "--explain", "bad.qcow2", codes=(code,)))["explanations"]
             if f["kind"] == kind]
    assert found, (name, said)
    seen = [(r["offset"], r["length"], r.get("snapshot")) for f in found for r in f["guest"]]
    assert seen == ranges, (name, seen, ranges)
    assert all(f["description"] in said and f["repair"] in said for f in found), name
    for word in ("leaks", "all"):
        shutil.copy("bad.qcow2", "mended.qcow2")
        promised = found[0]["repair"].startswith("-r " + word) or (repair == "leaks" and word == "all")
        done = subprocess.run([IMG, "check", "-r", word, "--explain", "mended.qcow2"], capture_output=True, text=True, check=False)
        left = json.loads(run(IMG, "check", "--output=json", "--explain", "mended.qcow2", codes=(0, 2, 3)))["explanations"]
        if promised:
            assert done.returncode == 0 and not left, (name, word, done, left)
            assert found[0]["description"] in done.stdout, (name, word, done.stdout)
        assert (repair is not None) or word == "leaks" or any(f["kind"] == kind for f in left), (name, word, left)


def many():
    """A thousand findings are explained, the rest is counted; ranges of one finding are bounded too."""
    shutil.copy("good.qcow2", "bad.qcow2")
    i = Image("bad.qcow2")
    for cluster in range(300, 300 + 2600, 2):
        i.put(i.count_at(cluster), 1, ">H")
    i.f.truncate(2902 * CLUSTER)
    said = run(IMG, "check", "--explain", "bad.qcow2", codes=(3,))
    assert "\n1000. " in said and "\n1001. " not in said and "\n300 more findings are not explained." in said, said[-300:]
    i = Image("bad.qcow2")
    shared = i.get(i.l2_entry(0)) & ~(1 << 63)
    for cluster in range(100, 140, 2):
        i.put(i.l2_entry(cluster), shared)
    assert ", and 14 more places" in run(IMG, "check", "--explain", "bad.qcow2", codes=(2,))


def main():
    make()
    for case in CASES:
        try_one(*case)
    many()
    assert run(IMG, "check", "--explain", "good.qcow2") == run(IMG, "check", "good.qcow2")


if __name__ == "__main__":
    sys.exit(main())
