#!/bin/bash
# After a power cut at any point of writes, snapshots (also live, and of several disks in a transaction), zeroes, discards, resizes,
# compression, amend, key slots, bitmaps, commit, rebase, jobs and repair, on fifteen kinds of image, each image opens, checks without
# corruption and holds what was promised, and a sample passes the stock check: 20,000 distinct states.
# SPDX-License-Identifier: GPL-2.0-or-later
# Found in a long run: with all overlap checks on, flags in a table that a snapshot shares could not be repaired.
"$BUILD_DIR/tests/crash/powercut" -g 512 -c repair -s 1103 -R 1 -l 40 || exit 1
exec "$BUILD_DIR/tests/crash/powercut" -s "${SEED:-1}" -R "${RUNS:-1}" -l "${STATES:-190}" -n "${STEPS:-12}" -t "${STOCK_EVERY:-97}"
