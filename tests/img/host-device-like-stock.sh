#!/bin/bash
# Block devices of the host (loop devices): creating, converting, resizing, snapshots and checks on them are as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock
requires losetup
truncate -s 16M stock/disk ours/disk
stock_loop=$(losetup -f --show stock/disk 2>/dev/null) || skip "loop devices cannot be set up here"
ours_loop=$(losetup -f --show ours/disk 2>/dev/null) || { losetup -d "$stock_loop"; skip "loop devices cannot be set up here"; }
trap 'losetup -d "$stock_loop" "$ours_loop"' EXIT
ln -s "$stock_loop" stock/dev
ln -s "$ours_loop" ours/dev
FILTER=filter_info
for dir in stock ours; do
    "$STOCK_QEMU_IMG" create -q -f qcow2 $dir/t.qcow2 16M
    "$STOCK_QEMU_IO" -c "write -P 4 1M 2M" $dir/t.qcow2 >/dev/null
done

for size in 128M 16M 8M; do
    run_both resize -f raw dev $size
    run_both resize -f raw --shrink dev $size
done
run_both create -f raw dev 32M
run_both create -f raw dev 8M
run_both create -f raw -o preallocation=full dev 8M
run_both create -f raw -o help dev
run_both create -f qcow2 -o help dev
run_both convert -f qcow2 -O raw t.qcow2 dev
run_both convert -n -f qcow2 -O raw t.qcow2 dev
run_both map -f raw --output=json dev
cmp stock/disk ours/disk || fail "content after convert"
run_both create -f qcow2 -o preallocation=metadata dev 8M
run_both convert -f qcow2 -O qcow2 -o cluster_size=4k t.qcow2 dev
io_commands=(-f qcow2 -c "write -P 3 0 4M" -c "write -z 1M 64k" -c "discard 2M 64k" -c "read -P 0 1M 64k" dev)
with_filter filter_speed io_both "${io_commands[@]}"
run_both snapshot -c a dev
run_both snapshot -a a dev
filter_end() { sed "/^Image end offset/d; s/[0-9.]*% fragmented/X/"; }
with_filter filter_end run_both check -f qcow2 dev
run_both snapshot -d a dev
stock_ok check dev
finish
