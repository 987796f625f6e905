/*
 * Fuzzing entry: option lists, dotted keys and sizes from a command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz.h"
#include "util/cutils.h"
#include "util/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(QObject) list = opts_parse_list(text, "file", NULL, NULL);
    g_autoptr(QObject) nested = opts_parse_keyval(text, "driver", NULL, NULL);
    uint64_t n;

    if (list) {
        g_autoptr(QObject) crumpled = qdict_crumple(list, NULL);
    }
    parse_size(text, NULL, 'B', &n);
    return 0;
}
