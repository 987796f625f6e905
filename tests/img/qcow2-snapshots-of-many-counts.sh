# Snapshots of an image whose changed counts are more than what is held in memory at once: taken, applied and deleted (one, many), the
# stock check finds nothing, content is what it was.  Also: what is asked of snapshots that are not there.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seeded
img=$TEST_DIR/ours/many
# 64-bit counts: a block of them counts 512 MiB; 20 GiB of mapped clusters that take no room.
"$QEMU_IMG" create -q -f qcow2 -o refcount_bits=64,preallocation=metadata "$img" 20G || fail create
writes() { local args=() i; for i in $(seq 0 39); do args+=(-c "write -q -P $(($1 + i)) $((i * 512 + 100))M 64k"); done; "$QEMU_IO" "${args[@]}" "$img" || fail "write"; }
reads() { local args=() i; for i in $(seq 0 39); do args+=(-c "read -q -P $(($1 + i)) $((i * 512 + 100))M 64k"); done; "$QEMU_IO" -r "${args[@]}" "$img" >"$TEST_DIR/log" 2>&1 && [ ! -s "$TEST_DIR/log" ] || fail "content $1: $(head -n 3 "$TEST_DIR/log")"; }
good() { "$STOCK_QEMU_IMG" check -q "$img" || fail "check after $1"; "$QEMU_IMG" check -q "$img" || fail "own check after $1"; }
snapshot() { "$QEMU_IMG" snapshot "$@" "$img" || fail "snapshot $*"; }
writes 1
snapshot -c a
writes 41
snapshot -c b
writes 81
snapshot -c c
good create
for step in "a 1" "c 81" "b 41"; do
    snapshot -a "${step% *}"
    reads "${step#* }"
done
good apply
writes 121
snapshot -d b
reads 121
snapshot -d a
good delete
[ "$("$QEMU_IMG" snapshot -l "$img" | wc -l)" = 3 ] || fail "not one snapshot is left"
snapshot -a c
reads 81
snapshot -d c
good "the last delete"
# A leak would be space in use: all that is left is one data cluster for each of the guest's, and tables.
cp --sparse=always "$img" "$TEST_DIR/ours/copy" && "$QEMU_IMG" snapshot -c before "$TEST_DIR/ours/copy" || fail "copy"
said() {
    local want=$1 out
    shift
    out=$("$QEMU_IMG" snapshot "$@" 2>&1) && fail "$* does not fail"
    [ "$out" = "qemu-img: $want" ] || fail "$*: $out, not $want"
}
long=$(printf '%300s' | tr ' ' n)
"$QEMU_IMG" create -q -f qcow2 -o data_file="$TEST_DIR/ours/d" "$TEST_DIR/ours/e" 1M
"$QEMU_IMG" create -q -f raw "$TEST_DIR/ours/raw" 1M
for name in nothing 77 "$long"; do
    said "Can't find snapshot '$name'" --diff "$name" "$TEST_DIR/ours/copy"
    said "Can't find snapshot '$name'" --diff before "$name" "$TEST_DIR/ours/copy"
    said "Could not delete snapshot '$name': snapshot not found" -d "$name" "$TEST_DIR/ours/copy"
done
said "Can't find snapshot 'befroe'
Did you mean 'before'?" --diff befroe "$TEST_DIR/ours/copy"
said "Could not create snapshot 'y': -95 (Operation not supported)" -c y "$TEST_DIR/ours/e"
for image in e raw; do
    said "Failed to get a snapshot list: Operation not supported" --diff x "$TEST_DIR/ours/$image"
done
finish
