#!/usr/bin/env python3
"""qemu-img check --explain over the table of bad inputs (one in seven; FULL=1: all): whenever check ends with another code than 0 there is
a line in words, with what it touches and what -r does; a check that stops early, or cannot begin, says why.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import subprocess
import sys

from badinputs import bad_inputs, bases
from qcow2image import need_stock

IMG = os.environ["QEMU_IMG"]
#        part of the name, a kind that must be named, what is touched, what the repair says
STOPS = [("v3 nb_snapshots product 2^31", "snapshot-table-too-large", "snapshots at the end", "-r all cuts the list"),
         ("v3 snapshots_offset one more", "snapshot-table-nowhere", "all snapshots", "no repair"),
         ("v3 snapshot extra data 1024+1", "snapshot-entry-too-long", "snapshot of that entry", "-r all cuts the entry"),
         ("v3 l1_offset one less", "mapping-table", "whole disk", "-r changes nothing"),
         ("v3 magic largest", "no-checks", "nothing", "none"),
         ("bitmaps directory offset one", "bitmap-directory", "not the disk's data", "byte 95"),
         ("v3 incompatible bit 7", "features", "whole disk", "program that made it"),
         ("v3 snapshot L1 offset misaligned by a sector", "snapshot-table-entry", "s1", "no repair")]


def check(*words):
    done = subprocess.run([IMG, "check", *words], capture_output=True, text=True, errors="replace", timeout=120, check=False)
    return done.returncode, done.stdout


def explained(text):
    """Every finding has its three lines."""
    _, _, part = text.partition("\nWhat was found:\n")
    blocks = [block for block in part.split("\n\n") if block.strip() and "more findings are not" not in block and "too many tables" not in block]
    return bool(blocks) and all("   Touches: " in block and "   Repair:  " in block for block in blocks)


def stop_is_told(name, kind, touches, repair):
    code, text = check("--explain", "--output=json", "image")
    found = [one for one in json.loads(text)["explanations"] if one["kind"] == kind]
    if code and found and repair in found[0]["repair"] and (touches in json.dumps(found[0]) or touches == "nothing"):
        return True
    print(f"{name}: {kind} is not told:\n{text}")
    return False


def main():
    need_stock()
    os.chdir(os.environ["TEST_DIR"])
    step, bad, told, codes = 1 if os.environ.get("FULL") else 7, 0, set(), {}
    for number, item in enumerate(bad_inputs(bases())):
        stops = [stop for stop in STOPS if str(item).endswith(stop[0])]
        if number % step and not stops:
            continue
        with open("image", "wb") as file:
            file.write(item.data)
        code, text = check("--explain", "image")
        codes[code] = codes.get(code, 0) + 1
        if code not in (0, 1, 2, 3, 63) or (code and not explained(text)):
            bad += 1
            print(f"{item}: exit {code}, explained: {explained(text)}")
        for stop in stops:
            bad += not stop_is_told(item, *stop[1:])
            told.add(stop)
    for stop in set(STOPS) - told:
        bad += 1
        print(f"no input was called {stop[0]}")
    print(f"exit codes: {codes}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
