#!/usr/bin/env python3
"""Filters that a manager stacks by hand (copy-before-write and the access to what it kept, copy-on-read, preallocate, compress,
throttle) and x-blockdev-amend: replies, graph and data are stock's.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

import joblib

SIZE = joblib.SIZE


def kept(d, **options):
    """top as it was when the filter came, read through snapshot-access while top is written."""
    d.cmd("blockdev-add", **{"driver": "copy-before-write", "node-name": "cbw", "file": "top", "target": "t", **options})
    d.cmd("blockdev-add", driver="snapshot-access", node_name="sa", file="cbw")


def keeping(d):
    kept(d)
    d.io("cbw", "write -P 0x41 0 64k")
    d.io("cbw", "write -z 1M 128k")
    d.io("cbw", "discard 2M 64k")
    d.io("cbw", "write -P 0x42 131000 7")
    for area in ("-P 1 0 64k", "-P 2 1M 128k", "-P 3 2M 64k", "-P 4 128k 64k", "-P 0 3M 1M"):
        d.io("sa", f"read {area}")
    for area in ("-P 0x41 0 64k", "-P 0 1M 128k", "-P 0x42 131000 7"):
        d.io("cbw", f"read {area}")
    d.io("sa", "write 0 64k")
    d.io("sa", "discard 0 64k")
    d.io("sa", "read -P 2 1M 128k")
    d.io("sa", "length")
    d.chain("sa")
    for node in ("top", "t", "cbw", "sa"):
        d.cmd("blockdev-del", node_name=node)
    d.cmd("blockdev-del", node_name="cbw")
    d.chain("top")


def keeping_part(d):
    """Only what the bitmap names was kept; the rest may not be read."""
    d.cmd("block-dirty-bitmap-add", node="top", name="bm", granularity=65536)
    d.io("top", "write -P 3 2M 256k")
    kept(d, bitmap={"node": "top", "name": "bm"})
    d.io("cbw", "write -P 0x51 2M 64k")
    d.io("cbw", "write -P 0x52 0 64k")
    d.io("sa", "read -P 3 2112k 192k")      # (stock's view of what was just overwritten is not the one of before)
    d.io("sa", "read 0 64k")
    d.io("sa", "read 1984k 128k")
    d.cmd("blockdev-del", node_name="sa")
    d.cmd("blockdev-del", node_name="cbw")
    d.cmd("block-dirty-bitmap-remove", node="top", name="bm")


def keeping_wrong(d):
    for options in ({"target": "nope"}, {"file": "nope"}, {"bitmap": {"node": "top", "name": "x"}}, {"on-cbw-error": "x"},
                    {"cbw-timeout": -1}, {"nope": 1}, {"target": None}):
        options = {"driver": "copy-before-write", "node-name": "cbw", "file": "top", "target": "t", **options}
        d.cmd("blockdev-add", **{key: value for key, value in options.items() if value is not None})
    d.cmd("blockdev-add", driver="snapshot-access", node_name="sa", file="top")
    d.io("sa", "read 0 64k")
    d.cmd("blockdev-add", driver="snapshot-access", node_name="sb", file="nope")


def keeping_fails(policy):
    """The target cannot take what is to be kept: the guest's write fails, or the snapshot does."""
    def scenario(d):
        d.cmd("blockdev-add", **{
            "driver": "blkdebug", "node-name": "bad", "image": "t",
            "inject-error": [{"event": "none", "iotype": "write", "errno": 5, "once": False, "immediately": True}]})
        d.cmd("blockdev-add", **{"driver": "copy-before-write", "node-name": "cbw", "file": "top", "target": "bad",
                                 "on-cbw-error": policy})
        d.cmd("blockdev-add", driver="snapshot-access", node_name="sa", file="cbw")
        d.io("cbw", "write -P 0x61 0 64k")
        d.io("cbw", "read 0 64k")
        d.io("sa", "read 0 64k")
        d.io("cbw", "write -P 0x62 1M 64k")
        d.io("sa", "read 1M 64k")
    return scenario


def reading_up(d):
    d.cmd("blockdev-add", driver="copy-on-read", node_name="cor", file="top", bottom="mid")
    d.io("cor", "read -P 1 0 64k")
    d.io("cor", "read -P 2 1M 100000")
    d.io("cor", "write -P 0x71 3M 4k")
    d.io("cor", "write -z 3200k 64k")
    d.io("cor", "discard 2M 64k")
    d.io("cor", "flush")
    d.io("cor", "alloc 1M 1M")
    d.io("top", "map")
    d.chain("cor")
    d.cmd("blockdev-del", node_name="cor")
    d.cmd("blockdev-add", driver="copy-on-read", node_name="cor", file="top")
    d.io("cor", "read -P 1 0 1k")
    d.io("top", "map")
    d.cmd("blockdev-del", node_name="cor")


def making_room(d):
    d.cmd("blockdev-add", **{"driver": "preallocate", "node-name": "p", "file": "t-file", "prealloc-size": 1048576,
                             "prealloc-align": 65536})
    d.cmd("blockdev-add", driver="preallocate", node_name="q", file="t-file", prealloc_align=1000)
    d.cmd("blockdev-add", driver="compress", node_name="z", file="t")
    d.io("z", "write -P 0x81 0 128k")
    d.io("z", "write -P 0x82 200k 4k")
    d.io("z", "read -P 0x81 0 128k")
    d.io("z", "read -P 0x82 200k 4k")
    d.io("z", "write -z 1M 64k")
    d.io("z", "discard 64k 64k")
    d.io("z", "map")
    d.cmd("blockdev-del", node_name="z")
    d.cmd("blockdev-add", driver="compress", node_name="z", file="base-file")


def limiting(d):
    d.cmd("object-add", qom_type="throttle-group", id="g", limits={"iops-total": 100000})
    d.cmd("blockdev-add", driver="throttle", node_name="th", throttle_group="g", file="t")
    d.cmd("blockdev-add", driver="throttle", node_name="tg", throttle_group="nope", file="t")
    for command in ("write -P 0x91 0 128k", "write -z 1M 64k", "discard 2M 64k", "read -P 0x91 0 128k", "flush", "map", "truncate 8M",
                    "length"):
        d.io("th", command)
    d.cmd("object-del", id="g")
    d.cmd("blockdev-reopen", options=[{"driver": "throttle", "node-name": "th", "throttle-group": "nope", "file": "t"}])
    d.cmd("object-add", qom_type="throttle-group", id="h")
    d.cmd("blockdev-reopen", options=[{"driver": "throttle", "node-name": "th", "throttle-group": "h", "file": "t"}])
    d.cmd("object-del", id="g")
    d.cmd("blockdev-del", node_name="th")
    d.cmd("object-del", id="h")


def amending(d):
    def amend(node, **options):
        if "return" in d.cmd("x-blockdev-amend", job_id="a", node_name=node, options=options):
            d.until("concluded", "a")
            d.query()
            d.cmd("job-dismiss", id="a")
    amend("t", driver="qcow2")
    amend("t", driver="raw")
    amend("nope", driver="qcow2")
    amend("t-file", driver="file")
    amend("t", driver="qcow2", encrypt={"format": "luks", "state": "inactive"})


SCENARIOS = {
    "keeping": keeping, "keeping-part": keeping_part, "keeping-wrong": keeping_wrong,
    "keeping-fails-write": keeping_fails("break-guest-write"), "keeping-fails-snapshot": keeping_fails("break-snapshot"),
    "reading-up": reading_up, "making-room": making_room, "limiting": limiting, "amending": amending,
}

if __name__ == "__main__":
    sys.exit(joblib.run(SCENARIOS))
