/*
 * Keys from passphrases (PBKDF2, RFC 8018), by the faster of two libraries for each hash.
 *
 * Whoever opens an image waits for this, and a hostile image may ask for much of it: COST tells how much is too much.
 * For sha1 and sha256 nettle takes 0.6 of libgcrypt's time; it is loaded at the first use, and without it libgcrypt
 * does the work.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <string.h>
#include <time.h>
#include <gcrypt.h>
#include <nettle/pbkdf2.h>
#include "cipher-private.h"

#define NETTLE_LIBRARY "libnettle.so.8"        /* the soname of the headers that this was built with */

typedef void NettlePbkdf2(size_t pass_len, const uint8_t *pass, unsigned iterations, size_t salt_len,
                          const uint8_t *salt, size_t len, uint8_t *out);

/* ns of one iteration for one block of the output, on a processor of 2.4 GHz of 2021. */
static const struct { const char *hash; unsigned ns; const char *nettle; } costs[] = {
    { "md5", 400, NULL }, { "sha1", 175, "nettle_pbkdf2_hmac_sha1" }, { "sha224", 290, NULL },
    { "sha256", 175, "nettle_pbkdf2_hmac_sha256" },
    { "sha384", 820, NULL }, { "sha512", 820, NULL }, { "ripemd160", 600, NULL },
};

static gpointer load(gpointer unused) { return dlopen(NETTLE_LIBRARY, RTLD_NOW | RTLD_LOCAL); }

static NettlePbkdf2 *by_nettle(const char *hash)
{
    static GOnce once = G_ONCE_INIT;
    void *library = g_once(&once, load, NULL);

    for (size_t i = 0; library && i < G_N_ELEMENTS(costs); i++) {
        if (costs[i].nettle && !strcmp(costs[i].hash, hash)) {
            return (NettlePbkdf2 *)dlsym(library, costs[i].nettle);
        }
    }
    return NULL;
}

uint64_t crypt_pbkdf2_bound(const char *hash, uint64_t ns)
{
    for (size_t i = 0; i < G_N_ELEMENTS(costs); i++) {
        if (!strcmp(costs[i].hash, hash)) {
            return ns / costs[i].ns;
        }
    }
    return 0;
}

bool crypt_pbkdf2(const char *hash, const void *pass, size_t pass_len, const uint8_t *salt, size_t salt_len,
                  uint64_t iterations, uint8_t *out, size_t out_len, Error **errp)
{
    int algo = crypt_gcrypt_hash(hash);
    NettlePbkdf2 *nettle;

    crypt_gcrypt_start();
    if (!algo) {
        error_setg(errp, "Hash algorithm '%s' not supported", hash);
        return false;
    }
    nettle = by_nettle(hash);
    if (nettle && pass_len && iterations && iterations <= UINT32_MAX) {
        nettle(pass_len, pass, iterations, salt_len, salt, out_len, out);
        return true;
    }
    if (iterations > UINT32_MAX ||
        gcry_kdf_derive(pass, pass_len, GCRY_KDF_PBKDF2, algo, salt, salt_len, iterations, out_len, out)) {
        error_setg(errp, "Cannot derive password");
        return false;
    }
    return true;
}

static int64_t thread_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

uint64_t crypt_pbkdf2_rate(const char *hash, const void *pass, size_t pass_len, size_t out_len, Error **errp)
{
    g_autofree uint8_t *out = g_malloc(out_len);
    uint8_t salt[32] = { 1 };

    for (uint64_t n = 1 << 12;; n *= 2) {
        int64_t start = thread_cpu_ns(), took;

        if (!crypt_pbkdf2(hash, pass, pass_len, salt, sizeof(salt), n, out, out_len, errp)) {
            return 0;
        }
        took = MAX(thread_cpu_ns() - start, 1);
        if (took > 50000000 || n >= 1ULL << 30) {
            return MAX((uint64_t)((double)n * 1e9 / took), 1);
        }
    }
}
