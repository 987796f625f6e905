/*
 * QMP sessions: greeting, input to requests, replies.
 *
 * Bytes are parsed only while there is room for another request: one without out-of-band execution
 * (the next is read when the reply is on its way), some with it.  Nor is anything read while the peer
 * leaves its replies lying about.  So what a peer can make us keep is bounded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qapi/commands-control.h"
#include "qmp-int.h"
#include "util/fdset.h"

#define READ_SIZE 4096
#define REQUESTS_MAX 8          /* waiting, with out-of-band execution */

static int clients;             /* atomic: with a peer, of all sessions */

void qmp_request_free(QmpRequest *r)
{
    qobject_unref(r->value);
    error_free(r->err);
    g_free(r);
}

/* Without memory for the whole: a reply of the same kind as to what cannot be parsed. */
void qmp_send(MonitorQMP *qmp, QDict *value)
{
    g_autofree char *text = json_try_print(value, qmp->pretty);

    if (!text) {
        g_autoptr(QObject) sorry = NULL;
        Error *err = NULL;

        error_setg_errno(&err, ENOMEM, "The reply cannot be sent");
        sorry = qmp_error_reply(err);
        text = json_print(sorry, qmp->pretty);
    }
    monitor_write(&qmp->common, text, true, true);
    qobject_unref(value);
}

void qmp_send_event(MonitorQMP *qmp, const QDict *event)
{
    g_autofree char *text = json_try_print(event, qmp->pretty);

    if (text) {
        monitor_write(&qmp->common, text, true, false);
    }
}

QDict *qmp_greeting(void)
{
    QDict *out = qdict_new(), *hello = qdict_new();
    g_autoptr(VersionInfo) version = qmp_query_version(NULL);
    QList *capabilities = qlist_new();

    qlist_append(capabilities, qstring_new(QMPCapability_str(QMP_CAPABILITY_OOB)));
    qdict_put(hello, "version", VersionInfo_to_qobject(version));
    qdict_put(hello, "capabilities", capabilities);
    qdict_put(out, "QMP", hello);
    return out;
}

/* --- input ----------------------------------------------------------------------------------- */

static bool has_room(MonitorQMP *qmp)
{
    bool room;

    if (monitor_backlog(&qmp->common) > MONITOR_OUTPUT_HIGH) {
        return false;
    }
    pthread_mutex_lock(&qmp->requests_lock);
    room = qmp->oob_enabled ? g_queue_get_length(&qmp->requests) < REQUESTS_MAX
                            : !qmp->executing && g_queue_is_empty(&qmp->requests);
    pthread_mutex_unlock(&qmp->requests_lock);
    return room;
}

/* In the context of the device, overtaking what waits. */
static void run_out_of_band(MonitorQMP *qmp, QObject *request)
{
    Monitor *previous = monitor_set_cur(&qmp->common);
    QDict *reply = qmp_dispatch(request, QMP_PHASE_COMMANDS, true);

    monitor_set_cur(previous);
    qmp_send(qmp, reply);
    qobject_unref(request);
}

static void on_value(void *opaque, QObject *value, Error *err)
{
    MonitorQMP *qmp = opaque;
    QmpRequest *r;
    bool oob;

    pthread_mutex_lock(&qmp->requests_lock);
    oob = value && qmp->oob_enabled && qmp_is_oob(value);
    if (!oob) {
        r = g_new0(QmpRequest, 1);
        r->value = value;
        r->err = err;
        g_queue_push_tail(&qmp->requests, r);
    }
    pthread_mutex_unlock(&qmp->requests_lock);
    if (oob) {
        run_out_of_band(qmp, value);
    } else {
        qmp_dispatcher_wake();
    }
}

/* In small pieces: a request that ends may take the room for the next. */
static void parse_pending(MonitorQMP *qmp)
{
    while (qmp->pending_at < qmp->pending->len && has_room(qmp)) {
        const char *bytes = (const char *)qmp->pending->data;
        size_t end = qmp->pending_at;

        /* A value ends with a closing bracket or brace, or with what follows it. */
        do {
            end++;
        } while (end < qmp->pending->len && g_ascii_isalnum(bytes[end - 1]) && g_ascii_isalnum(bytes[end]));
        json_parser_feed(qmp->parser, bytes + qmp->pending_at, end - qmp->pending_at);
        qmp->pending_at = end;
    }
    if (qmp->pending_at == qmp->pending->len) {
        g_byte_array_set_size(qmp->pending, 0);
        qmp->pending_at = 0;
    }
}

