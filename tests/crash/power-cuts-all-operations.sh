#!/bin/bash
# After a power cut at any point of writes, snapshots, zeroes, discards, resizes, compression, amend, bitmaps and
# repair, on eleven kinds of image, the image opens, checks without corruption and holds what was promised: 20,000 states.
# SPDX-License-Identifier: GPL-2.0-or-later
exec "$BUILD_DIR/tests/crash/powercut" -s "${SEED:-1}" -R "${RUNS:-1}" -l "${STATES:-260}" -n "${STEPS:-14}"
