#!/usr/bin/env python3
"""What query-qmp-schema tells equals the stock program's, for every command and event that we have.

Types go by numbers there, so structures are compared. schema-differences.txt lists what may differ, and why. Of the
families below nothing may be missing; of the others the missing ones are named only.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import sys

from lib import Emulator
from schemalib import Comparison, unexplained

FAMILIES = ["block-core", "block", "block-export", "transaction", "job", "control", "introspect", "run-state"]
SOURCE = pathlib.Path(os.environ.get("TEST_SRC", pathlib.Path(__file__).parent.parent)).parent


def read_schema(kind):
    with Emulator(kind) as vm:
        return vm.cmd("query-qmp-schema")


def family_names():
    """Names of commands and events by family, from our schema files."""
    sys.path.insert(0, str(SOURCE / "scripts/qapi"))
    from parser import Parser    # pylint: disable=import-outside-toplevel
    names = set()
    for module in FAMILIES:
        for expression in Parser(str(SOURCE / f"qapi/{module}.json")).expressions:
            names |= {expression.value[key] for key in ("command", "event") if key in expression.value}
    return names


def main():
    stock, ours = read_schema("stock"), read_schema("ours")
    comparison = Comparison(stock, ours)
    kinds = ("command", "event")
    there, here = ({entry["name"]: entry for entry in side if entry["meta-type"] in kinds} for side in (stock, ours))
    families = family_names()
    for name, entry in there.items():
        if name in here:
            comparison.command(entry, here[name])
        elif name in families:
            comparison.note(f"{entry['meta-type']} '{name}' is missing")
    for name, entry in here.items():
        if name not in there:
            comparison.note(f"{entry['meta-type']} '{name}' is ours only")
    bad = unexplained(comparison, SOURCE / "tests/qmp/schema-differences.txt")
    missing = sorted(name for name in there if name not in here and name not in families)
    print(f"{len(here)} commands and events here, {len(there)} there; not here, of other families: {', '.join(missing)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
