# compare: verdict, offset of the first difference and exit code, strict and not, sizes equal and not.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write -P 7 0 64k' -c 'write -z 128k 64k' a.qcow2
seed "$STOCK_QEMU_IMG" convert -O raw a.qcow2 a.raw
seed cp a.qcow2 b.qcow2
seed "$STOCK_QEMU_IO" -c 'write -P 8 70000 1' b.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -b a.qcow2 -F qcow2 over.qcow2
seed "$STOCK_QEMU_IMG" convert -c -O qcow2 a.qcow2 packed.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -o preallocation=metadata meta.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 none.qcow2 1M
seed cp a.raw long.raw
seed truncate -s 3M long.raw
seed cp long.raw tail.raw
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 2500001 1' tail.raw
seed sh -c 'printf x > odd.raw'
seed truncate -s 40M big1.raw
seed truncate -s 40M big2.raw
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 10M 20M' big1.raw
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 10M 20M' -c 'write -P 2 29M 512' -c 'write -P 2 27000000 1' big2.raw
seeded
for pair in 'a.qcow2 a.raw' 'a.qcow2 b.qcow2' 'b.qcow2 a.qcow2' 'a.qcow2 over.qcow2' 'a.qcow2 packed.qcow2' \
            'none.qcow2 meta.qcow2' 'a.qcow2 none.qcow2' 'a.raw long.raw' 'long.raw a.qcow2' 'a.raw tail.raw' \
            'tail.raw a.raw' 'a.raw odd.raw' 'odd.raw odd.raw' 'big1.raw big2.raw' 'big2.raw big1.raw' 'missing a.raw' \
            'a.raw missing' 'a.qcow2 a.qcow2'; do
    run_both compare $pair
    run_both compare -s $pair
    run_both compare -q $pair
    with_filter filter_progress run_both compare -p $pair
    run_both compare -U -T none $pair
done
run_both compare -f raw -F raw a.raw long.raw
run_both compare -f qcow2 a.raw a.raw
run_both compare -F qcow2 a.raw a.raw
run_both compare -T nonsense a.raw a.raw
run_both compare --image-opts driver=qcow2,file.filename=a.qcow2 driver=raw,file.filename=a.raw
run_both compare --object nonsense a.raw a.raw
finish
