#!/usr/bin/env python3
"""HMP prints numbers, objects and empty drives as the stock monitor does.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

COMMANDS = [
    'drive_add 0 if=none,id=dr0,file=null-co://,format=raw', 'p 16', 'p 0', "p 'a", "p ''", "p '\\n'",
    'p 99999999999999999999', 'p $', 'p 1+$x', 'p &', 'p 010', 'p 09', 'p 0x', 'p 0xz', 'p 1 + 2 * 3', 'p 7%3*2',
    'p 6|1&3^2', 'p 1+2|4', 'p 2*3+4', 'p - 1', 'p -', 'p ()', 'p (1)', 'p )', 'p 1)', 'p/u -1', 'p/o 8', 'p/x -1',
    'p/c 10', 'p/c 13', 'p/c 39', 'p/c 92', 'p/c 31', 'p/c 128', 'p/c 0', 'p/d 5', 'p/xx 5', 'p/16x 5', 'p/xb 300',
    'p/b 300', 'p/i 3', 'p/g 5', 'p/x', 'p/x5', 'p /x/ 5', 'p 5', '  foo bar', 'stopx', 'STOP',
    'trace-event a on 3', 'trace-event a on x', 'balloon -1', 'balloon 99999999999999999', 'balloon 1',
    'block_resize dr0 1x', 'block_resize dr0 1kk', 'block_resize dr0 999999999999T', 'block_resize dr0 1.5',
    'block_resize dr0 1.5G', 'block_resize dr0 0x10', 'block_set_io_throttle dr0 1 2 3 4 5 6',
    'block_set_io_throttle dr0 -1 0 0 0 0 0', 'qom-set a b', 'qom-set -j a b c', 'qom-set /machine foo bar',
    'qom-get /machine foo', 'qom-list /foo', 'device_add foo', 'object_add foo', 'object_add foo,id=a',
    'object_add iothread', 'object_add iothread,id=1a', 'object_add iothread,id=a', 'object_add iothread,id=a',
    'qom-list /objects', 'qom-set /objects/a poll-max-ns 5', 'qom-get /objects/a poll-max-ns',
    'qom-set -j /objects/a poll-max-ns 7', 'qom-set -j /objects/a poll-max-ns "x"', 'object_del a',
    'object_add iothread,help', 'info block foo', 'info block -n', 'info block -x', 'info block -v -n',
    'info block dr0 x', 'info block -v', 'help -x', 'help info block x', 'info info', '? ?', 'drive_add 0 if=none',
    'drive_add 0 if=none,id=x1,file=null-co://,format=raw', 'drive_add 0 if=virtio',
    'drive_add -n 0 driver=null-co,node-name=zz', 'drive_add -n 0 driver=null-co', 'drive_add 0 foo=bar',
    'drive_add x', 'drive_del x1', 'drive_del zz', 'drive_del nope', 'info block', 'commit all', 'commit foo',
    'commit dr0', 'info block -n', 'eject dr0', 'eject nope', 'change dr0 /nonexist',
    'change dr0 /tmp/f2/m raw foo', 'snapshot_blkdev dr0 /tmp/f2/snap1', 'snapshot_blkdev nope /tmp/a',
    'snapshot_blkdev_internal dr0 s1', 'snapshot_blkdev_internal nope s1', 'snapshot_delete_blkdev_internal dr0 s1',
]

lib.compare_commands(COMMANDS)
