#!/usr/bin/env python3
"""`info snapshots` and delvm treat disks with and without snapshots as the stock monitor does.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

COMMANDS = [
    'info snapshots', 'drive_add 0 if=none,id=r,file=raw.img,format=raw', 'info snapshots',
    'drive_add 0 if=none,id=d0,file=over.q', 'info snapshots', 'snapshot_blkdev_internal d0 s1', 'info snapshots',
    'drive_add 0 if=none,id=d1,file=plain.q', 'info snapshots', 'drive_del r', 'info snapshots',
    'snapshot_blkdev_internal d1 s1', 'snapshot_blkdev_internal d1 s2',
    'drive_add -n 0 driver=qcow2,node-name=nn,file.driver=file,file.filename=big.q', 'info snapshots',
    'snapshot_blkdev_internal nn s1', 'info snapshots', 'delvm s2', 'info snapshots', 'delvm s1', 'delvm zz',
    'info snapshots', 'delvm', 'drive_add 0 if=none,id=d3,file=base.q,readonly=on', 'info snapshots',
    'snapshot_blkdev_internal d0 1', 'snapshot_blkdev_internal d0 x', 'info snapshots',
]

lib.compare_commands(COMMANDS, ("-machine", "none", "-S"), lib.images())
