/*
 * LUKS key slots: the master key is split over 4000 stripes (anti-forensic splitter of the
 * specification), encrypted under a key derived from the passphrase, and checked by its digest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "luks-private.h"
#include "crypto/secret.h"

#define USUAL_ITER_TIME_MS 2000

/* One diffusion step: each digest-sized piece becomes the hash of its number and itself. */
static bool diffuse(const char *hash, uint8_t *block, size_t len, Error **errp)
{
    size_t step = crypt_hash_length(hash);
    uint8_t in[4 + 64], out[64];

    for (size_t at = 0, i = 0; at < len; at += step, i++) {
        size_t n = MIN(step, len - at);

        store_be32(in, i);
        memcpy(in + 4, block + at, n);
        if (!crypt_hash(hash, in, 4 + n, out, errp)) {
            return false;
        }
        memcpy(block + at, out, n);
    }
    return true;
}

static void xor_into(uint8_t *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        dst[i] ^= src[i];
    }
}

/* Stripes but the last are random; the last makes the running sum come out as the key. */
static bool split(const LuksHeader *h, const uint8_t *key, uint8_t *stripes, Error **errp)
{
    uint8_t sum[LUKS_MAX_KEY_BYTES] = { 0 };
    size_t n = h->key_bytes;

    crypt_random(stripes, n * (LUKS_STRIPES - 1));
    for (size_t i = 0; i < LUKS_STRIPES - 1; i++) {
        xor_into(sum, stripes + i * n, n);
        if (!diffuse(h->hash, sum, n, errp)) {
            return false;
        }
    }
    memcpy(stripes + n * (LUKS_STRIPES - 1), key, n);
    xor_into(stripes + n * (LUKS_STRIPES - 1), sum, n);
    return true;
}

static bool merge(const LuksHeader *h, const uint8_t *stripes, uint8_t *key, Error **errp)
{
    size_t n = h->key_bytes;

    memset(key, 0, n);
    for (size_t i = 0; i < LUKS_STRIPES - 1; i++) {
        xor_into(key, stripes + i * n, n);
        if (!diffuse(h->hash, key, n, errp)) {
            return false;
        }
    }
    xor_into(key, stripes + n * (LUKS_STRIPES - 1), n);
    return true;
}

/* --- how much work a header may ask for ------------------------------------------------------------------------ */

uint64_t luks_work_bound(const LuksHeader *h) { return crypt_pbkdf2_bound(h->hash, LUKS_WORK_NS); }

/* Digests' lengths in so many bytes: each costs all iterations. */
static uint64_t pieces(const LuksHeader *h, size_t bytes)
{
    return DIV_UP(bytes, MAX(crypt_hash_length(h->hash), (size_t)1));
}

static uint64_t digest_work(const LuksHeader *h) { return h->mk_iterations * pieces(h, sizeof(h->mk_digest)); }
static uint64_t slot_work(const LuksHeader *h, int i)
{
    return h->slot[i].iterations * pieces(h, h->key_bytes) + digest_work(h);
}

static bool work_is_bounded(const LuksHeader *h, int i, uint64_t spent, Error **errp)
{
    ERRP_GUARD();
    uint64_t bound = luks_work_bound(h), work = slot_work(h, i);

    if (work <= bound && spent <= bound - work) {
        return true;
    }
    error_setg(errp, "Keyslot %d asks for %" PRIu64 " iterations of %s%s, more than %" PRIu64, i, work, h->hash,
               spent ? " after those before it" : "", bound - MIN(spent, bound));
    error_append_hint(errp, "If you trust the image, give the keyslot less work where that is possible: "
                      "cryptsetup luksChangeKey --key-slot %d --iter-time 2000\n", i);
    return false;
}

