/*
 * In which order dictionary members are written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_JSON_ORDER_H
#define UTIL_JSON_ORDER_H

#include "util/qobject.h"

/* Positions of d's members in the order to write them in; g_free it.  NULL: no memory. */
size_t *json_order_members(const QDict *d);

#endif
