#!/bin/bash
# With a large allocation of memory failing (those that a size from a disk can reach) in any operation on an image, the caller is told,
# nothing crashes, no memory is lost and the image stays good: 200 failures; FAILURES=0: each allocation of each operation in turn.
# SPDX-License-Identifier: GPL-2.0-or-later
if [ -n "${UNDER_SANITIZER:-}" ]; then
    echo "sanitizers have the allocator"
    exit 77
fi
export G_SLICE=always-malloc           # blocks are counted
exec "$BUILD_DIR/tests/crash/faults" -a -s "${SEED:-1}" -R "${RUNS:-1}" -m "${FAILURES:-3}" -n "${STEPS:-6}"
