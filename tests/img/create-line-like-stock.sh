#!/usr/bin/env bash
# `create` checks its options, looks at the backing image and prints its "Formatting" line as stock does.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "${TEST_SRC:-$(dirname "$0")/..}/img/lib.sh"
requires_stock

fresh
seed "$STOCK_QEMU_IMG" create -f raw a.raw 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -b a.raw -F raw o.q
seed "$STOCK_QEMU_IMG" create -u -f qcow2 -b nosuch -F raw miss.q 1M
seed mkdir d
seeded

for opts in lazy_refcounts=yes lazy_refcounts cluster_size=64k refcount_bits=0x10 preallocation=metadata,compat=v3 \
            nocow=on extent_size_hint=2M compression_type=zstd extended_l2=on,cluster_size=128k x=1,y=2 cluster_size \
            cluster_size=-1 cluster_size=x refcount_bits=x lazy_refcounts=x =1 size=2M; do
    run_both create -f qcow2 -o "$opts" x.q 1M
done
for opts in size size= size=2M backing_file=,size=1M backing_file=a.raw,backing_fmt=raw \
            backing_file=a.raw,backing_fmt=raw,size=2M; do
    run_both create -f qcow2 -o "$opts" x.q
done
for opts in preallocation=full preallocation=off preallocation=foo preallocation nocow nonocow nocow=on,nocow=off \
            extent_size_hint=1M,nocow=on extent_size_hint=x nocow=x backing_file=x; do
    run_both create -f raw -o "$opts" x.raw 1M
done

run_both create x.raw 123
run_both create -q x.raw 123
run_both create -f qcow2 x.q
run_both create -f foo x.q 1M
run_both create -f file x.raw 1M
run_both create -f raw file:x.raw 1M
run_both create -f qcow2 foo:x.q 1M
run_both create -f raw /nosuch/x 1M
run_both create -f raw -F raw x.raw 1M
run_both create -f raw -b a.raw -F raw x.raw 1M
run_both create -f qcow2 -F raw x.q 1M
for backing in nosuch a.raw o.q miss.q x.q "" 'json:{}'; do
    run_both create -f qcow2 -b "$backing" x.q
    run_both create -f qcow2 -b "$backing" -F raw x.q
    run_both create -f qcow2 -b "$backing" -F qcow2 x.q 2M
    run_both create -u -f qcow2 -b "$backing" x.q 2M
    run_both create -u -f qcow2 -b "$backing" -F raw x.q
    run_both create -u -f qcow2 -b "$backing" -F raw x.q 2M
done
run_both create -f qcow2 -b ../a.raw -F raw d/x.q
run_both create -f qcow2 -b a.raw -F raw d/x.q
run_both create -f qcow2 -o backing_file=o.q -b a.raw -F raw x.q
finish
