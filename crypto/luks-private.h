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
 * Anybody may have written a header: before its passphrase is known to be right it gets this much of a processor of 2021.  The usual
 * two seconds in a slot are 3 to 4 of these on the fastest machines of today.
 */
#define LUKS_WORK_NS 9500000000ull
#define LUKS_ALIGN_SECTORS 8           /* key material and payload start on 4 KiB */

/* Sectors of one slot's split key, without padding. */
static inline uint64_t luks_split_sectors(const LuksHeader *h)
{
    return DIV_UP((uint64_t)h->key_bytes * LUKS_STRIPES, CRYPT_SECTOR);
}

/* luks-slots.c.  Keys are h->key_bytes long. */
/*
 * 1: slot i holds key (stored in it); 0: this passphrase does not open the slot; negative: *errp.  *spent: iterations done for the slots
 * before it, and now for this one, too.
 */
int luks_slot_unlock(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     uint8_t *key, uint64_t *spent, Error **errp);
/* A slot that the passphrase opens, those with the least work tried first; or -1 (without *errp: no slot). */
int luks_find_key(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, const char *pass, uint8_t *key, Error **errp);
/* Fill slot i: key material first, then the header that names it.  Not with more work than can be done together with the other slots'. */
bool luks_slot_store(LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     const uint8_t *key, uint64_t iter_time_ms, Error **errp);
/* Disable slot i in the header, then overwrite its key material. */
bool luks_slot_erase(LuksHeader *h, const LuksArea *area, int i, Error **errp);
bool luks_store_header(const LuksHeader *h, const LuksArea *area, Error **errp);
/*
 * Iterations for about iter_time_ms of work for out_len bytes, by what this machine does.  No more than `share` when that time is a usual
 * one, so that all slots can be tried on a slower machine.
 */
bool luks_iterations(const LuksHeader *h, const char *pass, size_t out_len, uint64_t iter_time_ms, uint64_t divisor, uint64_t share,
                     uint32_t *out, Error **errp);
/* Iterations for one digest's length that opening may take. */
uint64_t luks_work_bound(const LuksHeader *h);

#endif
