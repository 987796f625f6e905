# bitmap: every action, alone and in a row, merging within and between files, wrong names and formats; then the bits.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
filter_words() { filter_info | filter_node_names; }
FILTER=filter_words
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 10M
seed cp a.qcow2 src.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add -g 32k src.qcow2 s0
seed "$STOCK_QEMU_IO" -c 'write 1M 100k' -c 'write 5M 1' src.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add src.qcow2 s1
seed "$STOCK_QEMU_IMG" create -f qcow2 -o compat=0.10 old.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 small.qcow2 1M
seed "$STOCK_QEMU_IMG" bitmap --add small.qcow2 s0
seed "$STOCK_QEMU_IMG" create -f qcow2 -o data_file=ext.data,data_file_raw=on ext.qcow2 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -o extended_l2=on sub.qcow2 1M
seeded
# One call on a.qcow2 and what it leaves: the list by info, and that stock's check is content.
step() {
    run_both bitmap "$@"
    same_stock_view "${image:-a.qcow2}" info --output=json
    clean "${image:-a.qcow2}"
}
# The bits of a bitmap in both copies, written out by a conversion with --bitmaps and a merge into a fresh one by stock.
same_bits() {
    local dir
    for dir in stock ours; do
        "$STOCK_QEMU_IMG" convert -q --bitmaps --skip-broken-bitmaps -O qcow2 "$dir/$1" "bits.$dir"
        python3 - "bits.$dir" >"bits.$dir.txt" <<'PY'
import json, struct, sys
raw = open(sys.argv[1], "rb").read()
bits = struct.unpack_from(">I", raw, 20)[0]
at = struct.unpack_from(">I", raw, 100)[0]
while at < len(raw):
    magic, length = struct.unpack_from(">II", raw, at)
    if magic == 0x23852875:
        count, _, size, offset = struct.unpack_from(">IIQQ", raw, at + 8)
        for _ in range(count):
            table, entries, flags, kind, gran, name_len, extra = struct.unpack_from(">QIIBBHI", raw, offset)
            name = raw[offset + 24 + extra:offset + 24 + extra + name_len].decode()
            data = []
            for i in range(entries):
                e = struct.unpack_from(">Q", raw, table + 8 * i)[0]
                place = e & 0x00fffffffffffe00
                piece = raw[place:place + (1 << bits)] if place else (b"\xff" if e & 1 else b"\0") * (1 << bits)
                data += [i * len(piece) + k for k, b in enumerate(piece) for _ in [0] if b] if i == 0 else []
                data += [bytes(piece).hex().rstrip("0")]
            print(name, flags, gran, data)
            offset = (offset + 24 + extra + name_len + 7) // 8 * 8
    if magic == 0:
        break
    at += 8 + (length + 7) // 8 * 8
PY
    done
    cmp -s bits.stock.txt bits.ours.txt || { fail "bits of $1"; diff bits.stock.txt bits.ours.txt | cut -c -200 | head; }
}
step --add a.qcow2 b0
step --add -g 1M a.qcow2 b1
step --add --granularity 512 --disable a.qcow2 b2
step --add a.qcow2 b0
step --add a.qcow2 ''
step --add -g 511 a.qcow2 x
step --add -g 8G a.qcow2 x
step --add -g 3000 a.qcow2 x
step --add -g 0 a.qcow2 x
step --add -g nonsense a.qcow2 x
step --add a.qcow2 "$(printf 'n%.0s' $(seq 1023))"
step --remove a.qcow2 "$(printf 'n%.0s' $(seq 1023))"
step --add a.qcow2 "$(printf 'n%.0s' $(seq 1024))"
each "$STOCK_QEMU_IO" -c 'write 0 1' -c 'write 3M 2M' -c 'write 9M 1M' a.qcow2
same_bits a.qcow2
step --disable a.qcow2 b1
each "$STOCK_QEMU_IO" -c 'write 6M 1' a.qcow2
same_bits a.qcow2
step --enable a.qcow2 b1
step --enable a.qcow2 b1
step --merge b0 a.qcow2 b2
same_bits a.qcow2
step --merge b2 a.qcow2 b1
same_bits a.qcow2
step --merge s0 -b src.qcow2 -F qcow2 a.qcow2 b2
step --merge s0 -b src.qcow2 -F raw a.qcow2 b2
step --merge s0 --source-file src.qcow2 --source-format qcow2 a.qcow2 b1
step --merge s0 --merge s1 -b src.qcow2 a.qcow2 b0
same_bits a.qcow2
step --merge nonsense -b src.qcow2 a.qcow2 b0
step --merge s0 -b small.qcow2 a.qcow2 b0
step --merge b0 a.qcow2 b0
step --clear a.qcow2 b1
same_bits a.qcow2
step --clear --merge b0 --disable a.qcow2 b1
same_bits a.qcow2
step --add --clear --disable --enable --remove a.qcow2 fleeting
step --remove --add -g 64k --merge b0 a.qcow2 b2
same_bits a.qcow2
step --clear --remove --clear a.qcow2 b2
step --remove a.qcow2 b2
step --remove a.qcow2 b2
step --enable a.qcow2 nonsense
step --disable a.qcow2 nonsense
step --clear a.qcow2 nonsense
step --merge b0 a.qcow2 nonsense
step a.qcow2 b0
step -b src.qcow2 --add a.qcow2 y
step -F qcow2 --merge b1 a.qcow2 b0
step -g 64k --clear a.qcow2 b0
step --add a.qcow2
step --add a.qcow2 y z
step --add -f raw a.qcow2 y
step --add -f qcow2 a.qcow2 y
step --add --image-opts driver=qcow2,file.filename=a.qcow2 z
step --add --image-opts -f qcow2 a.qcow2 q
step --add missing q
step --merge s0 -b missing a.qcow2 b0
image=old.qcow2 step --add old.qcow2 b
run_both bitmap --add ext.qcow2 b
run_both bitmap --disable ext.qcow2 b
same_stock_view ext.qcow2 info --output=json
clean ext.qcow2
image=sub.qcow2 step --add sub.qcow2 b
run_both bitmap --add -f raw r.raw b
step --remove a.qcow2 b0
step --remove a.qcow2 b1
for name in y z; do step --remove a.qcow2 $name; done
# An image that was not closed cleanly: its bitmap is inconsistent.
each "$STOCK_QEMU_IMG" bitmap --add a.qcow2 torn
each "$STOCK_QEMU_IMG" bitmap --add --disable a.qcow2 whole
for dir in stock ours; do
    (cd "$TEST_DIR/$dir" && "$STOCK_QEMU_IO" -c 'write 0 64k' -c 'abort' a.qcow2) >/dev/null 2>&1
done
run_both info a.qcow2
run_both check a.qcow2
for action in --clear --enable --disable '--merge whole' '--add'; do
    run_both bitmap $action a.qcow2 torn
done
run_both bitmap --merge torn a.qcow2 whole
for options in '--bitmaps' '--bitmaps --skip-broken-bitmaps' '--skip-broken-bitmaps'; do
    run_both convert -O qcow2 $options a.qcow2 copy.qcow2
    [ "$options" = '--skip-broken-bitmaps' ] || same_stock_view copy.qcow2 info --output=json
done
run_both convert -O raw --bitmaps a.qcow2 copy.raw
step --remove a.qcow2 torn
finish
