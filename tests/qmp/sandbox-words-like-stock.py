#!/usr/bin/env python3
"""-sandbox: words are taken and refused as by the stock program (a device that does not exist ends what goes on).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import subprocess
import sys

from lib import program


def words():
    different = 0
    for text in ("foo", "on,elevateprivileges=foo", "on,obsolete=foo", "on,spawn=foo", "on,resourcecontrol=foo", "on,x=y", "on,spawn=", "on,spawn", "enable=maybe",
                 "obsolete=deny", "off,spawn=foo", "on,resourcecontrol=children", "", "help"):
        seen = []
        for kind in ("stock", "ours"):
            path = program(kind)
            run = subprocess.run([path, "-sandbox", text, "-machine", "none", "-display", "none", "-device", "nosuch"], stderr=subprocess.PIPE, text=True,
                                 stdin=subprocess.DEVNULL, timeout=90, check=False)
            seen.append((run.returncode, run.stderr.replace(path + ": ", "").replace("qemu-system-x86_64: ", "")))
        if seen[0] != seen[1]:
            different += 1
            print(f"-sandbox {text}\n  stock: {seen[0]}\n  ours:  {seen[1]}")
    return different


if __name__ == "__main__":
    sys.exit(1 if words() else 0)