/* What the slots but this one may be tried with. */
static uint64_t work_of_others(const LuksHeader *h, int except)
{
    uint64_t sum = 0;

    for (int i = 0; i < LUKS_SLOTS; i++) {
        sum += i != except && h->slot[i].active == LUKS_SLOT_ENABLED ? slot_work(h, i) : 0;
    }
    return sum;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* The cipher under which slot i keeps its stripes. */
static CryptCipher *slot_cipher(const LuksHeader *h, const CryptSpec *spec, int i, const char *pass, Error **errp)
{
    uint8_t derived[LUKS_MAX_KEY_BYTES];
    CryptCipher *c = NULL;

    if (crypt_pbkdf2(h->hash, pass, strlen(pass), h->slot[i].salt, sizeof(h->slot[i].salt), h->slot[i].iterations,
                     derived, h->key_bytes, errp)) {
        c = crypt_cipher_new(spec, derived, h->key_bytes, errp);
    }
    explicit_bzero(derived, sizeof(derived));
    return c;
}

static bool key_matches(const LuksHeader *h, const uint8_t *key, bool *match, Error **errp)
{
    uint8_t digest[sizeof(h->mk_digest)];

    if (!crypt_pbkdf2(h->hash, key, h->key_bytes, h->mk_salt, sizeof(h->mk_salt), h->mk_iterations, digest,
                      sizeof(digest), errp)) {
        return false;
    }
    *match = !memcmp(digest, h->mk_digest, sizeof(digest));
    return true;
}

int luks_slot_unlock(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     uint8_t *key, uint64_t *spent, Error **errp)
{
    size_t len = luks_split_sectors(h) * CRYPT_SECTOR;
    uint8_t *stripes;
    CryptCipher *c;
    bool match = false, ok;
    int ret;

    if (h->slot[i].active != LUKS_SLOT_ENABLED) {
        return 0;
    }
    if (!work_is_bounded(h, i, *spent, errp)) {
        return -1;
    }
    *spent += slot_work(h, i);
    c = slot_cipher(h, spec, i, pass, errp);
    if (!c) {
        return -1;
    }
    stripes = g_try_malloc(len);
    if (!stripes) {
        crypt_cipher_free(c);
        error_setg_errno(errp, ENOMEM, "Failed to read key material");
        return -1;
    }
    ret = area->read(area->opaque, (uint64_t)h->slot[i].key_offset_sector * CRYPT_SECTOR, stripes, len);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to read key material");
        ok = false;
    } else if (crypt_decrypt(c, 0, stripes, len) < 0) {
        error_setg(errp, "Failed to decrypt key material");
        ok = false;
    } else {
        ok = merge(h, stripes, key, errp) && key_matches(h, key, &match, errp);
    }
    crypt_cipher_free(c);
    secret_wipe(stripes, len);
    return !ok ? -1 : match;
}

/* The slot with the least work that is not among those tried; -1: none. */
static int next_slot(const LuksHeader *h, unsigned tried)
{
    int best = -1;

    for (int i = 0; i < LUKS_SLOTS; i++) {
        if (h->slot[i].active == LUKS_SLOT_ENABLED && !(tried & 1u << i)
            && (best < 0 || slot_work(h, i) < slot_work(h, best))) {
            best = i;
        }
    }
    return best;
}

int luks_find_key(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, const char *pass, uint8_t *key,
                  Error **errp)
{
    uint64_t spent = 0;
    unsigned tried = 0;
    int i;

    while ((i = next_slot(h, tried)) >= 0) {
        int ret = luks_slot_unlock(h, spec, area, i, pass, key, &spent, errp);

        if (ret) {
            return ret < 0 ? -1 : i;
        }
        tried |= 1u << i;
    }
    return -1;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

bool luks_store_header(const LuksHeader *h, const LuksArea *area, Error **errp)
{
    uint8_t buf[LUKS_HEADER_BYTES];
    int ret;

    luks_header_print(h, buf);
    ret = area->write(area->opaque, 0, buf, sizeof(buf));
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Unable to write encryption header");
        return false;
    }
    return true;
}

bool luks_iterations(const LuksHeader *h, const char *pass, size_t out_len, uint64_t iter_time_ms, uint64_t divisor,
                     uint64_t share,
                     uint32_t *out, Error **errp)
{
    uint64_t rate = crypt_pbkdf2_rate(h->hash, pass, strlen(pass), out_len, errp), n, most;

    if (!rate) {
        return false;
    }
    if (iter_time_ms > UINT64_MAX / rate) {
        error_setg(errp, "PBKDF iterations %" PRIu64 " too large to scale", rate);
        return false;
    }
    n = rate * iter_time_ms / 1000 / divisor;
    if (iter_time_ms <= USUAL_ITER_TIME_MS) {
        n = MIN(n, share / pieces(h, out_len));
    }
    n = MAX(n, LUKS_MIN_MK_ITERATIONS);
    most = MIN(luks_work_bound(h) / pieces(h, out_len), UINT32_MAX);
    if (n > most) {
        error_setg(errp, "PBKDF iterations %" PRIu64 " larger than %" PRIu64, n, most);
        return false;
    }
    *out = n;
    return true;
}

