#!/bin/bash
# What is left of a machine's state behind the disk's end becomes no part of a grown disk, and is not leaked by a shrunk one.
# SPDX-License-Identifier: GPL-2.0-or-later
set -e
cd "$TEST_DIR"
for options in cluster_size=512 cluster_size=64k extended_l2=on,cluster_size=16k; do
    "$QEMU_IMG" create -q -f qcow2 -o "$options" a.qcow2 1M
    "$QEMU_IO" -c "write -P 1 1020k 4k" -c "write -b -P 5 0 9k" a.qcow2 >/dev/null
    "$QEMU_IMG" resize -q a.qcow2 1G
    "$QEMU_IO" -c "read -P 1 1020k 4k" -c "read -P 0 1M 15M" -c "write -b -P 6 0 9k" a.qcow2 >read.out
    ! grep -q failed read.out
    [ "$("$QEMU_IMG" map --output=json a.qcow2 | grep -c '"data": true')" = 1 ]
    "$QEMU_IMG" resize -q --shrink a.qcow2 512k
    "$QEMU_IMG" check -q a.qcow2
done
