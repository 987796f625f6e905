/*
 * QMP commands on character devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "chardev/char.h"
#include "qapi/commands-char.h"
#include "util/cutils.h"

static bool add_info(Chardev *chr, void *opaque)
{
    ChardevInfo *info = ChardevInfo_new();

    info->label = g_strdup(chr_label(chr));
    info->filename = g_strdup(chr_filename(chr));
    info->frontend_open = chr_has_open_frontend(chr);
    ChardevInfoList_append(opaque, info);
    return true;
}

ChardevInfoList *qmp_query_chardev(Error **errp)
{
    ChardevInfoList *list = ChardevInfoList_new();

    chr_foreach(add_info, list);
    return list;
}

ChardevBackendInfoList *qmp_query_chardev_backends(Error **errp)
{
    ChardevBackendInfoList *list = ChardevBackendInfoList_new();
    const char *const *kinds = chr_kinds();

    for (guint i = g_strv_length((char **)kinds); i-- > 0; ) {
        ChardevBackendInfo *info = ChardevBackendInfo_new();

        info->name = g_strdup(kinds[i]);
        ChardevBackendInfoList_append(list, info);
    }
    return list;
}

void qmp_ringbuf_write(const RingbufWriteArgs *arg, Error **errp)
{
    chr_ringbuf_write(arg->device, arg->data, arg->has_format && arg->format == DATA_FORMAT_BASE64, errp);
}

char *qmp_ringbuf_read(const RingbufReadArgs *arg, Error **errp)
{
    return chr_ringbuf_read(arg->device, arg->size, arg->has_format && arg->format == DATA_FORMAT_BASE64, errp);
}

static ChardevReturn *new_return(const Chardev *chr)
{
    ChardevReturn *ret = ChardevReturn_new();
    const char *path;

    if (str_has_prefix(chr_filename(chr), "pty:", &path)) {
        ret->pty = g_strdup(path);
    }
    return ret;
}

ChardevReturn *qmp_chardev_add(const ChardevAddArgs *arg, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(QObject) backend = ChardevBackend_to_qobject(arg->backend);
    Chardev *chr;

    if (chr_find(arg->id)) {
        error_setg(errp, "Chardev with id '%s' already exists", arg->id);
        return NULL;
    }
    chr = chr_new(arg->id, backend, errp);
    if (!chr) {
        error_prepend(errp, "Failed to add chardev '%s': ", arg->id);
        return NULL;
    }
    return new_return(chr);
}

ChardevReturn *qmp_chardev_change(const ChardevChangeArgs *arg, Error **errp)
{
    g_autoptr(QObject) backend = ChardevBackend_to_qobject(arg->backend);

    return chr_change(arg->id, backend, errp) ? new_return(chr_find(arg->id)) : NULL;
}

void qmp_chardev_remove(const ChardevRemoveArgs *arg, Error **errp) { chr_remove(arg->id, errp); }
void qmp_chardev_send_break(const ChardevSendBreakArgs *arg, Error **errp) { chr_send_break(arg->id, errp); }
