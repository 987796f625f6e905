/*
 * A disk cipher called from coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_CRYPT_CO_H
#define BLOCK_CRYPT_CO_H

#include "crypto/cipher.h"
#include "util/coroutine.h"

/* Enciphered and moved at a time, bytes. */
#define CRYPT_CO_CHUNK (1024 * 1024)

/*
 * In place; offset (what vectors count from, bytes) and len are multiples of CRYPT_SECTOR.  Long
 * pieces go to a worker thread.  0 or -EIO, also without a cipher (a node opened without a key).
 */
int coroutine_fn crypt_co_run(CryptCipher *cipher, uint64_t offset, void *buf, size_t len, bool encrypt);

#endif
