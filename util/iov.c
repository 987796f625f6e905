/*
 * Vectors of buffers: building, copying, slicing, comparing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "util/iov.h"

#define GROWTH_MAX 512                 /* elements at a time */

void iov_init(IoVec *v, int hint)
{
    memset(v, 0, sizeof(*v));
    if (hint > 0) {
        v->iov = g_new(struct iovec, hint);
        v->nalloc = hint;
    }
}

void iov_init_external(IoVec *v, struct iovec *iov, int niov)
{
    memset(v, 0, sizeof(*v));
    v->iov = iov;
    v->niov = niov;
    for (int i = 0; i < niov; i++) {
        v->size += iov[i].iov_len;
    }
}

void iov_init_buf(IoVec *v, void *buf, size_t len)
{
    memset(v, 0, sizeof(*v));
    v->local = (struct iovec){ buf, len };
    v->iov = &v->local;
    v->niov = 1;
    v->size = len;
}

void iov_add(IoVec *v, void *base, size_t len)
{
    if (v->niov == v->nalloc) {
        v->nalloc = v->nalloc >= GROWTH_MAX ? v->nalloc + GROWTH_MAX : v->nalloc ? v->nalloc * 2 : 4;
        v->iov = g_renew(struct iovec, v->iov, v->nalloc);
    }
    v->iov[v->niov++] = (struct iovec){ base, len };
    v->size += len;
}

void iov_reset(IoVec *v)
{
    v->niov = 0;
    v->size = 0;
}

void iov_destroy(IoVec *v)
{
    if (v->nalloc) {
        g_free(v->iov);
    }
    memset(v, 0, sizeof(*v));
}

/* Index of the element that holds byte offset, which becomes relative to it; niov when past the end. */
static int iov_locate(const IoVec *v, size_t *offset)
{
    int i = 0;

    while (i < v->niov && *offset >= v->iov[i].iov_len) {
        *offset -= v->iov[i++].iov_len;
    }
    return i;
}

void iov_concat(IoVec *v, const IoVec *src, size_t offset, size_t bytes)
{
    for (int i = iov_locate(src, &offset); bytes && i < src->niov; i++) {
        size_t n = MIN(bytes, src->iov[i].iov_len - offset);

        if (n) {
            iov_add(v, (char *)src->iov[i].iov_base + offset, n);
        }
        bytes -= n;
        offset = 0;
    }
}

size_t iov_to_buf(const IoVec *v, size_t offset, void *buf, size_t bytes)
{
    size_t done = 0;

    for (int i = iov_locate(v, &offset); done < bytes && i < v->niov; i++) {
        size_t n = MIN(bytes - done, v->iov[i].iov_len - offset);

        memcpy((char *)buf + done, (char *)v->iov[i].iov_base + offset, n);
        done += n;
        offset = 0;
    }
    return done;
}

size_t iov_from_buf(const IoVec *v, size_t offset, const void *buf, size_t bytes)
{
    size_t done = 0;

    for (int i = iov_locate(v, &offset); done < bytes && i < v->niov; i++) {
        size_t n = MIN(bytes - done, v->iov[i].iov_len - offset);

        memcpy((char *)v->iov[i].iov_base + offset, (const char *)buf + done, n);
        done += n;
        offset = 0;
    }
    return done;
}

size_t iov_fill(const IoVec *v, size_t offset, int byte, size_t bytes)
{
    size_t done = 0;

    for (int i = iov_locate(v, &offset); done < bytes && i < v->niov; i++) {
        size_t n = MIN(bytes - done, v->iov[i].iov_len - offset);

        memset((char *)v->iov[i].iov_base + offset, byte, n);
        done += n;
        offset = 0;
    }
    return done;
}

bool iov_is_zero(const IoVec *v, size_t offset, size_t bytes)
{
    for (int i = iov_locate(v, &offset); bytes && i < v->niov; i++) {
        size_t n = MIN(bytes, v->iov[i].iov_len - offset);

        if (!buffer_is_zero((char *)v->iov[i].iov_base + offset, n)) {
            return false;
        }
        bytes -= n;
        offset = 0;
    }
    return true;
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

/* Vectors of different lengths differ where the shorter one ends. */
ssize_t iov_first_difference(const IoVec *a, const IoVec *b)
{
    size_t common = MIN(a->size, b->size), done = 0, offset_a = 0, offset_b = 0;
    int ia = 0, ib = 0;

    while (done < common) {
        size_t left_a = a->iov[ia].iov_len - offset_a, left_b = b->iov[ib].iov_len - offset_b;
        size_t n = MIN(MIN(left_a, left_b), common - done);
        const uint8_t *pa = (uint8_t *)a->iov[ia].iov_base + offset_a, *pb = (uint8_t *)b->iov[ib].iov_base + offset_b;

        if (n && memcmp(pa, pb, n)) {
            return done + first_difference(pa, pb, n);
        }
        done += n;
        offset_a = n == left_a ? 0 : offset_a + n;
        offset_b = n == left_b ? 0 : offset_b + n;
        ia += n == left_a;
        ib += n == left_b;
    }
    return a->size == b->size ? -1 : (ssize_t)common;
}

void iov_slice(const IoVec *v, size_t offset, size_t bytes, struct iovec **iov, int *niov, struct iovec **scratch)
{
    int first = iov_locate(v, &offset), last = first;
    size_t end = offset + bytes;        /* relative to the first element */

    if (!bytes || first == v->niov) {
        *iov = v->iov;
        *niov = 0;
        return;
    }
    while (last < v->niov - 1 && end > v->iov[last].iov_len) {
        end -= v->iov[last++].iov_len;
    }
    *niov = last - first + 1;
    *iov = v->iov + first;
    if (offset == 0 && end >= v->iov[last].iov_len) {
        return;
    }
    *scratch = g_renew(struct iovec, *scratch, *niov);
    memcpy(*scratch, *iov, *niov * sizeof(**iov));
    *iov = *scratch;
    (*iov)[*niov - 1].iov_len = MIN(end, (*iov)[*niov - 1].iov_len);
    (*iov)[0].iov_base = (char *)(*iov)[0].iov_base + offset;
    (*iov)[0].iov_len -= offset;
}

bool iov_is_aligned(const IoVec *v, size_t offset, size_t bytes, size_t align)
{
    for (int i = iov_locate(v, &offset); bytes && i < v->niov; i++) {
        size_t n = MIN(bytes, v->iov[i].iov_len - offset);

        if (((uintptr_t)v->iov[i].iov_base + offset) % align || n % align) {
            return false;
        }
        bytes -= n;
        offset = 0;
    }
    return true;
}
