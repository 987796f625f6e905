# info: every section, human and JSON, alone and for a chain.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_disk_size
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write 0 128k' base.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c s1 base.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c 'a name with blanks, and more of it' base.qcow2
seed mkdir sub
seed "$STOCK_QEMU_IMG" create -f qcow2 -b ../base.qcow2 -F qcow2 -o cluster_size=4k,lazy_refcounts=on sub/mid.qcow2 2M
seed "$STOCK_QEMU_IMG" create -f qcow2 -b sub/mid.qcow2 -F qcow2 -o refcount_bits=64,compression_type=zstd top.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -o compat=0.10 old.qcow2 3000k
seed "$STOCK_QEMU_IMG" create -f qcow2 -o data_file=data.raw,data_file_raw=on ext.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -o extended_l2=on,cluster_size=128k sub.qcow2 1M
seed "$STOCK_QEMU_IMG" bitmap --add top.qcow2 b0
seed "$STOCK_QEMU_IMG" bitmap --add --disable -g 32k top.qcow2 'b 1'
seed "$STOCK_QEMU_IMG" create -u -f qcow2 -b nowhere.qcow2 -F qcow2 lost.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -b 'json:{"driver":"null-co"}' -F null-co json.qcow2 1M
seed "$STOCK_QEMU_IMG" create -u -f qcow2 -b loop2.qcow2 -F qcow2 loop1.qcow2 1M
seed "$STOCK_QEMU_IMG" create -u -f qcow2 -b loop1.qcow2 -F qcow2 loop2.qcow2 1M
seeded
for f in r.raw base.qcow2 sub/mid.qcow2 top.qcow2 old.qcow2 ext.qcow2 sub.qcow2 lost.qcow2 loop1.qcow2 missing; do
    run_both info $f
    run_both info --output=json $f
    run_both info --backing-chain $f
    run_both info --output=json --backing-chain -U $f
    run_both info -f raw $f
done
run_both info json.qcow2
run_both info --image-opts driver=qcow2,file.driver=file,file.filename=top.qcow2
run_both info --image-opts --output=json driver=raw,file.filename=top.qcow2,offset=0
run_both info 'json:{"driver":"qcow2","file":{"driver":"file","filename":"top.qcow2"}}'
run_both info -f qcow2 r.raw
run_both info file:top.qcow2
finish
