/*
 * What the state of a device is in a stream: tables of fields, as data.
 *
 * A description speaks of a *wire*: a plain struct that holds one section's values in native byte order.  Saving: the
 * device fills a wire, the table writes it.  Loading: a wire is filled as for saving (so what an older stream
 * leaves out keeps its value), the table reads it, and only when the whole stream was understood the devices
 * take their wires over.  `load` is the one place that checks values against each other: whatever a wire holds, the
 * device must be sound afterwards.  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_VMSTATE_H
#define MIGRATION_VMSTATE_H

#include <glib.h>
#include "migration/stream.h"
#include "util/error.h"

typedef enum VmKind {
    VM_INT,                    /* big-endian, 1, 2, 4 or 8 bytes */
    VM_BYTES,
    VM_UNUSED,                 /* zeroes, ignored when read */
    VM_EQUAL,                  /* VM_INT that must be what the wire already holds */
    VM_STRUCT,
    VM_CUSTOM,
} VmKind;

typedef struct VmDesc VmDesc;

typedef struct VmField {
    const char *name, *type;   /* as the list at the end of a stream has them */
    VmKind kind;
    uint32_t offset, size;     /* in the wire; of one element */
    uint32_t count;            /* elements; 1 for what is no array */
    bool array;
    const VmDesc *sub;         /* VM_STRUCT */
    bool (*exists)(const void *wire);
    void (*put)(VmWriter *w, const void *wire);            /* VM_CUSTOM, with get */
    bool (*get)(VmReader *r, void *wire, Error **errp);
} VmField;

struct VmDesc {
    const char *name;
    uint32_t version, min_version;
    size_t size;               /* of the wire; 0 for parts (structs and subsections) */
    const VmField *fields;     /* ends with a NULL name */
    const VmDesc *const *subsections;      /* fields in the same wire; ends with NULL */
    bool (*needed)(const void *wire);      /* subsections */
    uint32_t present;          /* subsections: offset of a bool in the wire that tells whether it came (0: none) */
    bool last;                 /* takes over after the others: they may change its inputs when they do */
    void (*save)(void *obj, void *wire);
    bool (*load)(void *obj, const void *wire, Error **errp);
    /* Can its state be told now?  (Requests that failed and wait cannot, for some.)  NULL: always. */
    bool (*ready)(void *obj, Error **errp);
};

#define VMF_ELEMENT(T, f) sizeof(((T *)0)->f[0])
#define VMF_COUNT(T, f) (sizeof(((T *)0)->f) / VMF_ELEMENT(T, f))
/* A number called name; the field's C type gives its size. */
#define VMFN(n, t, T, f) { .name = n, .type = t, .kind = VM_INT, .offset = offsetof(T, f), .size = sizeof(((T *)0)->f), .count = 1 }
#define VMF(T, f, t) VMFN(#f, t, T, f)
#define VMF_IF(T, f, t, test) { .name = #f, .type = t, .kind = VM_INT, .offset = offsetof(T, f), .size = sizeof(((T *)0)->f), \
                                .count = 1, .exists = test }
#define VMF_ARRAYN(n, t, T, f) { .name = n, .type = t, .kind = VM_INT, .offset = offsetof(T, f), .size = VMF_ELEMENT(T, f), \
                                 .count = VMF_COUNT(T, f), .array = true }
#define VMF_ARRAY(T, f, t) VMF_ARRAYN(#f, t, T, f)
#define VMF_EQUAL(n, t, T, f) { .name = n, .type = t " equal", .kind = VM_EQUAL, .offset = offsetof(T, f), .size = sizeof(((T *)0)->f), .count = 1 }
#define VMF_BYTESN(n, t, T, f) { .name = n, .type = t, .kind = VM_BYTES, .offset = offsetof(T, f), .size = sizeof(((T *)0)->f), .count = 1 }
#define VMF_BYTES(T, f) VMF_BYTESN(#f, "buffer", T, f)
#define VMF_UNUSED(n) { .name = "unused", .type = "unused_buffer", .kind = VM_UNUSED, .size = n, .count = 1 }
#define VMF_STRUCTN(n, T, f, d) { .name = n, .type = "struct", .kind = VM_STRUCT, .offset = offsetof(T, f), .size = sizeof(((T *)0)->f), \
                                  .count = 1, .sub = d }
#define VMF_STRUCT(T, f, d) VMF_STRUCTN(#f, T, f, d)
#define VMF_STRUCTSN(n, T, f, d) { .name = n, .type = "struct", .kind = VM_STRUCT, .offset = offsetof(T, f), .size = VMF_ELEMENT(T, f), \
                                   .count = VMF_COUNT(T, f), .array = true, .sub = d }
#define VMF_STRUCTS(T, f, d) VMF_STRUCTSN(#f, T, f, d)
/* Part of the same wire, in a struct of its own in the stream. */
#define VMF_SELF(n, d) { .name = n, .type = "struct", .kind = VM_STRUCT, .count = 1, .sub = d }
#define VMF_CUSTOM(n, t, p, g) { .name = n, .type = t, .kind = VM_CUSTOM, .count = 1, .put = p, .get = g }

/* --- who has state (registry.c) ------------------------------------------------------------------- */

typedef struct VmEntry VmEntry;
struct VmEntry {
    char *name;                /* "0000:00:02.0/virtio-blk" */
    uint32_t instance;         /* among those of the same name */
    const VmDesc *desc;
    void *obj;
    VmEntry *next;
};

/* prefix: where the device sits, NULL: only one place for it.  obj is borrowed until vmstate_unregister. */
void vmstate_register(const char *prefix, const VmDesc *desc, void *obj);
/* All entries of obj. */
void vmstate_unregister(const void *obj);
VmEntry *vmstate_first(void);
bool vmstate_all_ready(Error **errp);
VmEntry *vmstate_find(const char *name, uint32_t instance);

/* --- pure functions over tables (vmstate.c) ----------------------------------------------------------- */

void vmstate_put(VmWriter *w, const VmDesc *d, const void *wire);
/* errp: what is wrong, a line or more. */
bool vmstate_get(VmReader *r, const VmDesc *d, void *wire, uint32_t version, Error **errp);
/* Append what the table says of a wire to a list in JSON: "fields": [...], subsections too. */
void vmstate_describe(GString *out, const VmDesc *d, const void *wire);

#endif
