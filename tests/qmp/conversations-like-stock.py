#!/usr/bin/env python3
"""Conversations about disks: the same commands to the stock program and to ours bring the same replies and events."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

from lib import VOLATILE, compare_conversations, masked, skip

STOCK_IMG = os.environ.get("STOCK_QEMU_IMG", "")
# Beyond what lib.py masks: how space is allocated in files is the driver's own affair.
MASK = frozenset(VOLATILE | {"actual-size", "wr_highest_offset"})


def make_images(folder):
    def img(*words):
        subprocess.run([STOCK_IMG, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for name in ("a", "b", "c"):
        img("create", "-qf", "qcow2", f"{name}.qcow2", "16M")
    img("create", "-qf", "raw", "r.raw", "16M")
    img("create", "-qf", "qcow2", "-b", "a.qcow2", "-F", "qcow2", "top.qcow2")
    img("create", "-qf", "qcow2", "-o", "compat=0.10", "old.qcow2", "8M")


def qcow2(node, **more):
    return ("blockdev-add", {"driver": "qcow2", "node-name": node, "file": {"driver": "file", "filename": f"{node}.qcow2"}, **more})


SETUP = [qcow2("a"), qcow2("b"), qcow2("c"), ("blockdev-add", {"driver": "raw", "node-name": "r", "file": {"driver": "file", "filename": "r.raw"}})]

CONVERSATIONS = {
    "nodes": SETUP + [
        ("query-named-block-nodes", {"flat": True}), ("query-named-block-nodes", None), qcow2("a"),
        ("blockdev-add", {"driver": "qcow2", "file": "a"}), ("blockdev-add", {"driver": "qcow2", "node-name": "x", "file": "nope"}),
        ("blockdev-add", {"driver": "null-co"}), ("blockdev-add", {"driver": "null-co", "node-name": "0bad"}),
        ("blockdev-add", {"driver": "null-co", "node-name": ""}), ("blockdev-add", {"driver": "null-co", "node-name": "n" * 40}),
        ("blockdev-add", {"driver": "null-co", "node-name": "n", "size": 1000, "read-only": True}),
        ("blockdev-add", {"driver": "file", "node-name": "f", "filename": "missing"}),
        ("blockdev-add", {"driver": "file", "node-name": "f", "filename": "r.raw", "read-only": True, "cache": {"direct": False, "no-flush": True}}),
        ("blockdev-add", {"driver": "qcow2", "node-name": "t", "file": {"driver": "file", "filename": "r.raw"}}),
        ("blockdev-add", {"driver": "qcow2", "node-name": "top", "file": {"driver": "file", "filename": "top.qcow2"}, "backing": "a"}),
        ("blockdev-del", {"node-name": "a"}), ("blockdev-del", {"node-name": "nope"}), ("blockdev-del", {"node-name": "top"}),
        ("blockdev-del", {"node-name": "b"}), ("blockdev-del", {"node-name": "b"}), ("x-debug-query-block-graph", None),
    ],
    "resize": SETUP + [
        ("block_resize", {"size": 1}), ("block_resize", {"node-name": "a", "device": "a", "size": 1}), ("block_resize", {"node-name": "x", "size": 1}),
        ("block_resize", {"device": "x", "size": 1}), ("block_resize", {"node-name": "a", "size": -1}), ("block_resize", {"node-name": "a", "size": 1000}),
        ("block_resize", {"node-name": "a", "size": 32 << 20}), ("block_resize", {"node-name": "a", "size": 8 << 20}),
        ("block_resize", {"node-name": "r", "size": 4 << 20}), ("block_resize", {"node-name": "r", "size": 2 ** 63 - 1}),
        ("block_resize", {"node-name": "a", "size": 2 ** 62}), ("query-named-block-nodes", {"flat": True}),
    ],
    "internal snapshots": SETUP + [
        ("blockdev-snapshot-internal-sync", {"device": "a", "name": "s1"}), ("blockdev-snapshot-internal-sync", {"device": "a", "name": "s1"}),
        ("blockdev-snapshot-internal-sync", {"device": "a", "name": ""}), ("blockdev-snapshot-internal-sync", {"device": "r", "name": "s1"}),
        ("blockdev-snapshot-internal-sync", {"device": "nope", "name": "s1"}), ("blockdev-snapshot-internal-sync", {"device": "a", "name": "1"}),
        ("blockdev-snapshot-internal-sync", {"device": "a", "name": "n" * 300}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "a"}), ("blockdev-snapshot-delete-internal-sync", {"device": "a", "name": "s2"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "a", "id": "77"}), ("blockdev-snapshot-delete-internal-sync", {"device": "a", "id": "1", "name": "x"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "r", "name": "s1"}), ("blockdev-snapshot-delete-internal-sync", {"device": "nope", "name": "s1"}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "a", "name": ""}), ("blockdev-snapshot-delete-internal-sync", {"device": "a", "id": "", "name": ""}),
        ("query-named-block-nodes", {"flat": True}),
        ("blockdev-snapshot-delete-internal-sync", {"device": "a", "id": "1"}), ("blockdev-snapshot-delete-internal-sync", {"device": "a", "name": "1"}),
        qcow2("old"), ("blockdev-snapshot-internal-sync", {"device": "old", "name": "s"}), ("blockdev-snapshot-delete-internal-sync", {"device": "old", "name": "s", "id": "1"}),
        ("blockdev-add", {"driver": "qcow2", "node-name": "ro", "read-only": True, "file": {"driver": "file", "filename": "top.qcow2"}, "backing": None}),
        ("blockdev-snapshot-internal-sync", {"device": "ro", "name": "s"}), ("blockdev-snapshot-delete-internal-sync", {"device": "ro", "name": "s"}),
    ],
    "transactions": SETUP + [("transaction", {"actions": actions}) for actions in (
        [], [{"type": "abort", "data": {}}],
        [{"type": "blockdev-snapshot-internal-sync", "data": {"device": name, "name": "s1"}} for name in "abc"],
        [{"type": "blockdev-snapshot-internal-sync", "data": {"device": name, "name": "s2"}} for name in "abr"],
        [{"type": "blockdev-snapshot-internal-sync", "data": {"device": name, "name": "s3"}} for name in "ab"] + [{"type": "abort", "data": {}}],
        [{"type": "blockdev-snapshot-internal-sync", "data": {"device": "a", "name": "s4"}}, {"type": "blockdev-snapshot-internal-sync", "data": {"device": "b", "name": "s1"}}],
        [{"type": "blockdev-snapshot-internal-sync", "data": {"device": "nope", "name": "s4"}}],
        [{"type": "block-dirty-bitmap-add", "data": {"node": "a", "name": "m"}}, {"type": "block-dirty-bitmap-add", "data": {"node": "b", "name": "m", "persistent": True}}],
        [{"type": "block-dirty-bitmap-clear", "data": {"node": "a", "name": "m"}}, {"type": "block-dirty-bitmap-disable", "data": {"node": "b", "name": "m"}}],
        [{"type": "block-dirty-bitmap-remove", "data": {"node": "a", "name": "m"}}, {"type": "block-dirty-bitmap-remove", "data": {"node": "c", "name": "m"}}],
        [{"type": "block-dirty-bitmap-remove", "data": {"node": "a", "name": "m"}}, {"type": "block-dirty-bitmap-enable", "data": {"node": "b", "name": "m"}}],
    )] + [
        ("transaction", {"actions": [{"type": "abort", "data": {}}], "properties": {"completion-mode": "grouped"}}),
        ("transaction", {"actions": [{"type": "blockdev-snapshot-internal-sync", "data": {"device": "a", "name": "g"}}], "properties": {"completion-mode": "grouped"}}),
        ("query-named-block-nodes", {"flat": True}),
    ],
    "external snapshots": SETUP + [
        ("blockdev-snapshot-sync", {"node-name": "a", "snapshot-file": "s1.qcow2", "snapshot-node-name": "o1", "format": "qcow2"}),
        ("blockdev-snapshot-sync", {"node-name": "a", "snapshot-file": "s2.qcow2"}), ("blockdev-snapshot-sync", {"snapshot-file": "s2.qcow2"}),
        ("blockdev-snapshot-sync", {"node-name": "nope", "snapshot-file": "s2.qcow2"}), ("blockdev-snapshot-sync", {"node-name": "b", "snapshot-file": "s2.qcow2", "snapshot-node-name": "b"}),
        ("blockdev-snapshot-sync", {"node-name": "b", "snapshot-file": "s2.bogus", "snapshot-node-name": "o2", "format": "bogus"}),
        ("blockdev-snapshot-sync", {"node-name": "b", "snapshot-file": "missing.qcow2", "snapshot-node-name": "o2", "mode": "existing"}),
        ("blockdev-add", {"driver": "qcow2", "node-name": "ov", "backing": None, "file": {"driver": "file", "filename": "top.qcow2"}}),
        ("blockdev-snapshot", {"node": "b", "overlay": "ov"}), ("blockdev-snapshot", {"node": "b", "overlay": "ov"}), ("blockdev-snapshot", {"node": "b", "overlay": "b"}),
        ("blockdev-snapshot", {"node": "nope", "overlay": "ov"}), ("blockdev-snapshot", {"node": "b", "overlay": "nope"}), ("blockdev-snapshot", {"node": "c", "overlay": "r"}),
        ("query-named-block-nodes", None),
        ("change-backing-file", {"device": "ov", "image-node-name": "ov", "backing-file": "other"}), ("change-backing-file", {"device": "nope", "image-node-name": "ov", "backing-file": "x"}),
        ("change-backing-file", {"device": "ov", "image-node-name": "c", "backing-file": "x"}), ("change-backing-file", {"device": "c", "image-node-name": "c", "backing-file": "x"}),
    ],
    "bitmaps": SETUP + [
        ("block-dirty-bitmap-add", {"node": "a", "name": "m"}), ("block-dirty-bitmap-add", {"node": "a", "name": "m"}), ("block-dirty-bitmap-add", {"node": "a", "name": ""}),
        ("block-dirty-bitmap-add", {"node": "a", "name": "n" * 1024}), ("block-dirty-bitmap-add", {"node": "nope", "name": "m"}), ("block-dirty-bitmap-add", {"node": "a", "name": "g", "granularity": 1000}),
        ("block-dirty-bitmap-add", {"node": "a", "name": "g", "granularity": 256}), ("block-dirty-bitmap-add", {"node": "r", "name": "p", "persistent": True}),
        ("block-dirty-bitmap-add", {"node": "a", "name": "p", "persistent": True, "granularity": 65536}), ("block-dirty-bitmap-add", {"node": "a", "name": "d", "disabled": True}),
        ("block-dirty-bitmap-merge", {"node": "a", "target": "m", "bitmaps": ["d", "p"]}), ("block-dirty-bitmap-merge", {"node": "a", "target": "m", "bitmaps": ["nope"]}),
        ("block-dirty-bitmap-merge", {"node": "a", "target": "nope", "bitmaps": ["d"]}), ("block-dirty-bitmap-merge", {"node": "a", "target": "m", "bitmaps": [{"node": "b", "name": "m"}]}),
        ("block-dirty-bitmap-enable", {"node": "a", "name": "d"}), ("block-dirty-bitmap-disable", {"node": "a", "name": "m"}), ("block-dirty-bitmap-clear", {"node": "a", "name": "m"}),
        ("block-dirty-bitmap-clear", {"node": "a", "name": "nope"}), ("x-debug-block-dirty-bitmap-sha256", {"node": "a", "name": "m"}),
        ("x-debug-block-dirty-bitmap-sha256", {"node": "a", "name": "nope"}), ("query-named-block-nodes", {"flat": True}), ("block-dirty-bitmap-remove", {"node": "a", "name": "p"}),
        ("block-dirty-bitmap-remove", {"node": "a", "name": "p"}), ("block_resize", {"node-name": "a", "size": 32 << 20}), ("query-named-block-nodes", {"flat": True}),
    ],
    "reopen and graph": SETUP + [
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "a", "file": "a-file"}]}),
        ("blockdev-reopen", {"options": [{"driver": "raw", "node-name": "a", "file": "b"}]}), ("blockdev-reopen", {"options": [{"driver": "qcow2", "file": "b"}]}),
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "nope", "file": "b"}]}),
        ("blockdev-add", {"driver": "file", "node-name": "tf", "filename": "top.qcow2"}), ("blockdev-add", {"driver": "qcow2", "node-name": "t", "file": "tf", "backing": "a"}),
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf", "backing": None}]}), ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf", "backing": "b"}]}),
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf", "backing": "b", "read-only": True}]}),
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf", "backing": "t"}]}), ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf"}]}),
        ("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "t", "file": "tf", "backing": "b", "l2-cache-size": 1}]}),
        ("x-blockdev-change", {"parent": "a"}), ("x-blockdev-change", {"parent": "nope", "node": "b"}), ("x-blockdev-change", {"parent": "a", "node": "b"}),
        ("x-blockdev-change", {"parent": "a", "child": "file"}), ("x-blockdev-change", {"parent": "a", "child": "nope"}), ("x-blockdev-set-iothread", {"node-name": "a", "iothread": "nope"}),
        ("x-blockdev-set-iothread", {"node-name": "nope", "iothread": None}), ("x-blockdev-set-iothread", {"node-name": "a", "iothread": None}),
        ("object-add", {"qom-type": "iothread", "id": "io"}), ("object-add", {"qom-type": "iothread", "id": "io"}), ("query-iothreads", None),
        ("object-del", {"id": "io"}), ("object-del", {"id": "io"}),
    ],
    "thresholds and limits": SETUP + [
        ("block-set-write-threshold", {"node-name": "a", "write-threshold": 4096}), ("block-set-write-threshold", {"node-name": "nope", "write-threshold": 1}),
        ("query-named-block-nodes", {"flat": True}), ("block-set-write-threshold", {"node-name": "a", "write-threshold": 0}),
        ("block_set_io_throttle", {"device": "nope", "bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}),
        ("block_set_io_throttle", {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}),
        ("block-latency-histogram-set", {"id": "nope"}), ("eject", {"device": "nope"}), ("eject", {}), ("blockdev-open-tray", {"id": "nope"}), ("blockdev-close-tray", {"device": "nope"}),
        ("blockdev-remove-medium", {"id": "nope"}), ("blockdev-insert-medium", {"id": "nope", "node-name": "a"}), ("blockdev-change-medium", {"id": "nope", "filename": "x"}),
        ("object-add", {"qom-type": "throttle-group", "id": "g", "limits": {"iops-total": 100}}), ("qom-get", {"path": "/objects/g", "property": "limits"}),
        ("blockdev-add", {"driver": "throttle", "node-name": "t", "throttle-group": "g", "file": "a"}), ("blockdev-add", {"driver": "throttle", "node-name": "t2", "throttle-group": "nope", "file": "a"}),
        ("object-del", {"id": "g"}), ("blockdev-del", {"node-name": "t"}), ("object-del", {"id": "g"}),
        ("object-add", {"qom-type": "throttle-group", "id": "g", "limits": {"iops-total": -1}}), ("object-add", {"qom-type": "throttle-group", "id": "g", "limits": {"iops-total": 1, "iops-read": 1}}),
        ("object-add", {"qom-type": "secret", "id": "s", "data": "x"}), ("object-add", {"qom-type": "secret", "id": "s", "data": "x"}), ("object-add", {"qom-type": "secret", "id": "s2"}),
        ("object-del", {"id": "s"}),
    ],
    "exports": SETUP + [
        ("nbd-server-start", {"addr": {"type": "unix", "data": {"path": "nbd.sock"}}}), ("nbd-server-start", {"addr": {"type": "unix", "data": {"path": "nbd.sock"}}}),
        ("block-export-add", {"type": "nbd", "id": "e", "node-name": "a"}), ("block-export-add", {"type": "nbd", "id": "e", "node-name": "a"}), ("block-export-add", {"type": "nbd", "id": "e2", "node-name": "nope"}),
        ("block-export-add", {"type": "nbd", "id": "e2", "node-name": "b", "name": "x", "writable": True}), ("nbd-server-add", {"device": "c"}), ("nbd-server-add", {"device": "c"}), ("query-block-exports", None),
        ("block-export-del", {"id": "nope"}), ("block-export-del", {"id": "e"}), ("nbd-server-remove", {"name": "nope"}), ("nbd-server-remove", {"name": "c"}), ("blockdev-del", {"node-name": "b"}),
        ("nbd-server-stop", None), ("nbd-server-stop", None), ("query-block-exports", None), ("blockdev-del", {"node-name": "b"}),
    ],
}


def hide_file_sizes(value):
    """Where a qcow2 image puts its clusters, and so how long its file is, is the driver's own affair."""
    if isinstance(value, dict):
        hide = {"virtual-size"} if value.get("format") == "file" else ()
        return {key: None if key in hide else hide_file_sizes(item) for key, item in value.items()}
    return [hide_file_sizes(item) for item in value] if isinstance(value, list) else value


def differs(name):
    return compare_conversations(CONVERSATIONS[name], prepare=make_images, mask=lambda value: hide_file_sizes(masked(value, MASK)))


def main():
    if not STOCK_IMG:
        skip("the stock qemu-img is not there")
    wanted = sys.argv[1:] or list(CONVERSATIONS)
    bad = 0
    for name in wanted:
        print(f"--- {name}")
        bad += differs(name)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
