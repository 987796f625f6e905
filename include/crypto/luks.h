/*
 * LUKS version 1: header, key slots, master key (facts: the published "LUKS On-Disk Format Specification").
 *
 * The header area is reached through callbacks, so that the same code serves a LUKS file, a
 * detached header and the header area inside a qcow2 image.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_LUKS_H
#define CRYPTO_LUKS_H

#include "crypto/cipher.h"
#include "util/qobject.h"

#define LUKS_SLOTS 8

/* Read or write bytes of the header area; 0 or -errno. */
typedef struct LuksArea {
    int (*read)(void *opaque, uint64_t offset, void *buf, size_t len);
    int (*write)(void *opaque, uint64_t offset, const void *buf, size_t len);
    void *opaque;
    bool bounded;                  /* a part of an image: read gives -EINVAL outside it */
} LuksArea;

typedef struct LuksSlot {
    uint32_t active;           /* on-disk value */
    uint32_t iterations;
    uint8_t salt[32];
    uint32_t key_offset_sector;
    uint32_t stripes;
} LuksSlot;

typedef struct LuksHeader {
    char cipher_name[32], cipher_mode[32], hash[32];
    uint32_t payload_offset_sector;
    uint32_t key_bytes;
    uint8_t mk_digest[20], mk_salt[32];
    uint32_t mk_iterations;
    char uuid[40];
    LuksSlot slot[LUKS_SLOTS];
} LuksHeader;

typedef struct Luks {
    LuksHeader header;
    CryptSpec spec;
    CryptCipher *cipher;       /* NULL when opened without a passphrase */
    char *secret_id;           /* that unlocked it, owned */
} Luks;

/* Does buf start with the magic of version 1? */
bool luks_probe(const uint8_t *buf, size_t len);
/* Pure: 592 bytes to a validated header. */
bool luks_header_parse(const uint8_t *buf, size_t len, LuksHeader *h, Error **errp);
void luks_header_print(const LuksHeader *h, uint8_t buf[592]);

/* Open with the secret; secret_id NULL with no_io: only the header is read. */
Luks *luks_open(const LuksArea *area, const char *secret_id, bool no_io, Error **errp);
/*
 * Options "key-secret", "cipher-alg", "cipher-mode", "ivgen-alg", "ivgen-hash-alg", "hash-alg",
 * "iter-time" (ms) -> a header area is written through area after init(area size) succeeded.
 */
Luks *luks_create(const QDict *opts, const char *prefix, const LuksArea *area,
                  int (*init)(void *opaque, uint64_t header_bytes, Error **errp), void *init_opaque, Error **errp);
/* Bytes of header area that these options will need; 0 and *errp on bad options. */
uint64_t luks_header_bytes(const QDict *opts, const char *prefix, Error **errp);
/* The same, if the secret that they name is there. */
uint64_t luks_measure_header(const QDict *opts, const char *prefix, Error **errp);
/* Options "state", "new-secret", "old-secret", "keyslot", "iter-time": add or erase key slots. */
bool luks_amend(Luks *l, const LuksArea *area, const QDict *opts, const char *prefix, bool force, Error **errp);
/* Members of ImageInfoSpecificLUKS; format (may be NULL) is named among them.  Caller owns. */
QDict *luks_info(const Luks *l, const char *format);
static inline uint64_t luks_payload_offset(const Luks *l) { return (uint64_t)l->header.payload_offset_sector * CRYPT_SECTOR; }
void luks_free(Luks *l);

#endif
