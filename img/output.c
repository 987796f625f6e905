/*
 * Printing: quiet mode and JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/common.h"

void img_say(bool quiet, const char *fmt, ...)
{
    va_list ap;

    if (quiet) {
        return;
    }
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
}

void img_print_json(const QObject *value)
{
    g_autofree char *text = json_print(value, true);

    puts(text);
}
