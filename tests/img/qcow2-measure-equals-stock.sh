#!/bin/bash
# The sizes that measure predicts for new images, and its refusals, equal stock's.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock

for size in 0 1 1M 1G 1T; do
    for options in cluster_size=64k cluster_size=512 cluster_size=2M extended_l2=on preallocation=metadata preallocation=full \
        refcount_bits=64 compat=0.10 encrypt.format=luks compat=foo preallocation=foo refcount_bits=7 \
        extended_l2=on,cluster_size=4k compat=0.10,refcount_bits=8; do
        run_both measure -O qcow2 -o $options --size $size
    done
done
seed "$STOCK_QEMU_IMG" create -q -f qcow2 a.qcow2 4M
seed "$STOCK_QEMU_IO" -c 'write -P 1 4k 100k' -c 'write -z 1M 64k' -c 'write -P 2 2M 1' a.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add a.qcow2 b
seeded
for options in cluster_size=64k cluster_size=4k preallocation=falloc backing_file=x compat=0.10; do
    run_both measure -O qcow2 -o $options a.qcow2
    run_both measure --output=json -O qcow2 -o $options a.qcow2
    run_both measure -O qcow2 -f raw -o $options a.qcow2
done
finish
