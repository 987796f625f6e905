/*
 * qcow2: pages of memory for guest data whose place in the file can wait (qcow2-keep.c).
 * All calls with q->lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_KEEP_H
#define BLOCK_QCOW2_KEEP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Qcow2Keep Qcow2Keep;

Qcow2Keep *qcow2_keep_new(void);
/* With all pages, whoever has them. */
void qcow2_keep_free(Qcow2Keep *k);
/* Take n pages of page_bytes (the same in all calls) each, or none: false when so many are not to be had. */
bool qcow2_keep_take(Qcow2Keep *k, uint32_t page_bytes, uint8_t **pages, unsigned n);
void qcow2_keep_give(Qcow2Keep *k, uint8_t *page);

#endif
