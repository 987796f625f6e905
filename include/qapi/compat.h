/*
 * -compat: what becomes of deprecated and unstable parts of the monitor's language.  Set once, at start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_COMPAT_H
#define QAPI_COMPAT_H

#include "util/error.h"
#include "util/qobject.h"

/* options: "deprecated-input" and so on, as text; NULL is fine. */
bool compat_set(const QDict *options, Error **errp);
/* While on, structures that are read or written belong to a peer of the monitor, and the policy holds for members. */
void compat_monitor(bool on);
/* May this command or parameter (what) with these features be used? */
bool compat_accepts(const char *const *features, const char *what, const char *name, ErrorClass error_class, Error **errp);
bool compat_accepts_member(const char *const *features, const char *name, Error **errp);
bool compat_hides_member(const char *const *features);
bool compat_hides(const char *const *features);

#endif
