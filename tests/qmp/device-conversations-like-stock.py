#!/usr/bin/env python3
"""Conversations about a board's disks, trays, limits and devices bring the stock program's replies and events."""
# SPDX-License-Identifier: GPL-2.0-or-later
import os
import subprocess
import sys

from lib import VOLATILE, compare_conversations, masked, skip

STOCK_IMG = os.environ.get("STOCK_QEMU_IMG", "")
NO_LIMITS = {"bps": 0, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0}
ARGS = [
    "-drive", "if=none,id=d0,file=a.qcow2,format=qcow2", "-device", "virtio-blk-pci,drive=d0,id=v0",
    "-blockdev", "qcow2,node-name=b,file.driver=file,file.filename=b.qcow2", "-device", "virtio-scsi-pci,id=s0",
    "-device", "scsi-hd,drive=b,bus=s0.0,id=h0", "-device", "scsi-cd,id=cd0,bus=s0.0",
    "-drive", "if=none,id=cdd,file=cd.iso,format=raw,media=cdrom,readonly=on", "-device", "ide-cd,drive=cdd,id=icd",
]
SCRIPT = [
    ("query-block", None), ("query-blockstats", None), ("query-named-block-nodes", {"flat": True}),
    ("eject", {"device": "d0"}), ("eject", {"id": "cd0"}), ("eject", {"id": "icd"}), ("query-block", None),
    ("blockdev-close-tray", {"id": "icd"}), ("blockdev-open-tray", {"id": "cd0"}),
    ("blockdev-insert-medium", {"id": "cd0", "node-name": "nope"}),
    ("blockdev-add", {"driver": "raw", "node-name": "m", "read-only": True, "file": {"driver": "file", "filename": "cd.iso"}}),
    ("blockdev-insert-medium", {"id": "cd0", "node-name": "m"}),
    ("blockdev-insert-medium", {"id": "cd0", "node-name": "m"}), ("blockdev-close-tray", {"id": "cd0"}),
    ("query-block", None), ("blockdev-remove-medium", {"id": "cd0"}), ("blockdev-open-tray", {"id": "cd0"}),
    ("blockdev-remove-medium", {"id": "cd0"}), ("blockdev-remove-medium", {"id": "cd0"}),
    ("blockdev-change-medium", {"id": "icd", "filename": "cd.iso", "format": "raw"}),
    ("blockdev-change-medium", {"id": "icd", "filename": "missing"}),
    ("blockdev-change-medium", {"id": "v0", "filename": "cd.iso"}),
    ("blockdev-change-medium", {"id": "icd", "filename": "cd.iso", "format": "raw", "read-only-mode": "read-write"}),
    ("block_set_io_throttle", {"id": "v0", **NO_LIMITS, "bps": 1000}),
    ("block_set_io_throttle", {"id": "v0", **NO_LIMITS, "bps": 1000, "bps_rd": 1}), ("query-block", None),
    ("block_set_io_throttle", {"id": "v0", **NO_LIMITS}),
    ("block-latency-histogram-set", {"id": "v0", "boundaries": [10,20,30]}), ("query-blockstats", None),
    ("block-latency-histogram-set", {"id": "v0", "boundaries": [30,20]}),
    ("block-latency-histogram-set", {"id": "v0"}), ("block_resize", {"device": "d0", "size": 32 << 20}),
    ("block_resize", {"device": "v0", "size": 32 << 20}),
    ("blockdev-snapshot-internal-sync", {"device": "d0", "name": "x"}),
    ("blockdev-snapshot-internal-sync", {"device": "v0", "name": "x"}),
    ("blockdev-snapshot-internal-sync", {"device": "cdd", "name": "x"}),
    ("blockdev-snapshot-delete-internal-sync", {"device": "d0", "name": "x"}),
    ("blockdev-snapshot-sync", {"device": "d0", "snapshot-file": "s.qcow2"}), ("query-block", None),
    ("change-backing-file", {"device": "d0", "image-node-name": "nope", "backing-file": "x"}),
    ("device_del", {"id": "nope"}), ("device_add", {"driver": "bogus", "id": "z"}),
    ("device_add", {"driver": "scsi-hd", "id": "z"}),
    ("device_add", {"driver": "virtio-blk-pci", "id": "z", "drive": "nope"}),
    ("device_add", {"driver": "virtio-blk-pci", "id": "z", "bogus": 1}),
    ("qom-get", {"path": "/machine/peripheral/v0", "property": "type"}),
    ("qom-get", {"path": "v0", "property": "drive"}),
    ("qom-get", {"path": "/machine/peripheral/v0/virtio-backend", "property": "drive"}),
    ("qom-get", {"path": "nope", "property": "x"}), ("qom-get", {"path": "/machine", "property": "nope"}),
    ("qom-set", {"path": "/machine/peripheral/v0", "property": "drive", "value": 1}), ("stop", None), ("cont", None),
    ("query-status", None), ("stop", None), ("query-status", None), ("system_reset", None),
    ("system_powerdown", None), ("query-status", None), ("set-action", {"shutdown": "pause"}),
    ("watchdog-set-action", {"action": "none"}),
]


def make_images(folder):
    for words in (["-qf", "qcow2", "a.qcow2", "16M"], ["-qf", "qcow2", "b.qcow2", "16M"], ["-qf", "raw", "cd.iso", "1M"]):
        subprocess.run([STOCK_IMG, "create", *words], cwd=folder, check=True)


def hide_file_sizes(value):
    """Where a qcow2 image puts its clusters, and so how long its file is, is the driver's own affair."""
    if isinstance(value, dict):
        hide = {"virtual-size"} if value.get("format") == "file" else ()
        return {key: None if key in hide else hide_file_sizes(item) for key, item in value.items()}
    return [hide_file_sizes(item) for item in value] if isinstance(value, list) else value


def main():
    if not STOCK_IMG:
        skip("the stock qemu-img is not there")
    hidden = frozenset(VOLATILE | {"actual-size", "wr_highest_offset"})
    return 1 if compare_conversations(SCRIPT, ARGS, machine="pc", prepare=make_images,
                                      mask=lambda value: hide_file_sizes(masked(value, hidden))) else 0


if __name__ == "__main__":
    sys.exit(main())
