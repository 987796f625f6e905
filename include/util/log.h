/*
 * The log of -d, -D and HMP.  Its items are those of a processor emulator: we know their names, since scripts set
 * them, and what stands behind "trace:" switches trace events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/error.h"

/* "in_asm,trace:qcow2*": false for an unknown item. */
bool log_set_items(const char *items);
/* One line an item; g_free. */
char *log_items_text(void);
/* Where it goes; "%d" stands for the process. */
bool log_set_file(const char *filename, Error **errp);

#endif
