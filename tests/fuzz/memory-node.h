/*
 * Disks in memory for fuzzing entries: requests end at once, in the caller's coroutine, without files, threads or the event loop.
 *
 * As files they may have holes of any size: only what is written takes memory, MEMORY_DISK_BYTES at the most, and then they are full.
 * Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUZZ_MEMORY_NODE_H
#define TESTS_FUZZ_MEMORY_NODE_H

#include <stddef.h>
#include <stdint.h>
#include "util/qobject.h"

#define MEMORY_DISKS 2
#define MEMORY_DISK_BYTES (8 * 1024 * 1024)

/* Once, after bdrv_init. */
void memory_disks_register(void);
/* Disk i holds just these bytes from now on. */
void memory_disk_fill(unsigned i, const uint8_t *data, size_t size);
/* Options of a node on disk i, under that prefix ("file."). */
void memory_disk_put_options(QDict *options, const char *prefix, unsigned i);

#endif
