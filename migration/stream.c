/*
 * Buffered bytes of a stream of machine state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib.h>
#include <string.h>
#include "migration/stream.h"
#include "util/cutils.h"

#define BUFFER_BYTES (1024 * 1024)

/* --- writing ---------------------------------------------------------------------------------- */

void vm_writer_init(VmWriter *w, VmWriteFn *write, void *opaque)
{
    *w = (VmWriter) { .write = write, .opaque = opaque, .buf = g_malloc(BUFFER_BYTES) };
}

void vm_writer_flush(VmWriter *w)
{
    if (w->used && !w->ret) {
        w->ret = w->write(w->opaque, w->buf, w->used);
    }
    w->used = 0;
}

int vm_writer_end(VmWriter *w)
{
    vm_writer_flush(w);
    g_free(w->buf);
    w->buf = NULL;
    return w->ret;
}

/* Room for a piece of what is to be put. */
static uint8_t *room(VmWriter *w, size_t *len)
{
    uint8_t *at;

    if (w->used == BUFFER_BYTES) {
        vm_writer_flush(w);
    }
    at = w->buf + w->used;
    *len = MIN(*len, BUFFER_BYTES - w->used);
    w->used += *len;
    w->total += *len;
    return at;
}

void vm_put_bytes(VmWriter *w, const void *buf, size_t len)
{
    while (len) {
        size_t n = len;
        uint8_t *at = room(w, &n);

        memcpy(at, buf, n);
        buf = (const uint8_t *)buf + n;
        len -= n;
    }
}

void vm_put_zeroes(VmWriter *w, size_t len)
{
    while (len) {
        size_t n = len;
        uint8_t *at = room(w, &n);

        memset(at, 0, n);
        len -= n;
    }
}

void vm_put(VmWriter *w, uint64_t value, unsigned size)
{
    uint8_t be[8];

    store_be64(be, value);
    vm_put_bytes(w, be + 8 - size, size);
}

void vm_put_name(VmWriter *w, const char *name)
{
    size_t len = MIN(strlen(name), 255);

    vm_put(w, len, 1);
    vm_put_bytes(w, name, len);
}

/* --- reading ------------------------------------------------------------------------------------ */

void vm_reader_init(VmReader *r, VmReadFn *read, void *opaque)
{
    *r = (VmReader) { .read = read, .opaque = opaque, .buf = g_malloc(BUFFER_BYTES) };
}

void vm_reader_end(VmReader *r)
{
    g_free(r->buf);
    r->buf = NULL;
}

/* At least n bytes are to be in the buffer. */
static bool fill(VmReader *r, size_t n)
{
    if (r->end - r->pos >= n) {
        return true;
    }
    memmove(r->buf, r->buf + r->pos, r->end - r->pos);
    r->end -= r->pos;
    r->pos = 0;
    while (r->end < n && !r->ret) {
        ssize_t got = r->read(r->opaque, r->buf + r->end, BUFFER_BYTES - r->end);

        if (got <= 0) {
            r->ret = got < 0 ? got : -EIO;
        } else {
            r->end += got;
        }
    }
    return r->end >= n;
}

void vm_get_bytes(VmReader *r, void *buf, size_t len)
{
    while (len) {
        size_t n;

        if (r->ret || !fill(r, 1)) {
            memset(buf, 0, len);
            return;
        }
        n = MIN(len, r->end - r->pos);
        memcpy(buf, r->buf + r->pos, n);
        r->pos += n;
        r->total += n;
        buf = (uint8_t *)buf + n;
        len -= n;
    }
}

void vm_skip(VmReader *r, uint64_t len)
{
    while (len && !r->ret && fill(r, 1)) {
        size_t n = MIN(len, r->end - r->pos);

        r->pos += n;
        r->total += n;
        len -= n;
    }
}

uint64_t vm_get(VmReader *r, unsigned size)
{
    uint8_t be[8] = { 0 };

    vm_get_bytes(r, be + 8 - size, size);
    return load_be64(be);
}

void vm_get_name(VmReader *r, char name[256])
{
    unsigned len = vm_get(r, 1);

    vm_get_bytes(r, name, len);
    name[len] = 0;
}

const uint8_t *vm_peek(VmReader *r, size_t n)
{
    int before = r->ret;
    bool there = !before && fill(r, n);

    r->ret = before;           /* the end may be near without being an error; the next read finds out */
    return there ? r->buf + r->pos : NULL;
}
