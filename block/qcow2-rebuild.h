/*
 * New refcount structures for a whole image: laid beside the old ones, taken over by one write
 * of the header.  For `check -r all` and for a change of the refcount width.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_REBUILD_H
#define BLOCK_QCOW2_REBUILD_H

#include "qcow2-check.h"

/*
 * counts: what the new blocks shall say; the places of table and blocks are added to it.
 * taken: clusters that must not be written, whatever their count (NULL: those with a count).
 * order: log2 of the new entry width; every count must fit.
 * Writes blocks and table, flushes, switches the header (table and width together), flushes, and
 * updates q.  On failure before the switch the image is as before.  Errors are printed.
 */
int coroutine_fn qcow2_rebuild_refcounts(Qcow2 *q, RefMap *counts, RefMap *taken, unsigned order);

#endif
