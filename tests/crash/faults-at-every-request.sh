#!/bin/bash
# With a request to the disk failing (EIO or ENOSPC, once or for good) or being late during any operation, the caller is told, nothing
# hangs, and the images stay good: over 2,000 faults.  FAULTS=0: each request of each operation in turn.
# SPDX-License-Identifier: GPL-2.0-or-later
export G_SLICE=always-malloc           # blocks of memory are counted
exec "$BUILD_DIR/tests/crash/faults" -s "${SEED:-1}" -R "${RUNS:-1}" -m "${FAULTS:-12}"
