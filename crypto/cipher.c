/*
 * Disk ciphers over libgcrypt (one over nettle): names, key lengths, initialisation vectors, hashes.
 *
 * A gcrypt handle carries the vector of the call in progress, so each call borrows one from a
 * small pool; the pool grows to the number of threads that encrypt at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <gcrypt.h>
#include "cipher-private.h"
#include "crypto/twofish192.h"
#include "util/cutils.h"

#define MAX_IV 16
#define NETTLE (-1)            /* not in libgcrypt */

typedef struct CipherName {
    const char *name, *luks;
    size_t key_len, block;
    int algo;                  /* libgcrypt's, or NETTLE */
} CipherName;

static const CipherName ciphers[] = {
    { "aes-128", "aes", 16, 16, GCRY_CIPHER_AES128 },
    { "aes-192", "aes", 24, 16, GCRY_CIPHER_AES192 },
    { "aes-256", "aes", 32, 16, GCRY_CIPHER_AES256 },
    { "des", NULL, 8, 8, GCRY_CIPHER_DES },
    { "3des", NULL, 24, 8, GCRY_CIPHER_3DES },
    { "cast5-128", "cast5", 16, 8, GCRY_CIPHER_CAST5 },
    { "serpent-128", "serpent", 16, 16, GCRY_CIPHER_SERPENT128 },
    { "serpent-192", "serpent", 24, 16, GCRY_CIPHER_SERPENT192 },
    { "serpent-256", "serpent", 32, 16, GCRY_CIPHER_SERPENT256 },
    { "twofish-128", "twofish", 16, 16, GCRY_CIPHER_TWOFISH128 },
    { "twofish-192", "twofish", 24, 16, NETTLE },
    { "twofish-256", "twofish", 32, 16, GCRY_CIPHER_TWOFISH },
};

static const struct { const char *name; int mode; } modes[] = {
    { "ecb", GCRY_CIPHER_MODE_ECB }, { "cbc", GCRY_CIPHER_MODE_CBC },
    { "xts", GCRY_CIPHER_MODE_XTS }, { "ctr", GCRY_CIPHER_MODE_CTR },
};

static const struct { const char *name; int algo; } hashes[] = {
    { "md5", GCRY_MD_MD5 }, { "sha1", GCRY_MD_SHA1 }, { "sha224", GCRY_MD_SHA224 }, { "sha256", GCRY_MD_SHA256 },
    { "sha384", GCRY_MD_SHA384 }, { "sha512", GCRY_MD_SHA512 }, { "ripemd160", GCRY_MD_RMD160 },
};

static const char *const ivgens[] = { "plain", "plain64", "essiv" };

typedef enum IvKind { IV_NONE, IV_PLAIN, IV_PLAIN64, IV_ESSIV } IvKind;

typedef struct Handle {
    struct Handle *next;
    gcry_cipher_hd_t data, essiv;
} Handle;

struct CryptCipher {
    int algo, mode, essiv_algo;
    size_t block;
    IvKind iv;
    uint8_t *key, *essiv_key;
    size_t key_len, essiv_key_len;
    Twofish192 *twofish;       /* algo NETTLE: instead of the handles' data */
    GMutex lock;               /* guards free */
    Handle *free;
};

void crypt_gcrypt_start(void)
{
    static gsize once;

    if (g_once_init_enter(&once)) {
        gcry_check_version(NULL);
        gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
        g_once_init_leave(&once, 1);
    }
}

static const CipherName *find_cipher(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++) {
        if (!strcmp(ciphers[i].name, name)) {
            return &ciphers[i];
        }
    }
    return NULL;
}

static int find_mode(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (!strcmp(modes[i].name, name)) {
            return modes[i].mode;
        }
    }
    return -1;
}

int crypt_gcrypt_hash(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (!strcmp(hashes[i].name, name)) {
            return hashes[i].algo;
        }
    }
    return 0;
}

