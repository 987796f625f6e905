/*
 * What the files of qom/ share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_INT_H
#define QOM_INT_H

#include "qom/object.h"

/* Store the defaults of the properties that `type` itself declares; release what they own. */
void property_init_defaults(Object *o, const TypeInfo *type);
void property_free_fields(Object *o, const TypeInfo *type);

#endif
