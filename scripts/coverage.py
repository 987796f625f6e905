#!/usr/bin/env python3
"""Line and branch coverage of one room, from the counts that a build with -Db_coverage left behind.

    scripts/coverage.py BUILD [ROOM]            ROOM: block (default); a table by file and the totals
    scripts/coverage.py --missing BUILD FILE    lines and branches of one file that were never taken

What counts: lines with code. Branches: each way out of a decision that was reached or not. Not counted, since no test can
take them: ways that only an exception takes, ways out of a `}` (clean-up at the end of a scope that the compiler writes), and
those of g_assert*, g_assert_not_reached and g_error (taken only by a bug).  A function that the compiler made twice, for two kinds of
processor (name.avx2, name.default), counts once.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent
BUGS = re.compile(r"\bg_assert\w*\s*\(|\bg_error\s*\(|\bg_return_\w+\s*\(")


class File:
    def __init__(self, path):
        self.text = path.read_text().splitlines()
        self.lines = collections.Counter()
        self.branches = collections.defaultdict(collections.Counter)   # line -> (function, number) -> times

    def add(self, line):
        number = line["line_number"]
        text = self.text[number - 1] if number <= len(self.text) else ""
        if BUGS.search(text) and "not_reached" in text:
            return
        self.lines[number] += line["count"]
        if text.strip() in ("}", "};") or BUGS.search(text):
            return
        for i, branch in enumerate(line["branches"]):
            if not branch["throw"]:
                self.branches[number][(line.get("function_name", "").split(".")[0], i)] += branch["count"]

    def figures(self):
        ways = [times for line in self.branches.values() for times in line.values()]
        return len(self.lines), sum(1 for n in self.lines.values() if n), len(ways), sum(1 for n in ways if n)


def gcov(data, folder):
    """The reports of many files of counts."""
    for i in range(0, len(data), 20):
        done = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *map(str, data[i:i + 20])], cwd=folder,
                              capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines():
            yield json.loads(line)


def collect(build, room):
    build = pathlib.Path(build).resolve()
    data = sorted(path for path in build.glob("**/*.gcno") if f"/{room}" in str(path) or str(path.relative_to(build)).startswith(room))
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for report in gcov([path.with_suffix(".gcda") if path.with_suffix(".gcda").exists() else path for path in data], folder):
            for entry in report["files"]:
                path = pathlib.Path(os.path.normpath(build / entry["file"])) if not os.path.isabs(entry["file"]) else pathlib.Path(entry["file"])
                source = path if path.exists() else None
                name = os.path.relpath(path, build.parent)
                if not source or not name.startswith(room + "/") or not name.endswith(".c"):
                    continue
                one = files.setdefault(name, File(source))
                for line in entry["lines"]:
                    one.add(line)
    return files


def share(part, whole):
    return 100.0 * part / whole if whole else 100.0


def table(files):
    total = [0, 0, 0, 0]
    print(f"{'file':44} {'lines':>6} {'hit':>7} {'branches':>8} {'hit':>7}")
    for name, one in sorted(files.items()):
        figures = one.figures()
        total = [a + b for a, b in zip(total, figures)]
        print(f"{name:44} {figures[0]:6} {share(figures[1], figures[0]):6.1f}% {figures[2]:8} {share(figures[3], figures[2]):6.1f}%")
    print(f"{'total':44} {total[0]:6} {share(total[1], total[0]):6.1f}% {total[2]:8} {share(total[3], total[2]):6.1f}%")


def missing(one):
    for number in sorted(one.lines):
        ways = one.branches.get(number, {})
        if not one.lines[number]:
            print(f"  never {number:5}: {one.text[number - 1]}")
        elif any(not times for times in ways.values()):
            print(f"  {sum(1 for t in ways.values() if not t)} of {len(ways)} {number:4}: {one.text[number - 1]}")


def main():
    args = sys.argv[1:]
    if args[:1] == ["--missing"]:
        for name in args[2:]:
            print(name)
            missing(collect(args[1], name.split("/")[0])[name])
        return
    files = collect(args[0], args[1] if len(args) > 1 else "block")
    if not files:
        sys.exit("no counts: build with -Db_coverage=true and run tests first (make coverage)")
    table(files)


if __name__ == "__main__":
    main()
