/*
 * The life of a connection to an NBD server: connect, send, wait for the answer, lose it, connect again.
 *
 * One reader coroutine per connection reads answers and wakes whom they are for (nbd-reply.c).  When it ends the
 * connection is lost: requests without an answer are marked so, and, while WAITING, sent again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd-client.h"
#include "io/socket.h"
#include "io/tls.h"
#include "util/yank.h"

#define RETRY_NS 100000000LL
#define ATTEMPT_NS 10000000000LL           /* a server that takes longer to connect and negotiate is none */

NbdPending *nbd_link_find(NbdLink *n, uint64_t handle)
{
    NbdPending *p = n->pending[handle % NBD_LINK_REQUESTS];

    return p && p->request.handle == handle && !p->done ? p : NULL;
}

void nbd_link_done(NbdLink *n, NbdPending *p)
{
    p->done = true;
    if (p->waiting) {
        p->waiting = false;
        aio_co_wake(p->co);
    }
}

/* --- connecting ------------------------------------------------------------ */

static void cut(void *opaque)
{
    io_channel_shutdown(opaque, true, true);
}

static int coroutine_fn start_tls(NbdLink *n, NbdClient *c, Error **errp)
{
    int ret = nbd_client_starttls(c, errp);

    if (ret < 0) {
        return ret;
    }
    c->channel = n->channel = io_channel_tls_new(g_steal_pointer(&n->channel), n->tls, n->tls_hostname, NULL, NULL, errp);
    return c->channel ? io_channel_tls_handshake(c->channel, errp) : -EINVAL;
}

/* Which context to ask for; what the server has of it. */
static int coroutine_fn choose_context(NbdLink *n, NbdClient *c, NbdClientExport *e, Error **errp)
{
    const char *name = n->context ? n->context : "base:allocation";
    int ret = c->structured ? nbd_client_select_context(c, e, name, errp) : 0;

    n->has_context = ret > 0;
    if (ret > 0) {
        n->context_id = g_array_index(e->context_ids, uint32_t, e->context_ids->len - 1);
    }
    return ret < 0 ? ret : 0;
}

static int coroutine_fn negotiate(NbdLink *n, NbdClientExport *e, Error **errp)
{
    NbdClient c;
    int ret = nbd_client_greet(&c, n->channel, false, errp);

    if (ret == 0 && n->tls) {
        ret = start_tls(n, &c, errp);
    }
    if (ret == 0) {
        ret = nbd_client_structured(&c, errp);
    }
    if (ret == 0) {
        ret = choose_context(n, &c, e, errp);
    }
    if (ret == 0) {
        ret = nbd_client_go(&c, e, errp);
    }
    if (ret < 0) {
        nbd_client_bye(&c);
    }
    n->structured = c.structured;
    return ret;
}

/* The present export may not be another one than before: size and what it can do stay. */
static int check_same(const NbdLink *n, const NbdClientExport *e, Error **errp)
{
    if (n->info && e->size != n->info->size) {
        error_setg(errp, "server changed export size");
        return -EINVAL;
    }
    return 0;
}

static void drop_channel(NbdLink *n)
{
    if (n->channel) {
        if (n->yank_name) {
            yank_remove_fn(YANK_BLOCK_NODE, n->yank_name, cut, n->channel);
        }
        io_channel_close(n->channel);
        io_channel_unref(g_steal_pointer(&n->channel));
    }
}

static void lost(NbdLink *n)
{
    if (n->state == NBD_LINK_CONNECTED) {
        n->state = n->reconnect_ns ? NBD_LINK_WAITING : NBD_LINK_TRYING;
        n->give_up_at = aio_clock_ns(AIO_CLOCK_REALTIME) + n->reconnect_ns;
        io_channel_shutdown(n->channel, true, true);
    }
}

static void coroutine_fn reader(void *opaque)
{
    NbdLink *n = opaque;

    while (n->state == NBD_LINK_CONNECTED && nbd_link_read_answer(n) == 0) {
        /* on to the next */
    }
    lost(n);
    /* Whoever is writing still holds the channel; the lock says when not. */
    co_mutex_lock(&n->send);
    drop_channel(n);
    co_mutex_unlock(&n->send);
    n->reading = false;
    for (int i = 0; i < NBD_LINK_REQUESTS; i++) {
        NbdPending *p = n->pending[i];

        if (p && !p->done) {
            p->lost = true;
            p->ret = p->wrong ? -EINVAL : -EIO;
            nbd_link_done(n, p);
        }
    }
    aio_wait_kick();
}

