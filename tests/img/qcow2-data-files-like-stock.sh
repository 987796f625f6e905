# External data files, raw and not: requests, sizes, conversions, refusals; the raw file is the disk at any time.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
filter_words() { filter_speed | filter_info | filter_node_names; }
FILTER=filter_words
image() {
    fresh
    seed "$STOCK_QEMU_IMG" create -f qcow2 -o "data_file=d.data,$1" d.qcow2 2M
    seed "$STOCK_QEMU_IO" -c 'write -P 1 0 100k' -c 'write -P 2 1M 64k' d.qcow2
    seed "$STOCK_QEMU_IMG" create -f raw other.data 2M
    seed "$STOCK_QEMU_IMG" create -f qcow2 plain.qcow2 1M
    seeded
}
# The disk as the two copies have it (relative names of data files are looked for in the working folder).
disk() {
    (cd stock && "$STOCK_QEMU_IMG" convert -O raw "$1" "$TEST_DIR/disk.stock") || fail "stock disk of $1"
    (cd ours && "$STOCK_QEMU_IMG" convert -O raw "$1" "$TEST_DIR/disk.ours") || fail "our disk of $1"
    cmp disk.stock disk.ours || fail "content of $1"
    clean "$1"
    same_stock_view "$1" info --output=json
    [ "$raw" = off ] || cmp disk.ours ours/d.data || fail "the raw data file is not the disk: $1"
}
for raw in off on; do
    image data_file_raw=$raw
    disk d.qcow2
    io_both -c 'write -P 3 60k 10k' -c 'write -z 70k 20k' -c 'write -z 1M 64k' -c 'write -zu 128k 64k' -c 'read -P 3 60k 10k' d.qcow2
    disk d.qcow2
    io_both -c 'discard 0 64k' -c 'write -c 256k 64k' -c map d.qcow2
    disk d.qcow2
    run_both resize -q d.qcow2 3M
    disk d.qcow2
    run_both resize -q --shrink d.qcow2 1500k
    disk d.qcow2
    run_both resize -q --preallocation=falloc d.qcow2 +1M
    disk d.qcow2
    run_both snapshot -c s d.qcow2
    run_both snapshot -l d.qcow2
    run_both snapshot -a s d.qcow2
    run_both snapshot -d s d.qcow2
    run_both check d.qcow2
    run_both convert -O qcow2 -m 1 d.qcow2 copy.qcow2
    same_image copy.qcow2
    run_both convert -c -O qcow2 -o data_file=c.data d.qcow2 copy2.qcow2
    run_both convert -O qcow2 -m 1 -o data_file=c.data,data_file_raw=$raw plain.qcow2 copy3.qcow2
    [ $raw = off ] || { each cmp -n 1048576 c.data /dev/zero; }
    run_both bitmap --add d.qcow2 b
    io_both -c 'write -P 5 0 512' d.qcow2
    disk d.qcow2
    run_both amend -o data_file=other.data d.qcow2
    same_stock_view d.qcow2 info --output=json
    run_both amend -o data_file= d.qcow2
    run_both amend -o data_file_raw=on d.qcow2
    run_both amend -o data_file_raw=off d.qcow2
    run_both amend -o compat=0.10 d.qcow2
    same_stock_view d.qcow2 info --output=json
    run_both amend -o data_file=d.data plain.qcow2
    run_both rebase -u -b plain.qcow2 -F qcow2 d.qcow2
    run_both measure -O qcow2 d.qcow2
    run_both measure -O qcow2 -o data_file=x --size 1M
done
image data_file_raw=on
for options in data-file.filename=d.data data-file.filename=other.data data-file.filename=missing data-file.driver=null-co,data-file.size=2M \
               data-file.driver=raw,data-file.file.filename=d.data data-file=nonsense; do
    io_both --image-opts -c 'read 0 64k' -c length "driver=qcow2,file.filename=d.qcow2,$options"
done
io_both --image-opts -c 'read 0 64k' driver=qcow2,file.filename=plain.qcow2,data-file.filename=d.data
each rm d.data
for c in 'info' 'info --output=json' check map 'snapshot -l' 'convert -O raw'; do
    run_both $c d.qcow2 ${c#convert -O raw}
done
run_both info d.qcow2
run_both resize d.qcow2 3M
io_both -c 'read 0 1' d.qcow2
finish
