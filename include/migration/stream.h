/*
 * A stream of machine state as bytes in order: numbers are big-endian, strings have a length byte in front.
 *
 * Errors stick: after the first one a writer writes nothing more, and a reader gives zeroes.  So code that puts
 * or gets a row of values looks at `ret` once, at its end.  No thread of their own; a callback may yield.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_STREAM_H
#define MIGRATION_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All of buf, 0 or -errno. */
typedef int VmWriteFn(void *opaque, const void *buf, size_t len);
/* Up to len bytes: > 0, 0 at the end, or -errno. */
typedef ssize_t VmReadFn(void *opaque, void *buf, size_t len);

typedef struct VmWriter {
    VmWriteFn *write;
    void *opaque;
    uint8_t *buf;
    size_t used;
    uint64_t total;            /* bytes put so far */
    int ret;                   /* 0 or -errno */
} VmWriter;

void vm_writer_init(VmWriter *w, VmWriteFn *write, void *opaque);
/* What is buffered goes out. */
void vm_writer_flush(VmWriter *w);
/* Flush and free; the writer's ret. */
int vm_writer_end(VmWriter *w);
void vm_put_bytes(VmWriter *w, const void *buf, size_t len);
void vm_put_zeroes(VmWriter *w, size_t len);
/* size is 1, 2, 4 or 8. */
void vm_put(VmWriter *w, uint64_t value, unsigned size);
void vm_put_name(VmWriter *w, const char *name);      /* at most 255 bytes */

typedef struct VmReader {
    VmReadFn *read;
    void *opaque;
    uint8_t *buf;
    size_t pos, end;
    uint64_t total;            /* bytes got so far */
    int ret;                   /* 0; -EIO at an early end; -errno */
} VmReader;

void vm_reader_init(VmReader *r, VmReadFn *read, void *opaque);
void vm_reader_end(VmReader *r);
void vm_get_bytes(VmReader *r, void *buf, size_t len);
void vm_skip(VmReader *r, uint64_t len);
uint64_t vm_get(VmReader *r, unsigned size);
void vm_get_name(VmReader *r, char name[256]);
/* The next n (at most 4096) bytes without taking them; NULL when there are not so many. */
const uint8_t *vm_peek(VmReader *r, size_t n);

#endif
