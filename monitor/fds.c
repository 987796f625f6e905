/*
 * Descriptors that QMP clients hand over: by name (getfd), and in sets (add-fd) that are opened
 * as /dev/fdset/ID.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>
#include "monitor-int.h"
#include "qapi/commands-misc.h"
#include "util/cutils.h"
#include "util/fdset.h"

/* --- by name --------------------------------------------------------------------------------- */

typedef struct MonitorFd {
    char *name;
    int fd;
} MonitorFd;

static GList *find_named(Monitor *mon, const char *name)
{
    for (GList *l = mon->fds; l; l = l->next) {
        if (strcmp(((MonitorFd *)l->data)->name, name) == 0) {
            return l;
        }
    }
    return NULL;
}

/* The descriptor; it is the caller's now. -1: none of that name. */
static int take_named(Monitor *mon, const char *name)
{
    GList *l = mon ? find_named(mon, name) : NULL;
    MonitorFd *m;
    int fd;

    if (!l) {
        return -1;
    }
    m = l->data;
    fd = m->fd;
    mon->fds = g_list_delete_link(mon->fds, l);
    g_free(m->name);
    g_free(m);
    return fd;
}

void qmp_getfd(const GetfdArgs *arg, Error **errp)
{
    Monitor *mon = monitor_cur();
    int fd = mon ? monitor_take_msgfd(mon) : -1;
    int old;
    MonitorFd *m;

    if (fd < 0) {
        error_setg(errp, "No file descriptor supplied via SCM_RIGHTS");
        return;
    }
    if (g_ascii_isdigit(arg->fdname[0])) {
        close(fd);
        error_setg(errp, "Parameter 'fdname' expects a name not starting with a digit");
        return;
    }
    old = take_named(mon, arg->fdname);
    if (old >= 0) {
        close(old);
    }
    m = g_new0(MonitorFd, 1);
    m->name = g_strdup(arg->fdname);
    m->fd = fd;
    mon->fds = g_list_prepend(mon->fds, m);
}

void qmp_closefd(const ClosefdArgs *arg, Error **errp)
{
    int fd = take_named(monitor_cur(), arg->fdname);

    if (fd < 0) {
        error_setg(errp, "File descriptor named '%s' not found", arg->fdname);
        return;
    }
    close(fd);
}

int monitor_get_fd(Monitor *mon, const char *name, Error **errp)
{
    int fd = take_named(mon, name);

    if (fd < 0) {
        error_setg(errp, "File descriptor named '%s' has not been found", name);
    }
    return fd;
}

int monitor_fd_param(Monitor *mon, const char *text, Error **errp)
{
    int64_t fd;

    if (!g_ascii_isdigit(*text) && mon) {
        return monitor_get_fd(mon, text, errp);
    }
    if (parse_i64(text, 10, &fd) < 0 || fd < 0 || fd > INT_MAX) {
        error_setg(errp, "Invalid file descriptor number '%s'", text);
        return -1;
    }
    return fd;
}

/* --- sets ------------------------------------------------------------------------------------ */

AddfdInfo *qmp_add_fd(const AddFdArgs *arg, Error **errp)
{
    Monitor *mon = monitor_cur();
    int fd = mon ? monitor_take_msgfd(mon) : -1;
    AddfdInfo *info;
    int64_t id;

    if (fd < 0) {
        error_setg(errp, "No file descriptor supplied via SCM_RIGHTS");
        return NULL;
    }
    if (fdset_add(fd, arg->has_fdset_id, arg->fdset_id, arg->opaque, &id, errp) < 0) {
        close(fd);
        return NULL;
    }
    info = AddfdInfo_new();
    info->fdset_id = id;
    info->fd = fd;
    return info;
}

void qmp_remove_fd(const RemoveFdArgs *arg, Error **errp)
{
    if (fdset_remove(arg->fdset_id, arg->has_fd, arg->fd)) {
        return;
    }
    if (arg->has_fd) {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", arg->fdset_id,
                   arg->fd);
    } else {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64 "' not found", arg->fdset_id);
    }
}

/* Descriptors of one set come in a row. */
static void add_info(int64_t id, int fd, const char *opaque, void *arg)
{
    FdsetInfoList *list = arg;
    FdsetInfo *set = list->len ? list->items[list->len - 1] : NULL;
    FdsetFdInfo *info = FdsetFdInfo_new();

    if (!set || set->fdset_id != id) {
        set = FdsetInfo_new();
        set->fdset_id = id;
        set->fds = FdsetFdInfoList_new();
        FdsetInfoList_append(list, set);
    }
    info->fd = fd;
    info->opaque = g_strdup(opaque);
    FdsetFdInfoList_append(set->fds, info);
}

FdsetInfoList *qmp_query_fdsets(Error **errp)
{
    FdsetInfoList *list = FdsetInfoList_new();

    fdset_foreach(add_info, list);
    return list;
}
