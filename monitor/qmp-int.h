/*
 * A QMP session, as seen by the files that make it up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_QMP_INT_H
#define MONITOR_QMP_INT_H

#include "monitor-int.h"
#include "qapi/dispatch.h"

typedef struct MonitorQMP {
    Monitor common;
    bool pretty;
    /* In the context of the device only: */
    JsonParser *parser;
    GByteArray *pending;            /* read, but not parsed: there was no room for another request */
    size_t pending_at;
    AioBh *input_bh;                /* look at pending and the device again */
    /* Under requests_lock: */
    pthread_mutex_t requests_lock;
    GQueue requests;                /* QmpRequest *, oldest first */
    bool executing;                 /* one that was taken from there is at work */
    QmpPhase phase;
    bool oob_enabled;
    unsigned session;               /* number of the peer: replies to the one before are dropped */
} MonitorQMP;

/* One value (or the reason why there is none) in the order of arrival. */
typedef struct QmpRequest {
    QObject *value;
    Error *err;
} QmpRequest;

static inline MonitorQMP *monitor_qmp(Monitor *mon) { return (MonitorQMP *)mon; }

void qmp_request_free(QmpRequest *r);
/* There may be something to run.  Any thread. */
void qmp_dispatcher_wake(void);
/* Send a reply, a greeting: one line.  Takes value. */
void qmp_send(MonitorQMP *qmp, QDict *value);
/* The same for an event, which is dropped when the peer is too far behind. */
void qmp_send_event(MonitorQMP *qmp, const QDict *event);
/* Have the device's context look whether more can be read.  Any thread. */
void qmp_want_input(MonitorQMP *qmp);
QDict *qmp_greeting(void);
/* Sets up how events reach monitors; at the first monitor. */
void qmp_events_init(void);

#endif
