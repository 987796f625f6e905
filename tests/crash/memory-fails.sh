#!/bin/bash
# With a large allocation of memory failing (those that a size from a disk can reach) in any operation on an image, the caller is told,
# nothing crashes, no memory is lost and the image stays good: 200 failures; FAILURES=0: each allocation of each operation in turn.
# SPDX-License-Identifier: GPL-2.0-or-later
if [ -n "${UNDER_SANITIZER:-}" ]; then
    echo "sanitizers have the allocator"
    exit 77
fi
export G_SLICE=always-malloc           # blocks are counted
# Each one of these: a stream whose header cannot be written can be tried again.
"$BUILD_DIR/tests/crash/faults" -a -s 7 -R 1 -m 0 -n 16 -g 64k -c jobs || exit 1
# Small ones that the code tries for, too, one at each place.
"$BUILD_DIR/tests/crash/faults" -a -p -s "${SEED:-1}" || exit 1
exec "$BUILD_DIR/tests/crash/faults" -a -s "${SEED:-1}" -R "${RUNS:-1}" -m "${FAILURES:-3}" -n "${STEPS:-6}"
