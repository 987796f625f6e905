#!/usr/bin/env python3
"""Block commands of HMP print and do what the stock monitor does, in order and out of it.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import lib

COMMANDS = [
   
    'drive_add 0 if=none,id=d0,file=over.q,throttling.bps-total=1000000,throttling.iops-read=100,'
    'throttling.iops-read-max=200',
    'drive_add 0 if=none,id=d1,file=raw.img,format=raw,readonly=on,detect-zeroes=on',
    'drive_add 0 if=none,id=d2,file=plain.q,cache=unsafe,snapshot=on', 'drive_add 0 if=none,id=e',
    'drive_add -n 0 driver=qcow2,node-name=nn,file.driver=file,file.filename=big.q', 'info block', 'info block d0',
    'info block -v d0', 'info block nn', 'info block -v nn', 'info block -n', 'info block -n -v d0',
    'info block -v e', 'info block zz', 'info blockstats', 'block_set_io_throttle d0 0 0 0 0 0 0', 'info block d0',
    'block_set_io_throttle d1 1 0 0 0 5 6', 'info block d1', 'block_set_io_throttle d1 1 2 0 0 0 0',
    'block_set_io_throttle zz 0 0 0 0 0 0', 'block_set_io_throttle nn 0 0 0 0 0 0',
    'qemu-io d0 "read -P 2 256k 128k"', 'qemu-io d0 "write -P 3 0 64k"', 'qemu-io nn "write -P 7 0 64k"',
    'qemu-io nn "read -P 7 0 64k"', 'qemu-io d1 "write 0 512"', 'info blockstats', 'block_resize d0 2',
    'info block -v d0', 'block_resize d0 2M', 'block_resize nn 16', 'block_resize zz 1', 'block_resize d1 4',
    'block_resize e 4', 'block_resize d0 1k', 'block_resize d0 1', 'commit d0', 'commit e', 'commit nn',
    'commit d1', 'qemu-io d0 "read -P 3 0 64k"', 'info block -v d0', 'commit all', 'snapshot_blkdev_internal d0 s1',
    'snapshot_blkdev_internal d0 s1', 'snapshot_blkdev_internal nn s2', 'snapshot_blkdev_internal d1 s3',
    'snapshot_blkdev_internal e s3', 'snapshot_blkdev_internal d0 ""', 'info block -v d0',
    'snapshot_delete_blkdev_internal d0 s1 7', 'snapshot_delete_blkdev_internal d0 s1 1',
    'snapshot_delete_blkdev_internal d0 s1', 'snapshot_delete_blkdev_internal nn s2',
    'snapshot_delete_blkdev_internal d1 x', 'snapshot_blkdev d0 sn.q', 'info block d0',
    'snapshot_blkdev -n d0 nothere.q qcow2', 'snapshot_blkdev d1 sn2.q', 'snapshot_blkdev d1 sn2.q vmdk2',
    'snapshot_blkdev nn sn3.q raw', 'snapshot_blkdev e sn4.q', 'info block', 'eject d1', 'info block d1',
    'eject -f d1', 'change d1 raw.img raw read-only', 'info block d1', 'change d1 raw.img raw',
    'change d1 raw.img qcow2', 'change d1 nofile', 'change d1 plain.q qcow2 retain',
    'change d1 plain.q qcow2 read-write', 'info block d1', 'eject nn', 'eject zz', 'change e big.q',
    'change e plain.q', 'info block e', 'drive_del nn', 'drive_del d0', 'info block', 'drive_del d0',
    'drive_add 0 if=none,id=d1,file=raw.img,format=raw', 'drive_add 0 if=none,id=1x,file=raw.img',
    'drive_add 0 if=none,id=n9,file=nofile', 'drive_add 0 if=none,id=n9,file=raw.img,format=raw,foo=1',
    'drive_add 0 if=none,id=n9,file=raw.img,format=qcow2',
    'drive_add 0 if=none,id=n9,file=raw.img,format=raw,cache=foo',
    'drive_add 0 if=none,id=n9,file=raw.img,format=raw,werror=foo', 'drive_add 0 if=foo',
    'drive_add -n 0 driver=foo,node-name=a1', 'drive_add -n 0 node-name=a1,driver=raw',
    'drive_add -n 0 driver=file,node-name=e1,filename=x', 'info block', 'info block-jobs',
    'block_job_set_speed d2 1', 'block_job_cancel d2', 'block_job_pause zz', 'block_job_resume zz',
    'block_job_complete zz', 'drive_backup nn bk.q', 'drive_backup zz bk.q', 'info block-jobs',
    'drive_backup -n d1 nofile.q', 'info block-jobs', 'info block-jobs', 'info block d2', 'drive_backup zz a',
    'drive_backup e x.q', 'block_stream zz', 'block_stream e',
    'block_stream d1 1x', 'drive_mirror zz a', 'drive_mirror d1', 'drive_mirror e x.q',
    'nbd_server_add d1', 'nbd_server_start foo', 'nbd_server_start unix:nbd.sock',
    'nbd_server_start unix:nbd.sock', 'nbd_server_add d1', 'nbd_server_add d1', 'nbd_server_add -w d2 foo',
    'nbd_server_add zz', 'nbd_server_remove foo', 'nbd_server_remove foo', 'nbd_server_remove -f d1',
    'nbd_server_stop', 'nbd_server_stop', 'nbd_server_start -w unix:nbd.sock', 'nbd_server_start -a unix:nbd.sock',
    'nbd_server_stop', 'nbd_server_start -a -w unix:nbd.sock', 'nbd_server_stop',
]

lib.compare_commands(COMMANDS, ("-machine", "none", "-S"), lib.images())