static int on_can_read(void *opaque)
{
    MonitorQMP *qmp = opaque;

    return qmp->pending->len == 0 && has_room(qmp) ? READ_SIZE : 0;
}

static void on_read(void *opaque, const uint8_t *buf, int size)
{
    MonitorQMP *qmp = opaque;

    monitor_keep_msgfds(&qmp->common);
    g_byte_array_append(qmp->pending, buf, size);
    parse_pending(qmp);
}

static void on_input_wanted(void *opaque)
{
    MonitorQMP *qmp = opaque;

    parse_pending(qmp);
    chr_fe_accept_input(&qmp->common.chr);
}

void qmp_want_input(MonitorQMP *qmp)
{
    aio_bh_schedule(qmp->input_bh);
}

static void on_output_drained(Monitor *mon)
{
    qmp_want_input(monitor_qmp(mon));
    qmp_dispatcher_wake();
}

/* --- peers ----------------------------------------------------------------------------------- */

/* Whatever the peer before has left is forgotten. */
static void new_session(MonitorQMP *qmp, bool open)
{
    QmpRequest *r;

    pthread_mutex_lock(&qmp->requests_lock);
    qmp->session++;
    qmp->phase = QMP_PHASE_NEGOTIATION;
    qmp->oob_enabled = false;
    while ((r = g_queue_pop_head(&qmp->requests)) != NULL) {
        qmp_request_free(r);
    }
    pthread_mutex_unlock(&qmp->requests_lock);
    g_byte_array_set_size(qmp->pending, 0);
    qmp->pending_at = 0;
    json_parser_free(qmp->parser);
    qmp->parser = json_parser_new(on_value, qmp);
    monitor_set_peer(&qmp->common, open);
}

static void clean_fdsets(void *opaque)
{
    fdset_clean();
}

static void count_clients(int change)
{
    fdset_set_clients(__atomic_add_fetch(&clients, change, __ATOMIC_RELAXED));
    if (change < 0) {
        aio_bh_oneshot(aio_main_context(), clean_fdsets, NULL);
    }
}

static void on_event(void *opaque, ChrEvent event)
{
    MonitorQMP *qmp = opaque;

    if (event == CHR_EVENT_OPENED) {
        new_session(qmp, true);
        qmp_send(qmp, qmp_greeting());
        count_clients(1);
    } else if (event == CHR_EVENT_CLOSED) {
        new_session(qmp, false);
        count_clients(-1);
    }
}

static int on_change(void *opaque)
{
    MonitorQMP *qmp = opaque;
    AioPause *pause = aio_context_pause(qmp->common.ctx);

    chr_fe_set_handlers(&qmp->common.chr, on_can_read, on_read, on_event, on_change, qmp, qmp->common.ctx, true);
    aio_context_resume(pause);
    return 0;
}

/* Also what was read already waits for the moment: the dispatcher passed it over while somebody polled. */
static void on_kick(Monitor *mon)
{
    qmp_want_input(monitor_qmp(mon));
    qmp_dispatcher_wake();
}

static bool session_setup(MonitorQMP *qmp, Chardev *chr, Error **errp)
{
    /* The users of a mux stay together in the main thread: there "out of band" is whenever that polls. */
    bool mux = strcmp(chr_kind(chr), "mux") == 0;
    AioContext *ctx = mux ? aio_main_context() : monitor_io_context(errp);

    return ctx && monitor_setup(&qmp->common, chr, ctx, true, errp);
}

int monitor_init_qmp(Chardev *chr, bool pretty, Error **errp)
{
    MonitorQMP *qmp = g_new0(MonitorQMP, 1);

    if (!session_setup(qmp, chr, errp)) {
        g_free(qmp);
        return -EBUSY;
    }
    qmp->pretty = pretty;
    qmp->pending = g_byte_array_new();
    qmp->parser = json_parser_new(on_value, qmp);
    qmp->input_bh = aio_bh_new(qmp->common.ctx, on_input_wanted, qmp);
    qmp->common.output_drained = on_output_drained;
    qmp->common.kick = on_kick;
    pthread_mutex_init(&qmp->requests_lock, NULL);
    g_queue_init(&qmp->requests);
    qmp_events_init();
    monitor_list_add(&qmp->common);
    chr_fe_set_echo(&qmp->common.chr, true);
    on_change(qmp);
    return 0;
}
