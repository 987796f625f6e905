#!/usr/bin/env python3
"""query-command-line-options: each group that ours has takes what stock's takes, with its types, defaults and help.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import subprocess
import sys

NOT_OURS = {"iscsi", "virtfs", "fsdev", "acpi", "vnc", "", "tpmdev", "option-rom", "plugin", "net", "nic", "netdev"}


def ask(program, *arguments):
    requests = [{"execute": "qmp_capabilities"}, {"execute": "query-command-line-options"}]
    requests += [{"execute": "query-command-line-options", "arguments": {"option": name}} for name in ("name", "nosuch", "drive")]
    run = subprocess.run([program, "-machine", "none", "-display", "none", "-nodefaults", "-qmp", "stdio", *arguments], text=True, check=True,
                         input="".join(json.dumps(r) + "\n" for r in requests + [{"execute": "quit"}]), stdout=subprocess.PIPE, timeout=60)
    replies = [json.loads(line) for line in run.stdout.splitlines()]
    return [r.get("return", r.get("error")) for r in replies if "return" in r or "error" in r][1:5]


def main():
    stock = os.environ.get("STOCK_QEMU_SYSTEM", "")
    if not stock:
        print("no stock emulator")
        return 77
    theirs, ours = ask(stock), ask(os.environ["QEMU_SYSTEM"], "-accel", "qtest")
    expected = [group for group in theirs[0] if group["option"] not in NOT_OURS]
    bad = [(one, two) for one, two in zip(expected, ours[0]) if one != two] + [p for p in zip(theirs[1:], ours[1:]) if p[0] != p[1]]
    for one, two in bad:
        print(f"stock {json.dumps(one)[:2000]}\nours  {json.dumps(two)[:2000]}")
    print(f"{len(expected)} groups, {len(bad)} answers differ")
    return 1 if bad or len(expected) != len(ours[0]) else 0


if __name__ == "__main__":
    sys.exit(main())
