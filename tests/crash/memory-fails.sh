#!/bin/bash
# With an allocation of memory failing (those that may fail, of any size) in any operation on an image, the caller is told, nothing
# crashes, no memory is lost and the image stays good: one at each of 880 places in the code.  FAILURES=3: so many large ones in each run
# instead, 0: each.
# SPDX-License-Identifier: GPL-2.0-or-later
if [ -n "${UNDER_SANITIZER:-}" ]; then
    echo "sanitizers have the allocator"
    exit 77
fi
export G_SLICE=always-malloc           # blocks are counted
# Each one of these: a stream whose header cannot be written can be tried again.
"$BUILD_DIR/tests/crash/faults" -a -s 7 -R 1 -m 0 -n 16 -g 64k -c jobs || exit 1
if [ -n "${FAILURES:-}" ]; then
    exec "$BUILD_DIR/tests/crash/faults" -a -s "${SEED:-1}" -R "${RUNS:-1}" -m "$FAILURES" -n "${STEPS:-6}"
fi
exec "$BUILD_DIR/tests/crash/faults" -a -p -s "${SEED:-1}" -R "${RUNS:-1}" -n "${STEPS:-24}"
