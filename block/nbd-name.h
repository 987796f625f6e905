/*
 * How people name an NBD export: URLs, the older "nbd:" names, options; and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_NBD_NAME_H
#define BLOCK_NBD_NAME_H

#include "io/address.h"
#include "util/qobject.h"

/* BlockDriver.parse_filename: a name into the options server.* and export. */
void nbd_parse_filename(const char *filename, QDict *options, Error **errp);
/*
 * The server: from server.* in `flat` (taken out of it) or path/host/port in `typed`; exactly one way.  NULL with errp.
 */
IOAddress *nbd_address_from_options(QDict *flat, const QDict *typed, Error **errp);
/* A name that says it all, or NULL when there is none for this kind of address.  g_free it. */
char *nbd_plain_name(const IOAddress *a, const char *export_name);

#endif
