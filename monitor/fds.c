/*
 * Descriptors that QMP clients hand over: by name (getfd), and in sets (add-fd) that are opened
 * as /dev/fdset/ID.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "monitor-int.h"
#include "qapi/commands-misc.h"
#include "util/cutils.h"

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

typedef struct SetFd {
    int fd;
    bool removed;               /* goes away when no copy is left */
    char *opaque;
} SetFd;

typedef struct FdSet {
    int64_t id;
    GList *fds;                 /* SetFd, newest first */
    GList *copies;              /* descriptors, as pointers */
} FdSet;

/* By id; any thread may open a copy. */
static pthread_mutex_t sets_lock = PTHREAD_MUTEX_INITIALIZER;
static GList *sets;
bool (*monitor_machine_runs)(void);

static FdSet *find_set(int64_t id)
{
    for (GList *l = sets; l; l = l->next) {
        if (((FdSet *)l->data)->id == id) {
            return l->data;
        }
    }
    return NULL;
}

static void free_set_fd(void *p)
{
    SetFd *s = p;

    close(s->fd);
    g_free(s->opaque);
    g_free(s);
}

/* What was removed, or belongs to nobody, is closed: but only while the machine runs, as with the peer. */
static void clean_set_locked(FdSet *set)
{
    bool runs = monitor_machine_runs && monitor_machine_runs();

    for (GList *l = set->fds, *next; l; l = next) {
        SetFd *s = l->data;

        next = l->next;
        if ((s->removed || (!set->copies && __atomic_load_n(&monitor_clients, __ATOMIC_RELAXED) == 0)) && runs) {
            set->fds = g_list_delete_link(set->fds, l);
            free_set_fd(s);
        }
    }
    if (!set->fds && !set->copies) {
        sets = g_list_remove(sets, set);
        g_free(set);
    }
}

void monitor_fdsets_clean(void)
{
    pthread_mutex_lock(&sets_lock);
    for (GList *l = sets, *next; l; l = next) {
        next = l->next;
        clean_set_locked(l->data);
    }
    pthread_mutex_unlock(&sets_lock);
}

/* The lowest number that is free. */
static int64_t free_id(void)
{
    int64_t id = 0;

    while (find_set(id)) {
        id++;
    }
    return id;
}

static FdSet *get_or_add_set(int64_t id)
{
    FdSet *set = find_set(id);

    if (!set) {
        set = g_new0(FdSet, 1);
        set->id = id;
        sets = g_list_prepend(sets, set);
    }
    return set;
}

int monitor_fdset_add_fd(int fd, bool has_id, int64_t id, const char *opaque, int64_t *out_id, Error **errp)
{
    FdSet *set;
    SetFd *s;

    if (has_id && id < 0) {
        error_setg(errp, "Parameter 'fdset-id' expects a non-negative value");
        return -EINVAL;
    }
    s = g_new0(SetFd, 1);
    s->fd = fd;
    s->opaque = g_strdup(opaque);
    pthread_mutex_lock(&sets_lock);
    set = get_or_add_set(has_id ? id : free_id());
    set->fds = g_list_prepend(set->fds, s);
    *out_id = set->id;
    pthread_mutex_unlock(&sets_lock);
    return 0;
}

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
    if (monitor_fdset_add_fd(fd, arg->has_fdset_id, arg->fdset_id, arg->opaque, &id, errp) < 0) {
        close(fd);
        return NULL;
    }
    info = AddfdInfo_new();
    info->fdset_id = id;
    info->fd = fd;
    return info;
}

/* False when the set has no such descriptor. */
static bool mark_removed(const RemoveFdArgs *arg)
{
    FdSet *set = find_set(arg->fdset_id);
    bool found = false;

    for (GList *l = set ? set->fds : NULL; l; l = l->next) {
        SetFd *s = l->data;

        if (!arg->has_fd || s->fd == arg->fd) {
            s->removed = true;
            found = true;
        }
    }
    if (found || (set && !arg->has_fd)) {
        clean_set_locked(set);
        return true;
    }
    return false;
}

void qmp_remove_fd(const RemoveFdArgs *arg, Error **errp)
{
    bool found;

    pthread_mutex_lock(&sets_lock);
    found = mark_removed(arg);
    pthread_mutex_unlock(&sets_lock);
    if (found) {
        return;
    }
    if (arg->has_fd) {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64 ", fd:%" PRId64 "' not found", arg->fdset_id, arg->fd);
    } else {
        error_setg(errp, "File descriptor named 'fdset-id:%" PRId64 "' not found", arg->fdset_id);
    }
}

FdsetInfoList *qmp_query_fdsets(Error **errp)
{
    FdsetInfoList *list = FdsetInfoList_new();

    pthread_mutex_lock(&sets_lock);
    for (GList *l = sets; l; l = l->next) {
        FdSet *set = l->data;
        FdsetInfo *info = FdsetInfo_new();

        info->fdset_id = set->id;
        info->fds = FdsetFdInfoList_new();
        for (GList *f = set->fds; f; f = f->next) {
            FdsetFdInfo *fd = FdsetFdInfo_new();

            fd->fd = ((SetFd *)f->data)->fd;
            fd->opaque = g_strdup(((SetFd *)f->data)->opaque);
            FdsetFdInfoList_append(info->fds, fd);
        }
        FdsetInfoList_append(list, info);
    }
    pthread_mutex_unlock(&sets_lock);
    return list;
}

int monitor_fdset_dup(int64_t id, int flags)
{
    FdSet *set;
    int copy = -1;

    errno = ENOENT;
    pthread_mutex_lock(&sets_lock);
    set = find_set(id);
    if (set) {
        errno = EACCES;
    }
    for (GList *l = set ? set->fds : NULL; l && copy < 0; l = l->next) {
        SetFd *s = l->data;
        int mode = fcntl(s->fd, F_GETFL);

        if (mode >= 0 && (mode & O_ACCMODE) == (flags & O_ACCMODE)) {
            copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
            break;
        }
    }
    if (copy >= 0) {
        set->copies = g_list_prepend(set->copies, GINT_TO_POINTER(copy));
    }
    pthread_mutex_unlock(&sets_lock);
    return copy;
}

bool monitor_fdset_dup_gone(int fd)
{
    bool found = false;

    pthread_mutex_lock(&sets_lock);
    for (GList *l = sets; l && !found; l = l->next) {
        FdSet *set = l->data;
        GList *copy = g_list_find(set->copies, GINT_TO_POINTER(fd));

        if (copy) {
            set->copies = g_list_delete_link(set->copies, copy);
            found = true;
            if (!set->copies) {
                clean_set_locked(set);
            }
        }
    }
    pthread_mutex_unlock(&sets_lock);
    return found;
}
