#!/bin/bash
# The same with the k-th large allocation of memory failing, for every k.
# SPDX-License-Identifier: GPL-2.0-or-later
if [ -n "${UNDER_SANITIZER:-}" ]; then
    echo "sanitizers have the allocator"
    exit 77
fi
exec "$BUILD_DIR/tests/crash/verbs" -a
