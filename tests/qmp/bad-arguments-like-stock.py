#!/usr/bin/env python3
"""Missing, extra, wrongly typed and huge arguments of each command bring the stock program's error, at every depth.

Nothing is carried out: each request has a member that no command knows, which is complained about last.
"""
# SPDX-License-Identifier: GPL-2.0-or-later
import json
import sys

from lib import Emulator

NUMBERS = [-1, 128, 40000, 3000000000, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1, 2 ** 64, -2 ** 63 - 1]
VALUES = [None, True, 7, 1.5, "bogus", [], ["x"], [1], {}, {"bogus": 1}]
STRINGS = ["", "x" * 1000, "\u20ac\U0001f600\x00"]
BATCH = 64
# Arguments that are not checked against the schema there: device_add keeps whatever comes for the device.
UNCHECKED = {"device_add"}


class Walk:
    """Goes through all types that the arguments of a command reach, with a request that gets there."""

    def __init__(self, schema, send):
        self.types = {entry["name"]: entry for entry in schema}
        self.send, self.seen, self.todo = send, set(), []

    def least(self, name):
        """A value of this type with as little in it as it needs."""
        entry = self.types[name]
        meta = entry["meta-type"]
        if meta == "builtin":
            return {"str": "x", "any": 1, "bool": True, "int": 1, "null": None, "number": 1.0}[name]
        if meta == "enum":
            return entry["values"][0]
        if meta == "array":
            return []
        if meta == "alternate":
            simple = [member["type"] for member in entry["members"] if self.types[member["type"]]["meta-type"] == "builtin"]
            return self.least((simple + [entry["members"][-1]["type"]])[0])
        if "tag" in entry:
            variant = min(entry["variants"], key=lambda variant: variant["type"] != "0")
            return self.branch(entry, variant)
        return self.members(entry)

    def members(self, entry):
        return {member["name"]: self.least(member["type"]) for member in entry["members"] if "default" not in member}

    def branch(self, entry, variant):
        return {**self.members(entry), entry["tag"]: variant["case"], **self.least(variant["type"])}

    def command(self, entry):
        if entry["arg-type"] not in self.seen:
            self.todo.append((entry["arg-type"], lambda value: (entry["name"], value)))
        while self.todo:
            self.object(*self.todo.pop())

    def descend(self, name, place):
        entry = self.types[name]
        if entry["meta-type"] == "object":
            self.todo.append((name, place))
        elif entry["meta-type"] == "array":
            self.descend(entry["element-type"], lambda value: place([value]))
        elif entry["meta-type"] == "alternate":
            for member in entry["members"]:
                self.descend(member["type"], place)

    def object(self, name, place):
        if name in self.seen:
            return
        self.seen.add(name)
        entry = self.types[name]
        least = self.least(name)
        self.send(*place({}))
        self.send(*place({**least, "zzz": 1}))
        for member in entry["members"]:
            if member["name"] in least:
                self.send(*place({key: value for key, value in least.items() if key != member["name"]}))
            extra = NUMBERS if member["type"] in ("int", "number") else STRINGS if member["type"] == "str" else []
            for value in VALUES + extra:
                self.send(*place({**least, member["name"]: value}))
            self.descend(member["type"], lambda value, key=member["name"], rest=least: place({**rest, key: value}))
        for variant in entry.get("variants", []):
            whole = self.branch(entry, variant)
            self.send(*place({**whole, "zzz": 1}))
            if variant["type"] != "0":
                common = {**self.members(entry), entry["tag"]: variant["case"]}
                self.todo.append((variant["type"], lambda value, rest=common: place({**rest, **value})))


class Both:
    """Sends requests to both programs, many at a time, and compares the replies."""

    def __init__(self, stock, ours):
        self.programs, self.waiting, self.count, self.bad = (stock, ours), [], 0, 0

    def send(self, name, arguments):
        # One unknown member at a time: which of several is told is chance.
        request = {"execute": name, "arguments": arguments if "zzz" in arguments else {**arguments, "zzz": 1}}
        self.waiting.append(request)
        if len(self.waiting) == BATCH:
            self.flush()

    def flush(self):
        for vm in self.programs:
            vm.send(b"\n".join(json.dumps(request).encode() for request in self.waiting) + b"\n")
        replies = [[vm.reply() for _ in self.waiting] for vm in self.programs]
        for request, stock, ours in zip(self.waiting, *replies):
            self.count += 1
            if stock != ours:
                self.bad += 1
                if self.bad <= 40:
                    print(f"{json.dumps(request)[:300]}\n  stock: {json.dumps(stock)[:300]}\n  ours:  {json.dumps(ours)[:300]}")
        self.waiting = []


def main():
    with Emulator("stock") as stock, Emulator("ours") as ours:
        both = Both(stock, ours)
        ours_has = {entry["name"] for entry in ours.cmd("query-commands")}
        schema = stock.cmd("query-qmp-schema")
        walk = Walk(schema, both.send)
        for entry in schema:
            if entry["meta-type"] == "command" and entry["name"] in ours_has - UNCHECKED:
                walk.command(entry)
        both.flush()
    print(f"{both.count} requests, {both.bad} answered differently")
    return 1 if both.bad or not both.count else 0


if __name__ == "__main__":
    sys.exit(main())
