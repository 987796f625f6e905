/*
 * The socket device: one peer at a time, as server or client (with retries).
 *
 * The connection is given up in the context of the handlers only: a writer that meets a dead peer
 * leaves that to the reader, which first delivers what the peer had sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "char-socket.h"
#include "crypto/tls.h"
#include "util/yank.h"

#define READ_SIZE 4096
#define NS_PER_S 1000000000LL

static void connected(SocketChardev *s, IOChannel *c);
static void on_client(void *opaque, IOChannel *c);
static void on_input(void *opaque);
static void start_connect(SocketChardev *s);

/* --- descriptors that travel with bytes ------------------------------------------------------ */

static void close_fds(int *fds, int *n)
{
    while (*n) {
        close(fds[--*n]);
    }
}

static int socket_get_msgfds(Chardev *chr, int *fds, int max)
{
    SocketChardev *s = (SocketChardev *)chr;
    int n = MIN(max, s->n_in_fds);

    memcpy(fds, s->in_fds, n * sizeof(int));
    for (int i = n; i < s->n_in_fds; i++) {
        close(s->in_fds[i]);
    }
    s->n_in_fds = 0;
    return n;
}

static int socket_set_msgfds(Chardev *chr, const int *fds, int n)
{
    SocketChardev *s = (SocketChardev *)chr;

    s->n_out_fds = 0;
    if (!s->c || !s->c->passes_fds || n > SOCKET_FDS_MAX) {
        return -1;
    }
    memcpy(s->out_fds, fds, n * sizeof(int));
    s->n_out_fds = n;
    return 0;
}

/* --- the end of a connection ------------------------------------------------------------------- */

static void schedule_retry(SocketChardev *s);

/* As a server, be ready for the next one. */
static void listen_again(SocketChardev *s)
{
    if (s->listener) {
        io_listener_set_handler(s->listener, chr_context(&s->chr), on_client, s);
    }
}

static void handshake_done(SocketChardev *s, IOChannel *c, Error *err)
{
    if (c) {
        connected(s, c);
        return;
    }
    error_free(err);
    listen_again(s);
    schedule_retry(s);
}

/* A peer is there; it counts once TLS and the websocket, if asked for, have begun.  Takes c. */
static void arrived(SocketChardev *s, IOChannel *c)
{
    if (s->c || s->handshake) {
        io_channel_unref(c);
    } else if (socket_chr_has_handshake(s)) {
        if (s->listener) {
            io_listener_set_handler(s->listener, chr_context(&s->chr), NULL, NULL);
        }
        socket_chr_begin_handshake(s, c, handshake_done);
    } else {
        connected(s, c);
    }
}

static void on_client(void *opaque, IOChannel *c) { arrived(opaque, c); }

static void cut(void *opaque) { io_channel_shutdown(opaque, true, true); }

/* The timer is the main thread's. */
static void arm_retry(void *opaque)
{
    SocketChardev *s = opaque;

    aio_timer_mod_ns(s->retry, aio_clock_ns(AIO_CLOCK_REALTIME) + s->reconnect * NS_PER_S);
}

static void schedule_retry(SocketChardev *s)
{
    if (s->retry) {
        aio_bh_schedule(s->retry_bh);
    }
}

static void disconnect(SocketChardev *s)
{
    IOChannel *c = s->c;
    bool was_open = s->chr.be_open;

    if (!c) {
        return;
    }
    if (s->watching) {
        io_channel_watch(c, IO_READ, c->ctx, NULL, NULL);
        s->watching = false;
    }
    io_channel_watch(c, IO_WRITE, c->ctx, NULL, NULL);
    pthread_mutex_lock(&s->chr.write_lock);
    s->c = s->dead = NULL;
    s->n_out_fds = 0;
    pthread_mutex_unlock(&s->chr.write_lock);
    yank_remove_fn(YANK_CHARDEV, s->chr.label, cut, c);
    io_channel_unref(c);
    close_fds(s->in_fds, &s->n_in_fds);
    listen_again(s);
    socket_chr_name_disconnected(s);
    schedule_retry(s);
    if (was_open) {
        chr_event(&s->chr, CHR_EVENT_CLOSED);
    }
}

/*
 * In the main thread, whatever the context of the handlers.  By now there may be another peer; and
 * while input is watched, the reader meets the end after all that the peer had sent.
 */
static void on_hangup(void *opaque)
{
    SocketChardev *s = opaque;
    AioPause *pause = aio_context_pause(chr_context(&s->chr));

    if (s->c == s->dead && !s->watching) {
        disconnect(s);
    }
    aio_context_resume(pause);
}

