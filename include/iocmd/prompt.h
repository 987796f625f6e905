/*
 * Asking for commands on a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IOCMD_PROMPT_H
#define IOCMD_PROMPT_H

#include <stdbool.h>
#include "iocmd/iocmd.h"

/* False when standard input is no terminal: then there is no prompt with editing. */
bool iocmd_prompt_init(void);
/* The next line, edited by the user, g_free it; NULL: there are no more. */
char *iocmd_prompt_line(const char *prompt);
void iocmd_prompt_end(void);

#endif
