#!/usr/bin/env python3
"""Trays, media, I/O limits, histograms and queries by device: the same replies and events as from the stock emulator.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import sys

from blockdev_scripts import Script, image, masked
from lib import compare_conversations

VIRTIO = "/machine/peripheral/vd0/virtio-backend"
ARGS = ["-drive", "if=none,id=d0,file=a.qcow2,format=qcow2,node-name=n0", "-device", "virtio-blk-pci,id=vd0,drive=d0",
        "-drive", "if=none,id=cd0,media=cdrom", "-device", "ide-cd,id=icd,drive=cd0",
        "-drive", "if=none,id=ro0,file=b.qcow2,format=qcow2,read-only=on", "-drive", "if=none,id=r0,file=c.raw,format=raw",
        "-device", "virtio-scsi-pci,id=s0", "-device", "scsi-cd,id=scd,bus=s0.0"]


def prepare(folder):
    for name in ("a", "b", "e", "f"):
        image(folder, name + ".qcow2")
    image(folder, "c.raw", fmt="raw")


def snapshots(s):
    for device in ("cd0", "icd", "vd0", "ro0", "r0", "d0", "n0"):
        s.blockdev_snapshot_internal_sync(device=device, name="x")
    for device in ("cd0", "ro0", "n0", "d0"):
        s.blockdev_snapshot_delete_internal_sync(device=device, name="x")
    s.blockdev_snapshot_delete_internal_sync(device="cd0")


def sizes(s):
    for arguments in ({"device": "d0", "size": -1}, {"device": "cd0", "size": 1}, {"size": 512},
                      {"node-name": "nope", "size": 512}, {"device": "r0", "size": 1 << 20}, {"device": "d0", "size": 1 << 27},
                      {"device": "d0", "node-name": "n0", "size": 1 << 27}, {"device": "d0", "size": 513},
                      {"device": "ro0", "size": 512}):
        s.named("block_resize", **arguments)


def limits(s):
    zero = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    for arguments in ({}, {"device": "d0", "id": "vd0"}, {"device": "nope"}, {"id": "nope"}, {"device": "cd0"}, {"id": "vd0"},
                      {"id": "/machine/peripheral/vd0"}, {"id": VIRTIO}, {"id": "icd"}, {"id": "s0"}, {"id": "/nope"}, {"id": "scd"},
                      {"device": "d0", "bps": -1}, {"device": "d0", "bps": 100, "bps_rd": 1},
                      {"device": "d0", "bps": 100, "bps_max": 1}, {"device": "d0", "iops_size": 3},
                      {"device": "d0", "bps": 1000, "bps_max": 2000, "bps_max_length": 3, "group": "g1"},
                      {"id": VIRTIO, "iops": 7, "iops_size": 4096}):
        s.named("block_set_io_throttle", **{**zero, **arguments})
    s.query_block()
    for arguments in ({"bps": 1000, "bps_max_length": 0}, {"bps": 1000, "bps_max_length": -1}, {}):
        s.named("block_set_io_throttle", **{**zero, "device": "d0", **arguments})
    s.query_block()


def histograms(s):
    for arguments in ({"id": "nope"}, {"id": "vd0"}, {"id": VIRTIO, "boundaries": [10, 20, 30]},
                      {"id": "icd", "boundaries": [3, 2]}, {"id": "icd", "boundaries": [0, 2]},
                      {"id": "icd", "boundaries-read": [1, 2]}, {"id": "icd", "boundaries": []}, {"id": "icd", "boundaries-write": []}):
        s.append(("block-latency-histogram-set", arguments))
        s.query_blockstats()
    s.block_latency_histogram_set(id="icd")
    s.query_blockstats()


def trays(s):
    for command in ("blockdev-open-tray", "blockdev-close-tray", "eject"):
        for arguments in (None, {"device": "cd0", "id": "icd"}, {"device": "nope"}, {"id": "nope"}, {"id": "vd0"}, {"id": VIRTIO},
                          {"device": "d0"}, {"id": "s0"}, {"device": "r0"}):
            s.append((command, arguments))
    for device in ("nope", "icd", "vd0", VIRTIO):
        s.blockdev_remove_medium(id=device)
    s.blockdev_insert_medium(id="icd", node_name="n0")
    s.blockdev_open_tray(id="icd")
    s.blockdev_open_tray(id="icd")
    s.blockdev_insert_medium(id="icd", node_name="nope")
    s.blockdev_insert_medium(id="icd", node_name="n0")
    s.node("e", "e.qcow2")
    s.node("e2", "f.qcow2", read_only=True)
    for node in ("e", "e2", "e2"):
        s.blockdev_insert_medium(id="icd", node_name=node)
        s.query_block()
    s.blockdev_del(node_name="e")
    s.blockdev_close_tray(id="icd")
    s.blockdev_close_tray(id="icd")
    s.blockdev_remove_medium(id="icd")
    s.blockdev_open_tray(id="icd", force=True)
    s.blockdev_remove_medium(id="icd")
    s.blockdev_remove_medium(id="icd")
    s.eject(id="icd")
    s.query_block()


def media(s):
    for arguments in ({"id": "icd", "filename": "c.raw"}, {"id": "icd", "filename": "nope"},
                      {"id": "icd", "filename": "b.qcow2", "format": "nope"}, {"id": "icd", "filename": "b.qcow2", "format": "qcow2"},
                      {"id": "vd0", "filename": "b.qcow2", "format": "qcow2"}, {"device": "d0", "filename": "f.qcow2"},
                      {"device": "cd0", "filename": "f.qcow2", "read-only-mode": "read-write"},
                      {"id": "scd", "filename": "f.qcow2", "format": "qcow2", "read-only-mode": "read-only"}):
        s.append(("blockdev-change-medium", arguments))
        s.query_block()
    for name in ("n0", "nope", "e"):
        s.blockdev_del(node_name=name)


def main():
    script = Script()
    for add in (snapshots, sizes, limits, histograms, trays, media):
        add(script)
    script.query_named_block_nodes()
    script.query_blockstats()
    sys.exit(1 if compare_conversations(script, ARGS, machine="pc", prepare=prepare, mask=masked) else 0)


if __name__ == "__main__":
    main()
