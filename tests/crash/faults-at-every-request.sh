#!/bin/bash
# With a request to the disk failing (EIO or ENOSPC, once or for good) or being late during any operation, the caller is told, nothing
# hangs, and the images stay good: one at each of 1,400 places in the code.  FAULTS=12: so many in each run instead, 0: each request.
# SPDX-License-Identifier: GPL-2.0-or-later
export G_SLICE=always-malloc           # blocks of memory are counted
if [ -n "${FAULTS:-}" ]; then
    exec "$BUILD_DIR/tests/crash/faults" -s "${SEED:-1}" -R "${RUNS:-1}" -m "$FAULTS"
fi
exec "$BUILD_DIR/tests/crash/faults" -p -s "${SEED:-1}" -R "${RUNS:-1}" -n "${STEPS:-24}"
