#!/bin/bash
# Images with bad values in header, extensions, L1, L2, refcounts and snapshot table neither crash nor hang any operation,
# nor make it take over 256 MiB: 2,100 images.
# SPDX-License-Identifier: GPL-2.0-or-later
exec "$BUILD_DIR/tests/crash/hostile" "${SEED:-1}" "${COUNT:-300}"
