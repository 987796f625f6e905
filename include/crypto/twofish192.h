/*
 * twofish with keys of 192 bits, which libgcrypt has not: over nettle, loaded when one is first used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_TWOFISH192_H
#define CRYPTO_TWOFISH192_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Twofish192 Twofish192;
typedef enum Twofish192Mode { TWOFISH_ECB, TWOFISH_CBC, TWOFISH_XTS, TWOFISH_CTR } Twofish192Mode;

/* One key, or for XTS two of them.  NULL: nettle is not there.  Serves any number of threads. */
Twofish192 *twofish192_new(Twofish192Mode mode, const uint8_t *key);
void twofish192_free(Twofish192 *t);
/* In place; iv is the vector of this call (ECB: any). */
void twofish192_crypt(const Twofish192 *t, bool encrypt, const uint8_t iv[16], uint8_t *buf, size_t len);

#endif
