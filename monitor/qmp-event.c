/*
 * Events to all QMP sessions that have finished their negotiation.
 *
 * Some come at most once per second each (per device where they are about devices): the first is sent
 * at once, of those that follow within the second the last one at its end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/time.h>
#include "qmp-int.h"

#define NS_PER_S 1000000000LL

/* The events that are held back, with the member of their data that tells them apart. */
static const struct {
    const char *name, *key;
} throttled[] = {
    { "RTC_CHANGE", NULL }, { "WATCHDOG", NULL }, { "BALLOON_CHANGE", NULL }, { "QUORUM_REPORT_BAD", "node-name" },
    { "QUORUM_FAILURE", NULL }, { "VSERPORT_CHANGE", "id" }, { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path" },
};

typedef struct Throttle {
    char *id;                   /* name and key */
    const char *name;
    AioTimer *timer;            /* main context */
    QDict *waiting;             /* the last one held back; NULL: none */
} Throttle;

static pthread_mutex_t throttle_lock = PTHREAD_MUTEX_INITIALIZER;
static GHashTable *throttles;   /* id -> Throttle */

static void send_to(Monitor *mon, QDict *event)
{
    MonitorQMP *qmp = monitor_qmp(mon);
    bool wanted;

    pthread_mutex_lock(&qmp->requests_lock);
    wanted = qmp->phase == QMP_PHASE_COMMANDS;
    pthread_mutex_unlock(&qmp->requests_lock);
    if (wanted) {
        qmp_send_event(qmp, event);
    }
}

/* Borrows event. */
static void send_to_all(QDict *event)
{
    pthread_mutex_lock(&monitors_lock);
    for (GList *l = monitors; l; l = l->next) {
        if (((Monitor *)l->data)->qmp) {
            send_to(l->data, event);
        }
    }
    pthread_mutex_unlock(&monitors_lock);
}

/* Takes data. */
static QDict *make_event(const char *name, QDict *data)
{
    QDict *event = qdict_new(), *stamp = qdict_new();
    struct timeval now = { -1, -1 };

    gettimeofday(&now, NULL);
    qdict_put_int(stamp, "seconds", now.tv_sec);
    qdict_put_int(stamp, "microseconds", now.tv_usec);
    qdict_put(event, "timestamp", stamp);
    qdict_put_str(event, "event", name);
    if (data) {
        qdict_put(event, "data", data);
    }
    return event;
}

static void on_timer(void *opaque)
{
    Throttle *t = opaque;
    QDict *event;

    pthread_mutex_lock(&throttle_lock);
    event = g_steal_pointer(&t->waiting);
    if (event) {
        aio_timer_mod_ns(t->timer, aio_clock_ns(AIO_CLOCK_REALTIME) + NS_PER_S);
    } else {
        g_hash_table_remove(throttles, t->id);
    }
    pthread_mutex_unlock(&throttle_lock);
    if (event) {
        send_to_all(event);
        qobject_unref(event);
    }
}

static void start_timer(void *opaque)
{
    Throttle *t = opaque;

    t->timer = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, on_timer, t);
    aio_timer_mod_ns(t->timer, aio_clock_ns(AIO_CLOCK_REALTIME) + NS_PER_S);
}

static void throttle_free(void *p)
{
    Throttle *t = p;

    aio_timer_free(t->timer);
    qobject_unref(t->waiting);
    g_free(t->id);
    g_free(t);
}

/* Is this one to wait?  Takes event if so. */
static bool hold_back(const char *id, const char *name, QDict *event)
{
    Throttle *t;
    bool wait;

    pthread_mutex_lock(&throttle_lock);
    t = g_hash_table_lookup(throttles, id);
    wait = t != NULL;
    if (wait) {
        qobject_unref(t->waiting);
        t->waiting = event;
    } else {
        t = g_new0(Throttle, 1);
        t->id = g_strdup(id);
        t->name = name;
        g_hash_table_insert(throttles, t->id, t);
        aio_bh_oneshot(aio_main_context(), start_timer, t);
    }
    pthread_mutex_unlock(&throttle_lock);
    return wait;
}

static void emit(const char *name, QDict *data)
{
    for (size_t i = 0; i < G_N_ELEMENTS(throttled); i++) {
        if (strcmp(throttled[i].name, name) == 0) {
            const char *key = throttled[i].key && data ? qdict_get_str(data, throttled[i].key) : NULL;
            g_autofree char *id = g_strdup_printf("%s %s", name, key ? key : "");
            QDict *event = make_event(name, data);

            if (!hold_back(id, name, event)) {
                send_to_all(event);
                qobject_unref(event);
            }
            return;
        }
    }
    {
        g_autoptr(QObject) event = make_event(name, data);

        send_to_all(event);
    }
}

void qmp_events_init(void)
{
    if (!throttles) {
        throttles = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, throttle_free);
        qapi_event_set_emitter(emit);
    }
}