/* One attempt; its parts wait for each other, so that it can be given up in any of them. */
typedef struct Attempt {
    NbdLink *n;
    Coroutine *co;
    IOConnect *dial;                       /* under way: no channel yet */
    Error *err;                            /* of the dial */
    bool late;
} Attempt;

static void attempt_late(void *opaque)
{
    Attempt *a = opaque;

    a->late = true;
    if (a->dial) {
        io_connect_cancel(g_steal_pointer(&a->dial));
        aio_co_wake(a->co);
    } else if (a->n->channel) {            /* none: the dial has failed, and the attempt is about to hear of it */
        cut(a->n->channel);
    }
}

static void dialled(void *opaque, IOChannel *c, Error *err)
{
    Attempt *a = opaque;

    a->dial = NULL;
    a->n->channel = c;
    a->err = err;
    aio_co_wake(a->co);
}

static int coroutine_fn attempt(Attempt *a, NbdClientExport *e, Error **errp)
{
    NbdLink *n = a->n;
    int ret;

    a->dial = io_connect_start(n->addr, dialled, a);
    coroutine_yield();
    if (!n->channel) {
        error_propagate(errp, a->err);
        return -ECONNREFUSED;
    }
    io_socket_set_nodelay(n->channel, true);
    ret = negotiate(n, e, errp);
    return ret < 0 ? ret : check_same(n, e, errp);
}

/* limit: when the attempt is given up, 0: never. */
static int coroutine_fn connect_once(NbdLink *n, int64_t limit, Error **errp)
{
    NbdClientExport *e = nbd_client_export_new(n->export_name ? n->export_name : "");
    Attempt a = { .n = n, .co = coroutine_self() };
    AioTimer *timer = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, attempt_late, &a);
    Error *err = NULL;
    int ret;

    if (limit) {
        aio_timer_mod_ns(timer, limit);
    }
    ret = attempt(&a, e, &err);
    aio_timer_free(timer);
    if (ret < 0) {
        if (a.late) {
            error_free(g_steal_pointer(&err));
            error_setg(&err, "Connection attempt cancelled by timeout");
        }
        error_propagate(errp, err);
        nbd_client_export_free(e);
        io_channel_unref(g_steal_pointer(&n->channel));
        return ret;
    }
    nbd_client_export_free(n->info);
    n->info = e;
    n->state = NBD_LINK_CONNECTED;
    n->reading = true;
    if (n->yank_name) {
        yank_add_fn(YANK_BLOCK_NODE, n->yank_name, cut, n->channel);
    }
    coroutine_enter(coroutine_create(reader, n));
    return 0;
}

/* Try until it works or the time is over (which it may be already: then once); the last error counts. */
static int coroutine_fn connect_until(NbdLink *n, int64_t deadline, Error **errp)
{
    for (;;) {
        int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME), limit = now + ATTEMPT_NS;
        Error *err = NULL;
        int ret;

        limit = deadline > now ? MIN(limit, deadline) : limit;
        ret = connect_once(n, n->info || n->open_ns ? limit : 0, &err);
        if (ret == 0 || aio_clock_ns(AIO_CLOCK_REALTIME) >= deadline) {
            error_propagate(errp, err);
            return ret;
        }
        error_free(err);
        co_sleep_ns(RETRY_NS);
    }
}

typedef struct OpenCall { NbdLink *n; Error **errp; int ret; } OpenCall;

static void coroutine_fn open_entry(void *opaque)
{
    OpenCall *c = opaque;

    c->ret = connect_until(c->n, aio_clock_ns(AIO_CLOCK_REALTIME) + c->n->open_ns, c->errp);
}

int nbd_link_open(NbdLink *n, Error **errp)
{
    OpenCall c = { n, errp, 0 };

    co_queue_init(&n->room);
    co_mutex_init(&n->send);
    if (n->yank_name) {
        yank_add(YANK_BLOCK_NODE, n->yank_name);
    }
    co_run_sync(open_entry, &c);
    return c.ret;
}

/* Alone among the requests in flight. */
static void coroutine_fn reconnect(NbdLink *n)
{
    if (connect_until(n, n->state == NBD_LINK_WAITING ? n->give_up_at : 0, NULL) < 0) {
        n->state = NBD_LINK_TRYING;
        n->failures++;
    }
    co_queue_wake_all(&n->room);
}

/* --- requests -------------------------------------------------------------- */

