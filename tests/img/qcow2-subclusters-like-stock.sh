# Extended L2 entries: writes, zeroes, discards, backing data, compression, snapshots, resizing, check and map as stock has them.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_speed
image() {
    fresh
    seed "$STOCK_QEMU_IMG" create -f raw base.raw 2M
    seed "$STOCK_QEMU_IO" -f raw -c 'write -P 9 0 2M' base.raw
    seed "$STOCK_QEMU_IMG" create -f qcow2 -o extended_l2=on,cluster_size=$1 ${2:+-b base.raw -F raw} d.qcow2 4M
    seeded
}
filter_map() { sed -E 's/, "offset": [0-9]+//'; }
filter_counts() { grep -E '"(allocated|compressed|total)-clusters"|"(corruptions|leaks)"'; }
look() {
    same_image d.qcow2
    with_filter filter_map same_stock_view d.qcow2 map --output=json
    with_filter filter_map run_both map --output=json d.qcow2
    with_filter filter_counts same_stock_view d.qcow2 check --output=json
}
for cluster in 64k 16k; do
    for backed in '' yes; do
        image $cluster $backed
        io_both -c 'write -P 1 0 512' -c 'write -P 2 3k 1k' -c 'write -P 3 100k 70k' d.qcow2
        look
        io_both -c 'write -z 4k 2k' -c 'write -z 130k 6k' -c 'write -zu 500k 200k' -c 'write -z 1M 1' d.qcow2
        look
        io_both -c 'discard 0 64k' -c 'discard 140k 20k' -c 'discard 2k 2k' d.qcow2
        look
        io_both -c 'write -c -P 4 512k 64k' -c 'write -P 5 520k 100' d.qcow2
        look
        run_both snapshot -c s d.qcow2
        io_both -c 'write -P 6 101k 3k' -c 'write -z 110k 2k' -c 'discard 120k 2k' d.qcow2
        look
        run_both snapshot -a s d.qcow2
        look
        run_both snapshot -d s d.qcow2
        look
        run_both resize -q d.qcow2 5000k
        run_both resize -q --shrink d.qcow2 3001k
        look
        [ -z "$backed" ] || { run_both commit d.qcow2; same_content base.raw -f raw -F raw; same_image d.qcow2; }
    done
done
image 64k
run_both resize -q --preallocation=metadata d.qcow2 5M
same_image d.qcow2
run_both amend -o compat=0.10 d.qcow2
run_both amend -o extended_l2=off d.qcow2
finish
