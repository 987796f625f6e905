/*
 * Encrypted qcow2 images: the key, and guest data on its way to and from the file.
 *
 * Method 2 (LUKS) keeps a LUKS header in clusters named by the "full disk encryption" extension and
 * derives vectors from host offsets; method 1 (AES) has no header and derives them from guest offsets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_QCOW2_CRYPT_H
#define BLOCK_QCOW2_CRYPT_H

#include "crypto/luks.h"
#include "qcow2.h"

static inline bool qcow2_is_encrypted(const Qcow2 *q) { return q->crypt != QCOW2_CRYPT_NONE; }

/*
 * Check the header (LUKS) and, unless flags have BDRV_O_NO_IO, unlock with the secret that options
 * name.  Main thread, outside coroutines.  0 or -errno with *errp.
 */
int qcow2_crypt_open(Qcow2 *q, const QDict *options, int flags, Error **errp);
void qcow2_crypt_close(Qcow2 *q);
/* ImageInfoSpecificQCow2Encryption; NULL when the image is not encrypted.  Caller owns. */
QDict *qcow2_crypt_info(const Qcow2 *q);
/* Key slots of LUKS: options "encrypt.*".  False with *errp on failure. */
bool qcow2_crypt_amend(Qcow2 *q, const QDict *opts, bool force, Error **errp);

/*
 * The key area of an image that is being made, at offset of file: area_bytes (cluster aligned, zeroed) of which the LUKS
 * header with its key material takes the first part.  0 or -errno.
 */
int qcow2_crypt_create(BdrvChild *file, uint64_t offset, uint64_t area_bytes, const QDict *opts, Error **errp);

/* In place; offsets and len multiples of 512.  Long pieces go to a worker thread.  0 or -EIO. */
int coroutine_fn qcow2_encrypt(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len);
int coroutine_fn qcow2_decrypt(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len);
/* Read host bytes and put them deciphered into qiov at qo; the guest never sees them enciphered. */
int coroutine_fn qcow2_read_encrypted(Qcow2 *q, uint64_t guest, uint64_t host, uint64_t bytes, IoVec *qiov, size_t qo);

#endif
