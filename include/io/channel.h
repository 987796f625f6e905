/*
 * Byte channels: sockets, descriptors, buffers, TLS behind one table.
 *
 * A channel belongs to one event loop at a time; reads and writes may come from two coroutines
 * (or from one handler each).  Descriptors of channels never block; who wants to wait uses
 * the *_all functions (a coroutine sleeps, a plain thread polls) or watches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_CHANNEL_H
#define IO_CHANNEL_H

#include <sys/uio.h>
#include "util/aio.h"
#include "util/error.h"

typedef struct IOChannel IOChannel;
typedef enum IODirection { IO_READ, IO_WRITE } IODirection;

/* Descriptors that came with a read; whoever asks owns and closes them. */
typedef struct IOFds { int fds[16]; int n; } IOFds;

typedef struct IOChannelOps {
    /* Bytes moved, 0 at the end of input, -EAGAIN when it would block, other -errno with errp filled. */
    ssize_t (*readv)(IOChannel *c, const struct iovec *iov, int niov, IOFds *fds, Error **errp);
    ssize_t (*writev)(IOChannel *c, const struct iovec *iov, int niov, const int *fds, int nfds, Error **errp);
    int (*fd)(const IOChannel *c, IODirection dir);         /* what to poll; -1: always ready */
    bool (*pending)(const IOChannel *c);                     /* input is buffered above the descriptor; may be NULL */
    void (*wants)(const IOChannel *c, IODirection *dir);     /* dir to poll instead (TLS); may be NULL */
    int (*shutdown)(IOChannel *c, bool read, bool write);    /* may be NULL */
    void (*close)(IOChannel *c);                             /* once */
} IOChannelOps;

struct IOChannel {
    const IOChannelOps *ops;
    size_t size;                   /* of the object that begins with this */
    int refs;
    bool closed;
    bool passes_fds;               /* unix socket */
    AioContext *ctx;               /* where the watches below are; NULL without any */
    struct { AioFdHandler *fn; void *opaque; int fd; } watch[2];
    AioBh *pending_bh;
};

/* For implementations: a zeroed object of size bytes with one reference. */
void *io_channel_alloc(const IOChannelOps *ops, size_t size);
IOChannel *io_channel_ref(IOChannel *c);
void io_channel_unref(IOChannel *c);               /* NULL is fine; the last one closes */
void io_channel_close(IOChannel *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IOChannel, io_channel_unref)

ssize_t io_channel_readv(IOChannel *c, const struct iovec *iov, int niov, Error **errp);
ssize_t io_channel_read(IOChannel *c, void *buf, size_t len, Error **errp);
/* As above; adds received descriptors to fds (those that do not fit are closed). */
ssize_t io_channel_read_fds(IOChannel *c, void *buf, size_t len, IOFds *fds, Error **errp);
ssize_t io_channel_writev(IOChannel *c, const struct iovec *iov, int niov, Error **errp);
ssize_t io_channel_write(IOChannel *c, const void *buf, size_t len, Error **errp);
ssize_t io_channel_write_fds(IOChannel *c, const void *buf, size_t len, const int *fds, int nfds, Error **errp);

/*
 * All of it: 1, 0 when the input ended before the first byte, else -errno (-EPIPE with an error
 * when it ended in the middle).  In a coroutine these sleep, elsewhere they block the thread.
 */
int io_channel_read_all_eof(IOChannel *c, void *buf, size_t len, Error **errp);
/* 0 or -errno. */
int io_channel_read_all(IOChannel *c, void *buf, size_t len, Error **errp);
int io_channel_write_all(IOChannel *c, const void *buf, size_t len, Error **errp);
/* iov is not changed. */
int io_channel_readv_all(IOChannel *c, const struct iovec *iov, int niov, Error **errp);
int io_channel_writev_all(IOChannel *c, const struct iovec *iov, int niov, Error **errp);
/* Wait until dir is ready: a coroutine sleeps (in the context it runs in), a thread polls. */
void io_channel_wait(IOChannel *c, IODirection dir);
/* The same, blocking the thread even in a coroutine (locks are held). */
void io_channel_poll(IOChannel *c, IODirection dir);

/* Call fn in ctx whenever dir is ready; NULL stops.  Both directions of a channel share one ctx. */
void io_channel_watch(IOChannel *c, IODirection dir, AioContext *ctx, AioFdHandler *fn, void *opaque);
/* End one or both directions; coroutines that wait get woken by end of input or an error. */
int io_channel_shutdown(IOChannel *c, bool read, bool write);
int io_channel_fd(const IOChannel *c, IODirection dir);

/* A descriptor pair (may be the same; -1 for none) that the channel owns and closes; they are made non-blocking. */
IOChannel *io_channel_fd_new(int read_fd, int write_fd);
/* Memory: writes append, reads take from the front. */
IOChannel *io_channel_buffer_new(void);
const uint8_t *io_channel_buffer_data(const IOChannel *c, size_t *len);

#endif
