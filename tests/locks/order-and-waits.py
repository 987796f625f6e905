#!/usr/bin/env python3
"""No thread of our programs waits with a mutex held, and mutexes are always taken in one order.

Other tests run with tests/locks/watch-locks.c preloaded into the programs under test; what it saw is put together here. LOCK_TESTS
names them (parts of file names; `make check-locks` runs more). The order that was seen is printed: docs/devel/runtime.md tells it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(os.environ["TEST_SRC"])
LIBRARY = os.path.join(os.environ["BUILD_DIR"], "tests/locks/watch-locks.so")
TESTS = os.environ.get("LOCK_TESTS", "qtest/errors-stop-and-resume qmp/block-events storage-daemon/vhost-user-blk-like").split()

# (function that took the lock, call): why it may wait there.
WAITS = {}
# Function that takes a mutex of a kind while it holds another of the kind: why that ends.
WITHIN_KIND = {"chr_write": "a mux writes through its base, never the other way"}


def skip(why):
    print(why)
    sys.exit(77)


def chosen():
    paths = [p for p in sorted(SOURCE.glob("*/*")) if p.suffix in (".py", ".sh") and p.parent.name != "locks"]
    return [p for p in paths if any(word in str(p) for word in TESTS)]


def run(path, reports):
    """One test with the watcher; a skipped one watches nothing, a failing one is told."""
    with tempfile.TemporaryDirectory() as scratch:
        env = dict(os.environ, LD_PRELOAD=LIBRARY, WATCH_LOCKS=reports, TEST_DIR=scratch)
        command = ["python3" if path.suffix == ".py" else "bash", str(path)]
        done = subprocess.run(command, env=env, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=800)
    if done.returncode not in (0, 77):
        print(done.stdout[-4000:])
        sys.exit(f"{path.name} fails with the watcher in the program")
    return done.returncode == 0


class Names:
    """module+offset -> function (file:line)."""

    def __init__(self):
        self.known = {}

    def learn(self, places):
        modules = collections.defaultdict(list)
        for place in places:
            module, offset = place.rsplit("+", 1)
            modules[module].append(offset)
        for module, offsets in modules.items():
            if not os.path.exists(module):
                continue
            out = subprocess.run(["addr2line", "-fe", module, *offsets], stdout=subprocess.PIPE, text=True).stdout.splitlines()
            for offset, function, where in zip(offsets, out[::2], out[1::2]):
                self.known[f"{module}+{offset}"] = f"{function} ({'/'.join(where.split(' ')[0].split('/')[-2:])})"

    def __getitem__(self, place):
        return self.known.get(place, place)


def read(reports):
    """Kinds by place, pairs in order, waits; places that a program counted as lost."""
    orders, waits, kinds, lost, ended = set(), set(), collections.defaultdict(set), 0, 0
    for number, path in enumerate(sorted(pathlib.Path(reports).iterdir())):
        for line in path.read_text().splitlines():
            what, *rest = line.split(" ")
            if what == "order":
                orders.add(tuple(rest))
            elif what == "wait":
                waits.add(tuple(rest))
            elif what == "kind":
                kinds[number, rest[0]].add(rest[1])
            elif what == "end":
                lost, ended = lost + int(rest[0]), ended + 1
    return orders, waits, list(kinds.values()), lost, ended


def merge(kinds):
    """Place -> the representative of its kind, over all programs that ran."""
    parent = {}

    def find(x):
        while parent.setdefault(x, x) != x:
            x = parent[x]
        return x
    for group in kinds:
        first, *others = sorted(group)
        find(first)
        for other in others:
            parent[find(other)] = find(first)
    return {x: find(x) for x in parent}


def cycle_in(edges):
    """A list of kinds that are taken in a circle, or None."""
    state = {}

    def visit(node, path):
        state[node] = 1
        for after in edges.get(node, ()):
            if state.get(after) == 1:
                return path[path.index(after):] + [after] if after in path else [node, after]
            if after not in state:
                found = visit(after, path + [after])
                if found:
                    return found
        state[node] = 2
        return None
    for node in list(edges):
        if node not in state:
            found = visit(node, [node])
            if found:
                return found
    return None


def main():
    if not shutil.which("addr2line"):
        skip("addr2line is not installed")
    if not os.path.exists(LIBRARY):
        skip("the build has no watcher")
    if os.environ.get("UNDER_SANITIZER"):
        skip("a sanitizer takes the place of the mutex calls")
    with tempfile.TemporaryDirectory() as reports:
        ran = [path.name for path in chosen() if run(path, reports)]
        orders, waits, kinds, lost, ended = read(reports)
    names, kind = Names(), merge(kinds)
    names.learn({p for pair in orders for p in pair} | {w[0] for w in waits} | {w[2] for w in waits} | set(kind.values()))
    edges = collections.defaultdict(set)
    for a, b in orders:
        if kind[a] != kind[b] or names[b].split(" ")[0] not in WITHIN_KIND:
            edges[kind[a]].add(kind[b])
    print(f"{ended} programs watched in {len(ran)} tests, {len(set(kind.values()))} kinds of mutexes, {lost} places lost")
    for a, b in sorted({(names[a], names[b]) for a, b in orders}):
        print(f"order: {a} -> {b}")
    bad = 0
    for lock, call, place in sorted(waits):
        why = WAITS.get((names[lock].split(" ")[0], call))
        print(f"wait: {call} in {names[place]} with the lock of {names[lock]}" + (f": {why}" if why else ""))
        bad += not why
    circle = cycle_in(edges)
    if circle:
        print("circle: " + " -> ".join(names[x] for x in circle))
    if bad or circle or (ran and not ended):
        sys.exit("locks are held over a wait, or taken in a circle" if ended else "no program was watched")


main()