bool crypt_cipher_known(const char *name) { return find_cipher(name); }
bool crypt_mode_known(const char *name) { return find_mode(name) >= 0; }
bool crypt_hash_known(const char *name) { return crypt_gcrypt_hash(name); }

bool crypt_cipher_in_luks(const char *name)
{
    const CipherName *c = find_cipher(name);

    return c && c->luks;
}

bool crypt_ivgen_known(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ivgens); i++) {
        if (!strcmp(ivgens[i], name)) {
            return true;
        }
    }
    return false;
}

size_t crypt_key_length(const char *cipher, const char *mode)
{
    const CipherName *c = find_cipher(cipher);
    bool xts = !strcmp(mode, "xts");

    if (!c || find_mode(mode) < 0 || (xts && c->block != 16)) {
        return 0;
    }
    return xts ? c->key_len * 2 : c->key_len;
}

bool crypt_spec_from_luks(CryptSpec *spec, const char *name, const char *mode, size_t key_len, Error **errp)
{
    const char *dash = strchr(mode, '-'), *colon;
    const CipherName *found = NULL;
    size_t bits_len;

    memset(spec, 0, sizeof(*spec));
    if (!dash) {
        error_setg(errp, "Unexpected cipher mode string format '%s'", mode);
        return false;
    }
    pstrcpy(spec->mode, MIN(sizeof(spec->mode), (size_t)(dash - mode) + 1), mode);
    colon = strchr(dash, ':');
    pstrcpy(spec->ivgen, colon ? MIN(sizeof(spec->ivgen), (size_t)(colon - dash)) : sizeof(spec->ivgen), dash + 1);
    pstrcpy(spec->ivhash, sizeof(spec->ivhash), colon ? colon + 1 : "");
    bits_len = strcmp(spec->mode, "xts") ? key_len : key_len / 2;
    for (size_t i = 0; i < G_N_ELEMENTS(ciphers) && !found; i++) {
        if (ciphers[i].luks && !strcmp(ciphers[i].luks, name) && ciphers[i].key_len == bits_len) {
            found = &ciphers[i];
        }
    }
    if (!found) {
        error_setg(errp, "Algorithm '%s' with key size %zu bytes not supported", name, bits_len);
    } else if (find_mode(spec->mode) < 0) {
        error_setg(errp, "Algorithm '%s' for cipher mode not supported", spec->mode);
    } else if (!crypt_ivgen_known(spec->ivgen)) {
        error_setg(errp, "Algorithm '%s' for IV generator not supported", spec->ivgen);
    } else if (!strcmp(spec->ivgen, "essiv") && !*spec->ivhash) {
        error_setg(errp, "Missing IV generator hash specification");
    } else if (*spec->ivhash && !crypt_gcrypt_hash(spec->ivhash)) {
        error_setg(errp, "Hash algorithm '%s' not supported", spec->ivhash);
    } else {
        pstrcpy(spec->cipher, sizeof(spec->cipher), found->name);
        return true;
    }
    return false;
}

void crypt_spec_to_luks(const CryptSpec *spec, char name[32], char mode[32])
{
    const CipherName *c = find_cipher(spec->cipher);

    memset(name, 0, 32);
    memset(mode, 0, 32);
    pstrcpy(name, 32, c && c->luks ? c->luks : spec->cipher);
    g_snprintf(mode, 32, "%s-%s%s%s", spec->mode, spec->ivgen, *spec->ivhash ? ":" : "", spec->ivhash);
}

static void handle_free(Handle *h)
{
    gcry_cipher_close(h->data);
    gcry_cipher_close(h->essiv);
    g_free(h);
}

