#!/usr/bin/env python3
"""The storage daemon's commands, events and their types are the stock daemon's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import pathlib
import sys

from lib import Daemon
from schemalib import Comparison, unexplained


def read_schema(kind):
    with Daemon(kind) as vm:
        return vm.cmd("query-qmp-schema")


def main():
    stock, ours = read_schema("stock"), read_schema("ours")
    comparison = Comparison(stock, ours)
    there, here = ({(entry["meta-type"], entry["name"]): entry for entry in side if entry["meta-type"] in ("command", "event")}
                   for side in (stock, ours))
    for key in there.keys() & here.keys():
        comparison.command(there[key], here[key])
    for kind, name in there.keys() - here.keys():
        comparison.note(f"{kind} '{name}' is missing")
    for kind, name in here.keys() - there.keys():
        comparison.note(f"{kind} '{name}' is ours only")
    print(f"{len(here)} commands and events")
    return 1 if unexplained(comparison, pathlib.Path(__file__).parent / "schema-differences.txt") else 0


if __name__ == "__main__":
    sys.exit(main())
