#!/usr/bin/env python3
"""HMP refuses wrong commands, arguments and expressions in the words of the stock monitor.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

COMMANDS = [
    'foo', 'help foo', 'help info foo', 'info foo', 'help help', '? stop', 'help log', 'help info version',
    'info version x', 'stop x', 'block_resize', 'block_resize a', 'block_resize a b', 'block_resize a -1',
    'block_resize a 10 20', 'commit', 'eject -x a', 'eject -f', 'eject a', 'eject -fv a', 'eject - a', 'help quit',
    '"info" name', 'info "name', 'info name name', 'x /10x 0', 'x', 'x/10i 0', 'x/z 0', 'print 1+', 'print 1+1',
    'p/x 0x10', 'p /c 65', 'p $foo', 'p (1', 'p 1/0', 'p 5%0', 'p 1 2', 'p 0xffffffffffffffff', 'p ~1', 'p 1<<2',
    'p -1', 'p/d -1', 'p "a"', "p 'a'", 'drive_add', 'drive_add 0', 'device_add', 'device_del', 'object_add',
    'object_del', 'object_del foo', 'qom-list', 'qom-get', 'qom-get /machine type', 'qom-set', 'sum', 'sum 0',
    'sum 0 10', 'i /x', 'logfile', 'log', 'log foo', 'log none', 'trace-event', 'trace-event foo',
    'trace-event foo on', 'trace-event foo bar', 'block_set_io_throttle a', 'block_set_io_throttle a 1 2 3 4 5 x',
    'nbd_server_start', 'getfd', 'getfd a', 'closefd', 'closefd a', 'change', 'change a', 'change a b', 'qemu-io',
    'qemu-io a b', 'snapshot_blkdev a', 'snapshot_blkdev_internal a', 'snapshot_blkdev_internal',
    'snapshot_delete_blkdev_internal a b', 'system_reset', 'system_powerdown', 'stop', 'cont', 'c', 'info status',
    'info name', 'info uuid', 'info block', 'info blockstats', 'info block-jobs', 'info history', 'info qtree',
    'info iothreads', 'info cpus', 'info mice', 'info roms', 'info balloon', 'info memdev', 'info vm-generation-id',
    'info irq', 'info usb', 'info numa', 'info vnc', 'info spice', 'info network', 'info tpm', 'info replay',
]

lib.compare_commands(COMMANDS)
