/*
 * I/O threads: event loops that devices can be told to use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef OBJECTS_IOTHREAD_H
#define OBJECTS_IOTHREAD_H

#include "qom/object.h"
#include "util/aio.h"

typedef struct IoThread {
    Object obj;
    AioContext *ctx;
    int thread_id;
    int64_t poll_max_ns, poll_grow, poll_shrink, aio_max_batch, pool_min, pool_max;
    /* internal */
    GThread *thread;
    bool stopping, running;
    unsigned users;             /* devices and nodes; such a thread cannot be deleted */
} IoThread;

/* NULL when id names no such object. */
IoThread *iothread_find(const char *id);
const char *iothread_id(const IoThread *t);
/* Counts a user: as long as there is one, object-del refuses. */
void iothread_use(IoThread *t);
void iothread_unuse(IoThread *t);
/* The set function of a device's iothread link: by id or path. */
bool iothread_set_link(IoThread **slot, const Property *p, const QObject *value, Error **errp);
void iothread_foreach(void (*fn)(IoThread *t, void *opaque), void *opaque);

#endif
