/*
 * What the files of the LUKS code share among themselves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_LUKS_PRIVATE_H
#define CRYPTO_LUKS_PRIVATE_H

#include "crypto/luks.h"
#include "util/cutils.h"

#define LUKS_HEADER_BYTES 592
#define LUKS_SLOT_ENABLED 0x00ac71f3u
#define LUKS_SLOT_DISABLED 0x0000deadu
#define LUKS_STRIPES 4000
#define LUKS_MAX_KEY_BYTES 128
#define LUKS_MIN_MK_ITERATIONS 1000
/*
 * What a header may ask for before its passphrase is known to be right: half a minute of a processor in one slot, a minute in all.
 * The usual two seconds are some 2^22, on the fastest machines 2^24.
 */
#define LUKS_MAX_ITERATIONS (1u << 26)
#define LUKS_MAX_ITERATIONS_IN_ALL (1ull << 27)
#define LUKS_ALIGN_SECTORS 8           /* key material and payload start on 4 KiB */

/* Sectors of one slot's split key, without padding. */
static inline uint64_t luks_split_sectors(const LuksHeader *h)
{
    return DIV_UP((uint64_t)h->key_bytes * LUKS_STRIPES, CRYPT_SECTOR);
}

/* luks-slots.c.  Keys are h->key_bytes long. */
/* 1: slot i holds key (stored in it); 0: this passphrase does not open the slot; negative: *errp. */
int luks_slot_unlock(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     uint8_t *key, Error **errp);
/* First slot that the passphrase opens, or -1 (without *errp: no slot). */
int luks_find_key(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, const char *pass, uint8_t *key, Error **errp);
/* Fill slot i: key material first, then the header that names it. */
bool luks_slot_store(LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     const uint8_t *key, uint64_t iter_time_ms, Error **errp);
/* Disable slot i in the header, then overwrite its key material. */
bool luks_slot_erase(LuksHeader *h, const LuksArea *area, int i, Error **errp);
bool luks_store_header(const LuksHeader *h, const LuksArea *area, Error **errp);
/* Iterations for about iter_time_ms of work for out_len bytes. */
bool luks_iterations(const LuksHeader *h, const char *pass, size_t out_len, uint64_t iter_time_ms, uint64_t divisor,
                     uint32_t *out, Error **errp);

#endif
