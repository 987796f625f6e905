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

/* Of a header that anybody may have written. */
static bool work_is_bounded(const LuksHeader *h, Error **errp)
{
    uint64_t sum = 0;

    for (int i = 0; i < LUKS_SLOTS; i++) {
        uint64_t n = MAX(h->slot[i].iterations, h->mk_iterations);

        if (h->slot[i].active != LUKS_SLOT_ENABLED) {
            continue;
        }
        if (n > LUKS_MAX_ITERATIONS) {
            error_setg(errp, "Keyslot %d asks for %" PRIu64 " iterations of its hash, more than %u", i, n, LUKS_MAX_ITERATIONS);
            return false;
        }
        sum += (uint64_t)h->slot[i].iterations + h->mk_iterations;
    }
    if (sum > LUKS_MAX_ITERATIONS_IN_ALL) {
        error_setg(errp, "Keyslots ask for %" PRIu64 " iterations of their hash, more than %llu", sum, LUKS_MAX_ITERATIONS_IN_ALL);
        return false;
    }
    return true;
}

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
                     uint8_t *key, Error **errp)
{
    size_t len = luks_split_sectors(h) * CRYPT_SECTOR;
    uint8_t *stripes;
    CryptCipher *c;
    bool match = false, ok;
    int ret;

    if (h->slot[i].active != LUKS_SLOT_ENABLED) {
        return 0;
    }
    if (!work_is_bounded(h, errp)) {
        return -1;
    }
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

int luks_find_key(const LuksHeader *h, const CryptSpec *spec, const LuksArea *area, const char *pass, uint8_t *key,
                  Error **errp)
{
    for (int i = 0; i < LUKS_SLOTS; i++) {
        int ret = luks_slot_unlock(h, spec, area, i, pass, key, errp);

        if (ret) {
            return ret < 0 ? -1 : i;
        }
    }
    return -1;
}

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
                     uint32_t *out, Error **errp)
{
    uint64_t rate = crypt_pbkdf2_rate(h->hash, pass, strlen(pass), out_len, errp), n;

    if (!rate) {
        return false;
    }
    if (iter_time_ms > UINT64_MAX / rate) {
        error_setg(errp, "PBKDF iterations %" PRIu64 " too large to scale", rate);
        return false;
    }
    n = MAX(rate * iter_time_ms / 1000 / divisor, LUKS_MIN_MK_ITERATIONS);
    if (n > LUKS_MAX_ITERATIONS) {
        error_setg(errp, "PBKDF iterations %" PRIu64 " larger than %u", n, LUKS_MAX_ITERATIONS);
        return false;
    }
    *out = n;
    return true;
}

bool luks_slot_store(LuksHeader *h, const CryptSpec *spec, const LuksArea *area, int i, const char *pass,
                     const uint8_t *key, uint64_t iter_time_ms, Error **errp)
{
    size_t len = luks_split_sectors(h) * CRYPT_SECTOR;
    LuksSlot *s = &h->slot[i];
    CryptCipher *c;
    uint8_t *stripes;
    int ret = -1;

    crypt_random(s->salt, sizeof(s->salt));
    if (!luks_iterations(h, pass, h->key_bytes, iter_time_ms, 2, &s->iterations, errp)) {
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
