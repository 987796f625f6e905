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
/*
 * A finding for an image that could not be opened (why: the error's text) or whose format has nothing to check (why NULL);
 * added to r->findings.
 */
void img_check_explain_unchecked(BdrvCheckResult *r, const char *why, const char *format);

#endif
