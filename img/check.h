/*
 * qemu-img check --explain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_CHECK_H
#define IMG_CHECK_H

#include "img/common.h"

/* What r->findings says, as a text on stdout (nothing when there are none), or as a list for JSON. */
void img_check_explain(const BdrvCheckResult *r);
QObject *img_check_explain_json(const BdrvCheckResult *r);

#endif
