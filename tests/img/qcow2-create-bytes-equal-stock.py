#!/usr/bin/env python3
"""New images are the stock tools' byte for byte over version, cluster size, refcount width, lazy refcounts,
compression type, extended L2 and backing file; where stock refuses, we refuse with the same words.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import filecmp
import os
import sys

from qcow2image import OURS, STOCK, both, need_stock, run

EXTRAS = ["", "lazy_refcounts=on", "compression_type=zstd", "extended_l2=on", "backing_file=base.raw,backing_fmt=raw",
          "data_file=data.raw"]
REFUSED = [
    "cluster_size=256", "cluster_size=4M", "cluster_size=1000", "cluster_size=0", "compat=0.9", "compat=v4", "compat=2",
    "compat=v2,lazy_refcounts=on", "compat=0.10,refcount_bits=8", "refcount_bits=3", "refcount_bits=128", "refcount_bits=0",
    "compat=v2,compression_type=zstd", "compression_type=foo", "compat=v2,extended_l2=on", "cluster_size=8k,extended_l2=on",
    "preallocation=foo", "data_file_raw=on", "compat=v2,data_file=d.raw",
    "preallocation=metadata,backing_file=base.raw,backing_fmt=raw", "data_file=d.raw,data_file_raw=on,backing_file=base.raw,backing_fmt=raw",
    "encryption=on", "encryption=on,encrypt.format=aes", "encrypt.format=foo", "encrypt.format=luks", "encrypt.key-secret=x",
    "encrypt.cipher-alg=foo", "backing_fmt=raw", "foo=1", "lazy_refcounts=foo",
]
failures = 0


def create(options, size):
    results = []
    for program, name in ((STOCK, "stock.qcow2"), (OURS, "ours.qcow2")):
        if os.path.exists(name):
            os.unlink(name)
        code, out, err = run(program, "create", "-f", "qcow2", "-u", *(["-o", options] if options else []), name, size)
        results.append((code, out.replace(name, "IMAGE"), err.replace(name, "IMAGE")))
    return results


def compare(options, size="1M"):
    global failures
    stock, ours = create(options, size)
    same = stock == ours
    if same and stock[0] == 0:
        same = filecmp.cmp("stock.qcow2", "ours.qcow2", shallow=False)
    if not same:
        failures += 1
        print(f"{options} {size}:\n  stock {stock}\n  ours  {ours}")


def compare_info():
    global failures
    stock, ours = both("info", "--output=json")
    if stock != ours:
        failures += 1
        print(f"info:\n{stock}\n{ours}")


def main():
    need_stock()
    with open("base.raw", "wb") as f:
        f.truncate(1 << 20)
    tried = 0
    for compat in ("0.10", "1.1"):
        for cluster in ("512", "4k", "64k", "2M"):
            for bits in ("1", "16", "64"):
                for extra in EXTRAS:
                    options = f"compat={compat},cluster_size={cluster},refcount_bits={bits}" + ("," + extra if extra else "")
                    compare(options, ("0", "700", "100M")[tried % 3])
                    tried += 1
                compare_info()
    for options in REFUSED:
        compare(options)
    for size in ("0", "1", "512", "9223372036854775807", "4E", "129G"):
        compare("", size)
        compare("cluster_size=512", size)
        compare("cluster_size=2M", size)
    print(f"{tried} combinations, {failures} differences")
    return 1 if failures else 0


sys.exit(main())
