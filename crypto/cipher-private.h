/*
 * libgcrypt, as the files of the ciphers use it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_CIPHER_PRIVATE_H
#define CRYPTO_CIPHER_PRIVATE_H

#include "crypto/cipher.h"

/* Before any other call of the library.  Any thread. */
void crypt_gcrypt_start(void);
/* Its number of a hash; 0: unknown. */
int crypt_gcrypt_hash(const char *name);

#endif
