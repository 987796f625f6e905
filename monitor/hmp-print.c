/*
 * HMP: `print`: the value of an expression.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"

void hmp_print_character(Monitor *mon, int c)
{
    monitor_printf(mon, "'");
    switch (c) {
    case '\'':
        monitor_printf(mon, "\\'");
        break;
    case '\\':
        monitor_printf(mon, "\\\\");
        break;
    case '\n':
        monitor_printf(mon, "\\n");
        break;
    case '\r':
        monitor_printf(mon, "\\r");
        break;
    default:
        monitor_printf(mon, c >= 32 && c <= 126 ? "%c" : "\\x%02x", c);
    }
    monitor_printf(mon, "'");
}

void hmp_print(Monitor *mon, const QDict *args)
{
    int64_t value = qdict_get_int(args, "val", 0);

    switch (qdict_get_int(args, "format", 'x')) {
    case 'o':
        monitor_printf(mon, "%#" PRIo64, (uint64_t)value);
        break;
    case 'x':
        monitor_printf(mon, "%#" PRIx64, (uint64_t)value);
        break;
    case 'u':
        monitor_printf(mon, "%" PRIu64, (uint64_t)value);
        break;
    case 'c':
        hmp_print_character(mon, value);
        break;
    default:
        monitor_printf(mon, "%" PRId64, value);
    }
    monitor_printf(mon, "\n");
}
