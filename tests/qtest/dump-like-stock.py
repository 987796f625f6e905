#!/usr/bin/env python3
"""Guest memory dumped to a file: errors, events and the file itself are those of stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys
import tempfile

from qtestlib import Machine, program, skip

WRONG = [
    {"paging": False, "protocol": "foo"}, {"paging": False, "protocol": "file:/nonexistent/x"}, {"paging": False, "protocol": "fd:nope"},
    {"paging": False, "protocol": "file:x", "begin": 0}, {"paging": False, "protocol": "file:x", "length": 0}, {"protocol": "file:x"},
    {"paging": True, "format": "kdump-zlib", "protocol": "file:x"}, {"paging": False, "format": "kdump-lzo", "protocol": "file:x"},
]


def play(stock, folder):
    log = []
    with Machine("-smp", "2", stock=stock) as m:
        def dump(wait=True, **arguments):
            log.append(m.raw({"execute": "dump-guest-memory", "arguments": arguments}))
            if wait:
                log.append(m.wait_event("DUMP_COMPLETED")["data"])
                log.append(m.qmp("query-dump"))

        log.append(m.qmp("query-dump"))
        for arguments in WRONG:
            dump(False, **arguments)
        m.write(0x100000, bytes(range(256)) * 512)
        for name, begin, length in (("low", 0, 4096), ("middle", 0x100000, 0x20000), ("end", 0x3fff000, 0x2000)):
            path = f"{folder}/{name}.{stock}"
            dump(paging=False, protocol="file:" + path, begin=begin, length=length)
            with open(path, "rb") as f:
                log.append((name, f.read().hex()))
        dump(False, paging=False, protocol=f"file:{folder}/x", begin=1 << 40, length=4096)
        dump(paging=False, protocol="file:/dev/null", begin=0, length=0x80000, detach=True)
        log.append(m.hmp("info dump"))
        log.append(m.hmp(f"dump-guest-memory {folder}/hmp.{stock} 0x100000 0x1000"))
        log.append(m.wait_event("DUMP_COMPLETED")["data"])
        with open(f"{folder}/hmp.{stock}", "rb") as f:
            log.append(f.read().hex())
    return log


def main():
    if not program(stock=True):
        skip("no stock emulator")
    with tempfile.TemporaryDirectory() as folder:
        stock, ours = play(True, folder), play(False, folder)
    failed = 0
    for i, (one, two) in enumerate(zip(stock, ours)):
        if one != two:
            failed += 1
            print(f"--- step {i}\nstock: {str(one)[:2000]}\nours:  {str(two)[:2000]}")
    print(f"{len(stock)} steps, {failed} differ")
    return failed != 0 or len(stock) != len(ours)


if __name__ == "__main__":
    sys.exit(main())
