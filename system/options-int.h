/*
 * Groups of options, shared by the readers of the command line and of configuration files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_OPTIONS_INT_H
#define SYSTEM_OPTIONS_INT_H

#include "system/options.h"
#include "util/options.h"

typedef struct GroupDesc {
    const char *name;
    GPtrArray **list;          /* uses in order, or NULL when they are merged */
    const char *implied;       /* key of a first element without '=' */
    const OptDesc *descs;      /* NULL: checked later, by who knows the keys */
    QDict **merged;
} GroupDesc;

extern const GroupDesc option_groups[];
const GroupDesc *option_group(const char *name);
/* Takes opts. */
void option_group_add(const GroupDesc *g, const char *loc, const char *text, QDict *opts, Error **errp);
OptEntry *option_entry_new(const char *loc, const char *text, QDict *opts);
/* -readconfig */
bool option_read_config(const char *path, Error **errp);
extern int option_echr;        /* -echr; 1 by default */

#endif
