/*
 * qcow2: loops over whole tables, written so that the compiler makes vectors of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_VECTOR_H
#define BLOCK_QCOW2_VECTOR_H

#include "qcow2.h"

/*
 * A run of plain entries (8 bytes each; no flag but COPIED, alike in all) whose host clusters follow each other: its length
 * from entry i on; 0 when entry i is not such.
 */
uint32_t qcow2_plain_run(const Qcow2 *q, const uint8_t *table, uint32_t i);
/* Drop COPIED in all entries.  Was it set anywhere? */
bool qcow2_clear_copied(const Qcow2 *q, uint8_t *table);
/* Set COPIED in n entries of 8 bytes from i on. */
void qcow2_set_copied(uint8_t *table, uint32_t i, uint32_t n);
/* n counts of 16 bits from p on: are all of them one? */
bool qcow2_counts16_one(const uint8_t *p, uint32_t n);
/* How many of them from p on surely are not zero: where to begin to look for one that is. */
uint32_t qcow2_counts16_skip_used(const uint8_t *p, uint32_t n);
/*
 * Add delta (not 0) to n counts of 16 bits, unless one would leave its bounds: then false, nothing is changed.  *turned:
 * how many came into use or fell out of it.
 */
bool qcow2_counts16_add(uint8_t *p, uint32_t n, int delta, uint32_t *turned);

#endif
