/*
 * qcow2 header bytes, taken apart and put together by pure functions (qcow2-header.c), for the
 * files that open, create, amend and check an image.  Nothing here touches a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_HEADER_H
#define BLOCK_QCOW2_HEADER_H

#include "qcow2.h"

#define QCOW2_HEADER_V2_BYTES 72
#define QCOW2_HEADER_V3_MIN_BYTES 104
#define QCOW2_HEADER_V3_BYTES 112                 /* what we write, unknown fields follow */
#define QCOW2_FIRST_SECTOR 512                    /* holds every root field at any cluster size */
#define QCOW2_MAX_BACKING_NAME 1023
#define QCOW2_MAX_BITMAPS 65535
#define QCOW2_MAX_BITMAP_DIRECTORY_BYTES (QCOW2_MAX_BITMAPS * 1024ULL)

/* What the header extensions say, in host order. */
typedef struct Qcow2Extensions {
    char *backing_format;                         /* NULL: no such extension */
    char *data_file_name;
    bool has_crypto;
    uint64_t crypto_offset, crypto_len;
    bool has_bitmaps;
    bool stale_bitmaps;                           /* a program that does not know bitmaps wrote to the image */
    uint32_t nb_bitmaps;
    uint64_t bitmaps_size, bitmaps_offset;
    Qcow2UnknownExt *unknown;
    unsigned nb_unknown;
} Qcow2Extensions;
void qcow2_extensions_clear(Qcow2Extensions *e);
static inline void qcow2_unknown_ext_free(Qcow2UnknownExt *e, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_free(e[i].data);
    }
    g_free(e);
}

/*
 * The steps of qcow2_header_parse, for callers that need the cluster size before they can read
 * the whole header cluster: _start checks magic, version and cluster size (needs 24 bytes);
 * _parse the fixed part; _check_tables where the tables of roots lie.
 * for_check: accept what a check finds and can repair (a missing refcount table, a bad snapshot table).
 */
int qcow2_header_start(const uint8_t *buf, size_t len, uint32_t *cluster_bits, Error **errp);
int qcow2_header_check_tables(const Qcow2Header *h, bool for_check, Error **errp);
/*
 * Parse the extension area.  buf holds the header cluster, short files padded with zeroes by the
 * caller.  Bounds and messages as the stock tools have them.  *e must be empty; it is on failure.
 */
int qcow2_extensions_parse(const uint8_t *buf, size_t len, const Qcow2Header *h, Qcow2Extensions *e, Error **errp);
/* Backing file name in the header cluster, "" when there is none; NULL with errp set when out of bounds. g_free it. */
char *qcow2_backing_name_parse(const uint8_t *buf, size_t len, const Qcow2Header *h, Error **errp);

/*
 * Lay out a header cluster: fixed part, unknown fields, extensions in the peer's order, backing
 * name.  h->backing_file_offset/_size and header_length are computed, and stored in *h.
 * buf: zeroed, cluster sized.  0, -ENOSPC when it does not fit, -EINVAL for an over-long backing name.
 */
int qcow2_header_build(uint8_t *buf, size_t len, Qcow2Header *h, const uint8_t *unknown_fields, size_t unknown_len,
                       const Qcow2Extensions *e, const char *backing_file);

/* Where the bytes end that a header cluster uses: fixed part, extensions, backing name; at most len. Pure, any bytes. */
size_t qcow2_header_used(const uint8_t *buf, size_t len);

/*
 * The write that makes a change count, durable on return.  When it or its flush fails nobody knows which header the disk has:
 * the node is broken, so that nothing is written that trusts either.
 */
int coroutine_fn qcow2_write_first_sector(Qcow2 *q, const uint8_t *sector);

/* Entries of an L1 that maps bytes; UINT64_MAX on overflow. */
uint64_t qcow2_l1_entries(uint64_t bytes, unsigned cluster_bits, bool extended_l2);

/* Texts of create and amend options, with the peer's messages.  compat NULL: version 3. 0 or -EINVAL. */
int qcow2_parse_compat(const char *s, unsigned *version, Error **errp);
int qcow2_parse_cluster_size(uint64_t bytes, bool extended_l2, unsigned *bits, Error **errp);
int qcow2_parse_refcount_bits(uint64_t bits, unsigned *order, Error **errp);

/* Geometry fields of q from a header. */
void qcow2_set_geometry(Qcow2 *q, const Qcow2Header *h);

/* From q's state (and its node's backing name): what qcow2_header_write puts on disk. */
void qcow2_header_from_state(const Qcow2 *q, Qcow2Header *h, Qcow2Extensions *borrowed);

#endif