static Handle *handle_new(CryptCipher *c)
{
    Handle *h = g_new0(Handle, 1);

    if ((!c->twofish && (gcry_cipher_open(&h->data, c->algo, c->mode, 0) ||
                         gcry_cipher_setkey(h->data, c->key, c->key_len))) ||
        (c->iv == IV_ESSIV && (gcry_cipher_open(&h->essiv, c->essiv_algo, GCRY_CIPHER_MODE_ECB, 0) ||
                               gcry_cipher_setkey(h->essiv, c->essiv_key, c->essiv_key_len)))) {
        handle_free(h);
        return NULL;
    }
    return h;
}

static Handle *handle_get(CryptCipher *c)
{
    Handle *h;

    g_mutex_lock(&c->lock);
    h = c->free;
    if (h) {
        c->free = h->next;
    }
    g_mutex_unlock(&c->lock);
    return h ? h : handle_new(c);
}

static void handle_put(CryptCipher *c, Handle *h)
{
    g_mutex_lock(&c->lock);
    h->next = c->free;
    c->free = h;
    g_mutex_unlock(&c->lock);
}

static const char *family_title(const CipherName *c)
{
    static const char *const titles[] = { "AES", "Serpent", "Twofish" };

    for (size_t i = 0; c->luks && i < G_N_ELEMENTS(titles); i++) {
        if (!g_ascii_strcasecmp(titles[i], c->luks)) {
            return titles[i];
        }
    }
    return c->name;
}

/* ESSIV: vectors are sector numbers encrypted under the hash of the key, by the same family of cipher. */
static bool essiv_prepare(CryptCipher *c, const CipherName *cipher, const CryptSpec *spec, Error **errp)
{
    size_t len = crypt_hash_length(spec->ivhash);
    const CipherName *salt = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(ciphers); i++) {
        if (ciphers[i].luks && cipher->luks && !strcmp(ciphers[i].luks, cipher->luks) && ciphers[i].key_len == len) {
            salt = &ciphers[i];
        }
    }
    if (!len || !salt || salt->algo == NETTLE) {
        error_setg(errp, "No %s cipher with key size %zu available", family_title(cipher), len);
        return false;
    }
    c->essiv_algo = salt->algo;
    c->essiv_key_len = len;
    c->essiv_key = g_malloc(len);
    return crypt_hash(spec->ivhash, c->key, c->key_len, c->essiv_key, errp);
}

static Twofish192Mode nettle_mode(int mode)
{
    return mode == GCRY_CIPHER_MODE_CBC ? TWOFISH_CBC : mode == GCRY_CIPHER_MODE_XTS ? TWOFISH_XTS
         : mode == GCRY_CIPHER_MODE_CTR ? TWOFISH_CTR : TWOFISH_ECB;
}

CryptCipher *crypt_cipher_new(const CryptSpec *spec, const uint8_t *key, size_t key_len, Error **errp)
{
    const CipherName *cipher = find_cipher(spec->cipher);
    CryptCipher *c;
    Handle *h;

    crypt_gcrypt_start();
    if (!cipher || !key_len || crypt_key_length(spec->cipher, spec->mode) != key_len) {
        error_setg(errp, "Algorithm '%s' with %s mode and a key of %zu bits is not supported", spec->cipher, spec->mode,
                   key_len * 8);
        return NULL;
    }
    c = g_new0(CryptCipher, 1);
    g_mutex_init(&c->lock);
    c->algo = cipher->algo;
    c->mode = find_mode(spec->mode);
    c->block = cipher->block;
    c->iv = c->mode == GCRY_CIPHER_MODE_ECB ? IV_NONE : !strcmp(spec->ivgen, "plain") ? IV_PLAIN
          : !strcmp(spec->ivgen, "essiv") ? IV_ESSIV : IV_PLAIN64;
    c->key = g_malloc(key_len);
    memcpy(c->key, key, key_len);
    c->key_len = key_len;
    /* Asked for where no vectors are used, too: it must be possible. */
    if (!strcmp(spec->ivgen, "essiv") && !essiv_prepare(c, cipher, spec, errp)) {
        crypt_cipher_free(c);
        return NULL;
    }
    if (c->algo == NETTLE) {
        c->twofish = twofish192_new(nettle_mode(c->mode), key);
    }
    h = c->algo == NETTLE && !c->twofish ? NULL : handle_new(c);
    if (!h) {
        error_setg(errp, "Cannot initialize cipher '%s-%s'", spec->cipher, spec->mode);
        crypt_cipher_free(c);
        return NULL;
    }
    handle_put(c, h);
    return c;
}

