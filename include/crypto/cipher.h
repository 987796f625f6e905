/*
 * Disk ciphers: a block cipher, a mode, and how the initialisation vector follows from the sector.
 *
 * One CryptCipher may be used by several threads at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include <stddef.h>
#include <stdint.h>
#include "util/error.h"

#define CRYPT_SECTOR 512

typedef struct CryptSpec {
    char cipher[32];           /* "aes-256", "serpent-128", ... */
    char mode[16];             /* "ecb", "cbc", "xts", "ctr" */
    char ivgen[16];            /* "plain", "plain64", "essiv"; "" for ecb */
    char ivhash[16];           /* of essiv: "sha256", ...; "" otherwise */
} CryptSpec;

typedef struct CryptCipher CryptCipher;

/* Is the name one that the stock programs know (whether or not we support it)? */
bool crypt_cipher_known(const char *name);
/* Has the cipher a name in LUKS headers? */
bool crypt_cipher_in_luks(const char *name);
bool crypt_mode_known(const char *name);
bool crypt_ivgen_known(const char *name);
bool crypt_hash_known(const char *name);
/* Key length in bytes for a cipher in a mode (doubled for xts); 0: not supported. */
size_t crypt_key_length(const char *cipher, const char *mode);
/* LUKS names ("aes", "xts-plain64") <-> ours; false when the combination has none. */
bool crypt_spec_from_luks(CryptSpec *spec, const char *name, const char *mode, size_t key_len, Error **errp);
void crypt_spec_to_luks(const CryptSpec *spec, char name[32], char mode[32]);

CryptCipher *crypt_cipher_new(const CryptSpec *spec, const uint8_t *key, size_t key_len, Error **errp);
void crypt_cipher_free(CryptCipher *c);
/* In place; len is a multiple of CRYPT_SECTOR, sector counts in CRYPT_SECTOR units. 0 or -EIO. */
int crypt_encrypt(CryptCipher *c, uint64_t sector, void *buf, size_t len);
int crypt_decrypt(CryptCipher *c, uint64_t sector, void *buf, size_t len);

/* Length of a digest; 0: unknown hash. */
size_t crypt_hash_length(const char *hash);
bool crypt_hash(const char *hash, const void *data, size_t len, uint8_t *out, Error **errp);
bool crypt_pbkdf2(const char *hash, const void *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
                  uint64_t iterations, uint8_t *out, size_t out_len, Error **errp);
/* Iterations that take about one second of this thread's processor time for out_len bytes; 0 on failure. */
uint64_t crypt_pbkdf2_rate(const char *hash, const void *pass, size_t pass_len, size_t out_len, Error **errp);
/* Iterations for one digest's length of output in so much time of a usual processor: the same number everywhere. */
uint64_t crypt_pbkdf2_bound(const char *hash, uint64_t ns);
void crypt_random(void *buf, size_t len);

#endif
