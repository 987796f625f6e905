/*
 * The system calls of the file driver under watch: some move less than they were asked to, or fail.
 *
 * Linked into a program, these take the place of the C library's functions (preadv and its kin, fdatasync, fallocate, ftruncate), of
 * libaio's io_submit and liburing's io_uring_submit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_SHORTIO_H
#define TESTS_CRASH_SHORTIO_H

#include <stdbool.h>
#include <stdint.h>

/* What the n-th call from now on does (io_at 0: nothing), counted down; io_lasting: and all after it. */
typedef enum IoFault {
    IO_SHORT,                          /* a transfer moves some of the bytes */
    IO_FAIL,                           /* io_errno; only calls that wait, that is: aio=threads */
    IO_SIGNAL,                         /* EINTR: nothing was done, try again */
    IO_RING,                           /* io_uring_submit: EPERM once, EAGAIN for good */
    IO_REFUSE,                         /* EOPNOTSUPP from fallocate and preadv2, as on a file system that cannot */
} IoFault;

extern int64_t io_at, io_seen, io_trips;
extern bool io_lasting;
extern bool io_lost;                   /* a flush failed: with a page cache none does well any more, as nobody knows what is gone */
extern IoFault io_fault;
extern int io_errno;

#endif
