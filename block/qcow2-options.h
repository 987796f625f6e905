/*
 * Runtime options of a qcow2 node: parsed and checked first, applied in one step, so that a
 * reopen can be prepared and dropped again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_OPTIONS_H
#define BLOCK_QCOW2_OPTIONS_H

#include "qcow2.h"

typedef struct Qcow2Options {
    bool lazy_refcounts, discard_no_unref;
    bool discard_pass[QCOW2_DISCARD_MAX];
    unsigned overlap_check;
    uint64_t l2_cache_bytes, refcount_cache_bytes, cache_clean_interval_s;
    uint64_t l2_cache_limit;       /* what the L2 cache may grow to with the image */
} Qcow2Options;

/* From absorbed, typed values; q gives geometry and the lazy-refcounts default, disk_size the default cache size. */
int qcow2_options_parse(const Qcow2 *q, uint64_t disk_size, int flags, const QDict *options, Qcow2Options *out, Error **errp);
void qcow2_options_apply(Qcow2 *q, const Qcow2Options *o);

#endif
