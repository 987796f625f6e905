#!/bin/bash
# Amending versions, refcount width, lazy refcounts, names and size: messages, exit codes, info and content
# equal stock's, and stock check finds our image clean.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock
FILTER=filter_info

first_images() {
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 v3.qcow2 4M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 128k' -c 'write -z 1M 64k' -c 'write -c -P 3 2M 64k' v3.qcow2
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 -o compat=0.10 v2.qcow2 4M
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 snap.qcow2 4M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 128k' snap.qcow2
    seed "$STOCK_QEMU_IMG" snapshot -c s snap.qcow2
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 -o refcount_bits=8,lazy_refcounts=on narrow.qcow2 4M
    cp -a --sparse=always stock seeds
}
make_images() {
    fresh
    cp -a --sparse=always seeds/. stock
    cp -a --sparse=always seeds/. ours
}
first_images

for options in compat=0.10 compat=1.1 lazy_refcounts=on lazy_refcounts=off refcount_bits=8 refcount_bits=1 refcount_bits=64 \
    refcount_bits=3 size=8M backing_file=x,backing_fmt=raw backing_file= data_file=x data_file_raw=on compat=foo \
    cluster_size=4k compat=0.10,lazy_refcounts=on compat=0.10,refcount_bits=8 compat=1.1,lazy_refcounts=on,refcount_bits=32 \
    compat=0.10,refcount_bits=16 encrypt.state=active lazy_refcounts=foo; do
    make_images
    for image in v3 v2 snap narrow; do
        run_both amend -o "$options" $image.qcow2
        same_stock_view $image.qcow2 info --output=json
        same_image $image.qcow2
    done
done
finish
