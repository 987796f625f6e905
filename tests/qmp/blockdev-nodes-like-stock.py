#!/usr/bin/env python3
"""Adding, reopening, stacking and dropping nodes: the same replies as from the stock emulator, errors included.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

from blockdev_scripts import Script, image, masked
from lib import compare_conversations


def prepare(folder):
    for name in ("a", "b", "e", "base"):
        image(folder, name + ".qcow2")
    image(folder, "top.qcow2", None, "qcow2", "-b", "base.qcow2", "-F", "qcow2")
    image(folder, "c.raw", fmt="raw")


def adding(s):
    s.blockdev_add(driver="qcow2", file={"driver": "file", "filename": "a.qcow2"})
    s.node("a", "a.qcow2")
    for name in ("a", "d0", "1x", "x" * 40):
        s.node(name, "b.qcow2")
    s.node("b", "nope")
    s.node("c", "c.raw", "raw")
    s.node("q", "c.raw")
    s.blockdev_add(driver="qcow2", node_name="b", file="nope")
    s.blockdev_add(driver="file", node_name="bf", filename="b.qcow2")
    s.blockdev_add(driver="qcow2", node_name="b", file="bf")
    s.blockdev_add(driver="nope", node_name="z")
    s.blockdev_add(driver="qcow2", node_name="z")
    for options in ({"foo": 1}, {"lazy_refcounts": "maybe"}, {"discard": "foo"}, {"detect_zeroes": "unmap"}, {"backing": None}):
        s.node("z", "e.qcow2", **options)
    s.blockdev_del(node_name="z")
    s.node("top", "top.qcow2")
    s.nodes()
    s.query_named_block_nodes()
    s.query_blockstats(query_nodes=True)
    s.x_debug_query_block_graph()


def dropping(s):
    s.blockdev_del()
    for name in ("nope", "bf", "b", "bf", "d0"):
        s.blockdev_del(node_name=name)
    s.node("b", "b.qcow2")
    s.node("e", "e.qcow2")


def reopening(s):
    def reopen(*options):
        s.append(("blockdev-reopen", {"options": list(options)}))
    base = {"driver": "qcow2", "node-name": "f"}
    s.blockdev_add(driver="file", node_name="ff", filename="f.qcow2")
    reopen({"driver": "qcow2"})
    reopen({"driver": "qcow2", "node-name": "nope"})
    reopen({"driver": "qcow2", "node-name": "b"})
    reopen({"driver": "qcow2", "node-name": "b", "read-only": True, "file": {"driver": "file", "filename": "b.qcow2"}})
    s.blockdev_add(driver="qcow2", node_name="f", file="ff")
    reopen({**base, "read-only": True, "file": "ff"})
    s.nodes()
    s.blockdev_snapshot_internal_sync(device="f", name="x")
    reopen({**base, "file": "ff"})
    reopen({**base, "driver": "raw", "file": "ff"})
    s.blockdev_snapshot_internal_sync(device="f", name="x")
    reopen({**base, "file": "ff", "cache": {"no-flush": True}}, {"driver": "qcow2", "node-name": "nope", "file": "ff"})
    reopen({**base, "file": "ff", "lazy-refcounts": True, "cache": {"no-flush": True}})
    s.nodes()


def backing(s):
    for device, node, name in (("nope", "a", "x"), ("a", "nope", "x"), ("a", "a", "x"), ("a", "top", "x"), ("top", "top", "x"),
                               ("top", "top", "base.qcow2")):
        s.change_backing_file(device=device, image_node_name=node, backing_file=name)


def overlays(s):
    for node, overlay in (("nope", "e"), ("a", "nope"), ("a", "c"), ("a", "top"), ("a", "e"), ("a", "e"), ("e", "a")):
        s.blockdev_snapshot(node=node, overlay=overlay)
    s.query_named_block_nodes()
    s.x_debug_query_block_graph()
    sync = s.blockdev_snapshot_sync
    sync(snapshot_file="o1")
    sync(node_name="b", snapshot_file="o1")
    sync(node_name="b", snapshot_file="o1.qcow2", snapshot_node_name="a")
    sync(node_name="nope", snapshot_file="o1.qcow2", snapshot_node_name="o1")
    sync(device="nope", snapshot_file="o1")
    sync(node_name="b", snapshot_file="o1.qcow2", snapshot_node_name="o1", mode="existing")
    sync(node_name="b", snapshot_file="o1.qcow2", snapshot_node_name="o1", format="raw")
    sync(node_name="b", snapshot_file="o2.qcow2", snapshot_node_name="o1", format="nope")
    sync(node_name="b", snapshot_file="/nope/o1.qcow2", snapshot_node_name="o1")
    sync(node_name="b", snapshot_file="o1.qcow2", snapshot_node_name="o1")
    s.query_named_block_nodes()
    sync(node_name="o1", snapshot_file="o3.qcow2", snapshot_node_name="o3", format="qcow2")
    s.blockdev_snapshot_internal_sync(device="b", name="y")
    s.blockdev_snapshot_internal_sync(device="o3", name="y")
    for name in ("b", "o1", "o3"):
        s.blockdev_del(node_name=name)
    s.x_debug_query_block_graph()


def other(s):
    for node, threshold in (("nope", 1), ("a", 65536), ("a", -1)):
        s.block_set_write_threshold(node_name=node, write_threshold=threshold)
    s.nodes()
    for arguments in ({"parent": "nope"}, {"parent": "a"}, {"parent": "a", "child": "file", "node": "b"},
                      {"parent": "a", "child": "nope"}, {"parent": "a", "child": "file"}, {"parent": "a", "node": "nope"},
                      {"parent": "a", "node": "b"}):
        s.x_blockdev_change(**arguments)
    for arguments in ({"node_name": "nope", "iothread": None}, {"node_name": "a", "iothread": "io0"},
                      {"node_name": "a", "iothread": None}, {"node_name": "a", "iothread": None, "force": True}):
        s.x_blockdev_set_iothread(**arguments)
    for node, size in (("a", 1 << 27), ("top", 1 << 20), ("top", -1), ("nope", 512)):
        s.named("block_resize", **{"node-name": node, "size": size})


def quorum(s):
    for name in ("q0", "q1", "q2", "q3"):
        s.blockdev_add(driver="null-co", node_name=name, size=1 << 20)
    s.blockdev_add(driver="quorum", node_name="q", vote_threshold=2, children=["q0", "q1"])
    s.x_blockdev_change(parent="q", node="q2")
    s.x_blockdev_change(parent="q", node="q2")
    s.x_blockdev_change(parent="q", child="children.0")
    s.x_blockdev_change(parent="q", child="children.1")
    s.x_blockdev_change(parent="q", child="children.9")
    s.x_debug_query_block_graph()


def main():
    bad = 0
    for part in ((adding, dropping, backing, overlays, other), (adding, dropping, reopening), (quorum,)):
        script = Script()
        for add in part:
            add(script)
        bad += compare_conversations(script, prepare=lambda folder: (prepare(folder), image(folder, "f.qcow2")), mask=masked)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
