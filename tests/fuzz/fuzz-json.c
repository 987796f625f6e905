/*
 * Fuzzing entry: the JSON parser; what it accepts must print and parse again.  Except for numbers beyond the largest,
 * which the peer, too, prints as "inf".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "util/qobject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(QObject) value = json_parse_len((const char *)data, size, NULL);

    if (value) {
        g_autofree char *text = json_print(value, size % 2);
        g_autoptr(QObject) again = json_parse(text, NULL);

        if (!again && !strstr(text, "inf")) {
            abort();
        }
    }
    return 0;
}
