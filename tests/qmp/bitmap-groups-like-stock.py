#!/usr/bin/env python3
"""Dirty bitmaps in transactions that fail, in images that grow, shrink and are reopened, and under a backup: replies and content as stock.

Left out is what the stock program ends at: a failing enable or disable, the abort of a clear, a merge of nothing.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys
import time

from blockdev_scripts import Script, image, masked
from lib import compare_conversations

P = "block-dirty-bitmap-"


def act(verb, node="a", name="x", **more):
    return P + verb, {"node": node, "name": name, **more}


def merge(node, target, *sources):
    return P + "merge", {"node": node, "target": target, "bitmaps": list(sources)}


def prepare(folder):
    for name in ("a", "b", "c", "base"):
        image(folder, name + ".qcow2", "4M")
    image(folder, "r.raw", "4M", "raw")


def look(s):
    for name in ("x", "y", "z", "p", "w"):
        s.x_debug_block_dirty_bitmap_sha256(node="a", name=name)
    s.nodes()


def io(s, command, node="a"):
    s.human_monitor_command(command_line=f'qemu-io {node} "{command}"')


def failing(s):
    """Whatever was done before the wrong action is undone."""
    wrong = [("abort", {}), act("add"), act("remove", name="nope"), act("add", node="nope"), act("clear", name="nope"),
             merge("a", "nope", "x"), merge("a", "x", "nope"), ("blockdev-snapshot-internal-sync", {"device": "r", "name": "s"}),
             ("blockdev-snapshot", {"node": "a", "overlay": "nope"}),
             ("blockdev-backup", {"device": "a", "target": "nope", "sync": "full"})]
    good = [act("disable"), act("enable", name="z"), act("remove", name="y"), act("add", name="p", persistent=True),
            merge("a", "x", "y"), merge("a", "z", "x")]
    for bad in wrong:
        for one in good:
            s.transaction_of(one, bad)
    s.transaction_of(*good, wrong[0])
    look(s)


def together(s):
    s.transaction_of(act("disable"), act("enable"), act("disable"))
    s.transaction_of(act("add", name="q"), merge("a", "q", "x", "y", {"node": "b", "name": "nope"}))
    s.transaction_of(act("add", name="q"), merge("a", "q", "x", "y"), act("remove"), act("remove", name="q"))
    s.transaction_of(act("add", node="b"), merge("a", "y", {"node": "b", "name": "x"}), merge("b", "x", {"node": "a", "name": "y"}))
    look(s)
    for more in ({"name": "n"}, {"name": "n2", "persistent": True}):
        s.transaction_of(act("add", node="ro", **more))
    for command, arguments in (act("add", node="r", persistent=True), act("add", node="r"), merge("a", "y", {"node": "r", "name": "x"}),
                               merge("a", "y", "y"), merge("a", "y", "z", {"node": "b", "name": "x"}, "y")):
        s.append((command, arguments))


def sizes(s):
    for size in (8 << 20, 2 << 20):
        s.named("block_resize", **{"node-name": "a", "size": size})
        io(s, "write 1M 64k")
        look(s)
    for i in range(70):
        s.append(act("add", node="c", name=f"b{i}", persistent=True, granularity=65536))
    s.named("block_resize", **{"node-name": "c", "size": 8 << 20})


def kept(s):
    s.blockdev_del(node_name="a")
    s.node("a", "a.qcow2")
    look(s)
    s.blockdev_snapshot_internal_sync(device="a", name="s1")
    io(s, "write 1M 64k")
    s.transaction_of(act("add", name="w", persistent=True), ("blockdev-snapshot-internal-sync", {"device": "a", "name": "s2"}), ("abort", {}))
    s.append(act("add", name="w", persistent=True))
    s.blockdev_snapshot_delete_internal_sync(device="a", name="s1")
    look(s)


def gone(vm):
    while vm.ask("query-jobs")["return"]:
        time.sleep(0.01)


def busy(s):
    s.node("t", "b2.qcow2")
    s.blockdev_backup(job_id="j", device="a", target="t", sync="full", speed=1, bitmap="y", bitmap_mode="on-success")
    for verb in ("remove", "clear", "enable", "disable"):
        s.append(act(verb, name="y"))
    s.append(merge("a", "y", "w"))
    s.append(merge("a", "w", "y"))
    s.blockdev_backup(job_id="k", device="a", target="b", sync="full", bitmap="y", bitmap_mode="on-success")
    s.block_job_cancel(device="j", force=True)
    s.append(gone)
    look(s)


def main():
    script = Script()
    for name in ("a", "b", "c"):
        script.node(name, name + ".qcow2")
    script.node("r", "r.raw", "raw")
    script.node("ro", "base.qcow2", read_only=True)
    script.transaction_of(act("add"), act("add", name="y", persistent=True), act("add", name="z", disabled=True, granularity=4096))
    io(script, "write 0 128k")
    look(script)
    for part in (failing, together, sizes, kept, busy):
        part(script)
    sys.exit(1 if compare_conversations(script, prepare=lambda folder: (prepare(folder), image(folder, "b2.qcow2", "2M")),
                                        mask=masked, events=False) else 0)


if __name__ == "__main__":
    main()