static void socket_disconnect(Chardev *chr) { disconnect((SocketChardev *)chr); }

/* --- input ----------------------------------------------------------------------------------- */

static void socket_update_read(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;
    bool wanted = s->c && chr_can_read(chr) > 0;

    if (s->listener && !s->c && !s->handshake) {
        io_listener_set_handler(s->listener, chr_context(chr), on_client, s);
    }
    if (s->c && s->watching && (!wanted || s->c->ctx != chr_context(chr))) {
        io_channel_watch(s->c, IO_READ, s->c->ctx, NULL, NULL);
    }
    if (wanted) {
        io_channel_watch(s->c, IO_READ, chr_context(chr), on_input, s);
    }
    s->watching = wanted;
}

static void socket_accept_input(Chardev *chr)
{
    if (!((SocketChardev *)chr)->watching) {
        socket_update_read(chr);
    }
}

static void keep_fds(SocketChardev *s, const IOFds *fds)
{
    if (fds->n) {
        close_fds(s->in_fds, &s->n_in_fds);
        memcpy(s->in_fds, fds->fds, fds->n * sizeof(int));
        s->n_in_fds = fds->n;
    }
}

static void on_input(void *opaque)
{
    SocketChardev *s = opaque;
    uint8_t buf[READ_SIZE];
    IOFds fds = { .n = 0 };
    int room = chr_can_read(&s->chr);
    ssize_t n;

    if (!s->c || room <= 0) {
        socket_update_read(&s->chr);
        return;
    }
    n = io_channel_read_fds(s->c, buf, MIN(room, READ_SIZE), &fds, NULL);
    keep_fds(s, &fds);
    if (n == -EAGAIN) {
        return;
    }
    if (n <= 0) {
        disconnect(s);
        return;
    }
    n = s->telnet ? telnet_filter(s, buf, n) : n;
    chr_deliver(&s->chr, buf, n);
}

/* --- output ---------------------------------------------------------------------------------- */

static int socket_write(Chardev *chr, const uint8_t *buf, int len)
{
    SocketChardev *s = (SocketChardev *)chr;
    ssize_t n;

    if (!s->c) {
        errno = EIO;
        return -1;
    }
    n = io_channel_write_fds(s->c, buf, len, s->out_fds, s->n_out_fds, NULL);
    if (n >= 0) {
        s->n_out_fds = 0;
        return n;
    }
    if (n != -EAGAIN) {
        s->n_out_fds = 0;
        s->dead = s->c;
        aio_bh_schedule(s->hangup);
    }
    errno = -n;
    return -1;
}

static void on_writable(void *opaque) { chr_notify_writable(opaque); }

static void socket_watch_writable(Chardev *chr, bool on)
{
    SocketChardev *s = (SocketChardev *)chr;

    if (s->c) {
        io_channel_watch(s->c, IO_WRITE, chr_context(chr), on ? on_writable : NULL, s);
    }
}

static void socket_wait_writable(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    if (s->c) {
        io_channel_poll(s->c, IO_WRITE);
    }
}

/* --- the beginning of a connection -------------------------------------------------------------- */

/* Takes c. */
static void connected(SocketChardev *s, IOChannel *c)
{
    if (s->c) {
        io_channel_unref(c);
        return;
    }
    if (s->listener) {
        io_listener_set_handler(s->listener, chr_context(&s->chr), NULL, NULL);
    }
    if (s->nodelay) {
        io_socket_set_nodelay(c, true);
    }
    pthread_mutex_lock(&s->chr.write_lock);
    s->c = c;
    pthread_mutex_unlock(&s->chr.write_lock);
    s->retry_reported = false;
    yank_add_fn(YANK_CHARDEV, s->chr.label, cut, c);
    socket_chr_name_connected(s);
    if (s->telnet) {
        telnet_greet(s);
    }
    chr_event(&s->chr, CHR_EVENT_OPENED);
    socket_update_read(&s->chr);
}

static void on_connected(void *opaque, IOChannel *c, Error *err)
{
    SocketChardev *s = opaque;

    s->connecting = NULL;
    if (c) {
        AioPause *pause = aio_context_pause(chr_context(&s->chr));

        connected(s, c);
        aio_context_resume(pause);
        return;
    }
    if (!s->retry_reported) {
        s->retry_reported = true;
        error_reportf_err(err, "Unable to connect character device %s: ", s->chr.label);
    } else {
        error_free(err);
    }
    schedule_retry(s);
}

