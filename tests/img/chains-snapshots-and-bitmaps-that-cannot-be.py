#!/usr/bin/env python3
"""Backing chains without end or with huge empty tables stay within 256 MiB; a long chain of counts takes no stack; a damaged
snapshot is not applied over a sound state; a check forgets no snapshot; a bitmap of an empty disk leaves an image that opens;
a full device is told and kept.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import sys

from badinputs import places
from qcow2image import BACKING_FORMAT, Image, need_stock

need_stock()
IMG, IO, STOCK, STOCK_IO = (os.environ[n] for n in ("QEMU_IMG", "QEMU_IO", "STOCK_QEMU_IMG", "STOCK_QEMU_IO"))
SANITIZED = bool(os.environ.get("UNDER_SANITIZER"))
PEAK_KIB, CPU_SECONDS = 256 << 10, 10
failures = count = 0


def run(*words):
    """(exit code, both outputs, peak KiB, seconds of a processor)"""
    with open("said", "w+b") as said:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return process.returncode, said.read().decode(errors="replace"), usage.ru_maxrss, usage.ru_utime + usage.ru_stime


def expect(what, code, words, *command):
    """Ours ends with code, says the words, and stays within its bounds."""
    global failures, count
    count += 1
    done, text, peak, seconds = run(*command)
    if done != code or words not in text or (not SANITIZED and (peak > PEAK_KIB or seconds > CPU_SECONDS)):
        failures += 1
        print(f"{what}: {command[1:]}: exit {done}, {peak} KiB, {seconds:.1f} s: {text[-300:]}")


def counted_in_each_other(name, n):
    """An image of n refcount blocks, each of which is counted in the next."""
    cluster, per_block, size, l1_offset = 512, 256, 1 << 20, 512 + -(-n // 64) * 512
    first_free = (l1_offset + size // (64 * 512) * 8 + 511) // cluster
    used = list(range(first_free)) + [max((i + 1) % n * per_block + 10, first_free) for i in range(n)]
    blocks = [bytearray(cluster) for _ in range(n)]
    for one in used:
        struct.pack_into(">H", blocks[one // per_block], one % per_block * 2, 1)
    with open(name, "wb") as f:
        f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 9, size, 0, size // (64 * 512), l1_offset, cluster, -(-n // 64),
                            0, 0, 0, 0, 0, 4, 104))
        f.seek(cluster)
        f.write(b"".join(struct.pack(">Q", one * cluster) for one in used[first_free:]))
        for block, one in zip(blocks, used[first_free:]):
            f.seek(one * cluster)
            f.write(block)
        f.truncate(n * per_block * cluster)


def counts():
    """Snapshots move all blocks that the first one leads to, without a frame of the stack for each."""
    counted_in_each_other("counted", 6000)
    for command in (("check",), ("snapshot", "-c", "new"), ("check",), ("snapshot", "-a", "new"), ("snapshot", "-d", "new"), ("check",)):
        expect("blocks counted in each other", 0, "No errors were found" if command[0] == "check" else "", IMG, *command, "counted")


def same_table_everywhere():
    """A snapshot all of whose four million entries lead to one table, in an image with room for a million refcount blocks."""
    cluster, entries, size = 65536, (32 << 20) // 8, 1 << 30
    table, l1, l2, snapshots, snapshot_l1, block = (i * cluster for i in (1, 129, 130, 132, 133, 645))
    with open("same", "wb") as f:
        f.write(struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, size, 0, 2, l1, table, 128, 1, snapshots, 0, 0, 0, 4, 104))
        for at, content in ((table, struct.pack(">Q", block)), (l1, struct.pack(">QQ", l2, l2 + cluster)),
                            (snapshots, struct.pack(">QIHHIIQIIQQ", snapshot_l1, entries, 1, 1, 0, 0, 0, 0, 16, 0, size) + b"1x"),
                            (snapshot_l1, struct.pack(">Q", l2) * entries),
                            (block, struct.pack(">H", 1) * (block // cluster + 1))):
            f.seek(at)
            f.write(content)
        f.truncate(block + cluster)
    expect("one table everywhere", 1, "Could not apply snapshot 'x'", IMG, "snapshot", "-a", "x", "same")


def chain(prefix, image, links, length=None):
    """Files prefix0 ... prefix<links>, each with the one before as its backing file; of a length, the rest a hole."""
    for i in range(links + 1):
        one = image.copy()
        if i:
            name = f"{prefix}{i - 1}".encode()
            one.set_extensions([(BACKING_FORMAT, 5, b"qcow2")])
            one.set_field("backing_offset", 400)
            one.set_field("backing_size", len(name))
            one.data[400:400 + len(name)] = name
        one.save(f"{prefix}{i}")
        if length:
            os.truncate(f"{prefix}{i}", length)


def chains():
    small = Image.make("small", "cluster_size=512", "64k")
    chain("long", small, 1200)
    for links, code, words in ((1000, 0, ""), (1001, 1, "Backing chain has more than 1000 links"), (1200, 1, "more than 1000 links")):
        for command in (("check",), ("map",), ("measure", "-O", "raw")):
            expect("a long chain", code, words, IMG, *command, f"long{links}")
    expect("the list of a long chain", 0, "long0", IMG, "info", "--backing-chain", "long1200")
    subprocess.run([STOCK, "rebase", "-u", "-F", "qcow2", "-b", "long3", "long1"], check=True)
    for command in (("check",), ("convert", "-O", "raw")):
        expect("a loop", 1, "Backing file 'long3' creates an infinite loop.", IMG, *command, "long3", *(["out"] if command[0] == "convert" else []))
    tables = Image.make("tables", "", "1M")
    for name, value in (("l1_offset", 16 << 20), ("l1_size", 4 << 20), ("table_clusters", 128)):
        tables.set_field(name, value)
    chain("table", tables, 30, 48 << 20)
    chain("wide", Image.make("one", "cluster_size=2M", "1M", ["write 0 64k"]), 60)
    for name, code in (("table30", 2), ("wide60", 0)):
        expect("empty tables of many images", code, "", IMG, "check", name)
        expect("empty tables of many images", 0, "", IMG, "convert", "-O", "raw", name, "out")


def damaged_snapshots():
    """A snapshot whose L1 names what cannot be a table."""
    global failures
    image = Image.make("state", commands=["write -P 1 0 128k"], snapshot=True)     # the state: pattern 4 in its first 64k
    found = places(image)
    end = -(-len(image.data) // image.cluster) * image.cluster
    for name, entry in (("reserved bits", 0x0001000100010001), ("2^48", 1 << 48 | 1 << 63), ("past the end", end + (4 << 16) | 1 << 63),
                        ("at the end", end), ("its own table", found["snapshot l1"]), ("the active table", found["l1"]),
                        ("counts", found["refcount block"]), ("header", 1 << 63), ("unaligned", found["l2"] + 512)):
        bad = image.copy()
        bad.set_u64(found["snapshot l1"], entry)
        bad.save("bad")
        expect(f"snapshot L1 entry: {name}", 1, "Could not apply snapshot 's1': Failed to load snapshot", IMG, "snapshot", "-a", "s1", "bad")
        code, text, *_ = run(STOCK_IO, "-r", "-c", "read -P 4 0 64k", "-c", "read -P 1 64k 64k", "bad")
        if code or "verification failed" in text:
            failures += 1
            print(f"snapshot L1 entry: {name}: the state is gone: {text}")


def checks():
    """A check that may write (flags to clear, bitmaps to store) does not forget snapshots, read or not (stock does)."""
    global failures
    sound = Image.make("sound", commands=["write -P 1 0 128k"], snapshot=True)
    subprocess.run([STOCK, "bitmap", "--add", "sound", "m"], check=True)
    with open("sound", "rb") as file:
        marked = Image(file.read())
    for name, image in (("unknown autoclear bits", sound), ("bitmaps", marked)):
        for unreadable in (False, True):
            one = image.copy()
            one.set_field("autoclear", one.field("autoclear") | 1 << 40)
            if unreadable:
                one.set_u64(one.field("snapshots_offset") + 32, 2000)           # extra data of the first entry
            one.save("bad")
            expect(f"{name}, {unreadable}", 1 if unreadable else 0, "Too much extra" if unreadable else "No errors", IMG, "check", "-r", "leaks", "bad")
            with open("bad", "rb") as file:
                left = Image(file.read())
            if left.field("nb_snapshots") != 1 or left.field("autoclear") & 1 << 40:
                failures += 1
                print(f"{name}: {left.field('nb_snapshots')} snapshots, autoclear {left.field('autoclear'):#x}")


def empty_disks():
    """As stock does: the bitmap is lost, the image is not."""
    for size, command in (("0", (IMG, "bitmap", "--add", "empty", "new")), ("1M", (IO, "-c", "truncate 0", "empty"))):
        subprocess.run([STOCK, "create", "-q", "-f", "qcow2", "empty", size], check=True)
        if size != "0":
            subprocess.run([STOCK, "bitmap", "--add", "empty", "old"], check=True)
        expect("a bitmap of an empty disk", 0, "Lost persistent bitmaps during inactivation of node", *command)
        for program in (IMG, STOCK):
            expect("the image after it", 0, "No errors were found", program, "check", "empty")


def devices():
    """A device that is full says so, and its node stays when no image could be made in it."""
    global failures
    try:
        os.mknod("full", 0o20666, os.makedev(1, 7))
        with open("full", "rb"):
            pass
    except OSError as e:
        print(f"no devices: {e.strerror}")
        return
    for command in (("create", "-f", "qcow2", "full", "1M"), ("convert", "-O", "qcow2", "state", "full"), ("dd", "-O", "qcow2", "if=state", "of=full")):
        expect("a full device", 1, "Could not write qcow2 header: No space left on device", IMG, *command)
        if not os.path.exists("full"):
            failures += 1
            print("the device is gone")


def main():
    os.chdir(os.environ["TEST_DIR"])
    for part in (chains, counts, same_table_everywhere, damaged_snapshots, checks, empty_disks, devices):
        part()
    print(f"{count} commands: {failures} failures")
    return 1 if failures else 0


sys.exit(main())
