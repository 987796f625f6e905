/*
 * A channel in memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "io/channel.h"

typedef struct BufferChannel { IOChannel c; GByteArray *bytes; } BufferChannel;

static ssize_t buffer_readv(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp)
{
    BufferChannel *b = (BufferChannel *)c;
    size_t done = 0;

    for (int i = 0; i < niov && done < b->bytes->len; i++) {
        size_t n = MIN(iov[i].iov_len, b->bytes->len - done);

        memcpy(iov[i].iov_base, b->bytes->data + done, n);
        done += n;
    }
    g_byte_array_remove_range(b->bytes, 0, done);
    return done;
}

static ssize_t buffer_writev(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp)
{
    BufferChannel *b = (BufferChannel *)c;
    size_t done = 0;

    for (int i = 0; i < niov; i++) {
        g_byte_array_append(b->bytes, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    return done;
}

static int buffer_fd(const IOChannel *c, IODirection dir) { return -1; }
static void buffer_close(IOChannel *c) { g_byte_array_free(((BufferChannel *)c)->bytes, TRUE); }

static const IOChannelOps buffer_ops = {
    .readv = buffer_readv, .writev = buffer_writev, .fd = buffer_fd, .close = buffer_close,
};

IOChannel *io_channel_buffer_new(void)
{
    BufferChannel *b = io_channel_alloc(&buffer_ops, sizeof(*b));

    b->bytes = g_byte_array_new();
    return &b->c;
}

const uint8_t *io_channel_buffer_data(const IOChannel *c, size_t *len)
{
    const BufferChannel *b = (const BufferChannel *)c;

    *len = b->bytes->len;
    return b->bytes->data;
}
