/*
 * The file that tells a program's process id: one per program, locked while it lives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_PIDFILE_H
#define UTIL_PIDFILE_H

#include <stdbool.h>
#include "util/error.h"

/* After the last fork (the lock belongs to the process).  A failure is reported behind prefix and ends the program. */
void pidfile_write(const char *path, const char *prefix);
/* The same; the caller says what went wrong. */
bool pidfile_try_write(const char *path, Error **errp);
void pidfile_remove(void);         /* if there is one */

#endif
