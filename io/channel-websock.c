/*
 * A websocket as a byte channel: bytes go out in binary frames, payloads of those that come in are the input.
 *
 * What was read from below is decoded at once, so what is kept is payload that nobody took yet, or the beginning of a
 * frame's header or of a control frame (at most 125 bytes).  For output nothing but headers and control frames is kept:
 * when the channel below takes only part of a frame, the rest of its payload is what the caller writes next.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "io/websock.h"
#include "util/cutils.h"
#include "websock.h"

#define MAX_REQUEST 4096
#define READ_SIZE 4096
#define MAX_FRAME MiB
#define MAX_CONTROL 125

enum {
    OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10, FIN = 0x80, MASKED = 0x80,
};
enum { CLOSE_NORMAL = 1000, CLOSE_PROTOCOL = 1002, CLOSE_DATA = 1003 };

typedef struct Websock {
    IOChannel c;
    IOChannel *base;
    GByteArray *raw;               /* read, not decoded */
    GByteArray *decoded;
    uint64_t payload_left;         /* of the data frame that is being read */
    uint8_t mask[4];
    unsigned mask_at;
    bool in_message;               /* a frame without FIN came */
    bool ended;                    /* no more input: closed, or broken */
    GMutex out_lock;               /* the reader answers pings while another thread writes */
    GByteArray *out;               /* headers and control frames to go before anything else */
    uint64_t frame_left;           /* payload that was announced and is still to be sent */
} Websock;

/* --- output ------------------------------------------------------------------------------- */

/* 1: out is empty; else as io_channel_write. */
static ssize_t flush_out(Websock *w, Error **errp)
{
    while (w->out->len) {
        ssize_t n = io_channel_write(w->base, w->out->data, w->out->len, errp);

        if (n <= 0) {
            return n ? n : -EAGAIN;
        }
        g_byte_array_remove_range(w->out, 0, n);
    }
    return 1;
}

static void put_header(Websock *w, int op, uint64_t len)
{
    uint8_t h[10] = { FIN | op };
    unsigned n = 2;

    if (len < 126) {
        h[1] = len;
    } else if (len < 65536) {
        h[1] = 126;
        store_be16(h + 2, len);
        n = 4;
    } else {
        h[1] = 127;
        store_be64(h + 2, len);
        n = 10;
    }
    g_byte_array_append(w->out, h, n);
}

/* Goes out now or with the next write; left out in the middle of a frame, or when the peer floods us with pings. */
static void put_control(Websock *w, int op, const uint8_t *data, size_t len)
{
    g_autoptr(GMutexLocker) guard = g_mutex_locker_new(&w->out_lock);

    if (w->frame_left || w->out->len > 4 * MAX_CONTROL) {
        return;
    }
    put_header(w, op, len);
    g_byte_array_append(w->out, data, len);
    flush_out(w, NULL);
}

static void end(Websock *w, int status)
{
    uint8_t code[2];

    store_be16(code, status);
    put_control(w, OP_CLOSE, code, sizeof(code));
    w->ended = true;
}

/* Announce a frame with these bytes: 1; 0: there are none; else -errno. */
static ssize_t begin_output(Websock *w, const struct iovec *iov, int niov, Error **errp)
{
    uint64_t total = 0;

    for (int i = 0; i < niov; i++) {
        total += iov[i].iov_len;
    }
    if (!total) {
        return 0;
    }
    w->frame_left = MIN(total, MAX_FRAME);
    put_header(w, OP_BINARY, w->frame_left);
    return flush_out(w, errp);
}

static ssize_t websock_writev(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp)
{
    Websock *w = (Websock *)c;
    g_autoptr(GMutexLocker) guard = g_mutex_locker_new(&w->out_lock);
    struct iovec one;
    ssize_t n = flush_out(w, errp);
    int i = 0;

    if (n != 1) {
        return n;
    }
    if (!w->frame_left) {
        n = begin_output(w, iov, niov, errp);
        if (n != 1) {
            return n;
        }
    }
    while (i < niov - 1 && !iov[i].iov_len) {
        i++;
    }
    one = (struct iovec) { iov[i].iov_base, MIN(iov[i].iov_len, w->frame_left) };
    n = io_channel_writev(w->base, &one, 1, errp);
    if (n > 0) {
        w->frame_left -= n;
    }
    return n;
}

/* --- input ------------------------------------------------------------------------------------ */

static void unmask(Websock *w, uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        data[i] ^= w->mask[w->mask_at++ % 4];
    }
}

static void control_frame(Websock *w, int op, uint8_t *data, size_t len)
{
    unmask(w, data, len);
    if (op == OP_PING) {
        put_control(w, OP_PONG, data, len);
    } else if (op == OP_CLOSE) {
        end(w, CLOSE_NORMAL);
    }
}

/* Bytes of the frame's header, its payload's length in *len; 0: not all of it is there; -1: broken. */
static int parse_header(Websock *w, uint64_t *len)
{
    const uint8_t *h = w->raw->data;
    unsigned size = w->raw->len, need = 6;

    if (size < 2) {
        return 0;
    }
    *len = h[1] & 127;
    need += *len == 126 ? 2 : *len == 127 ? 8 : 0;
    if (!(h[1] & MASKED) || (h[0] & 0x70)) {
        return -1;
    }
    if (size < need) {
        return 0;
    }
    *len = *len == 126 ? load_be16(h + 2) : *len == 127 ? load_be64(h + 2) : *len;
    memcpy(w->mask, h + need - 4, 4);
    w->mask_at = 0;
    return need;
}

