/*
 * Sets of descriptors and their copies.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include "util/cutils.h"
#include "util/fdset.h"

/* Flags that a copy can be given later. */
#define LATE_FLAGS (O_APPEND | O_DIRECT | O_NONBLOCK | O_NOATIME)

typedef struct SetFd {
    int fd;
    bool removed;               /* goes away when it may */
    char *opaque;
} SetFd;

typedef struct FdSet {
    int64_t id;
    GList *fds;                 /* SetFd, oldest first */
    GList *copies;              /* descriptors, as pointers */
} FdSet;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GList *sets;             /* by id, largest first */
static int clients;             /* connected */
bool (*fdset_machine_runs)(void);

static FdSet *find_set(int64_t id)
{
    for (GList *l = sets; l; l = l->next) {
        if (((FdSet *)l->data)->id == id) {
            return l->data;
        }
    }
    return NULL;
}

static void free_set_fd(SetFd *s)
{
    close(s->fd);
    g_free(s->opaque);
    g_free(s);
}

/* While the machine does not run nothing is closed, as with the peer: a restarted manager may still want it. */
static void clean_locked(FdSet *set)
{
    bool runs = fdset_machine_runs && fdset_machine_runs();

    for (GList *l = set->fds, *next; l; l = next) {
        SetFd *s = l->data;

        next = l->next;
        if ((s->removed || (!set->copies && !clients)) && runs) {
            set->fds = g_list_delete_link(set->fds, l);
            free_set_fd(s);
        }
    }
    if (!set->fds && !set->copies) {
        sets = g_list_remove(sets, set);
        g_free(set);
    }
}

void fdset_clean(void)
{
    pthread_mutex_lock(&lock);
    for (GList *l = sets, *next; l; l = next) {
        next = l->next;
        clean_locked(l->data);
    }
    pthread_mutex_unlock(&lock);
}

void fdset_set_clients(int n)
{
    pthread_mutex_lock(&lock);
    clients = n;
    pthread_mutex_unlock(&lock);
}

static int largest_first(gconstpointer a, gconstpointer b)
{
    int64_t one = ((const FdSet *)a)->id, two = ((const FdSet *)b)->id;

    return (one < two) - (one > two);
}

static FdSet *get_or_add_set(int64_t id)
{
    FdSet *set = find_set(id);

    if (!set) {
        set = g_new0(FdSet, 1);
        set->id = id;
        sets = g_list_insert_sorted(sets, set, largest_first);
    }
    return set;
}

int fdset_add(int fd, bool has_id, int64_t id, const char *opaque, int64_t *out_id, Error **errp)
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
    pthread_mutex_lock(&lock);
    for (id = has_id ? id : 0; !has_id && find_set(id); id++) {
    }
    set = get_or_add_set(id);
    set->fds = g_list_append(set->fds, s);
    *out_id = id;
    pthread_mutex_unlock(&lock);
    return 0;
}

bool fdset_remove(int64_t id, bool has_fd, int64_t fd)
{
    bool found;
    FdSet *set;

    pthread_mutex_lock(&lock);
    set = find_set(id);
    found = set && !has_fd;
    for (GList *l = set ? set->fds : NULL; l; l = l->next) {
        SetFd *s = l->data;

        if (!has_fd || s->fd == fd) {
            s->removed = found = true;
        }
    }
    if (found) {
        clean_locked(set);
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void fdset_foreach(void (*fn)(int64_t id, int fd, const char *opaque, void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    for (GList *l = sets; l; l = l->next) {
        FdSet *set = l->data;

        for (GList *f = set->fds; f; f = f->next) {
            SetFd *s = f->data;

            fn(set->id, s->fd, s->opaque, arg);
        }
    }
    pthread_mutex_unlock(&lock);
}

/* -1 with errno: ENOENT no such set, EACCES none with this access mode. */
static int copy_of(int64_t id, int flags)
{
    FdSet *set;
    int copy = -1;

    pthread_mutex_lock(&lock);
    set = find_set(id);
    errno = set ? EACCES : ENOENT;
    for (GList *l = set ? set->fds : NULL; l && copy < 0; l = l->next) {
        SetFd *s = l->data;
        int mode = fcntl(s->fd, F_GETFL);

        if (mode >= 0 && (mode & O_ACCMODE) == (flags & O_ACCMODE)) {
            copy = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
            break;
        }
        errno = EACCES;
    }
    if (copy >= 0) {
        set->copies = g_list_prepend(set->copies, GINT_TO_POINTER(copy));
    }
    pthread_mutex_unlock(&lock);
    return copy;
}

/* What open would have done with these flags. */
static int prepare_copy(int fd, int flags)
{
    int old = fcntl(fd, F_GETFL), saved;

    if (old < 0 || fcntl(fd, F_SETFL, (old & ~LATE_FLAGS) | (flags & LATE_FLAGS)) < 0 ||
        ((flags & O_TRUNC) && ftruncate(fd, 0) < 0)) {
        saved = errno;
        fdset_close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

int fdset_open(const char *path, int flags, mode_t mode, Error **errp)
{
    const char *text;
    int64_t id;
    int fd, saved;

    if (!str_has_prefix(path, "/dev/fdset/", &text)) {
        return open(path, flags | O_CLOEXEC, mode);
    }
    if (parse_i64(text, 10, &id) < 0 || id < 0) {
        error_setg(errp, "Could not parse fdset %s", path);
        errno = EINVAL;
        return -1;
    }
    fd = copy_of(id, flags);
    fd = fd >= 0 ? prepare_copy(fd, flags) : -1;
    if (fd < 0) {
        saved = errno;
        error_setg_errno(errp, saved, "Could not dup FD for %s flags %x", path, flags & ~O_CLOEXEC);
        errno = saved;
    }
    return fd;
}

static void forget_copy(int fd)
{
    pthread_mutex_lock(&lock);
    for (GList *l = sets; l; l = l->next) {
        FdSet *set = l->data;
        GList *copy = g_list_find(set->copies, GINT_TO_POINTER(fd));

        if (copy) {
            set->copies = g_list_delete_link(set->copies, copy);
            if (!set->copies) {
                clean_locked(set);
            }
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

int fdset_close(int fd)
{
    forget_copy(fd);
    return close(fd);
}
