# commit: into the backing file or a deeper one, keeping or emptying the overlay; refusals; content of every file after it.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
chain() {
    fresh
    seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 2M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1M' base.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2
    seed "$STOCK_QEMU_IO" -c 'write -P 2 256k 300k' -c 'write -z 900k 64k' mid.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 -b mid.qcow2 -F qcow2 "$@" top.qcow2 ${top_size:-}
    seed "$STOCK_QEMU_IO" -c 'write -P 3 400k 65537' -c 'write -z 0 64k' -c 'discard 64k 64k' top.qcow2
    seeded
}
# commit OPTIONS on the chain, and every image after it.
step() {
    local image
    run_both commit "$@" top.qcow2
    for image in base mid top; do
        same_stock_view $image.qcow2 info --output=json
        same_stock_view $image.qcow2 map --output=json
        same_content $image.qcow2
    done
}
for options in '' -d -q '-t none' '-t writethrough' '-r 100M' '-b mid.qcow2' '-b base.qcow2' '-d -b base.qcow2' \
               '-b top.qcow2' '-b missing' '-f qcow2' '-f raw' '-t nonsense' '-r nonsense' '-b'; do
    chain
    step $options
done
chain
with_filter filter_progress run_both commit -p top.qcow2
with_filter filter_progress run_both commit -p mid.qcow2
same_content base.qcow2
top_size=4M chain
step
run_both commit -b base.qcow2 top.qcow2
same_content base.qcow2
chain -o cluster_size=4k
step -b base.qcow2
chain
run_both commit base.qcow2
run_both commit --image-opts driver=qcow2,file.filename=top.qcow2
same_content mid.qcow2
run_both commit --image-opts -f qcow2 top.qcow2
# A snapshot in the overlay, a raw base, a read-only base, an overlay without content.
chain
each "$STOCK_QEMU_IMG" snapshot -c s top.qcow2
step
fresh
seed "$STOCK_QEMU_IMG" create -f raw base.raw 1000k
seed "$STOCK_QEMU_IMG" create -f qcow2 -b base.raw -F raw over.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write -P 5 0 1M' over.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -b over.qcow2 -F qcow2 nothing.qcow2
seeded
run_both commit nothing.qcow2
run_both commit over.qcow2
same_content base.raw -f raw -F raw
same_content over.qcow2
run_both commit missing.qcow2
run_both commit base.raw
finish
