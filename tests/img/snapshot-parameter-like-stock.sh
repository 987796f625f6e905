# -l of convert, dd and measure: id, name, both, one word; wrong ones; snapshot's own options; info and progress with snapshots.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
seed "$STOCK_QEMU_IMG" create -f qcow2 d 1M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 64k' d
seed "$STOCK_QEMU_IMG" snapshot -c one d
seed "$STOCK_QEMU_IO" -c 'write -P 2 0 64k' d
seed "$STOCK_QEMU_IMG" snapshot -c two d
seed "$STOCK_QEMU_IMG" snapshot -c 1 d
seed "$STOCK_QEMU_IMG" create -f raw r 1M
seeded
for word in one 1 2 3 two x '' snapshot.id=1 snapshot.name=one snapshot.id=1,snapshot.name=one snapshot.id=1,snapshot.name=two \
            snapshot.id=9 snapshot.name=1 snapshot.foo=1 snapshot. snapshot.id= snapshot.name=two,snapshot.name=one \
            snapshotid=1 snapshot.id=1,x=3; do
    run_both convert -l "$word" -O raw d new
    [ -f stock/new ] && same_content new -f raw -F raw
    rm -f stock/new ours/new
    run_both convert -U -O qcow2 -l "$word" d new
    [ -f stock/new ] && same_image new
    rm -f stock/new ours/new
    run_both measure -l "$word" -O qcow2 d
    run_both dd -l "$word" if=d of=new
    run_both compare -l "$word" d d
    run_both map -l "$word" d
    run_both info -l "$word" d
    rm -f stock/new ours/new
done
run_both convert -l one r new
run_both convert -l one d r new
run_both convert -l one -l two d new
run_both convert -p -l one d new
run_both convert -p d new
run_both convert -l one --image-opts driver=qcow2,file.filename=d new
run_both convert -l one -f raw d new
run_both convert -s one d new
for output in human json; do
    run_both info --output=$output d
    run_both info --output=$output --backing-chain d
    run_both info --output=$output --image-opts driver=qcow2,file.filename=d
    run_both info --output=$output -U d
done
secret='secret,id=s,data=x'
for options in '-l' '-q -l' '-l -q' '-U -l' '-U' '-q' "--object $secret -l" '--object nonsense -l' '-l -l' '-c' '-a' '-d' '-c x -l' \
               '-a one -d one' '-U -a one' '-U -c y' '-U -d y' '-q -c y' '-q -d y' '-q -d y' '-q -a y' '-a 2' '-a 9' '-x' \
               '--image-opts -l' '--object' '-l -f qcow2' '-l extra'; do
    run_both snapshot $options d
done
run_both snapshot
run_both snapshot -l
run_both snapshot -l d d
run_both snapshot -l missing
run_both snapshot -c "$(printf 'x%.0s' $(seq 300))" d
run_both snapshot -l d
run_both snapshot -U -l --image-opts driver=qcow2,force-share=on,file.filename=d
same_image d
finish
