#!/bin/bash
# Options that no other test holds against stock: measure -l, convert -U beside a writer, resize --preallocation, progress of
# amend, discard-no-unref, each overlap-check part; and backing chains that lead back to themselves end with an error.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock
FILTER=filter_info

seed "$STOCK_QEMU_IMG" create -q -f qcow2 a.qcow2 8M
seed "$STOCK_QEMU_IO" -c "write -P 1 0 1M" a.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c one a.qcow2
seed "$STOCK_QEMU_IO" -c "write -P 2 2M 3M" a.qcow2
seeded

# A snapshot's size.
for what in one 1 snapshot.name=one snapshot.id=1 snapshot.id=1,snapshot.name=one nope snapshot.name=nope; do
    run_both measure -O qcow2 -f qcow2 -l $what a.qcow2
    run_both measure -O raw -f qcow2 -l $what --output=json a.qcow2
done
run_both measure -O qcow2 --image-opts -l one driver=qcow2,file.filename=a.qcow2

# Beside a writer: refused without -U, done with it.
coproc "$STOCK_QEMU_IO" ours/a.qcow2
echo "read 0 512" >&"${COPROC[1]}"
read -r _ <&"${COPROC[0]}"
(cd ours && "$QEMU_IMG" convert -f qcow2 -O raw a.qcow2 locked.raw 2>err) && fail "convert beside a writer without -U"
grep -q 'Failed to get shared "write" lock' ours/err || { fail "message of the lock"; cat ours/err; }
ours_ok convert -U -f qcow2 -O raw a.qcow2 shared.raw
ours_ok info -U a.qcow2
echo quit >&"${COPROC[1]}"
wait
same_content a.qcow2
"$STOCK_QEMU_IMG" compare -f raw -F qcow2 ours/shared.raw ours/a.qcow2 >/dev/null || fail "content of convert -U"

# Resize with each preallocation, both formats.
for mode in off metadata falloc full nonsense; do
    for fmt in qcow2 raw; do
        fresh
        seed "$STOCK_QEMU_IMG" create -q -f $fmt r.img 1M
        seed "$STOCK_QEMU_IO" -f $fmt -c "write -P 3 0 1M" r.img
        seeded
        run_both resize -f $fmt --preallocation=$mode r.img 3M
        run_both resize -f $fmt --preallocation=$mode r.img +1M
        run_both resize -f $fmt --preallocation=$mode --shrink r.img 2M
        same_content r.img -f $fmt -F $fmt
        [ $fmt = raw ] || clean r.img
    done
done

# Progress of amend ends at the same place.
for options in refcount_bits=64 compat=0.10 lazy_refcounts=on; do
    fresh
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 p.qcow2 8M
    seed "$STOCK_QEMU_IO" -c "write -P 4 0 2M" -c "write -z 2M 1M" p.qcow2
    seeded
    with_filter filter_progress run_both amend -p -f qcow2 -o $options p.qcow2
    same_image p.qcow2
done

# Each value of a repeated option must be one, also those that are replaced.
for command in "create -q -f qcow2 -o lazy_refcounts=foo,lazy_refcounts=on n.qcow2 1M" "create -q -f qcow2 -o cluster_size=7,cluster_size=64k n.qcow2 1M" \
               "convert -O qcow2 -o cluster_size=x -o cluster_size=64k p.qcow2 n.qcow2" "amend -o lazy_refcounts=bad -o lazy_refcounts=on p.qcow2" \
               "amend -o k=bad -o k=good p.qcow2" "measure -O qcow2 -o lazy_refcounts=foo,lazy_refcounts=on --size 1M"; do
    run_both $command
done

# Progress of a copy whose clusters are compressed counts whole clusters.
run_both convert -c -p -O qcow2 -o cluster_size=2M p.qcow2 n.qcow2

# discard-no-unref is ours: the guest sees zeroes, the cluster keeps its place.
fresh
seed "$STOCK_QEMU_IMG" create -q -f qcow2 d.qcow2 1M
seed "$STOCK_QEMU_IO" -c "write -P 5 0 1M" d.qcow2
seeded
before=$("$STOCK_QEMU_IMG" check --output=json ours/d.qcow2 | grep allocated-clusters)
(cd ours && "$QEMU_IO" --image-opts driver=qcow2,file.filename=d.qcow2,discard=unmap,discard-no-unref=on -c "discard 0 512k" >/dev/null) || fail "discard-no-unref"
"$STOCK_QEMU_IO" -c "read -P 0 0 512k" -c "read -P 5 512k 512k" ours/d.qcow2 | grep -q "Pattern verification failed" && fail "content after discard"
[ "$before" = "$("$STOCK_QEMU_IMG" check --output=json ours/d.qcow2 | grep allocated-clusters)" ] || fail "clusters after discard-no-unref"
clean d.qcow2
[ "$(stat -c %b ours/d.qcow2)" -lt $(($(stat -c %b stock/d.qcow2) - 900)) ] || fail "discard-no-unref keeps the blocks of the file"
"$STOCK_QEMU_IO" -c "write -P 5 0 512k" ours/d.qcow2 >/dev/null; same_content d.qcow2

# Each part of the overlap check, switched on alone and off alone, leaves good images alone.
for part in main-header active-l1 active-l2 refcount-table refcount-block snapshot-table inactive-l1 inactive-l2 bitmap-directory; do
    io_opts() { (cd ours && "$QEMU_IO" --image-opts "driver=qcow2,file.filename=d.qcow2,$1" -c "write -P 6 0 64k" >/dev/null) || fail "$1"; }
    io_opts "overlap-check.template=none,overlap-check.$part=on"
    io_opts "overlap-check.template=all,overlap-check.$part=off"
done
clean d.qcow2

# A chain that leads back to itself: an error, at once.
"$STOCK_QEMU_IMG" create -q -f qcow2 ours/x.qcow2 1M
"$STOCK_QEMU_IMG" create -q -f qcow2 -b x.qcow2 -F qcow2 ours/y.qcow2
"$STOCK_QEMU_IMG" rebase -u -b y.qcow2 -F qcow2 ours/x.qcow2
"$STOCK_QEMU_IMG" create -q -f qcow2 ours/self.qcow2 1M
"$STOCK_QEMU_IMG" rebase -u -b self.qcow2 -F qcow2 ours/self.qcow2
for image in x y self; do
    for command in check "convert -O raw" map "compare $image.qcow2" "info --backing-chain"; do
        (cd ours && timeout 20 "$QEMU_IMG" $command $image.qcow2 out.raw >/dev/null 2>&1)
        [ $? -eq 1 ] || [ "$command" = "compare $image.qcow2" ] || fail "$command of a loop"
    done
done
finish
