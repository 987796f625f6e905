#!/bin/bash
# Ours and the stock programs keep each other out of an image in use, with the same words.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
cd "$TEST_DIR" || exit 1
[ -n "$STOCK_QEMU_IMG" ] || { echo "no stock programs to compare with"; exit 77; }
"$STOCK_QEMU_IMG" create -q -f qcow2 disk.qcow2 1M || exit 1
failed=0

# answer PROGRAM ARG...: what it says and its exit code.
answer() { timeout 10 "$@" </dev/null 2>&1 | grep -v '^disk size'; echo "exit ${PIPESTATUS[0]}"; }

# While HOLDER has the image open, both programs must get the same answer.
hold()
{
    coproc "$@" 2>/dev/null
    local pid=$COPROC_PID
    sleep 0.5
    for what in "info disk.qcow2" "check disk.qcow2" "snapshot -c a disk.qcow2" "resize disk.qcow2 2M" "info -U disk.qcow2"; do
        ours=$(answer "$QEMU_IMG" $what)
        stock=$(answer "$STOCK_QEMU_IMG" $what)
        if [ "$ours" != "$stock" ]; then
            printf 'while %s: %s\n--- stock\n%s\n--- ours\n%s\n' "$*" "$what" "$stock" "$ours"
            failed=1
        fi
    done
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

hold "$STOCK_QEMU_IO" -c "sleep 20000" disk.qcow2
hold "$QEMU_IO" -c "sleep 20000" disk.qcow2
exit $failed
