# rebase: safe and unsafe, to another file, to none, longer and shorter ones; content is kept, the header says what stock's says.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
chain() {
    fresh
    seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 2M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1M' base.qcow2
    seed cp base.qcow2 other.qcow2
    seed "$STOCK_QEMU_IO" -c 'write -P 9 512k 64k' -c 'write -P 8 1500k 100k' other.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 short.qcow2 1000k
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1000k' short.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 zero.qcow2 0
    seed "$STOCK_QEMU_IMG" create -f raw raw.img 2M
    seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 0 3k' raw.img
    seed "$STOCK_QEMU_IMG" create -f qcow2 -b base.qcow2 -F qcow2 mid.qcow2
    seed "$STOCK_QEMU_IO" -c 'write -P 2 256k 300k' -c 'write -z 900k 64k' mid.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 -b mid.qcow2 -F qcow2 "$@" top.qcow2 ${top_size:-}
    seed "$STOCK_QEMU_IO" -c 'write -P 3 400k 65537' -c 'write -z 0 64k' -c 'discard 64k 64k' top.qcow2
    seeded
}
step() {
    (cd ours && "$STOCK_QEMU_IMG" convert -O raw top.qcow2 before.raw)
    run_both rebase "$@" top.qcow2
    same_stock_view top.qcow2 info --output=json
    # What need not be copied may be; what must not be lost is content.
    case "$*" in
    *missing*) ;;
    # Stock takes a base in another format for the one in the chain, and loses data.
    *'-F raw'*) (cd ours && "$STOCK_QEMU_IMG" compare -q top.qcow2 before.raw) || fail "rebase $*: content" ;;
    *) same_image top.qcow2 ;;
    esac
}
for options in '-b base.qcow2 -F qcow2' '-b other.qcow2 -F qcow2' '-b short.qcow2 -F qcow2' '-b zero.qcow2 -F qcow2' \
               '-b raw.img -F raw' '-b mid.qcow2 -F qcow2' '-b top.qcow2 -F qcow2' '-b missing -F qcow2' '-b base.qcow2' \
               '-b base.qcow2 -F nonsense' '-b base.qcow2 -F raw' '-u -b base.qcow2 -F qcow2' '-u -b missing -F qcow2' \
               '-u -b missing' '-u' '-b base.qcow2 -F qcow2 -T none -t none' '-b base.qcow2 -F qcow2 -t nonsense' \
               '-b base.qcow2 -F qcow2 -T nonsense' '-q -b base.qcow2 -F qcow2' '-U -b base.qcow2 -F qcow2' \
               '-f qcow2 -b base.qcow2 -F qcow2' '-f raw -b base.qcow2 -F qcow2' ''; do
    chain
    step $options
done
chain
step -b ''
chain
step -u -b ''
chain
run_both rebase -p -b other.qcow2 -F qcow2 top.qcow2
same_image top.qcow2
top_size=3M chain
step -b short.qcow2 -F qcow2
step -b ''
step -b other.qcow2 -F qcow2
top_size=1M chain
step -b other.qcow2 -F qcow2
chain -o cluster_size=4k
step -b other.qcow2 -F qcow2
chain -o extended_l2=on
step -b other.qcow2 -F qcow2
step -b ''
chain
run_both rebase -b base.qcow2 -F qcow2 raw.img
run_both rebase -f raw -b base.qcow2 -F qcow2 raw.img
run_both rebase -b "$(printf 'n%.0s' $(seq 1100))" -u -F qcow2 top.qcow2
run_both rebase -b base.qcow2 -F qcow2 --image-opts driver=qcow2,file.filename=top.qcow2
run_both rebase -b base.qcow2 -F qcow2 --image-opts -f qcow2 top.qcow2
run_both rebase -b base.qcow2 -F qcow2 missing
# The directory of the new name is that of the image.
each mkdir -p sub
each cp top.qcow2 sub/top.qcow2
run_both rebase -u -b ../base.qcow2 -F qcow2 sub/top.qcow2
run_both rebase -b ../other.qcow2 -F qcow2 sub/top.qcow2
same_image sub/top.qcow2
finish
