"""Writing generated files: only touched when their text changes, so that little is compiled again.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def write(folder, name, text):
    path = os.path.join(folder, name)
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def header(guard, what, body):
    return (f"/* Generated from the schema by scripts/qapi: {what}. */\n#ifndef {guard}\n#define {guard}\n\n"
            f"{body}\n#endif\n")


class Features:
    """Shared arrays of feature names for one .c file."""

    def __init__(self):
        self.arrays = {}

    def use(self, names):
        if not names:
            return "NULL"
        key = tuple(names)
        return self.arrays.setdefault(key, f"features_{len(self.arrays)}")

    def text(self):
        return "".join(f"static const char *const {ident}[] = {{ {', '.join(map(quoted, names))}, NULL }};\n"
                       for names, ident in self.arrays.items())
