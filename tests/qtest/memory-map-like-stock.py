#!/usr/bin/env python3
"""What is where in memory and among the ports, as chips and drivers arrange it: `info mtree` in all forms, byte for byte as stock.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import difflib
import os
import re
import sys
import tempfile

from qtestlib import Machine, PciDevice, program, skip

# Tables for a firmware, a region that only a property shows, and lines of the board without a device.
NOT_OURS = re.compile(r"x2from@etc|notify-pio|non-qdev-gpio")
FORMS = ("", "-D", "-o", "-D -o", "-f", "-f -o", "-f -d")


def plain(text):
    """Views and spaces come in no order; which section was found last depends on what else looks at memory."""
    text = re.sub(r"FlatView #\d+", "FlatView #N", text.replace("\r\n", "\n").replace(" [MRU]", ""))
    return "\n\n".join(sorted(text.strip("\n").split("\n\n")))


def config(m, slot, function, offset, value, size):
    PciDevice(m, slot, function).set_config(offset, value, size)
    return PciDevice(m, slot, function).config(offset, size)


def pc_steps(m, look):
    """The shadow of the ROM area, system management RAM, ports of power management."""
    for register in range(0x59, 0x60):
        for value in (0x11, 0x22, 0x33, 0x30, 0x03, 0x21):
            look("", f"PAM {register:#x} {value:#x}", config(m, 0, 0, register, value, 1))
    shadow(m, look, 0x5a, 0)
    for value in (0xff, 0x0a, 0x4a, 0x1a, 0x02, 0x48):
        look("-D", f"SMRAM {value:#x}", config(m, 0, 0, 0x72, value, 1))
    for base, enable in ((0x601, 1), (0xb001, 1), (0x601, 0), (0x701, 1)):
        config(m, 1, 3, 0x40, base, 4)
        look("-D", f"PM {base:#x} {enable}", config(m, 1, 3, 0x80, enable, 1))


def shadow(m, look, register, first):
    """RAM, the ROM, RAM, RAM that cannot be written (which stock's qtest disregards), at 0xc0000."""
    contents = []
    for value in (0x33, 0x00, 0x22, 0x33, 0x00):
        config(m, 0, 0, register, value, 1)
        contents.append(m.read(0xc0000, 8).hex())
        m.write(0xc0000, bytes([value + 1] * 8))
        contents.append(m.read(0xc0000, 8).hex())
    look("-f", "contents at 0xc0000", contents)


def q35_steps(m, look):
    for register in range(0x90, 0x97):
        for value in (0x11, 0x30, 0x21):
            look("", f"PAM {register:#x} {value:#x}", config(m, 0, 0, register, value, 1))
    shadow(m, look, 0x91, 0)
    for register, value in ((0x9d, 0x48), (0x9e, 0x01), (0x9e, 0x03), (0x9e, 0x05), (0x9e, 0x07), (0x9e, 0x81), (0x9d, 0x02), (0x9d, 0x0a),
                            (0x50, 0x04), (0x51, 0xff), (0x50, 0xff), (0x9e, 0xff), (0x9c, 0xff), (0x9c, 0x02), (0x9c, 0x00), (0x9d, 0x4a),
                            (0x9d, 0xff), (0x9d, 0x00), (0x9e, 0x00)):
        look("-D", f"{register:#x} {value:#x}", config(m, 0, 0, register, value, 1))
    look("-f", "management memory is hidden", m.read(0x30000, 4).hex())
    for low in (0xb0000001, 0xc0000003, 0xe0000005, 0xb0000000, 0xe0000001):
        look("-o", f"ECAM {low:#x}", config(m, 0, 0, 0x60, low, 4))
        look("", "host", [line for line in m.hmp("info qtree").splitlines() if "MCFG" in line])
    for base, enable in ((0x601, 0x80), (0x601, 0), (0x681, 0x80)):
        config(m, 31, 0, 0x40, base, 4)
        look("-D", f"PM {base:#x} {enable:#x}", config(m, 31, 0, 0x44, enable, 1))
    for value in (0xfed1c001, 0xfed1c000, 0xfed20001):
        look("-o", f"RCBA {value:#x}", config(m, 31, 0, 0xf0, value, 4))
    look("", "root complex", [hex(m.readl(0xfed20000 + at)) for at in (0, 0x3140, 0x3144, 0x3148, 0x314c, 0x3150, 0x3410)])
    m.writel(0xfed23410, 0)
    watchdog = []
    for at, value in ((0x68, 0), (0x60, 1), (0x64, 0xffff), (0x66, 0xffff), (0x68, 0x0800), (0x6a, 0xffff), (0x6c, 0xffff), (0x6e, 0xffff),
                      (0x70, 0xffff), (0x72, 0x1234), (0x60, 0x55), (0x68, 0x1000), (0x68, 0)):
        m.outw(0x680 + at, value)
        watchdog.append(hex(m.inw(0x680 + at)))
    for value in (0xffffffff, 0x21, 0):
        m.outl(0x6b0, value)
        watchdog.append(hex(m.inl(0x6b0)))
    look("", "watchdog", watchdog)


def play(stock, board, images):
    log = []

    def look(form, what, also=None):
        log.append((f"{what}: info mtree {form}", f"{also}\n" + plain(machine.hmp("info mtree " + form))))

    arguments = [] if board == "none" else [
        "-smp", "2", "-drive", f"if=none,id=a,file={images[0]},format=raw", "-device", "virtio-blk-pci,drive=a,id=disk,addr=5",
        "-drive", f"if=none,id=b,file={images[1]},format=raw", "-device", "virtio-scsi-pci,id=scsi,addr=6", "-device", "scsi-hd,drive=b",
        *(["-drive", f"if=floppy,file={images[3]},format=raw"] if board == "pc" else []),
        "-drive", f"if=none,id=c,file={images[2]},format=raw", "-device", "ide-hd,drive=c,bus=ide.0"]
    with Machine(*arguments, stock=stock, board=board) as machine:
        for form in FORMS:
            look(form, "at start")
        if board == "none":
            return log
        for slot, function in ((5, 0), (6, 0), (1, 1) if board == "pc" else (31, 2)) + (((31, 3),) if board == "q35" else ()):
            device = PciDevice(machine, slot, function)
            device.enable()
            look("", f"BARs of {slot}.{function}", device.bars)
            device.set_config(4, 3 if slot == 6 else 5, 2)
            look("-f", f"half of {slot}.{function}")
        (pc_steps if board == "pc" else q35_steps)(machine, look)
        for form in FORMS:
            look(form, "at the end")
        log.append(("info qtree", machine.hmp("info qtree")))
        log.append(("info qom-tree", "\n".join(line for line in machine.hmp("info qom-tree").splitlines() if not NOT_OURS.search(line))))
    return log


def main():
    if not program(stock=True):
        skip("no stock emulator")
    failed = 0
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_DIR")) as folder:
        images = [f"{folder}/{name}" for name in "abcd"]
        for name in images:
            with open(name, "wb") as file:
                file.truncate(1 << 20)
        for board in ("none", "pc", "q35"):
            stock, ours = play(True, board, images), play(False, board, images)
            for (what, one), (_, two) in zip(stock, ours):
                if one != two:
                    failed += 1
                    print(f"--- {board}, {what}")
                    print("\n".join(list(difflib.unified_diff(one.splitlines(), two.splitlines(), "stock", "ours", n=1, lineterm=""))[:40]))
            failed += len(stock) != len(ours)
            print(f"{board}: {len(stock)} looks")
    print(f"{failed} differ")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