/* The frame at the front of raw; false: more bytes are needed, or it was the last. */
static bool begin_frame(Websock *w)
{
    uint64_t len;
    int head = parse_header(w, &len), op = w->raw->len ? w->raw->data[0] & 15 : 0;
    bool fin = head > 0 && (w->raw->data[0] & FIN);

    if (head <= 0) {
        if (head < 0) {
            end(w, CLOSE_PROTOCOL);
        }
        return false;
    }
    if (op & 8) {
        if (!fin || len > MAX_CONTROL || op > OP_PONG) {
            end(w, CLOSE_PROTOCOL);
            return false;
        }
        if (w->raw->len < head + len) {
            return false;
        }
        control_frame(w, op, w->raw->data + head, len);
        g_byte_array_remove_range(w->raw, 0, head + len);
        return !w->ended;
    }
    if (op != (w->in_message ? OP_CONTINUE : OP_BINARY)) {
        end(w, op == OP_TEXT ? CLOSE_DATA : CLOSE_PROTOCOL);
        return false;
    }
    w->in_message = !fin;
    w->payload_left = len;
    g_byte_array_remove_range(w->raw, 0, head);
    return true;
}

static void decode(Websock *w)
{
    while (!w->ended) {
        size_t n = MIN(w->payload_left, w->raw->len);

        if (n) {
            unmask(w, w->raw->data, n);
            g_byte_array_append(w->decoded, w->raw->data, n);
            g_byte_array_remove_range(w->raw, 0, n);
            w->payload_left -= n;
        }
        if (w->payload_left || !begin_frame(w)) {
            return;
        }
    }
}

static ssize_t take_decoded(Websock *w, const struct iovec *iov, int niov)
{
    size_t done = 0;

    for (int i = 0; i < niov && done < w->decoded->len; i++) {
        size_t n = MIN(iov[i].iov_len, w->decoded->len - done);

        memcpy(iov[i].iov_base, w->decoded->data + done, n);
        done += n;
    }
    g_byte_array_remove_range(w->decoded, 0, done);
    return done;
}

static ssize_t websock_readv(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp)
{
    Websock *w = (Websock *)c;
    uint8_t buf[READ_SIZE];
    ssize_t n;

    decode(w);
    while (!w->decoded->len && !w->ended) {
        n = io_channel_read(w->base, buf, sizeof(buf), errp);
        if (n <= 0) {
            return n;
        }
        g_byte_array_append(w->raw, buf, n);
        decode(w);
    }
    return take_decoded(w, iov, niov);
}

static bool websock_pending(const IOChannel *c)
{
    const Websock *w = (const Websock *)c;

    return w->decoded->len || w->ended || (w->base->ops->pending && w->base->ops->pending(w->base));
}

static void websock_wants(const IOChannel *c, IODirection *dir)
{
    const Websock *w = (const Websock *)c;

    if (w->base->ops->wants) {
        w->base->ops->wants(w->base, dir);
    }
}

static int websock_fd(const IOChannel *c, IODirection dir) { return io_channel_fd(((const Websock *)c)->base, dir); }

static int websock_shutdown(IOChannel *c, bool read, bool write)
{
    return io_channel_shutdown(((Websock *)c)->base, read, write);
}

static void websock_close(IOChannel *c)
{
    Websock *w = (Websock *)c;

    io_channel_unref(w->base);
    g_byte_array_unref(w->raw);
    g_byte_array_unref(w->decoded);
    g_byte_array_unref(w->out);
    g_mutex_clear(&w->out_lock);
}

static const IOChannelOps websock_ops = {
    .readv = websock_readv, .writev = websock_writev, .fd = websock_fd, .pending = websock_pending,
    .wants = websock_wants,
    .shutdown = websock_shutdown, .close = websock_close,
};

/* --- the beginning ------------------------------------------------------------------------------ */

/* Up to the empty line, which is cut off; what came behind it is left in raw.  NULL + errp. */
static char *read_request(Websock *w, Error **errp)
{
    for (;;) {
        uint8_t buf[READ_SIZE];
        char *stop = w->raw->len ? g_strstr_len((char *)w->raw->data, w->raw->len, "\r\n\r\n") : NULL;
        ssize_t n;

        if (stop) {
            char *request = g_strndup((char *)w->raw->data, stop - (char *)w->raw->data);

            g_byte_array_remove_range(w->raw, 0, stop + 4 - (char *)w->raw->data);
            return request;
        }
        if (w->raw->len >= MAX_REQUEST) {
            g_autofree char *answer = websock_refuse_long();

            io_channel_write_all(w->base, answer, strlen(answer), NULL);
            error_setg(errp, "End of headers not found in first %d bytes", MAX_REQUEST);
            return NULL;
        }
        n = io_channel_read(w->base, buf, MIN(sizeof(buf), MAX_REQUEST - w->raw->len), errp);
        if (n == -EAGAIN) {
            io_channel_wait(w->base, IO_READ);
        } else if (n <= 0) {
            if (!n) {
                error_setg(errp, "The client left before its request was complete");
            }
            return NULL;
        } else {
            g_byte_array_append(w->raw, buf, n);
        }
    }
}

IOChannel *io_channel_websock_accept(IOChannel *base, Error **errp)
{
    g_autoptr(IOChannel) c = io_channel_alloc(&websock_ops, sizeof(Websock));
    Websock *w = (Websock *)c;
    g_autofree char *request = NULL, *answer = NULL;
    Error *err = NULL;

    w->base = base;
    w->raw = g_byte_array_new();
    w->decoded = g_byte_array_new();
    w->out = g_byte_array_new();
    g_mutex_init(&w->out_lock);
    request = read_request(w, errp);
    if (!request) {
        return NULL;
    }
    answer = websock_answer(request, &err);
    if (io_channel_write_all(base, answer, strlen(answer), err ? NULL : &err) < 0 || err) {
        error_propagate(errp, err);
        return NULL;
    }
    decode(w);
    return g_steal_pointer(&c);
}
