# snapshot -l -c -a -d: output, exit codes and every snapshot's content as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_hint
seed "$STOCK_QEMU_IMG" create -f qcow2 d.qcow2 4M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1M' d.qcow2
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1M
seeded
snapshots() {
    run_both snapshot -l d.qcow2
    run_both snapshot -c one d.qcow2
    each "$STOCK_QEMU_IO" -c 'write -P 2 512k 1M' -c 'write -z 2M 64k' d.qcow2
    run_both snapshot -c 'two with a rather long name' d.qcow2
    each "$STOCK_QEMU_IO" -c 'write -P 3 0 64k' d.qcow2
    run_both snapshot -c one d.qcow2
    run_both snapshot -c '' d.qcow2
    run_both snapshot -l d.qcow2
    run_both snapshot -q -l d.qcow2
    run_both snapshot -U -l d.qcow2
    run_both snapshot d.qcow2
    same_image d.qcow2
    run_both snapshot -a 2 d.qcow2
    same_image d.qcow2
    run_both snapshot -a one d.qcow2
    same_image d.qcow2
    run_both snapshot -d one d.qcow2
    run_both snapshot -l d.qcow2
    run_both snapshot -a one d.qcow2
    same_image d.qcow2
    run_both snapshot -d one d.qcow2
    run_both snapshot -d one d.qcow2
    run_both snapshot -a one d.qcow2
    run_both snapshot -a '' d.qcow2
    run_both snapshot -d 2 d.qcow2
    run_both snapshot -l d.qcow2
    same_image d.qcow2
}
snapshots
run_both snapshot -l -c x d.qcow2
run_both snapshot -U -c x d.qcow2
run_both snapshot --image-opts -l driver=qcow2,file.filename=d.qcow2
run_both snapshot -c x --image-opts driver=raw,file.filename=r.raw
run_both snapshot -l r.raw
run_both snapshot -d x r.raw
finish
