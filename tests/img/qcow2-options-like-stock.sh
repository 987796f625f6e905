# qcow2 runtime options: cache sizes, cleaning interval, overlap templates, discards, lazy counts: accepted, refused and in effect alike.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 64M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1M' -c 'write -P 2 40M 100k' a.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -o lazy_refcounts=on,cluster_size=4k lazy.qcow2 16M
seed "$STOCK_QEMU_IMG" create -f qcow2 -o compat=0.10 old.qcow2 16M
seeded
with_options() { io_both --image-opts -c 'read -P 1 0 64k' -c 'write -P 5 2M 64k' "driver=qcow2,file.filename=a.qcow2$1"; }
filter_io() { filter_speed | filter_disk_size; }
FILTER=filter_io
for options in '' ,l2-cache-size=64k ,l2-cache-size=1 ,l2-cache-size=0 ,l2-cache-size=1G ,l2-cache-size=nonsense ,refcount-cache-size=256k \
    ,refcount-cache-size=1 ,cache-size=1M ,cache-size=1 ,cache-size=1M,l2-cache-size=2M ,cache-size=1M,l2-cache-size=512k,refcount-cache-size=512k \
    ,cache-size=1M,l2-cache-size=512k ,cache-size=1M,refcount-cache-size=2M ,l2-cache-entry-size=4k ,l2-cache-entry-size=512 \
    ,l2-cache-entry-size=100 ,l2-cache-entry-size=128k ,l2-cache-entry-size=64k ,cache-clean-interval=1 ,cache-clean-interval=0 \
    ,cache-clean-interval=nonsense ,cache-clean-interval=5000000000 ,overlap-check=none ,overlap-check=constant ,overlap-check=cached \
    ,overlap-check=all ,overlap-check=nonsense ,overlap-check.template=all ,overlap-check.template=none,overlap-check.active-l1=on \
    ,overlap-check=all,overlap-check.template=none ,overlap-check.main-header=off ,overlap-check.bitmap-directory=on \
    ,overlap-check.inactive-l2=on ,overlap-check.nonsense=on ,overlap-check.active-l2=nonsense ,pass-discard-request=on \
    ,pass-discard-snapshot=off ,pass-discard-other=on ,pass-discard-request=nonsense ,lazy-refcounts=on ,lazy-refcounts=off \
    ,lazy-refcounts=nonsense ,encrypt.format=luks ,data-file.filename=r ,backing=nonsense ,backing.driver=null-co ,nonsense=1; do
    with_options "$options"
done
io_both --image-opts -c 'write 0 64k' driver=qcow2,file.filename=old.qcow2,lazy-refcounts=on
io_both --image-opts -c 'write 0 64k' driver=qcow2,file.filename=lazy.qcow2,lazy-refcounts=off
io_both --image-opts -c 'discard 0 64k' driver=qcow2,file.filename=lazy.qcow2,discard=unmap
# Each part of the overlap check stops a write into its structure, and nothing else does.
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
damaged() {
    fresh
    seed "$STOCK_QEMU_IMG" create -f qcow2 d.qcow2 4M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 64k' d.qcow2
    seed "$STOCK_QEMU_IMG" bitmap --add d.qcow2 b
    seed "$STOCK_QEMU_IMG" snapshot -c s d.qcow2
    seed "$STOCK_QEMU_IO" -c 'write -P 2 64k 64k' d.qcow2
    # The refcount block says that the structures' clusters are free: new clusters go over them.
    (cd stock && for i in $1; do poke d.qcow2 $((0x20000 + 2 * i)) '\0\0'; done)
    seeded
}
for template in none constant cached all; do
    for free in '0' '1' '2' '3' '4' '5 6 7' '8 9 10'; do
        # (with no check at all stock writes over its header; we do not)
        [ "$template$free" != none0 ] || continue
        damaged "$free"
        io_both --image-opts -c 'write -P 3 1M 64k' -c 'write -P 4 2M 64k' "driver=qcow2,file.filename=d.qcow2,overlap-check=$template"
        in_dir stock s "$STOCK_QEMU_IMG" info d.qcow2
        in_dir ours o "$STOCK_QEMU_IMG" info d.qcow2
        [ "$(grep -c 'corrupt: true' s.out)" = "$(grep -c 'corrupt: true' o.out)" ] || fail "$template, $free free: corrupt bit"
    done
done
# An image that was not closed cleanly is repaired when it is opened to be written.
for dir in stock ours; do
    fresh_dirty() { (cd "$TEST_DIR/$dir" && "$STOCK_QEMU_IMG" create -q -f qcow2 -o lazy_refcounts=on dirty.qcow2 4M &&
                     "$STOCK_QEMU_IO" -c 'write 0 1M' -c flush -c abort dirty.qcow2) >/dev/null 2>&1; }
    fresh_dirty
done
run_both info dirty.qcow2
run_both check dirty.qcow2
io_both -r -c 'read 0 1M' dirty.qcow2
run_both info dirty.qcow2
io_both -c 'read 0 1M' dirty.qcow2
run_both info dirty.qcow2
run_both check dirty.qcow2
clean dirty.qcow2
finish