/* Of slot i, whose share is what the digest leaves of an eighth; false when not all slots could be tried any more. */
static bool slot_iterations(LuksHeader *h, int i, const char *pass, uint64_t iter_time_ms, Error **errp)
{
    ERRP_GUARD();
    uint64_t bound = luks_work_bound(h), share = bound / LUKS_SLOTS, others = work_of_others(h, i);

    share -= MIN(share, digest_work(h));
    if (!luks_iterations(h, pass, h->key_bytes, iter_time_ms, 2, share, &h->slot[i].iterations, errp)) {
        return false;
    }
    if (iter_time_ms > USUAL_ITER_TIME_MS && slot_work(h, i) + others > bound) {
        error_setg(errp, "Keyslot %d with %" PRIu64 " iterations could not be opened: all keyslots together may have %" PRIu64, i,
                   slot_work(h, i), bound - MIN(others, bound));
        error_append_hint(errp, "A smaller iter-time makes fewer\n");
        return false;
    }
    return true;
}

static bool fill_slot(LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                      const uint8_t *key,
                      uint64_t iter_time_ms, Error **errp)
{
    size_t len = luks_split_sectors(h) * CRYPT_SECTOR;
    LuksSlot *s = &h->slot[i];
    CryptCipher *c;
    uint8_t *stripes;
    int ret = -1;

    crypt_random(s->salt, sizeof(s->salt));
    if (!slot_iterations(h, i, pass, iter_time_ms, errp)) {
        return false;
    }
    c = slot_cipher(h, spec, i, pass, errp);
    if (!c) {
        return false;
    }
    stripes = g_try_malloc0(len);
    if (!stripes) {
        crypt_cipher_free(c);
        error_setg_errno(errp, ENOMEM, "Failed to store key material");
        return false;
    }
    if (split(h, key, stripes, errp)) {
        ret = crypt_encrypt(c, 0, stripes, len);
        if (ret >= 0) {
            ret = area->write(area->opaque, (uint64_t)s->key_offset_sector * CRYPT_SECTOR, stripes, len);
        }
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to store key material");
        }
    }
    crypt_cipher_free(c);
    secret_wipe(stripes, len);
    if (ret < 0) {
        return false;
    }
    s->active = LUKS_SLOT_ENABLED;
    s->stripes = LUKS_STRIPES;
    return luks_store_header(h, area, errp);
}

bool luks_slot_store(LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     const uint8_t *key, uint64_t iter_time_ms, Error **errp)
{
    LuksSlot before = h->slot[i];

    if (fill_slot(h, spec, area, i, pass, key, iter_time_ms, errp)) {
        return true;
    }
    h->slot[i] = before;
    return false;
}

bool luks_slot_erase(LuksHeader *h, const LuksArea *area, int i, Error **errp)
{
    size_t len = luks_split_sectors(h) * CRYPT_SECTOR;
    g_autofree uint8_t *garbage = g_try_malloc(len);
    LuksSlot *s = &h->slot[i];

    if (!garbage) {
        error_setg_errno(errp, ENOMEM, "Failed to erase key material");
        return false;
    }
    memset(s->salt, 0, sizeof(s->salt));
    s->active = LUKS_SLOT_DISABLED;
    s->iterations = 0;
    if (!luks_store_header(h, area, errp)) {
        return false;
    }
    /* Several passes: what an old magnetic disk keeps of one of them is of no use. */
    for (int pass = 0; pass < 4; pass++) {
        int ret;

        crypt_random(garbage, len);
        ret = area->write(area->opaque, (uint64_t)s->key_offset_sector * CRYPT_SECTOR, garbage, len);
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Failed to erase key material");
            return false;
        }
    }
    return true;
}
