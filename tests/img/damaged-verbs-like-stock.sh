# Verbs on damaged images: applying snapshots of impossible sizes, counts that call structures free, a bitmaps bit without
# bitmaps, inconsistent bitmaps, the corrupt bit, failing writes at close: texts, exit codes and images are stock's.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock

# poke FILE NAME=VALUE...: set header fields; zero-counts empties the first block, size.NAME the size of the first snapshot.
poke() {
    PYTHONPATH="$TEST_SRC/img" python3 - "$@" <<'END'
import sys
from qcow2image import Image
name = sys.argv[1]
with open(name, "rb") as f:
    image = Image(f.read())
for change in sys.argv[2:]:
    field, _, value = change.partition("=")
    if field == "zero-counts":
        at = image.block_offset()
        image.data[at:at + image.cluster] = bytes(image.cluster)
    elif field == "snapshot-size":
        image.set_u64(image.field("snapshots_offset") + 48, int(value))
    else:
        image.set_field(field, int(value))
image.save(name)
END
}
make() { seed "$STOCK_QEMU_IMG" create -q -f qcow2 ${2:+-o "$2"} "$1" 4M; seed "$STOCK_QEMU_IO" -c 'write -P 1 0 128k' -c 'write -P 2 1M 64k' "$1"; }
# Places in the file are each program's own.
filter_place() { filter_info | filter_speed | filter_node_names | sed 's/, "offset": [0-9]*//' | grep -v '^Image end offset' || true; }
FILTER=filter_place

# A snapshot says which size the image gets.
for version in 1.1 0.10; do
    fresh
    make base.qcow2 compat=$version
    seed "$STOCK_QEMU_IMG" snapshot -c s1 base.qcow2
    for size in -1 9223372036854775296 4611686018427387904 72057594037927936 1 513 0 1048576 536870912; do
        (cd stock && cp base.qcow2 a.qcow2 && poke a.qcow2 snapshot-size=$size)
        seeded
        run_both snapshot -a s1 a.qcow2
        run_both info --output=json a.qcow2
        same_stock_view a.qcow2 check
    done
done

# Counts that are all zero.
fresh
make base.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c s1 base.qcow2
(cd stock && poke base.qcow2 zero-counts)
for verb in "snapshot -c new" "resize --shrink"; do
    (cd stock && cp base.qcow2 a.qcow2)
    seeded
    case $verb in resize*) run_both $verb a.qcow2 1M ;; *) run_both $verb a.qcow2 ;; esac
done

# The bit that says that there are bitmaps, and none.
fresh
make base.qcow2
(cd stock && poke base.qcow2 autoclear=1)
for verb in "write 2M 64k" "write 0 64k" "write -c 2M 64k"; do
    (cd stock && cp base.qcow2 a.qcow2)
    seeded
    io_both -c "$verb" -c "read 0 64k" a.qcow2
    run_both info --output=json a.qcow2
done
seeded
run_both snapshot -c new base.qcow2
run_both check base.qcow2

# Bitmaps that were in use.
fresh
make a.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add a.qcow2 b0
seed "$STOCK_QEMU_IMG" bitmap --add -g 4k a.qcow2 b1
bash -c 'cd stock && "$0" -c "write 0 4k" -c "sigraise 9" a.qcow2; true' "$STOCK_QEMU_IO" >/dev/null 2>&1
seeded
run_both resize a.qcow2 8M
run_both resize --shrink a.qcow2 1M
run_both measure -O qcow2 a.qcow2
run_both bitmap --remove a.qcow2 b0
run_both resize a.qcow2 8M
run_both bitmap --remove a.qcow2 b1
run_both resize a.qcow2 8M

# An overlay of a corrupt image commits; the image itself is not opened for writing.
fresh
make base.qcow2
seed "$STOCK_QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 top.qcow2
(cd stock && poke base.qcow2 incompatible=2)
seed "$STOCK_QEMU_IO" -c 'write -P 9 64k 128k' -c 'write -z 2M 128k' -c 'write -P 9 3M 4k' top.qcow2
seeded
io_both -c 'write 0 512' base.qcow2
run_both commit top.qcow2
run_both map --output=json base.qcow2
same_content base.qcow2

# What a failing disk says at the end.
fresh
make base.qcow2
for once in on off; do
    printf '[inject-error]\nevent = "cluster_alloc"\nerrno = "28"\nonce = "%s"\n' $once >stock/rules.$once
done
for once in on off; do
    (cd stock && cp base.qcow2 a.qcow2)
    seeded
    io_both -c 'write 2M 64k' -c 'write 3M 64k' blkdebug:rules.$once:a.qcow2
done

# Options of filters in the order of stock.
rules='"inject-error": [{"event": "l2_load", "errno": 5}], "set-state": [{"event": "read_aio", "state": 1, "new_state": 2}]'
with_filter filter_info run_both info "json:{\"driver\": \"qcow2\", \"file\": {\"driver\": \"blkdebug\", \"image\": {\"driver\": \"file\", \"filename\": \"a.qcow2\"}, $rules}}"
finish
