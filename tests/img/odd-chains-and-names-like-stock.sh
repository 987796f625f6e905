# Chains that close in themselves, temporary overlays that cannot be made, places where nothing can be created, sizes at the end of
# numbers: messages, exit codes and images as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f qcow2 a 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -b a -F qcow2 b
seed "$STOCK_QEMU_IMG" create -f qcow2 -b b -F qcow2 c
seed "$STOCK_QEMU_IMG" create -f qcow2 self 1M
seed "$STOCK_QEMU_IMG" rebase -u -b c -F qcow2 a
seed "$STOCK_QEMU_IMG" rebase -u -b self -F qcow2 self
seed "$STOCK_QEMU_IMG" create -f raw r 1M
seeded
for image in a b c self; do
    with_filter filter_info run_both info --backing-chain $image
    # (stock recurses until it crashes)
    timeout 20 "$QEMU_IO" -r -c 'read 0 512' "$TEST_DIR/ours/$image" >log 2>&1
    [ $? -eq 1 ] && grep -q "Backing file '.*/$image' creates an infinite loop\.$" log || { fail "loop: $image"; cat log; }
done
ours_ok rebase -u -b '' self
# A temporary overlay.
overlay() { FILTER=filter_overlay; io_both "$@"; FILTER=cat; }
filter_overlay() { sed 's/vl\.[A-Za-z0-9]*/vl.X/' | filter_speed; }
export TMPDIR=/nonexistent
overlay -s -f raw -c 'write 0 1k' r
export TMPDIR=
overlay -s -f raw -c 'write -P 1 0 1k' -c 'read -P 1 0 1k' r
unset TMPDIR
overlay -s -f raw -c 'write -P 1 0 1k' -c 'read -P 0 1k 1k' r
cmp -s ours/r stock/r || fail 'the image below a temporary overlay changed'
io_both -C -r -f raw -c 'read 0 1k' r
# Where nothing can be created, and what cannot be.
for words in '-f raw nbd://localhost:1/x 1M' '-f qcow2 nbd://localhost:1/x 1M' '-f raw -o preallocation=full nbd://localhost:1/x 1M' '-f qcow2 null-co:// 1M' \
             '-f null-co x 1M' '-f nosuch x 1M' '-f qcow2 -b rel -F raw json:{} 1M' '-f qcow2 nosuch:x 1M' '-f qcow2 -u -o preallocation=off,backing_file=r,,x,backing_fmt=raw o 1M' \
             '-f qcow2 -o lazy_refcounts=on,data_file=d,data_file_raw o 1M' '-f qcow2 -b r -F nosuch z' '-f qcow2 -b missing -F raw z' '-f qcow2 -o size=18446744073709551615 z' \
             '-f qcow2 -o size=18446744073709551615 -b r -F raw z' '-f qcow2 -o size=9223372036854775808 z' '-f raw -o size=9223372036854775807 z' '-f qcow2 -o size=1M z 1M' \
             '-f qcow2 -b z -F raw z 1M' '-f raw -b r z' '-f raw -F raw z 1M' '-f qcow2 -b r z' '-f qcow2 -u -b r z 1M' '-f qcow2 -o nosuch=1 z 1M' '-f qcow2 -o cluster_size=x z 1M' \
             '-f qcow2 -o , z 1M'; do
    run_both create $words
done
finish
