/*
 * System calls that move less, or fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <glib.h>
#include "alloccount.h"
#include "shortio.h"

#define VECTORS 2048
#define ODD 512                        /* what a short transfer moves is a multiple of this, since O_DIRECT wants that for the rest */

int64_t io_at, io_seen, io_trips;
bool io_lasting, io_lost;
IoFault io_fault;
int io_errno = EIO;

/* The library's own function of that name. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool trip(IoFault kind)
{
    int64_t left;

    if (__atomic_load_n(&alloc_own, __ATOMIC_RELAXED) > 0) {
        return false;
    }
    __atomic_add_fetch(&io_seen, 1, __ATOMIC_RELAXED);
    if (!__atomic_load_n(&io_at, __ATOMIC_RELAXED) || io_fault != kind) {
        return false;
    }
    left = __atomic_sub_fetch(&io_at, 1, __ATOMIC_RELAXED);
    if (left > 0 || (left < 0 && !io_lasting)) {
        return false;
    }
    if (io_lasting) {
        __atomic_store_n(&io_at, kind == IO_SIGNAL ? 3 : 1, __ATOMIC_RELAXED);       /* signals: each third call */
    }
    __atomic_add_fetch(&io_trips, 1, __ATOMIC_RELAXED);
    return true;
}

/* Some of the bytes of a vector, at least one sector: into `out`.  False: it has no more than that. */
static bool shorten(const struct iovec *iov, int n, struct iovec *out, int *niov)
{
    size_t total = 0, left;
    int i;

    for (i = 0; i < n; i++) {
        total += iov[i].iov_len;
    }
    if (total <= ODD || n > VECTORS) {
        return false;
    }
    left = MAX(total / 3 / ODD * ODD, (size_t)ODD);
    for (i = 0; left > 0; i++) {
        out[i] = iov[i];
        out[i].iov_len = MIN(out[i].iov_len, left);
        left -= out[i].iov_len;
    }
    *niov = i;
    return true;
}

/* A call that fails, or is broken off by a signal. */
static bool fails(void)
{
    if ((io_fault != IO_FAIL && io_fault != IO_SIGNAL) || !trip(io_fault)) {
        return false;
    }
    errno = io_fault == IO_SIGNAL ? EINTR : io_errno;
    return true;
}

static bool refused(void)
{
    if (io_fault != IO_REFUSE || !trip(IO_REFUSE)) {
        return false;
    }
    errno = EOPNOTSUPP;
    return true;
}

typedef ssize_t Move(int fd, const struct iovec *iov, int n, off_t offset);
typedef ssize_t MoveFlags(int fd, const struct iovec *iov, int n, off_t offset, int flags);

static ssize_t move(Move *plain, MoveFlags *with_flags, int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    struct iovec some[VECTORS];

    if (fails()) {
        return -1;
    }
    if (io_fault == IO_SHORT && trip(IO_SHORT) && shorten(iov, n, some, &n)) {
        iov = some;
    }
    return plain ? plain(fd, iov, n, offset) : with_flags(fd, iov, n, offset, flags);
}

/* With 64-bit offsets the C library's header gives these other names. */
ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
    return move((Move *)dlsym(RTLD_NEXT, "preadv64"), NULL, fd, iov, n, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    return move((Move *)dlsym(RTLD_NEXT, "pwritev64"), NULL, fd, iov, n, offset, 0);
}

ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    return refused() ? -1 : move(NULL, (MoveFlags *)dlsym(RTLD_NEXT, "preadv64v2"), fd, iov, n, offset, flags);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
    return move(NULL, (MoveFlags *)dlsym(RTLD_NEXT, "pwritev64v2"), fd, iov, n, offset, flags);
}

/* No power is cut here: nothing needs to reach a disk. */
int fdatasync(int fd)
{
    bool failed = fails();

    io_lost |= failed && errno != EINTR;
    return failed ? -1 : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fails() || refused() ? -1 : ((int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate64"))(fd, mode, offset, len);
}

int ftruncate(int fd, off_t len)
{
    return fails() ? -1 : ((int (*)(int, off_t))dlsym(RTLD_NEXT, "ftruncate64"))(fd, len);
}

/* Vectors that the kernel still reads after the call: a few may wait at a time. */
static struct iovec *lasting_vector(void)
{
    static struct iovec rooms[64][VECTORS];
    static unsigned next;

    return rooms[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % G_N_ELEMENTS(rooms)];
}

int io_submit(io_context_t ctx, long n, struct iocb *requests[])
{
    struct iocb *r;

    for (long i = 0; i < n; i++) {
        struct iovec *some = lasting_vector();
        int niov;

        r = requests[i];
        if ((r->aio_lio_opcode == IO_CMD_PREADV || r->aio_lio_opcode == IO_CMD_PWRITEV) && trip(IO_SHORT) &&
            shorten(r->u.c.buf, r->u.c.nbytes, some, &niov)) {
            r->u.c.buf = some;
            r->u.c.nbytes = niov;
        }
    }
    return NEXT(io_submit)(ctx, n, requests);
}

static void shorten_queued(struct io_uring *ring)
{
    for (unsigned i = ring->sq.sqe_head; io_fault == IO_SHORT && i != ring->sq.sqe_tail; i++) {
        struct io_uring_sqe *sqe = &ring->sq.sqes[i & ring->sq.ring_mask];
        struct iovec *some = lasting_vector();
        int niov;

        if ((sqe->opcode == IORING_OP_READV || sqe->opcode == IORING_OP_WRITEV) && trip(IO_SHORT) &&
            shorten((struct iovec *)(uintptr_t)sqe->addr, sqe->len, some, &niov)) {
            sqe->addr = (uintptr_t)some;
            sqe->len = niov;
        }
    }
}

/* Only calls that have something to submit count. */
static int ring_refused(const struct io_uring *ring)
{
    return ring->sq.sqe_head == ring->sq.sqe_tail || io_fault != IO_RING || !trip(IO_RING) ? 0 : io_lasting ? -EAGAIN : -EPERM;
}

int io_uring_submit(struct io_uring *ring)
{
    int refused = ring_refused(ring);

    if (refused) {
        return refused;
    }
    shorten_queued(ring);
    return NEXT(io_uring_submit)(ring);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
    int refused = ring_refused(ring);

    if (refused) {
        return refused;
    }
    shorten_queued(ring);
    return NEXT(io_uring_submit_and_wait)(ring, n);
}