static int free_slot(const NbdLink *n)
{
    for (int i = 0; i < NBD_LINK_REQUESTS; i++) {
        if (!n->pending[i]) {
            return i;
        }
    }
    g_assert_not_reached();
}

static int coroutine_fn send_request(NbdLink *n, const NbdPending *p)
{
    uint8_t head[NBD_REQUEST_BYTES];
    AUTO_IOVEC all;
    int ret = -EIO;

    nbd_request_print(&p->request, head);
    iov_init(&all, 1 + (p->qiov ? p->qiov->niov : 0));
    iov_add(&all, head, sizeof(head));
    if (p->request.type == NBD_CMD_WRITE) {
        iov_concat(&all, p->qiov, p->qiov_offset, p->request.len);
    }
    co_mutex_lock(&n->send);
    if (n->state == NBD_LINK_CONNECTED) {
        ret = io_channel_writev_all(n->channel, all.iov, all.niov, NULL);
    }
    co_mutex_unlock(&n->send);
    return ret;
}

static int coroutine_fn send_and_wait(NbdLink *n, NbdPending *p)
{
    int slot = free_slot(n);

    p->request.handle = n->serial++ * NBD_LINK_REQUESTS + slot;
    n->pending[slot] = p;
    if (send_request(n, p) < 0) {
        lost(n);
    }
    /* The reader, as long as it lives, answers all that is pending, with an error in the end. */
    if (!n->reading && !p->done) {
        p->done = p->lost = true;
        p->ret = -EIO;
    }
    if (!p->done) {
        p->waiting = true;
        coroutine_yield();
    }
    n->pending[slot] = NULL;
    return p->ret;
}

static bool failed_meanwhile(const NbdLink *n, unsigned failures)
{
    return n->state == NBD_LINK_TRYING && n->failures != failures;
}

/* Who has waited while an attempt failed makes none of its own: all that wait fail with it. */
static int coroutine_fn try_once(NbdLink *n, NbdPending *p)
{
    unsigned failures = n->failures;
    int ret = -EIO;

    while (n->in_flight == NBD_LINK_REQUESTS || (n->state != NBD_LINK_CONNECTED && (n->in_flight || n->reading))) {
        if (!n->in_flight) {
            co_sleep_ns(RETRY_NS / 100);       /* only the reader's last steps are waited for */
        } else {
            co_queue_wait(&n->room, NULL);
        }
        if (failed_meanwhile(n, failures)) {
            return -EIO;
        }
    }
    n->in_flight++;
    if (n->state != NBD_LINK_CONNECTED) {
        reconnect(n);
    }
    if (n->state == NBD_LINK_CONNECTED) {
        ret = send_and_wait(n, p);
    }
    n->in_flight--;
    co_queue_wake_one(&n->room);
    return ret;
}

int coroutine_fn nbd_link_request(NbdLink *n, NbdRequest *r, IoVec *qiov, size_t qiov_offset, NbdExtent *extent)
{
    AioContext *home = aio_current_context();
    NbdPending p;
    int ret;

    aio_co_reschedule_self(aio_main_context());
    do {
        if (extent) {
            *extent = (NbdExtent){ 0 };
        }
        p = (NbdPending){ .co = coroutine_self(), .request = *r, .qiov = qiov, .qiov_offset = qiov_offset,
                          .extent = extent };
        ret = try_once(n, &p);
        nbd_came_clear(&p.came);
    } while (p.lost && n->state == NBD_LINK_WAITING);
    aio_co_reschedule_self(home);
    return ret;
}

/* --- the end --------------------------------------------------------------- */

static bool still_reading(void *opaque)
{
    return ((NbdLink *)opaque)->reading;
}

static void coroutine_fn say_goodbye(void *opaque)
{
    NbdLink *n = opaque;
    NbdRequest r = { .type = NBD_CMD_DISC };
    uint8_t head[NBD_REQUEST_BYTES];

    nbd_request_print(&r, head);
    io_channel_write_all(n->channel, head, sizeof(head), NULL);
}

void nbd_link_close(NbdLink *n)
{
    if (n->state == NBD_LINK_CONNECTED) {
        co_run_sync(say_goodbye, n);
    }
    n->state = NBD_LINK_CLOSED;
    if (n->reading && n->channel) {
        io_channel_shutdown(n->channel, true, true);
    }
    aio_wait_while(still_reading, n);
    if (n->yank_name) {
        yank_remove(YANK_BLOCK_NODE, n->yank_name);
        g_free(n->yank_name);
    }
    nbd_client_export_free(n->info);
}
