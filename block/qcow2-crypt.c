/*
 * qcow2: keys of encrypted images, and guest data on its way through the cipher.
 *
 * The cipher may be used by several threads at once (crypto/cipher.h); nothing here is locked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "crypt-co.h"
#include "crypto/secret.h"
#include "qcow2-crypt.h"

#define AES_KEY_BYTES 16

struct Qcow2CryptState {
    Luks *luks;                  /* NULL for AES */
    CryptCipher *aes;
    CryptCipher *cipher;         /* either's; NULL without a key */
    LuksArea area;
};

/* --- the key area -------------------------------------------------------------- */

static int area_bounds(const Qcow2 *q, uint64_t offset, size_t len)
{
    return offset > q->crypto_header_len || len > q->crypto_header_len - offset ? -EINVAL : 0;
}

static int area_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    Qcow2 *q = opaque;
    int ret = area_bounds(q, offset, len);

    return ret < 0 ? ret : bdrv_read_buf(q->bs->file, q->crypto_header_offset + offset, len, buf, 0);
}

static int area_write(void *opaque, uint64_t offset, const void *buf, size_t len)
{
    Qcow2 *q = opaque;
    int ret = area_bounds(q, offset, len);

    return ret < 0 ? ret : bdrv_write_sync(q->bs->file, q->crypto_header_offset + offset, len, buf, 0);
}

static int open_luks(Qcow2 *q, Qcow2CryptState *s, const char *secret, bool no_io, Error **errp)
{
    if (!no_io && !secret) {
        error_setg(errp, "Parameter 'encrypt.key-secret' is required for cipher");
        return -EINVAL;
    }
    s->area = (LuksArea){ .read = area_read, .write = area_write, .opaque = q, .bounded = true };
    s->luks = luks_open(&s->area, secret, no_io, errp);
    s->cipher = s->luks ? s->luks->cipher : NULL;
    return s->luks ? 0 : -EINVAL;
}

/* The passphrase's first 16 bytes are the key. */
static int open_aes(Qcow2CryptState *s, const char *secret, bool no_io, Error **errp)
{
    static const CryptSpec spec = { .cipher = "aes-128", .mode = "cbc", .ivgen = "plain64" };
    uint8_t key[AES_KEY_BYTES] = { 0 };
    char *pass;

    if (no_io) {
        return 0;
    }
    if (!secret) {
        error_setg(errp, "Parameter 'encrypt.key-secret' is required for cipher");
        return -EINVAL;
    }
    pass = secret_lookup_utf8(secret, errp);
    if (!pass) {
        return -EINVAL;
    }
    memcpy(key, pass, MIN(strlen(pass), sizeof(key)));
    secret_wipe(pass, strlen(pass));
    s->aes = s->cipher = crypt_cipher_new(&spec, key, sizeof(key), errp);
    explicit_bzero(key, sizeof(key));
    return s->aes ? 0 : -EINVAL;
}

int qcow2_crypt_open(Qcow2 *q, const QDict *options, int flags, Error **errp)
{
    const char *secret = opt_get_str(options, "encrypt.key-secret");
    bool no_io = flags & BDRV_O_NO_IO;
    int ret;

    if (q->crypt == QCOW2_CRYPT_NONE) {
        return 0;
    }
    q->crypt_state = g_new0(Qcow2CryptState, 1);
    ret = q->crypt == QCOW2_CRYPT_LUKS ? open_luks(q, q->crypt_state, secret, no_io, errp)
                                       : open_aes(q->crypt_state, secret, no_io, errp);
    if (ret < 0) {
        qcow2_crypt_close(q);
    }
    return ret;
}

void qcow2_crypt_close(Qcow2 *q)
{
    Qcow2CryptState *s = q->crypt_state;

    if (s) {
        luks_free(s->luks);
        crypt_cipher_free(s->aes);
        g_free(s);
        q->crypt_state = NULL;
    }
}

QDict *qcow2_crypt_info(const Qcow2 *q)
{
    QDict *d = NULL;

    if (q->crypt_state) {
        d = q->crypt_state->luks ? luks_info(q->crypt_state->luks, "luks") : qdict_new();
        qdict_put_str(d, "format", q->crypt_state->luks ? "luks" : "aes");
    }
    return d;
}

bool qcow2_crypt_amend(Qcow2 *q, const QDict *opts, bool force, Error **errp)
{
    return luks_amend(q->crypt_state->luks, &q->crypt_state->area, opts, "encrypt.", force, errp);
}

/* --- creation -------------------------------------------------------------------- */

typedef struct NewArea {
    BdrvChild *file;
    uint64_t offset, bytes;
} NewArea;

static int new_area_write(void *opaque, uint64_t offset, const void *buf, size_t len)
{
    NewArea *a = opaque;

    return bdrv_write_buf(a->file, a->offset + offset, len, buf, 0);
}

static int new_area_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    NewArea *a = opaque;

    return bdrv_read_buf(a->file, a->offset + offset, len, buf, 0);
}

static int new_area_init(void *opaque, uint64_t header_bytes, Error **errp)
{
    NewArea *a = opaque;
    int ret = bdrv_zero(a->file, a->offset, a->bytes, 0);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not zero fill encryption header");
    }
    return ret;
}

int qcow2_crypt_create(BdrvChild *file, uint64_t offset, uint64_t area_bytes, const QDict *opts, Error **errp)
{
    NewArea a = { file, offset, area_bytes };
    LuksArea area = { .read = new_area_read, .write = new_area_write, .opaque = &a };
    Luks *luks = luks_create(opts, "encrypt.", &area, new_area_init, &a, errp);

    luks_free(luks);
    return luks ? 0 : -EINVAL;
}

/* --- guest data ------------------------------------------------------------------ */

/* Vectors count sectors of the file (LUKS) or of the guest's disk (AES). */
static int coroutine_fn run_cipher(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len, bool encrypt)
{
    return crypt_co_run(q->crypt_state->cipher, q->crypt == QCOW2_CRYPT_LUKS ? host : guest, buf, len, encrypt);
}

int coroutine_fn qcow2_encrypt(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len)
{
    return run_cipher(q, guest, host, buf, len, true);
}

int coroutine_fn qcow2_decrypt(Qcow2 *q, uint64_t guest, uint64_t host, void *buf, uint64_t len)
{
    return run_cipher(q, guest, host, buf, len, false);
}

int coroutine_fn qcow2_read_encrypted(Qcow2 *q, uint64_t guest, uint64_t host, uint64_t bytes, IoVec *qiov, size_t qo)
{
    uint64_t chunk = MIN(bytes, (uint64_t)CRYPT_CO_CHUNK);
    void *buf = bdrv_blockalign(q->data_file->bs, chunk);
    int ret = buf ? 0 : -ENOMEM;

    for (uint64_t done = 0; done < bytes && ret == 0; done += chunk) {
        uint64_t n = MIN(chunk, bytes - done);

        ret = bdrv_read_buf(q->data_file, host + done, n, buf, 0);
        if (ret == 0) {
            ret = qcow2_decrypt(q, guest + done, host + done, buf, n);
        }
        if (ret == 0) {
            iov_from_buf(qiov, qo + done, buf, n);
        }
    }
    bdrv_memfree(buf);
    return ret;
}
