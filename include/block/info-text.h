/*
 * Image information for people: the same facts as the JSON values, as the tools print them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_INFO_TEXT_H
#define BLOCK_INFO_TEXT_H

#include "util/qobject.h"

/* The lines of `qemu-img info` for one ImageInfo (bdrv_query_image_info); g_free it. */
char *bdrv_image_info_text(const QDict *info);
/* The lines of a "format-specific" value ({"type":.., "data":..}), each after 4 * indent spaces; g_free it. */
char *bdrv_specific_info_text(const QObject *specific, int indent);

#endif
