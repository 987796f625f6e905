/*
 * qcow2: compressing one cluster (qcow2-deflate.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_DEFLATE_H
#define BLOCK_QCOW2_DEFLATE_H

#include <glib.h>
#include <sys/types.h>

/* Compressed length, 0 when it does not fit into dst_len, or -errno.  Any thread. */
ssize_t qcow2_deflate(void *dst, size_t dst_len, const void *src, size_t src_len);
ssize_t qcow2_zstd(void *dst, size_t dst_len, const void *src, size_t src_len);

#endif
