#!/usr/bin/env python3
"""Internal snapshots, dirty bitmaps, and transactions of all kinds: the same replies as from the stock emulator.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

from blockdev_scripts import Script, image, masked
from lib import compare_conversations

TAKE, BITMAP, BACKUP = "blockdev-snapshot-internal-sync", "block-dirty-bitmap-", "blockdev-backup"


def prepare(folder):
    for name in ("a", "b", "e", "base", "t1", "t2", "t3"):
        image(folder, name + ".qcow2")
    image(folder, "v2.qcow2", "64M", "qcow2", "-o", "compat=0.10")
    image(folder, "small.qcow2", "32M")
    image(folder, "c.raw", fmt="raw")


def nodes(s):
    for name in ("a", "b", "v2", "small", "t1", "t2", "t3"):
        s.node(name, name + ".qcow2")
    s.node("c", "c.raw", "raw")
    s.node("ro", "base.qcow2", read_only=True)


def snapshots(s):
    def delete(device, **which):
        s.blockdev_snapshot_delete_internal_sync(device=device, **which)
    for device, name in (("nope", "x"), ("a", ""), ("", "x"), ("a", "s1"), ("a", "s1"), ("c", "s1"), ("c", ""), ("ro", "x"),
                         ("ro", "")):
        s.blockdev_snapshot_internal_sync(device=device, name=name)
    delete("nope", name="x")
    delete("a")
    for which in ({"name": "nope"}, {"id": "7"}, {"id": "1", "name": "zz"}, {"name": ""}, {"id": ""}, {"id": "1"}, {"id": "1"}):
        delete("a", **which)
    delete("c", name="s1")
    for name in ("s1", "1", "s" * 300):
        s.blockdev_snapshot_internal_sync(device="a", name=name)
    delete("a", id="x" * 300)
    s.nodes()


def take(*devices, name):
    return [(TAKE, {"device": device, "name": name}) for device in devices]


def groups(s):
    s.transaction_of(*take("a", "b", "c", name="t1"))
    s.transaction_of(*take("a", "b", name="t1"), ("abort", {}))
    s.transaction_of(*take("a", "a", name="t1"))
    s.transaction_of(*take("a", name="t1"), *take("a", name="t2"))
    s.transaction_of(*take("a", "b", name="g1"))
    s.transaction_of()
    s.append(("transaction", {"actions": [], "properties": {"completion-mode": "grouped"}}))
    s.transaction_of(*take("a", name="h1"), completion_mode="grouped")
    s.transaction_of(*take("a", name="h2"), completion_mode="individual")
    s.transaction_of(("abort", {}), completion_mode="grouped")
    for device, which in (("a", {"name": "t1"}), ("a", {"name": "t2"}), ("b", {"name": "g1", "id": "1"}), ("a", {"name": "t1"})):
        s.blockdev_snapshot_delete_internal_sync(device=device, **which)
    s.nodes()


def wrong_arguments(s):
    for arguments in (None, {"actions": {}}, {"actions": [1]}, {"actions": [{}]}, {"actions": [{"type": "abort"}]},
                      {"actions": [{"type": "abort", "data": {"x": 1}}]}, {"actions": [{"type": "nope", "data": {}}]},
                      {"actions": [{"type": TAKE, "data": {"device": "b"}}]},
                      {"actions": [], "properties": {"completion-mode": "x"}}):
        s.append(("transaction", arguments))


def bitmaps(s):
    def bitmap(verb, node, name, **more):
        s.append((BITMAP + verb, {"node": node, "name": name, **more}))

    def merge(node, target, *sources):
        s.append((BITMAP + "merge", {"node": node, "target": target, "bitmaps": list(sources)}))
    for arguments in (("nope", "m"), ("a", ""), ("a", "m", 3), ("a", "m", 256), ("a", "m", 512), ("a", "m"), ("a", "x" * 1025)):
        bitmap("add", *arguments[:2], **({"granularity": arguments[2]} if len(arguments) > 2 else {}))
    for node, name in (("a", "p"), ("a", "p" * 1024), ("c", "p"), ("v2", "p"), ("small", "p")):
        bitmap("add", node, name, persistent=True)
    bitmap("add", "a", "d", disabled=True)
    bitmap("add", "a", "pd", disabled=True, persistent=True)
    s.nodes()
    for verb in ("remove", "clear", "enable", "disable"):
        for node, name in (("nope", "m"), ("a", "nope"), ("a", "")):
            bitmap(verb, node, name)
    for verb, name in (("enable", "d"), ("disable", "m"), ("clear", "m"), ("remove", "d")):
        bitmap(verb, "a", name)
    s.nodes()
    bitmap("add", "b", "m")
    bitmap("add", "b", "g", granularity=4096)
    merge("nope", "m", "x")
    merge("a", "nope", "m")
    for sources in (["nope"], ["p", "pd"], ["m"], [{"node": "b", "name": "m"}], [{"node": "small", "name": "p"}],
                    [{"node": "nope", "name": "m"}], [{"node": "b", "name": "nope"}], [{"node": "b", "name": "g"}]):
        merge("a", "m", *sources)
    for node, name in (("nope", "m"), ("a", "nope"), ("a", "m"), ("b", "g")):
        s.x_debug_block_dirty_bitmap_sha256(node=node, name=name)


def bitmap_actions(s):
    def act(verb, name="t1", **more):
        return BITMAP + verb, {"node": "a", "name": name, **more}
    merge = BITMAP + "merge", {"node": "a", "target": "t1", "bitmaps": ["p"]}
    for actions in ([act("add"), act("add")], [act("add"), ("abort", {})], [act("add", persistent=True), act("disable"), merge],
                    [act("remove"), ("abort", {})], [act("remove"), act("remove")], [act("remove"), act("clear")],
                    [act("remove"), act("add")], [act("remove")], [act("disable", "p"), ("abort", {})],
                    [act("enable", "pd"), ("abort", {})], [act("clear", "p"), ("abort", {})],
                    [(BITMAP + "merge", {"node": "a", "target": "m", "bitmaps": ["p", "nope"]})]):
        s.transaction_of(*actions)
        s.nodes()
    s.transaction_of(act("add", "zz"), completion_mode="grouped")


def overlays(s):
    over = ("blockdev-snapshot", {"node": "a", "overlay": "e"})
    s.node("e", "e.qcow2")
    s.transaction_of(over, completion_mode="grouped")
    s.transaction_of(("blockdev-snapshot-sync", {"node-name": "a", "snapshot-file": "x", "snapshot-node-name": "x"}),
                     completion_mode="grouped")
    add = (BITMAP + "add", {"node": "a", "name": "after"})
    s.transaction_of(over, add, *take("e", name="s"), ("abort", {}))
    s.nodes()
    s.x_debug_query_block_graph()
    s.transaction_of(("blockdev-snapshot-sync", {"node-name": "a", "snapshot-file": "ov.qcow2", "snapshot-node-name": "x"}),
                     ("abort", {}))
    s.nodes()
    s.transaction_of(over, add, *take("e", name="s"))
    s.nodes()
    s.transaction_of(("blockdev-snapshot", {"node": "e", "overlay": "v2"}), ("blockdev-snapshot", {"node": "v2", "overlay": "t1"}))
    s.x_debug_query_block_graph()


def backups(s):
    def backup(device, target, **more):
        return BACKUP, {"device": device, "target": target, "sync": "full", "job-id": "j-" + device, "auto-dismiss": False, **more}
    for action in (backup("nope", "t1"), backup("a", "nope"), backup("a", "t1", **{"job-id": "1x"}),
                   backup("a", "t1", sync="incremental"), backup("a", "small"), backup("a", "a")):
        s.transaction_of(action)
    s.transaction_of(backup("a", "t1"), backup("b", "nope"))
    s.transaction_of(backup("a", "t1"), ("abort", {}))
    s.query_jobs()
    s.transaction_of((BITMAP + "add", {"node": "a", "name": "cp1"}), backup("a", "t1", speed=65536),
                     backup("b", "t2", speed=65536), *take("e", name="x"), completion_mode="individual")
    s.transaction_of(backup("a", "t1", speed=65536), backup("b", "t2", speed=65536), completion_mode="grouped")
    for device in ("a", "t1", "b"):
        s.blockdev_snapshot_internal_sync(device=device, name="busy")
    s.blockdev_snapshot_delete_internal_sync(device="a", name="x")
    s.transaction_of(backup("a", "t3"))
    s.blockdev_snapshot(node="t1", overlay="t3")
    for name in ("a", "t1"):
        s.blockdev_del(node_name=name)
    s.nodes()


def main():
    bad = 0
    for part in ((snapshots, groups, wrong_arguments), (bitmaps, bitmap_actions), (overlays,), (backups,)):
        script = Script()
        nodes(script)
        for add in part:
            add(script)
        bad += compare_conversations(script, prepare=prepare, mask=masked, events=part != (backups,))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
