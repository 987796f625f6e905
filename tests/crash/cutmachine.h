/*
 * Snapshots of a whole machine in runs: its state is one device's, of which all bytes follow from a stamp.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_CUTMACHINE_H
#define TESTS_CRASH_CUTMACHINE_H

#include "block/backend.h"

/* Once: the device. */
void cut_machine_init(void);
/* What is wrong with the state that blk has after a revert, `size` bytes that should make the device hold stamp (g_free it), or NULL. */
char *cut_machine_judge(BlockBackend *blk, uint64_t size, uint32_t stamp);

#endif
