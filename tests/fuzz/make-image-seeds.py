#!/usr/bin/env python3
"""Make the seeds for fuzz-image with qemu-img and qemu-io: small images with every structure, sound and damaged.

Usage: make-image-seeds.py QEMU_IMG QEMU_IO FOLDER

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import sys
import tempfile

IMG, IO, FOLDER = sys.argv[1:4]
WRITES = ["write -P 1 0 3k", "write -z 8k 4k", "write -P 2 20k 1k", "discard 20k 512"]


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make(name, options, size="128k", writes=WRITES, snapshots=1, bitmaps=0):
    path = os.path.join(FOLDER, name)
    run(IMG, "create", "-q", "-f", "qcow2", "-o", options, path, size)
    for i in range(bitmaps):
        run(IMG, "bitmap", "--add", "-g", "512", path, f"b{i}")
    for i in range(snapshots + 1):
        run(IO, *[word for w in writes for word in ("-c", w)], path)
        if i < snapshots:
            run(IMG, "snapshot", "-c", f"s{i}", path)
    with open(path, "rb") as file:
        return path, bytearray(file.read())


def make_secret(name, more):
    path, secret = os.path.join(FOLDER, name), ["--object", "secret,id=sec0,data=secret"]
    run(IMG, "create", "-q", "-f", "qcow2", *secret, "-o", "encrypt.format=aes,encrypt.key-secret=sec0,cluster_size=512", path, "128k")
    run(IO, *secret, *[word for w in WRITES + more for word in ("-c", w)], "--image-opts",
        f"driver=qcow2,file.filename={path},encrypt.format=aes,encrypt.key-secret=sec0")


def damage(path, data, name, offset, form, value):
    bad = bytearray(data)
    struct.pack_into(">" + form, bad, offset, value)
    with open(f"{path}-{name}", "wb") as file:
        file.write(bad)


def extension(data, magic):
    at = struct.unpack_from(">I", data, 100)[0]
    while True:
        kind, length = struct.unpack_from(">II", data, at)
        if kind in (magic, 0):
            return at + 8
        at += 8 + (length + 7) // 8 * 8


def main():
    os.makedirs(FOLDER, exist_ok=True)
    path, data = make("plain", "cluster_size=512")
    l1, snapshots = struct.unpack_from(">Q", data, 40)[0], struct.unpack_from(">Q", data, 64)[0]
    l2 = struct.unpack_from(">Q", data, l1)[0] & 0x00FFFFFFFFFFFE00
    for name, offset, form, value in (
            ("l1-unaligned", l1, "Q", 513), ("l1-far", l1, "Q", 1 << 50), ("l2-reserved", l2, "Q", (1 << 62) - 1),
            ("l2-own-table", l2, "Q", (1 << 63) | l2), ("snapshot-l1", snapshots, "Q", 1 << 60),
            ("snapshot-l1-size", snapshots + 8, "I", 1 << 22), ("snapshot-extra", snapshots + 36, "I", 2000),
            ("snapshot-size", snapshots + 48, "Q", 1 << 60), ("dirty", 72, "Q", 1), ("corrupt", 72, "Q", 2)):
        damage(path, data, name, offset, form, value)
    path, data = make("bitmaps", "cluster_size=512", bitmaps=2)
    ext = extension(data, 0x23852875)
    directory = struct.unpack_from(">Q", data, ext + 16)[0]
    for name, offset, form, value in (
            ("count", ext, "I", 65535), ("directory", ext + 16, "Q", 1 << 55), ("table", directory, "Q", 512),
            ("table-size", directory + 8, "I", 1 << 20), ("in-use", directory + 12, "I", 1), ("granularity", directory + 17, "B", 31),
            ("name", directory + 18, "H", 1000)):
        damage(path, data, name, offset, form, value)
    path, data = make("extended", "extended_l2=on,cluster_size=16k", size="256k", snapshots=0,
                      writes=["write -P 1 0 3k", "write -z 64k 4k", "write -P 2 128k 1k"])
    l1 = struct.unpack_from(">Q", data, 40)[0]
    l2 = struct.unpack_from(">Q", data, l1)[0] & 0x00FFFFFFFFFFFE00
    damage(path, data, "both-bits", l2 + 8, "Q", (1 << 32) | 1)
    damage(path, data, "no-place", l2, "Q", 0)
    make("compressed", "cluster_size=512,compression_type=zstd", writes=["write -c -P 3 0 512", "write -c -P 4 4k 512"], snapshots=0)
    make("old", "compat=0.10,cluster_size=512", writes=["write -P 1 0 3k", "discard 1k 1k"])
    make("wide", "cluster_size=512,refcount_bits=64,lazy_refcounts=on")
    make("narrow", "cluster_size=512,refcount_bits=1", snapshots=0)
    make_secret("aes", ["write -b -P 5 0 1k"])
    for name, raw in (("data-file", "off"), ("data-file-raw", "on")):
        make(name, f"cluster_size=512,data_file_raw={raw},data_file={os.path.join(FOLDER, name)}.data", snapshots=0)
        os.unlink(os.path.join(FOLDER, name) + ".data")


main()
