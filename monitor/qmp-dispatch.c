/*
 * Takes requests from the sessions in turn and runs them, one at a time, in the main thread.
 *
 * Bodies may poll, so this may be entered again while one runs; then it does nothing, and is woken
 * when that one has ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qmp-int.h"

static void dispatch_next(void *opaque);

void qmp_dispatcher_wake(void)
{
    aio_bh_oneshot(aio_main_context(), dispatch_next, NULL);
}

/* The next request of a session that reads its replies; NULL if there is none. */
static QmpRequest *take_request(MonitorQMP *qmp, unsigned *session)
{
    QmpRequest *r;

    if (monitor_backlog(&qmp->common) > MONITOR_OUTPUT_HIGH) {
        return NULL;
    }
    pthread_mutex_lock(&qmp->requests_lock);
    r = g_queue_pop_head(&qmp->requests);
    qmp->executing = r != NULL;
    *session = qmp->session;
    pthread_mutex_unlock(&qmp->requests_lock);
    return r;
}

/* Who was served goes to the end of the list, so that all get their turn. */
static MonitorQMP *next_session(QmpRequest **r, unsigned *session)
{
    MonitorQMP *found = NULL;

    pthread_mutex_lock(&monitors_lock);
    for (GList *l = monitors; l && !found; l = l->next) {
        Monitor *mon = l->data;

        if (mon->qmp && (*r = take_request(monitor_qmp(mon), session)) != NULL) {
            found = monitor_qmp(mon);
            monitors = g_list_append(g_list_delete_link(monitors, l), found);
            break;
        }
    }
    pthread_mutex_unlock(&monitors_lock);
    return found;
}

static QDict *run_request(MonitorQMP *qmp, QmpRequest *r)
{
    QmpPhase phase;
    bool oob;

    if (r->err) {
        return qmp_error_reply(g_steal_pointer(&r->err));
    }
    pthread_mutex_lock(&qmp->requests_lock);
    phase = qmp->phase;
    oob = qmp->oob_enabled;
    pthread_mutex_unlock(&qmp->requests_lock);
    return qmp_dispatch(r->value, phase, oob);
}

static void finish(MonitorQMP *qmp, QDict *reply, unsigned session)
{
    bool same;

    pthread_mutex_lock(&qmp->requests_lock);
    qmp->executing = false;
    same = session == qmp->session;
    pthread_mutex_unlock(&qmp->requests_lock);
    if (same) {
        qmp_send(qmp, reply);
    } else {
        qobject_unref(reply);
    }
    qmp_want_input(qmp);
}

static void dispatch_next(void *opaque)
{
    unsigned session = 0;
    QmpRequest *r = NULL;
    MonitorQMP *qmp;
    Monitor *previous;
    QDict *reply;

    if (monitor_command_runs()) {
        return;
    }
    qmp = next_session(&r, &session);
    if (!qmp) {
        return;
    }
    previous = monitor_command_begin(&qmp->common);
    error_set_nameless(true);
    reply = run_request(qmp, r);
    error_set_nameless(false);
    monitor_command_end(previous);
    finish(qmp, reply, session);
    qmp_request_free(r);
    qmp_dispatcher_wake();
}
