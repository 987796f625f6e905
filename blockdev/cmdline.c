/*
 * -blockdev: JSON or KEY=VALUE text to nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "internal.h"
#include "qapi/types-block-core.h"

typedef struct Waiting {
    char *location;                    /* what messages point at */
    QDict *options;
} Waiting;

static GPtrArray *waiting;             /* of Waiting: not opened yet */

bool blockdev_add_from_cmdline(const char *text, Error **errp)
{
    QDict *options = qapi_parse_arg(&qapi_type_BlockdevOptions, text, "driver", errp);
    Waiting *w;

    if (!options) {
        return false;
    }
    w = g_new0(Waiting, 1);
    w->location = g_strconcat("-blockdev ", text, NULL);
    w->options = options;
    waiting = waiting ? waiting : g_ptr_array_new();
    g_ptr_array_add(waiting, w);
    return true;
}

bool blockdev_open_cmdline_nodes(Error **errp)
{
    bool ok = true;

    while (waiting && waiting->len && ok) {
        Waiting *w = g_ptr_array_steal_index(waiting, 0);

        error_set_location(w->location);
        ok = blockdev_add_node(w->options, errp);
        error_set_location(NULL);
        g_free(w->location);
        g_free(w);
    }
    return ok;
}
