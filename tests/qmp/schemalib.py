"""Comparing two replies of query-qmp-schema.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import fnmatch


class Comparison:
    def __init__(self, stock, ours):
        self.stock = {entry["name"]: entry for entry in stock}
        self.ours = {entry["name"]: entry for entry in ours}
        self.seen, self.found = set(), []

    def note(self, text):
        self.found.append(text)

    def names(self, place, what, stock, ours):
        for name in stock:
            if name not in ours:
                self.note(f"{place}: {what} '{name}' is missing")
        for name in ours:
            if name not in stock:
                self.note(f"{place}: {what} '{name}' is ours only")

    def features(self, place, a, b):
        self.names(place, "feature", a.get("features", []), b.get("features", []))

    def type(self, place, a, b):
        if (a, b) in self.seen:
            return
        self.seen.add((a, b))
        one, two = self.stock[a], self.ours[b]
        if one["meta-type"] != two["meta-type"]:
            self.note(f"{place}: {one['meta-type']} there, {two['meta-type']} here")
            return
        self.features(place, one, two)
        getattr(self, "type_" + one["meta-type"])(place, one, two)

    def type_builtin(self, place, a, b):
        if a["json-type"] != b["json-type"] or a["name"] != b["name"]:
            self.note(f"{place}: {a['name']} there, {b['name']} here")

    def type_array(self, place, a, b):
        self.type(place + "[]", a["element-type"], b["element-type"])

    def type_enum(self, place, a, b):
        stock, ours = ({member["name"]: member for member in entry["members"]} for entry in (a, b))
        self.names(place, "value", stock, ours)
        if sorted(b["values"]) != sorted(ours):
            self.note(f"{place}: values and members differ here")
        for name in stock.keys() & ours.keys():
            self.features(f"{place}={name}", stock[name], ours[name])

    def type_object(self, place, a, b):
        stock, ours = ({member["name"]: member for member in entry["members"]} for entry in (a, b))
        self.names(place, "member", stock, ours)
        for name in stock:
            if name in ours:
                self.member(f"{place}.{name}", stock[name], ours[name])
        if a.get("tag") != b.get("tag"):
            self.note(f"{place}: tag {a.get('tag')} there, {b.get('tag')} here")
            return
        stock, ours = ({variant["case"]: variant["type"] for variant in entry.get("variants", [])} for entry in (a, b))
        for case in stock:
            if case in ours:
                self.type(f"{place}/{case}", stock[case], ours[case])

    def member(self, place, a, b):
        if ("default" in a) != ("default" in b):
            self.note(f"{place}: {'optional' if 'default' in a else 'needed'} there only")
        self.features(place, a, b)
        self.type(place, a["type"], b["type"])

    def type_alternate(self, place, a, b):
        stock, ours = ([entry["type"] for entry in side["members"]] for side in (a, b))
        if len(stock) != len(ours):
            self.note(f"{place}: {len(stock)} alternatives there, {len(ours)} here")
        metas = [{f"{table[name]['meta-type']} {table[name].get('json-type', '')}": name for name in side}
                 for table, side in ((self.stock, stock), (self.ours, ours))]
        self.names(place, "alternative", *metas)
        for meta in metas[0].keys() & metas[1].keys():
            self.type(f"{place}|{meta.split()[0]}", metas[0][meta], metas[1][meta])

    def command(self, a, b):
        place = a["name"]
        self.features(place, a, b)
        if a.get("allow-oob", False) != b.get("allow-oob", False):
            self.note(f"{place}: allow-oob differs")
        self.type(place, a["arg-type"], b["arg-type"])
        if "ret-type" in a:
            self.type(f"{place} ->", a["ret-type"], b["ret-type"])


def read_reasons(file):
    """Patterns: lines that are not indented. Those indented behind some of them are their reason, which all need."""
    patterns, waiting = [], []
    for line in file.read_text().splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            patterns += waiting
            waiting = []
        else:
            waiting.append(line.strip())
    assert not waiting, f"no reason given for {waiting}"
    return patterns


def unexplained(comparison, file):
    """Prints differences without a reason and reasons without a difference; their number."""
    reasons, used, bad = read_reasons(file), set(), 0
    for text in comparison.found:
        pattern = next((pattern for pattern in reasons if fnmatch.fnmatchcase(text, pattern)), None)
        used.add(pattern)
        if not pattern:
            bad += 1
            print(f"unexplained: {text}")
    for pattern in reasons:
        if pattern not in used:
            bad += 1
            print(f"explained, but not so: {pattern}")
    return bad
