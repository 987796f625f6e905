# dd: block sizes, counts, skips, formats, sources shorter than asked, unknown and malformed operands.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 300k' -c 'write -P 2 700k 1k' a.qcow2
seed sh -c 'printf "%1777s" abc > odd'
seed touch empty
seed "$STOCK_QEMU_IMG" create -f qcow2 -b a.qcow2 -F qcow2 over.qcow2
seeded
# dd OPERANDS to out, which is raw or (fmt) another format.
step() {
    each rm -f out
    run_both dd "$@" of=out
    [ -e stock/out ] || return 0
    "$STOCK_QEMU_IMG" compare -f "${fmt:-raw}" -F "${fmt:-raw}" stock/out ours/out >log 2>&1 || { fail "dd $*: content"; cat log; }
    # (how many of the zeroes are written is not the subject)
    [ "${fmt:-raw}" != raw ] || [ "$(stat -c %s stock/out)" = "$(stat -c %s ours/out)" ] || fail "dd $*: size"
}
for blocks in '' 'bs=512' 'bs=1' 'bs=1M' 'bs=2M' 'bs=64k count=3' 'bs=64k count=0' 'bs=1k skip=100' 'bs=64k skip=5 count=100' \
              'bs=1M skip=1' 'skip=3000' 'count=5' 'bs=3000 count=7 skip=11' 'bs=1G' 'bs=100' 'count=2k'; do
    [ "$blocks" = bs=1 ] || step $blocks if=a.qcow2
    step $blocks -f raw if=odd
done
step -f raw if=empty
step if=over.qcow2 bs=64k
step -U if=a.qcow2
step -f raw if=a.qcow2
step -f raw if=a.qcow2 count=1
fmt=qcow2 step -O qcow2 if=a.qcow2 bs=64k
fmt=qcow2 step -O qcow2 if=a.qcow2 bs=64k skip=2 count=3
fmt=qcow2 step -O qcow2 -f raw if=odd
step --image-opts if=driver=qcow2,file.filename=a.qcow2
for wrong in 'bs=0' 'bs=-1' 'bs=nonsense' 'bs=' 'count=-1' 'count=nonsense' 'skip=nonsense' 'skip=-1' 'isize=1' 'osize=2' 'nonsense=1' \
             'nonsense' 'bs=9E' 'conv=notrunc' 'bs=1 bs=2' 'if=missing' 'bs=3G'; do
    step if=a.qcow2 $wrong
done
step
step -O nonsense if=a.qcow2
step -O null-co if=a.qcow2
step -f nonsense if=a.qcow2
step --image-opts -f qcow2 if=a.qcow2
run_both dd if=a.qcow2
run_both dd if=a.qcow2 of=missing/out
# The target exists already.
for dir in stock ours; do printf '%5000s' x >"$TEST_DIR/$dir/there"; done
run_both dd -f raw if=odd of=there
cmp stock/there ours/there || fail "existing target"
run_both dd -f qcow2 -O qcow2 if=a.qcow2 of=there bs=64k
finish
