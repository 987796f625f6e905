/*
 * The table of sub-commands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_COMMANDS_H
#define IMG_COMMANDS_H

#include "img/common.h"

typedef struct ImgCommand {
    const char *name;
    ImgCommandFn *run;
    const char *syntax;     /* what follows the name in the help text */
} ImgCommand;

extern const ImgCommand img_commands[];     /* ends with a NULL name; in the order of the help text */
extern const char img_version_text[];

#endif
