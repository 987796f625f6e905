/*
 * Managers of persistent reservations are objects above the block layer; nodes name them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_PR_MANAGER_H
#define BLOCK_PR_MANAGER_H

#include <stdbool.h>
#include "util/error.h"

/* Is there one of that id?  NULL: this program has none. */
extern bool (*bdrv_check_pr_manager)(const char *id, Error **errp);

#endif
