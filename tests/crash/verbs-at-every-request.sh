#!/bin/bash
# With the k-th request to the disk failing (once, or all from there on), for every k, each verb of qemu-img and each kind of guest request says the
# cause or has done what it says; the image opens, is free of corruption or can be repaired, and shows old or new content, snapshots included.
# PLACES=n: only so many places of each verb.
# SPDX-License-Identifier: GPL-2.0-or-later
exec "$BUILD_DIR/tests/crash/verbs" -m "${PLACES:-$([ -n "${UNDER_SANITIZER:-}" ] && echo 12 || echo 0)}"
