/*
 * The registry of connections that can be cut.
 *
 * One lock, held while the functions run: they only shut descriptors down.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <pthread.h>
#include "util/yank.h"

typedef struct Function {
    YankFn *fn;
    void *opaque;
} Function;

typedef struct Instance {
    YankKind kind;
    char *name;
    unsigned users;
    GList *functions;
} Instance;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GList *instances;           /* oldest first */

static Instance *find_locked(YankKind kind, const char *name)
{
    for (GList *l = instances; l; l = l->next) {
        Instance *i = l->data;

        if (i->kind == kind && g_strcmp0(i->name, name) == 0) {
            return i;
        }
    }
    return NULL;
}

void yank_add(YankKind kind, const char *name)
{
    Instance *i;

    pthread_mutex_lock(&lock);
    i = find_locked(kind, name);
    if (!i) {
        i = g_new0(Instance, 1);
        i->kind = kind;
        i->name = g_strdup(name);
        instances = g_list_append(instances, i);
    }
    i->users++;
    pthread_mutex_unlock(&lock);
}

void yank_remove(YankKind kind, const char *name)
{
    Instance *i;

    pthread_mutex_lock(&lock);
    i = find_locked(kind, name);
    if (i && --i->users == 0) {
        instances = g_list_remove(instances, i);
        g_list_free_full(i->functions, g_free);
        g_free(i->name);
        g_free(i);
    }
    pthread_mutex_unlock(&lock);
}

void yank_add_fn(YankKind kind, const char *name, YankFn *fn, void *opaque)
{
    Instance *i;

    pthread_mutex_lock(&lock);
    i = find_locked(kind, name);
    if (i) {
        Function *f = g_new0(Function, 1);

        f->fn = fn;
        f->opaque = opaque;
        i->functions = g_list_prepend(i->functions, f);
    }
    pthread_mutex_unlock(&lock);
}

void yank_remove_fn(YankKind kind, const char *name, YankFn *fn, void *opaque)
{
    Instance *i;

    pthread_mutex_lock(&lock);
    i = find_locked(kind, name);
    for (GList *l = i ? i->functions : NULL; l; l = l->next) {
        Function *f = l->data;

        if (f->fn == fn && f->opaque == opaque) {
            i->functions = g_list_delete_link(i->functions, l);
            g_free(f);
            break;
        }
    }
    pthread_mutex_unlock(&lock);
}

static void cut_locked(const Instance *i)
{
    for (GList *l = i->functions; l; l = l->next) {
        Function *f = l->data;

        f->fn(f->opaque);
    }
}

bool yank_all(const YankTarget *targets, size_t n, Error **errp)
{
    bool ok = true;

    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < n; i++) {
        ok = ok && find_locked(targets[i].kind, targets[i].name);
    }
    for (size_t i = 0; ok && i < n; i++) {
        cut_locked(find_locked(targets[i].kind, targets[i].name));
    }
    pthread_mutex_unlock(&lock);
    if (!ok) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Instance not found");
    }
    return ok;
}

void yank_foreach(void (*fn)(YankKind kind, const char *name, void *opaque), void *opaque)
{
    pthread_mutex_lock(&lock);
    for (GList *l = instances; l; l = l->next) {
        Instance *i = l->data;

        fn(i->kind, i->name, opaque);
    }
    pthread_mutex_unlock(&lock);
}
