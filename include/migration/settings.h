/*
 * What migrations may do (capabilities) and how (parameters).  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SETTINGS_H
#define MIGRATION_SETTINGS_H

#include "qapi/types-migration.h"

bool migration_capability(MigrationCapability c);
/* Never NULL; belongs to the room, valid until the next migrate-set-parameters. */
const MigrationParameters *migration_parameters(void);
/* Zero copy needs several plain channels: would these settings do? */
bool migration_check_zero_copy(const bool *capabilities, const MigrationParameters *p, Error **errp);

#endif
