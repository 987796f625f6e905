# map: human and JSON, ranges, chains with holes, zero and compressed clusters.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write 0 64k' -c 'write -z 128k 64k' base.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -b base.qcow2 -F qcow2 top.qcow2 2M
seed "$STOCK_QEMU_IO" -c 'write 64k 4k' -c 'write 1M 64k' top.qcow2
seed cp top.qcow2 packed.qcow2
seed "$STOCK_QEMU_IO" -c 'write -c 256k 64k' packed.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -o preallocation=metadata meta.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -o data_file=data.raw,data_file_raw=on ext.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write 128k 64k' ext.qcow2
seed "$STOCK_QEMU_IMG" create -f raw r.raw 4M
seed "$STOCK_QEMU_IO" -f raw -c 'write 1M 64k' -c 'write 2M 64k' r.raw
seed touch empty
seed sh -c 'printf abc > odd'
seeded
for f in base.qcow2 top.qcow2 packed.qcow2 meta.qcow2 ext.qcow2 '-f raw r.raw' '-f raw empty' '-f raw odd'; do
    run_both map $f
    run_both map --output=json $f
    run_both map -U --output=json --start-offset=64k $f
    run_both map --output=json -s 100 -l 100 $f
    run_both map -s 1000k -l 100k $f
    run_both map -s 4M --output=json $f
    run_both map -l 0 --output=json $f
done
run_both map -s nonsense base.qcow2
run_both map -l nonsense base.qcow2
run_both map -s -1 base.qcow2
run_both map --image-opts --output=json driver=qcow2,file.filename=top.qcow2
finish
