#!/usr/bin/env python3
"""blockdev-reopen over the options of each driver, one after the other and together: the same replies and the same graph as stock.

Left out is what the stock program ends at: an empty list of nodes.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

from blockdev_scripts import Script, image, masked
from lib import compare_conversations

QCOW2 = (
    {"lazy-refcounts": True}, {"lazy-refcounts": False}, {"pass-discard-request": True}, {"pass-discard-snapshot": True},
    {"pass-discard-other": True}, {"overlap-check": "all"}, {"overlap-check": "nope"},
    {"overlap-check": {"template": "none", "main-header": True}}, {"cache-size": 1 << 20}, {"cache-size": 1},
    {"l2-cache-size": 1 << 20}, {"l2-cache-entry-size": 4096}, {"l2-cache-entry-size": 1000}, {"refcount-cache-size": 1 << 18},
    {"cache-clean-interval": 10}, {"cache-clean-interval": 1 << 40}, {"discard": "unmap"}, {"discard": "ignore"}, {"discard": "x"},
    {"cache-size": 1 << 20, "l2-cache-size": 1 << 20, "refcount-cache-size": 1 << 20}, {"detect-zeroes": "on"},
    {"detect-zeroes": "unmap"}, {"discard": "unmap", "detect-zeroes": "unmap"}, {"cache": {"direct": True}},
    {"cache": {"no-flush": True}}, {"force-share": True}, {"read-only": True}, {"read-only": True, "force-share": True},
    {"read-only": False}, {"auto-read-only": True}, {"backing": None}, {"backing": "a"}, {"backing": "nope"}, {"backing": "b"},
    {"file": "cf"}, {"file": "nope"}, {"file": "bf"}, {"file": None}, {"encrypt": {"format": "luks"}}, {"data-file": "cf"},
    {"x": 1}, {"driver": "raw"}, {"driver": "nope"}, {"node-name": "nope"})
FILE = (
    {}, {"filename": "a.qcow2"}, {"filename": "./b.qcow2"}, {"locking": "off"}, {"locking": "on"}, {"locking": "auto"},
    {"aio": "native"}, {"aio": "native", "cache": {"direct": True}}, {"aio": "x"}, {"pr-manager": "p"}, {"read-only": True},
    {"auto-read-only": True}, {"aio-max-batch": 4}, {"detect-zeroes": "on"}, {"discard": "unmap"}, {"cache": {"direct": False}},
    {"drop-cache": False}, {"x-check-cache-dropped": True}, {"drop-cache": False, "x-check-cache-dropped": True})
RAW = ({}, {"offset": 512}, {"size": 1 << 20}, {"offset": 512, "size": 512}, {"offset": 100}, {"size": 8 << 20}, {"offset": -1},
       {"read-only": True}, {})
OTHERS = (("null-co", {"size": 1 << 20}), ("null-aio", {"size": 1 << 20}), ("blkdebug", {"image": "a"}),
          ("blklogwrites", {"file": "a", "log": "r"}), ("blkverify", {"test": "a", "raw": "r"}), ("preallocate", {"file": "bf"}),
          ("compress", {"file": "a"}), ("quorum", {"children": ["a"], "vote-threshold": 1}),
          ("copy-before-write", {"file": "a", "target": "r"}), ("snapshot-access", {"file": "a"}))


def prepare(folder):
    for name in ("a", "b", "c", "base"):
        image(folder, name + ".qcow2", "4M")
    image(folder, "mid.qcow2", None, "qcow2", "-b", "base.qcow2", "-F", "qcow2")
    image(folder, "top.qcow2", None, "qcow2", "-b", "mid.qcow2", "-F", "qcow2")
    image(folder, "r.raw", "4M", "raw")


def reopen(s, *options):
    s.append(("blockdev-reopen", {"options": list(options)}))


def nodes(s):
    s.node("a", "a.qcow2")
    s.node("r", "r.raw", "raw")
    s.node("top", "top.qcow2")
    for name in ("b", "c"):
        s.blockdev_add(driver="file", node_name=name + "f", filename=name + ".qcow2")
    s.blockdev_add(driver="qcow2", node_name="b", file="bf")


def formats(s):
    b, f = {"driver": "qcow2", "node-name": "b", "file": "bf"}, {"driver": "file", "node-name": "bf", "filename": "b.qcow2"}
    for options in QCOW2:
        reopen(s, {**b, **options})
        s.nodes()
    for options in FILE:
        reopen(s, {**f, **options})
    s.nodes()
    reopen(s, {**b, "lazy-refcounts": True}, {**f, "drop-cache": False, "locking": "on"})
    reopen(s, b, b)
    s.append(("blockdev-reopen", {}))
    s.append(("blockdev-reopen", {"options": {}}))


def windows(s):
    for file in ({"driver": "file", "filename": "r.raw"}, "cf", {"driver": "file", "filename": "a.qcow2"}):
        for options in RAW:
            reopen(s, {"driver": "raw", "node-name": "r", "file": file, **options})
            s.nodes()
    reopen(s, {"driver": "raw", "node-name": "r"})
    reopen(s, {"driver": "raw", "node-name": "r", "file": "r.raw"})


def backing(s):
    top = {"driver": "qcow2", "node-name": "top", "file": {"driver": "file", "filename": "top.qcow2"}}
    below = {"driver": "qcow2", "file": {"driver": "file", "filename": "mid.qcow2"}}
    for options in ({}, {"backing": None}, {"backing": "a"}, {"backing": below}, {"backing": "top"}, {"backing": "r"}, {"backing": "b"}):
        reopen(s, {**top, **options})
        s.nodes()


def filters(s):
    for name in ("g", "g2"):
        s.object_add(qom_type="throttle-group", id=name)
    s.blockdev_add(driver="throttle", node_name="t", throttle_group="g", file="r")
    for options in ({"throttle-group": "g2", "file": "r"}, {"throttle-group": "gx", "file": "r"}, {"file": "r"},
                    {"throttle-group": "g2", "file": "a"}):
        reopen(s, {"driver": "throttle", "node-name": "t", **options})
    s.blockdev_del(node_name="t")
    s.blockdev_add(driver="copy-on-read", node_name="cor", file="a")
    for options in ({"file": "a"}, {"file": "top"}, {"file": "a", "bottom": "a"}):
        reopen(s, {"driver": "copy-on-read", "node-name": "cor", **options})
    s.blockdev_del(node_name="cor")
    for driver, options in OTHERS:
        s.blockdev_add(driver=driver, node_name="x", read_only=False, **options)
        for more in ({}, {"read-only": True}, {"size": 2 << 20}):
            reopen(s, {"driver": driver, "node-name": "x", **options, **more})
        s.blockdev_del(node_name="x")
    s.nodes()


def main():
    bad = 0
    for part in (formats, windows, backing, filters):
        script = Script()
        nodes(script)
        part(script)
        bad += compare_conversations(script, prepare=prepare, mask=masked)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
