#!/usr/bin/env python3
"""Models of processors are described and expanded as stock's are: all of them, static and full, with properties changed, and -cpu's errors.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import subprocess
import sys

from qtestlib import Machine, program, skip

CHANGES = [
    ("Haswell", {"avx": False}), ("qemu64", {"avx": True}), ("486", {"sse3": True}), ("qemu64", {"avx512f": True, "level": 5}),
    ("qemu64", {"foo": True}), ("qemu64", {"avx": "on"}), ("qemu64", {"avx": 3}), ("qemu64", {"family": 300}), ("qemu64", {"family": "6"}),
    ("qemu64", {"family": 6, "model": 300}), ("qemu64", {"stepping": 16}), ("qemu64", {"vendor": "abc"}), ("qemu64", {"vendor": "ABCDEFGHIJKL"}),
    ("qemu64", {"model-id": "hello"}), ("qemu64", {"sse4-1": True}), ("qemu64", {"sse4_1": True}), ("qemu64", {"hv-relaxed": True}),
    ("qemu64", {"realized": True}), ("qemu64", {"apic-id": 5}), ("base", {"svm": True}), ("base", {"avx2": True}), ("base", {"invtsc": True}),
    ("base", {"kvmclock": True}), ("base", {"arat": True}), ("base", {"xsavec": True}), ("base", {"sgx": True}), ("base", {"intel-pt": True}),
    ("base", {"xstore": True}), ("base", {"vmx-ept": True}), ("base", {"vmx": True, "vmx-ept": True}), ("base", {"3dnow": True}),
    ("base", {"avx512-bf16": True}), ("base", {"wbnoinvd": True}), ("base", {"npt": True}), ("base", {"npt": True, "svm": True}),
    ("qemu64", {"memory": "/x"}), ("qemu64", {"hv-spinlocks": 5}), ("qemu64", {"core-id": 1}), ("qemu64", {"family": None}),
    ("qemu64", {"min-level": 3}), ("qemu64", {"xlevel": 3}), ("base", {"ffxsr": True}), ("base", {"hv-avic": True}), ("max", {"avx": False}),
    ("max", {"migratable": False}), ("qemu64", {"migratable": False}), ("foo", {}), ("qemu64-x86_64-cpu", {}), ("", {}), ("host", {"avx": True}),
]
OPTIONS = ["foo", "qemu64,foo", "qemu64,+foo", "qemu64,-foo", "qemu64,foo=on", "", ",avx", "Haswell-v9", "qemu64-x86_64-cpu"]


def answers(stock, board):
    with Machine(stock=stock, board=board) as m:
        got = {"definitions": m.qmp("query-cpu-definitions")}
        for model in [d["name"] for d in got["definitions"]] if board == "none" else ["qemu64", "max", "EPYC-Rome"]:
            for kind in ("static", "full"):
                got[kind, model] = m.raw({"execute": "query-cpu-model-expansion", "arguments": {"type": kind, "model": {"name": model}}})
        for model, properties in CHANGES:
            arguments = {"type": "full", "model": {"name": model, "props": properties}}
            got[model, str(properties)] = m.raw({"execute": "query-cpu-model-expansion", "arguments": arguments})
        got["wrong"] = [m.raw({"execute": "query-cpu-model-expansion", "arguments": a})
                        for a in ({}, {"type": "x", "model": {"name": "max"}}, {"type": "full", "model": {"name": "max", "props": 3}})]
        got["types"] = sorted(t["name"] for t in m.qmp("qom-list-types", implements="x86_64-cpu"))
        return got


def run(stock, *arguments):
    command = [program(stock), "-accel", "tcg" if stock else "qtest", "-display", "none", *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    return done.returncode, done.stdout, done.stderr.replace(program(stock), "PROGRAM").replace("qemu-system-x86_64", "PROGRAM")


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    bad = 0
    for board in ("none", "pc"):
        ours, stock = answers(False, board), answers(True, board)
        for key, expected in stock.items():
            if ours.get(key) != expected:
                bad += 1
                a, b = ((x.get("model") or {}).get("props", x) if isinstance(x, dict) else {0: x} for x in (ours.get(key, {}), expected))
                print(board, key, {k: (a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)})
    for arguments in [("-cpu", "help")] + [("-machine", "pc", "-S", "-cpu", text) for text in OPTIONS]:
        a, b = run(False, *arguments), run(True, *arguments)
        if a != b:
            bad += 1
            print(arguments, a, b, sep="\n")
    return 1 if bad else 0


sys.exit(main())
