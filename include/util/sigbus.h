/*
 * Memory shared with others may go away: whoever owns the file can truncate it, and then touching it raises SIGBUS.
 * A guarded range is replaced by zeroes at that moment, and the program goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_SIGBUS_H
#define UTIL_SIGBUS_H

#include <stdbool.h>
#include <stddef.h>

/* base: a whole mapping.  *gone becomes true (atomically) when the memory went away.  False when too many are guarded. */
bool sigbus_guard(void *base, size_t len, bool *gone);
/* Before it is unmapped. */
void sigbus_unguard(void *base);

#endif
