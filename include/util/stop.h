/*
 * A program that was asked to end (a signal) and works in one long step: the step looks here at points where it can
 * leave all in order, and fails with -ECANCELED.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_STOP_H
#define UTIL_STOP_H

#include <stdbool.h>

void stop_ask(void);                   /* from a signal handler, too; there is no way back */
bool stop_asked(void);

#endif
