/*
 * A process as a daemon.  Failures are reported and end the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_DAEMON_H
#define UTIL_DAEMON_H

#include <stdbool.h>

/* Goes on in a process of its own session; the caller's waits for daemon_ready or the end of this one. Before threads. */
void daemon_start(void);
/* All is set up: the waiting parent reports success; standard descriptors lead to nothing. Without daemon_start: nothing. */
void daemon_ready(bool keep_stderr);
/* Was daemon_start called?  Then there is no standard input and output to use. */
bool daemon_started(void);

#endif
