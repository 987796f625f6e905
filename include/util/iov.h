/*
 * Vectors of guest or host buffers.  An IoVec does not own the buffers, only
 * (when built by iov_add) the array that names them.  Lengths are bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct IoVec {
    struct iovec *iov;
    int niov;
    int nalloc;             /* 0: iov points to memory of the caller (or to `local`) */
    size_t size;            /* sum of all lengths */
    struct iovec local;     /* backs iov for the one-buffer case: no allocation */
} IoVec;

/* What a guest may scatter one request over: more pieces than any driver makes, and no large block of memory to name them. */
#define IOV_PIECES_MAX 1536

void iov_init(IoVec *v, int hint);                         /* empty, growable */
void iov_init_external(IoVec *v, struct iovec *iov, int niov);
void iov_init_buf(IoVec *v, void *buf, size_t len);        /* one buffer; v must not be moved */
void iov_add(IoVec *v, void *base, size_t len);
/* Append bytes [offset, offset + bytes) of src, sharing its buffers. */
void iov_concat(IoVec *v, const IoVec *src, size_t offset, size_t bytes);
void iov_reset(IoVec *v);
void iov_destroy(IoVec *v);

size_t iov_to_buf(const IoVec *v, size_t offset, void *buf, size_t bytes);
size_t iov_from_buf(const IoVec *v, size_t offset, const void *buf, size_t bytes);
size_t iov_fill(const IoVec *v, size_t offset, int byte, size_t bytes);
bool iov_is_zero(const IoVec *v, size_t offset, size_t bytes);
/* The same bytes?  Returns the offset of the first difference, or -1. */
ssize_t iov_first_difference(const IoVec *a, const IoVec *b);
/*
 * View of [offset, offset + bytes): *iov / *niov point into v when the slice falls on
 * element borders, else into scratch (grown with g_realloc; g_free it). No data is copied.
 */
void iov_slice(const IoVec *v, size_t offset, size_t bytes, struct iovec **iov, int *niov, struct iovec **scratch);
/* Is each base and length a multiple of align? */
bool iov_is_aligned(const IoVec *v, size_t offset, size_t bytes, size_t align);

/* All bytes zero?  Vectorised; any alignment. */
bool buffer_is_zero(const void *buf, size_t len);
/*
 * Give the memory of whole pages of zeroes back to the system; they still read as zeroes and may be written.  buf: private
 * memory, as from malloc.  For large tables that may be nearly all holes.
 */
void buffer_drop_zeroes(void *buf, size_t len);

static inline void iov_cleanup(IoVec *v) { iov_destroy(v); }
#define AUTO_IOVEC __attribute__((cleanup(iov_cleanup))) IoVec

#endif
