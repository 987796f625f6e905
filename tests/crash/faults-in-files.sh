#!/bin/bash
# On files: transfers that move less than asked (threads, io_uring, Linux AIO) are continued and no operation fails, nor where a ring is refused; where a system
# call fails (EIO, ENOSPC, once or for good) the caller is told the cause, and the images stay good.  FAULTS=0: each call in turn.
# SPDX-License-Identifier: GPL-2.0-or-later
export G_SLICE=always-malloc TMPDIR="$TEST_DIR"
faults="$BUILD_DIR/tests/crash/faults"
few=2                                   # the first engine has four kinds of fault, the others one
for engine in threads io_uring native; do
    "$BUILD_DIR/qemu-io" -i "$engine" -t none -c quit -f raw "$0" -r >/dev/null 2>&1 || { echo "no aio=$engine here"; continue; }
    "$faults" -f "$engine" -s "${SEED:-1}" -R "${RUNS:-1}" -m "${FAULTS:-$few}" || exit 1
    few=1
done
