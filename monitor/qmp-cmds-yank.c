/*
 * Cutting connections that hang: run out of band, these work while the main thread waits for one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/commands-yank.h"
#include "util/yank.h"

static YankTarget to_target(const YankInstance *i)
{
    switch (i->type) {
    case YANK_INSTANCE_TYPE_BLOCK_NODE:
        return (YankTarget){ YANK_BLOCK_NODE, i->u.block_node.node_name };
    case YANK_INSTANCE_TYPE_CHARDEV:
        return (YankTarget){ YANK_CHARDEV, i->u.chardev.id };
    default:
        return (YankTarget){ YANK_MIGRATION, NULL };
    }
}

void qmp_yank(const YankArgs *arg, Error **errp)
{
    g_autofree YankTarget *targets = g_new0(YankTarget, arg->instances->len + 1);

    for (size_t i = 0; i < arg->instances->len; i++) {
        targets[i] = to_target(arg->instances->items[i]);
    }
    yank_all(targets, arg->instances->len, errp);
}

static void add_instance(YankKind kind, const char *name, void *opaque)
{
    YankInstance *i = YankInstance_new();

    i->type = (YankInstanceType)kind;
    if (kind == YANK_BLOCK_NODE) {
        i->u.block_node.node_name = g_strdup(name);
    } else if (kind == YANK_CHARDEV) {
        i->u.chardev.id = g_strdup(name);
    }
    YankInstanceList_append(opaque, i);
}

YankInstanceList *qmp_query_yank(Error **errp)
{
    YankInstanceList *list = YankInstanceList_new();

    yank_foreach(add_instance, list);
    return list;
}
