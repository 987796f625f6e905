/*
 * The LUKS header inside a qcow2 image, as far as it can be read without a key.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_LUKS_H
#define BLOCK_QCOW2_LUKS_H

#include "qcow2.h"

#define QCOW2_LUKS_BYTES 592
#define QCOW2_LUKS_SLOTS 8

/* Pure: is this a LUKS version 1 header with sound names? */
int qcow2_luks_check(const uint8_t *buf, size_t len, Error **errp);
/* Pure: what `info` shows of a header that passed the check. */
QDict *qcow2_luks_describe(const uint8_t *buf);

#endif
