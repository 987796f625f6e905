#!/bin/bash
# A write that ends while zeroes for another part of its cluster wait for metadata stays: both were told as done.
# SPDX-License-Identifier: GPL-2.0-or-later
set -e
cd "$TEST_DIR"
# With lazy refcounts a new table waits for a flush; the write is ahead there, and its data is on the way when the zeroes' turn comes.
for options in lazy_refcounts=on lazy_refcounts=on,cluster_size=4k lazy_refcounts=on,extended_l2=on,cluster_size=64k; do
    case $options in *cluster_size=4k) write="512 1k" zero="2k 1k" ;; *extended*) write="512 512" zero="1k 512" ;; *) write="8k 4k" zero="0 4k" ;; esac
    "$QEMU_IMG" create -q -f qcow2 -o "$options" a.qcow2 2G
    # shellcheck disable=SC2086
    "$QEMU_IO" -t writeback -c "write 1G 64k" -c "aio_write -P 1 $write" -c "aio_write -z $zero" -c aio_flush \
        -c "read -P 1 $write" -c "read -P 0 $zero" a.qcow2 >out || { echo "$options:"; cat out; exit 1; }
    "$QEMU_IMG" check -q a.qcow2
done
