#!/bin/bash
# A first write after a snapshot is answered before its cluster is in the file; when the file then cannot grow, the program that
# wrote says so and exits with 1, as it did when each write was carried out at once.
# SPDX-License-Identifier: GPL-2.0-or-later
set -e
cd "$TEST_DIR"
"$QEMU_IMG" create -q -f qcow2 base.qcow2 64M
"$QEMU_IO" -c "write -P 1 0 4M" base.qcow2 >/dev/null
"$QEMU_IMG" snapshot -c s base.qcow2
"$QEMU_IMG" create -q -f raw source.raw 64M
writes=()
for i in 0 1 2 3 4 5; do
    "$QEMU_IO" -f raw -c "write -P 3 $((i * 512))k 4k" source.raw >/dev/null
    writes+=(-c "write -P 3 $((i * 512))k 4k")
done
trap '' XFSZ
limited() {
    cp base.qcow2 a.qcow2
    code=0
    (ulimit -f $(($(stat -c %s base.qcow2) / 1024)); exec "$@") >out 2>&1 || code=$?
    [ "$code" = 1 ] && grep -q "$expect" out || { echo "exit code $code: $*"; cat out; exit 1; }
    "$QEMU_IMG" check -q a.qcow2 || [ $? = 3 ]
    "$QEMU_IO" -r -c "read -P 1 3M 1M" a.qcow2 >read.out && ! grep -q failed read.out
}
expect="error while writing.*File too large" limited "$QEMU_IMG" convert -n --target-is-zero -f raw -O qcow2 source.raw a.qcow2
expect="write failed: File too large" limited "$QEMU_IO" -t writeback "${writes[@]}" a.qcow2
expect="write failed: File too large" limited "$QEMU_IO" -t writeback "${writes[@]}" -c close a.qcow2
expect="Failed request: File too large" limited "$QEMU_IMG" bench -w -t writeback -c 40 -S 65536 a.qcow2
