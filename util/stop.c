/*
 * Was the program asked to end?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include "util/stop.h"

static volatile sig_atomic_t asked;

void stop_ask(void) { asked = 1; }
bool stop_asked(void) { return asked; }