void crypt_cipher_free(CryptCipher *c)
{
    if (!c) {
        return;
    }
    while (c->free) {
        Handle *h = c->free;

        c->free = h->next;
        handle_free(h);
    }
    twofish192_free(c->twofish);
    explicit_bzero(c->key, c->key_len);
    g_free(c->key);
    if (c->essiv_key) {
        explicit_bzero(c->essiv_key, c->essiv_key_len);
        g_free(c->essiv_key);
    }
    g_mutex_clear(&c->lock);
    g_free(c);
}

/* The vector of a sector goes to iv and, where libgcrypt does the work, into the handle. */
static gcry_error_t set_iv(CryptCipher *c, Handle *h, uint64_t sector, uint8_t iv[MAX_IV])
{
    uint64_t le = GUINT64_TO_LE(c->iv == IV_PLAIN ? sector & UINT32_MAX : sector);
    gcry_error_t err = 0;

    memset(iv, 0, MAX_IV);
    if (c->iv == IV_NONE) {
        return 0;
    }
    memcpy(iv, &le, MIN(sizeof(le), c->block));
    if (c->iv == IV_ESSIV) {
        err = gcry_cipher_encrypt(h->essiv, iv, c->block, NULL, 0);
    }
    if (!err && !c->twofish) {
        err = c->mode == GCRY_CIPHER_MODE_CTR ? gcry_cipher_setctr(h->data, iv, c->block)
                                              : gcry_cipher_setiv(h->data, iv, c->block);
    }
    return err;
}

static int crypt_sectors(CryptCipher *c, uint64_t sector, uint8_t *buf, size_t len, bool encrypt)
{
    Handle *h = handle_get(c);
    gcry_error_t err = 0;

    if (!h) {
        return -EIO;
    }
    for (; len && !err; len -= CRYPT_SECTOR, buf += CRYPT_SECTOR, sector++) {
        uint8_t iv[MAX_IV];

        err = set_iv(c, h, sector, iv);
        if (!err && c->twofish) {
            twofish192_crypt(c->twofish, encrypt, iv, buf, CRYPT_SECTOR);
        } else if (!err) {
            err = encrypt ? gcry_cipher_encrypt(h->data, buf, CRYPT_SECTOR, NULL, 0)
                          : gcry_cipher_decrypt(h->data, buf, CRYPT_SECTOR, NULL, 0);
        }
    }
    handle_put(c, h);
    return err ? -EIO : 0;
}

int crypt_encrypt(CryptCipher *c, uint64_t sector, void *buf, size_t len)
{
    return crypt_sectors(c, sector, buf, len, true);
}

int crypt_decrypt(CryptCipher *c, uint64_t sector, void *buf, size_t len)
{
    return crypt_sectors(c, sector, buf, len, false);
}

size_t crypt_hash_length(const char *hash)
{
    int algo = crypt_gcrypt_hash(hash);

    return algo ? gcry_md_get_algo_dlen(algo) : 0;
}

bool crypt_hash(const char *hash, const void *data, size_t len, uint8_t *out, Error **errp)
{
    int algo = crypt_gcrypt_hash(hash);

    crypt_gcrypt_start();
    if (!algo) {
        error_setg(errp, "Hash algorithm '%s' not supported", hash);
        return false;
    }
    gcry_md_hash_buffer(algo, out, data, len);
    return true;
}

void crypt_random(void *buf, size_t len)
{
    crypt_gcrypt_start();
    gcry_randomize(buf, len, GCRY_STRONG_RANDOM);
}
