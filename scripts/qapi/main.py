#!/usr/bin/env python3
"""Generates the C side of the schema and its reference.

    main.py --output FOLDER [--modules-with-commands A,B] [--events A,B] FILE.json...
    main.py --reference FILE.md FILE.json...

The two lists are those of the build file; a list that does not fit the schema is an error, because
the build would miss files.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import argparse
import sys

import gen_commands
import gen_doc
import gen_events
import gen_types
from schema import Schema, SchemaError


def check_list(what, given, actual):
    if given is not None and set(given.split(",")) != set(actual):
        wrong = sorted(set(given.split(",")) ^ set(actual))
        raise SchemaError(f"qapi/meson.build: list of {what} does not fit the schema: {', '.join(wrong)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output")
    parser.add_argument("--reference")
    parser.add_argument("--modules-with-commands")
    parser.add_argument("--events")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    try:
        schema = Schema(options.files)
        check_list("modules with commands", options.modules_with_commands, {command.module for command in schema.commands})
        check_list("events", options.events, {event.name for event in schema.events})
        if options.reference:
            gen_doc.generate(schema, options.reference)
        if options.output:
            for part in (gen_types, gen_commands, gen_events):
                part.generate(schema, options.output)
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
