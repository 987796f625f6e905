/*
 * The iothread object: a thread that runs an event loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <sys/syscall.h>
#include <unistd.h>
#include "objects/iothread.h"

#define IOTHREAD(o) ((IoThread *)(o))

static gpointer run(gpointer opaque)
{
    IoThread *t = opaque;

    aio_context_bind_thread(t->ctx);
    __atomic_store_n(&t->thread_id, (int)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&t->stopping, __ATOMIC_SEQ_CST)) {
        aio_poll(t->ctx, true);
    }
    return NULL;
}

static void apply_polling(IoThread *t)
{
    if (t->ctx) {
        aio_context_set_poll(t->ctx, t->poll_max_ns, t->poll_grow, t->poll_shrink);
    }
}

static void poll_params_bh(void *opaque) { apply_polling(opaque); }

static bool check_range(Object *o, const Property *p, int64_t v, Error **errp)
{
    if (v < 0) {
        error_setg(errp, "%s value must be in range [0, %" PRId64 "]", p->name, INT64_MAX);
        return false;
    }
    return true;
}

/* Parameters may change while the thread runs: it takes them over itself. */
static bool check_poll(Object *o, const Property *p, int64_t v, Error **errp)
{
    if (!check_range(o, p, v, errp)) {
        return false;
    }
    if (IOTHREAD(o)->running) {
        aio_bh_oneshot(IOTHREAD(o)->ctx, poll_params_bh, o);
    }
    return true;
}

static bool complete(Object *o, Error **errp)
{
    IoThread *t = IOTHREAD(o);
    g_autoptr(GError) error = NULL;

    if (t->pool_min > t->pool_max) {
        error_setg(errp, "bad thread-pool-min/thread-pool-max values");
        return false;
    }
    t->ctx = aio_context_new(errp);
    if (!t->ctx) {
        return false;
    }
    apply_polling(t);
    t->thread = g_thread_try_new("iothread", run, t, &error);
    if (!t->thread) {
        error_setg(errp, "Failed to start the thread: %s", error->message);
        return false;
    }
    t->running = true;
    while (!__atomic_load_n(&t->thread_id, __ATOMIC_SEQ_CST)) {
        g_thread_yield();
    }
    return true;
}

static void nothing(void *opaque) { }

static void finalize(Object *o)
{
    IoThread *t = IOTHREAD(o);

    if (t->running) {
        __atomic_store_n(&t->stopping, true, __ATOMIC_SEQ_CST);
        aio_bh_oneshot(t->ctx, nothing, NULL);
        g_thread_join(t->thread);
    }
    if (t->ctx) {
        aio_context_unref(t->ctx);
    }
}

static bool can_delete(Object *o) { return IOTHREAD(o)->users == 0; }

#define IO_INT(n, f, d, c) { .name = n, .kind = PROP_I64, .offset = offsetof(IoThread, f), .has_default = true, .def = d, .check = c }

static const Property iothread_props[] = {
    IO_INT("aio-max-batch", aio_max_batch, 0, check_range), IO_INT("poll-grow", poll_grow, 0, check_poll),
    IO_INT("poll-max-ns", poll_max_ns, 32768, check_poll), IO_INT("poll-shrink", poll_shrink, 0, check_poll),
    IO_INT("thread-pool-max", pool_max, 64, check_range), IO_INT("thread-pool-min", pool_min, 0, check_range),
    { NULL }
};

static const TypeInfo event_loop_base = { .name = "event-loop-base", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(event_loop_base)

static const TypeInfo iothread_type = {
    .name = "iothread", .parent = "event-loop-base", .size = sizeof(IoThread), .props = iothread_props,
    .user_creatable = true,
    .complete = complete, .finalize = finalize, .can_delete = can_delete,
};
QOM_TYPE(iothread_type)

IoThread *iothread_find(const char *id)
{
    Object *o = object_child(object_container("/objects"), id);

    return o && object_is_a(o, "iothread") ? IOTHREAD(o) : NULL;
}

const char *iothread_id(const IoThread *t) { return t->obj.name; }
bool iothread_set_link(IoThread **slot, const Property *p, const QObject *value, Error **errp)
{
    const char *text = qobject_get_str(value);
    Object *o;

    if (!text) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string", p->name);
        return false;
    }
    if (!*text) {
        *slot = NULL;
        return true;
    }
    o = object_resolve_path(text, NULL);
    if (!o) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", text);
        return false;
    }
    if (!object_is_a(o, "iothread")) {
        error_setg(errp, "Invalid parameter type for '%s', expected: iothread", p->name);
        return false;
    }
    *slot = IOTHREAD(o);
    return true;
}

void iothread_use(IoThread *t) { t->users++; }
void iothread_unuse(IoThread *t) { t->users--; }

void iothread_foreach(void (*fn)(IoThread *t, void *opaque), void *opaque)
{
    Object *objects = object_container("/objects");

    for (guint i = 0; objects->children && i < objects->children->len; i++) {
        Object *o = ((ObjectChild *)g_ptr_array_index(objects->children, i))->obj;

        if (object_is_a(o, "iothread")) {
            fn(IOTHREAD(o), opaque);
        }
    }
}

/* --- main-loop: the same knobs for the main thread's context ---------------------------------------- */

typedef struct MainLoopObject {
    Object obj;
    int64_t aio_max_batch, pool_min, pool_max;
} MainLoopObject;

static bool main_loop_complete(Object *o, Error **errp)
{
    MainLoopObject *m = (MainLoopObject *)o;

    if (m->pool_min > m->pool_max) {
        error_setg(errp, "bad thread-pool-min/thread-pool-max values");
        return false;
    }
    thread_pool_set_limits(m->pool_min, m->pool_max);
    return true;
}

static bool main_loop_can_delete(Object *o) { return false; }

#define ML_INT(n, f, d) { .name = n, .kind = PROP_I64, .offset = offsetof(MainLoopObject, f), .has_default = true, .def = d, .check = check_range }
static const Property main_loop_props[] = {
    ML_INT("aio-max-batch", aio_max_batch, 0), ML_INT("thread-pool-max", pool_max, 64),
    ML_INT("thread-pool-min", pool_min, 0), { NULL }
};
static const TypeInfo main_loop_type = {
    .name = "main-loop", .parent = "event-loop-base", .size = sizeof(MainLoopObject), .props = main_loop_props,
    .user_creatable = true, .complete = main_loop_complete, .can_delete = main_loop_can_delete,
};
QOM_TYPE(main_loop_type)
