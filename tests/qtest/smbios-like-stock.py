#!/usr/bin/env python3
"""SMBIOS structures in fw_cfg equal stock's byte for byte: defaults, sizes of memory, sockets, models, and -smbios in its forms and errors.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import struct
import subprocess
import sys
import tempfile

from qtestlib import Machine, program, skip

UUID = "12345678-1234-1234-1234-123456789abc"
CASES = [dict(), dict(memory="16"), dict(memory="128"), dict(memory="3072"), dict(memory="4096"), dict(memory="20480"), dict(board="q35"),
         dict(board="pc,smbios-entry-point-type=64"), dict(board="q35,max-ram-below-4g=1G", memory="2048")]
OPTIONS = [["-smp", "4,sockets=2,cores=2"], ["-smp", "8,sockets=2,cores=2,threads=2"], ["-uuid", UUID], ["-cpu", "Haswell"], ["-cpu", "EPYC"],
           ["-cpu", "486"], ["-cpu", "max"], ["-smp", "1,maxcpus=4,sockets=4"]]
OPTIONS += [["-smbios", text] for text in (
    "type=0", "type=0,vendor=V,version=1.2,date=D,release=3.4,uefi=on", "type=0,uefi=off,release=10.200", "type=1,manufacturer=M,,N,product=P",
    f"type=1,manufacturer=M,product=P,version=V,serial=S,uuid={UUID},sku=K,family=F", "type=2",
    "type=2,manufacturer=M,product=P,version=V,serial=S,asset=A,location=L", "type=3,manufacturer=M,version=V,serial=S,asset=A,sku=K",
    "type=4,sock_pfx=X,manufacturer=M,version=V,serial=S,asset=A,part=P,max-speed=1,current-speed=2,processor-id=77", "type=11,value=hello,value=world",
    "type=17,loc_pfx=L,bank=B,manufacturer=M,serial=S,asset=A,part=P,speed=5", "type=41,designation=X,kind=ethernet,instance=1",
    "type=8,internal_reference=I,external_reference=E,connector_type=1,port_type=2", "type=1,serial=", "type=0x1,serial=5")]
OPTIONS += [["-smbios", "type=1,serial=A", "-smbios", "type=1,sku=B"], ["-smbios", "type=11,value=a", "-smbios", "type=11,value=b"],
            ["-smbios", "type=8,internal_reference=I", "-smbios", "type=8,external_reference=E"]]
WRONG = ["type=9", "type=5,foo=1", "type=1,foo=bar", "", "foo=1", "type=200", "type=1,uuid=x", "type=0,release=x", "type=0,uefi=x", "type=4,max-speed=x",
         "file=/nonexistent"]


def tables(m):
    """Entry point and structures, by the stream of bytes."""
    def read(key, length):
        m.outw(0x510, key)
        return bytes(m.inb(0x511) for _ in range(length))

    directory = read(0x19, 4 + 64 * struct.unpack(">I", read(0x19, 4))[0])[4:]
    found = {}
    for at in range(0, len(directory), 64):
        size, key, _, name = struct.unpack(">IHH56s", directory[at:at + 64])
        if name.startswith(b"etc/smbios/"):
            found[name.rstrip(b"\0").decode()] = read(key, size)
    return found


def show(found):
    """One line a structure."""
    lines, data = [found.get("etc/smbios/smbios-anchor", b"").hex()], found.get("etc/smbios/smbios-tables", b"")
    while data:
        end = data.index(b"\0\0", data[1]) + 2
        lines.append(f"{data[:data[1]].hex()} {data[data[1]:end]}")
        data = data[end:]
    return "\n    ".join(lines)


def compare(name, *arguments, **more):
    got = []
    for stock in (False, True):
        with Machine(*arguments, stock=stock, **more) as m:
            got.append((tables(m), m.qmp("query-uuid")))
    if got[0] != got[1]:
        print(name, *(show(g[0]) for g in got), got[0][1], got[1][1], sep="\n  ")
    return got[0] == got[1]


def error(stock, text):
    command = [program(stock), "-accel", "tcg" if stock else "qtest", "-display", "none", "-nodefaults", "-S", "-smbios", text]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    return done.returncode, re.sub(r"(?m)^\S*qemu-system-x86_64: ", "", done.stderr)


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    ok = True
    for case in CASES:
        ok &= compare(case, **case)
    for case in OPTIONS:
        ok &= compare(case, *case)
    with tempfile.TemporaryDirectory() as folder:
        blob = os.path.join(folder, "blob")
        with open(blob, "wb") as f:
            f.write(bytes([1, 8, 0x55, 1, 1, 2, 3, 4]) + b"text\0\0")
        ok &= compare("file", "-smbios", "file=" + blob)
        WRONG.append("type=11,value=x,path=" + blob)
        text = os.path.join(folder, "text")
        with open(text, "w") as f:
            f.write("a longer text\n" * 20)
        ok &= compare("strings", "-smbios", "type=11,value=x,path=" + text)
        for wrong in WRONG:
            ours, stock = error(False, wrong), error(True, wrong)
            if ours != stock:
                print(wrong, ours, stock, sep="\n  ")
                ok = False
    return 0 if ok else 1


sys.exit(main())