static void start_connect(SocketChardev *s)
{
    if (!s->c && !s->connecting && !s->handshake) {
        s->connecting = io_connect_start(s->addr, on_connected, s);
    }
}

static void on_retry(void *opaque) { start_connect(opaque); }

static bool open_server(SocketChardev *s, bool wait, Error **errp)
{
    s->listener = io_listener_new(s->addr, 1, errp);
    if (!s->listener) {
        return false;
    }
    socket_chr_name_disconnected(s);
    if (wait) {
        IOChannel *c;

        info_report("QEMU waiting for connection on: %s", s->chr.filename);
        c = io_listener_accept_blocking(s->listener);
        if (c && socket_chr_has_handshake(s)) {
            c = socket_chr_handshake(s, c, errp);
            if (!c) {
                return false;
            }
        }
        if (c) {
            connected(s, c);
        }
    } else {
        listen_again(s);
    }
    return true;
}

static bool open_client(SocketChardev *s, Error **errp)
{
    IOChannel *c;

    socket_chr_name_disconnected(s);
    if (s->reconnect > 0) {
        s->retry = aio_timer_new(aio_main_context(), AIO_CLOCK_REALTIME, on_retry, s);
        s->retry_bh = aio_bh_new(aio_main_context(), arm_retry, s);
        start_connect(s);
        return true;
    }
    c = io_socket_connect(s->addr, errp);
    if (c && socket_chr_has_handshake(s)) {
        c = socket_chr_handshake(s, c, errp);
    }
    if (c) {
        connected(s, c);
    }
    return c != NULL;
}

static bool check_tls(SocketChardev *s, Error **errp)
{
    TlsCreds *creds = tls_creds_lookup(s->tls_creds, s->server, errp);

    if (creds && s->addr->kind == IO_ADDR_UNIX) {
        error_setg(errp, "'tls_creds' option is incompatible with 'unix' address type");
        tls_creds_unref(creds);
        return false;
    }
    tls_creds_unref(creds);
    return creds != NULL;
}

static bool socket_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    SocketChardev *s = (SocketChardev *)chr;
    bool wait;

    *be_opened = false;
    s->hangup = aio_bh_new(aio_main_context(), on_hangup, s);
    if (!socket_chr_configure(s, data, &wait, errp)) {
        return false;
    }
    if (s->tls_creds && !check_tls(s, errp)) {
        return false;
    }
    yank_add(YANK_CHARDEV, chr->label);
    s->yankable = true;
    return s->server ? open_server(s, wait, errp) : open_client(s, errp);
}

static bool socket_add_client(Chardev *chr, int fd)
{
    SocketChardev *s = (SocketChardev *)chr;
    IOChannel *c = s->c ? NULL : io_socket_from_fd(fd, NULL);
    AioPause *pause = aio_context_pause(chr_context(chr));

    if (c) {
        connected(s, c);
    }
    aio_context_resume(pause);
    return c != NULL;
}

static QDict *socket_address(const Chardev *chr)
{
    const SocketChardev *s = (const SocketChardev *)chr;
    g_autoptr(IOAddress) local = s->listener ? io_listener_address(s->listener, NULL) : NULL;

    return io_address_to_qdict(local ? local : s->addr);
}

static void socket_close(Chardev *chr)
{
    SocketChardev *s = (SocketChardev *)chr;

    if (s->connecting) {
        io_connect_cancel(s->connecting);
    }
    socket_chr_forget_handshake(s);
    if (s->retry) {
        aio_timer_free(s->retry);
        aio_bh_delete(s->retry_bh);
    }
    if (s->hangup) {
        aio_bh_delete(s->hangup);
    }
    if (s->yankable) {
        yank_remove(YANK_CHARDEV, chr->label);
    }
    io_channel_unref(s->c);
    close_fds(s->in_fds, &s->n_in_fds);
    io_listener_free(s->listener);
    io_address_free(s->addr);
    g_free(s->tls_creds);
    g_free(s->tls_authz);
}

const ChardevClass chr_class_socket = {
    .kind = "socket", .size = sizeof(SocketChardev), .parse = socket_chr_parse, .open = socket_open,
    .close = socket_close, .write = socket_write, .update_read = socket_update_read,
    .accept_input = socket_accept_input, .watch_writable = socket_watch_writable,
    .wait_writable = socket_wait_writable, .get_msgfds = socket_get_msgfds, .set_msgfds = socket_set_msgfds,
    .add_client = socket_add_client, .address = socket_address, .disconnect = socket_disconnect,
};
