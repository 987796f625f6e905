#!/usr/bin/env python3
"""Options of the machine as a whole are taken or refused in the words of stock; fw_cfg, -preconfig and -compat do what they say.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import struct
import subprocess
import sys
import tempfile

from qtestlib import Machine, program, skip

LINES = """
none -accel foo
none -accel kvm:tcg
none -accel tcg,foo=1
none -accel tcg,thread=x
none,accel=foo
none,accel=foo:tcg
none,accel=
pc -fw_cfg name=opt/x,string=abc
pc -fw_cfg name=x,string=abc
pc -fw_cfg string=abc
pc -fw_cfg name=opt/x
pc -fw_cfg name=opt/x,file=missing
pc -fw_cfg name=opt/x,file=file,string=a
pc -fw_cfg name=opt/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,string=abc
pc -fw_cfg opt/x,foo=abc
pc -fw_cfg opt/x,string=a -fw_cfg opt/x,string=b
none -fw_cfg opt/x,string=a
pc -fw_cfg opt/x,gen_id=foo
pc -object secret,id=s,data=x -fw_cfg opt/x,gen_id=s
none -audiodev none,id=a
none -audiodev none
none -audiodev foo,id=a
none -compat deprecated-input=foo
none -compat foo=x
none -compat unstable-input=reject,deprecated-output=hide
none -d foo
none -d exec,int -D log
none -d exec -D no/log
none -D log%s
none -d trace:foo
none -m 16 -mem-path .
none -m 16 -mem-path file
pc -m 16 -mem-prealloc
pc -m 16 -object memory-backend-ram,id=r,size=16M -machine memory-backend=r -mem-path .
none -icount shift=1
none -icount shift=x
none -icount shift=1,align=on,sleep=off
none -icount rr=record
none -icount rr=foo
none -append x
pc -initrd file
none -seed 5
none -seed x
none -no-acpi
none -no-hpet
pc -no-acpi -no-hpet
none -action reboot=foo
none -action foo=bar
none -watchdog-action foo
none -no-shutdown -no-reboot
none -preconfig -only-migratable
pc -boot splash-time=99999999
pc -boot reboot-timeout=70000
pc -boot strict=on,menu=on
pc -cpu host
"""


def start(stock, line, folder):
    machine, *args = line.split()
    accel = [] if "accel" in line else ["-accel", "tcg" if stock or machine == "none" else "qtest"]
    run = subprocess.run([program(stock), *accel, "-machine", machine, "-S", "-nodefaults", "-display", "none", "-monitor", "stdio", *args],
                         cwd=folder, input="quit\n", capture_output=True, text=True, timeout=60)
    return f"{run.returncode} {run.stderr}"


def conversation(stock, board, args, requests):
    with Machine(*args, stock=stock, board=board) as m:
        return [m.raw({"execute": name, **({"arguments": arguments} if arguments else {})}) for name, arguments in requests]


def commands_in_preconfig(stock, names):
    """What each command says before there is a board."""
    with Machine("-preconfig", stock=stock) as m:
        late = [name for name in names if "permitted only after" in str(m.raw({"execute": name}))]
        return late, [m.raw({"execute": "x-exit-preconfig"}) for _ in range(2)], m.qmp("query-status")


REJECTED = [("drive-backup", {"device": "x", "target": "y", "sync": "full"}), ("blockdev-open-tray", {"device": "x"}),
            ("nbd-server-remove", {"name": "x"}), ("x-debug-query-block-graph", None),
            ("migrate-set-parameters", {"x-checkpoint-delay": 5})]


def firmware_view(stock):
    """Entries by number and by name, through ports and through memory."""
    args = ["-fw_cfg", "name=opt/x,string=abc", "-uuid", "12345678-1234-1234-1234-123456789abc", "-smp", "2,maxcpus=4"]
    seen = []
    with Machine(*args, stock=stock) as m:
        def read(key, length):
            m.outw(0x510, key)
            return bytes(m.inb(0x511) for _ in range(length))

        def transfer(control, length, address):
            m.write(0x1000, struct.pack(">IIQ", control, length, address))
            m.write(0x2000, b"\xee" * 16)
            m.outl(0x514, 0)
            m.outl(0x518, 0x00100000)
            return m.read(0x1000, 16).hex(), m.read(0x2000, 16).hex()

        for key in (0, 1, 2, 3, 4, 5, 0xf, 0x8002, 0x8004, 0x4000, 0x7777):
            seen.append((hex(key), read(key, 20).hex()))
        count = struct.unpack(">I", read(0x19, 4))[0]
        listing = read(0x19, 4 + 64 * count)
        for at in range(4, len(listing), 64):
            size, key, _, name = struct.unpack(">IHH56s", listing[at:at + 64])
            if name.rstrip(b"\0") in (b"bios-geometry", b"bootorder", b"etc/e820", b"etc/system-states", b"etc/boot-fail-wait", b"opt/x"):
                seen.append((name, size, read(key, size + 2)))
        for job in ((10, 4, 0x2000), (2, 4, 0x2000), (8, 0, 0), (4, 2, 0), (2, 4, 0x2000), (24, 4, 0x2000), (8 | 2 | 0x7777 << 16, 4, 0x2000)):
            seen.append(transfer(*job))
        seen.append([m.inl(0x514), m.inl(0x518), m.inb(0x510), m.inw(0x510)])
    return seen


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = 0

    def check(what, stock, ours):
        nonlocal failed
        if stock != ours:
            failed += 1
            print(f"--- {what}\nstock: {stock}\nours:  {ours}")

    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/file", "w") as f:
            f.write("hello\n")
        for line in LINES.strip().splitlines():
            check(line, start(True, line, folder), start(False, line, folder))
    with Machine() as m:
        names = sorted(entry["name"] for entry in m.qmp("query-commands"))
    with Machine(stock=True) as m:
        both = {entry["name"] for entry in m.qmp("query-commands")} - {"quit", "x-exit-preconfig", "qmp_capabilities", "system_reset", "cont"}
    names = [name for name in names if name in both]
    check("-preconfig", commands_in_preconfig(True, names), commands_in_preconfig(False, names))
    for policy in ("deprecated-input=reject", "unstable-input=reject", "deprecated-output=hide"):
        check(policy, *(conversation(which, "none", ["-compat", policy], REJECTED) for which in (True, False)))
    check("fw_cfg", firmware_view(True), firmware_view(False))
    print(f"{failed} differences")
    return failed != 0


if __name__ == "__main__":
    os.environ["LC_ALL"] = "C.UTF-8"
    sys.exit(main())
