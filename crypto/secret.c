/*
 * Secrets by id: kept in memory until removed, decrypted on definition when a master key is named.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <gcrypt.h>
#include "crypto/secret.h"
#include "util/text.h"

#define MASTER_KEY_LEN 32
#define MASTER_IV_LEN 16

typedef struct Secret { uint8_t *data; size_t len; } Secret;

static GHashTable *secrets;

void secret_wipe(void *value, size_t len)
{
    if (value) {
        explicit_bzero(value, len);
        g_free(value);
    }
}

static void secret_free(void *p)
{
    Secret *s = p;

    secret_wipe(s->data, s->len);
    g_free(s);
}

static uint8_t *base64_bytes(const char *text, size_t text_len, const char *what, size_t *len, Error **errp)
{
    g_autofree char *copy = text_try_ndup(text, text_len);
    uint8_t *bytes = NULL;
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n";

    if (copy && strspn(copy, allowed) != text_len) {
        error_setg(errp, "Base64 data '%s' is not valid", copy);
        return NULL;
    }
    bytes = copy ? text_unbase64(copy, text_len, len) : NULL;
    if (!bytes) {
        error_setg_errno(errp, ENOMEM, "Base64 data");
    }
    return bytes;
}

static bool decrypt(uint8_t **data, size_t *len, const char *keyid, const char *iv64, Error **errp)
{
    size_t key_len = 0, iv_len = 0;
    uint8_t *key = secret_lookup(keyid, &key_len, errp);
    g_autofree uint8_t *iv = NULL;
    gcry_cipher_hd_t cipher = NULL;
    bool ok = false;

    if (!key) {
        return false;
    }
    if (key_len != MASTER_KEY_LEN) {
        error_setg(errp, "Key should be %d bytes in length", MASTER_KEY_LEN);
    } else if (!iv64) {
        error_setg(errp, "IV is required to decrypt secret");
    } else if (!(iv = base64_bytes(iv64, strlen(iv64), "iv", &iv_len, errp))) {
        ok = false;
    } else if (iv_len != MASTER_IV_LEN) {
        error_setg(errp, "IV should be %d bytes in length not %zu", MASTER_IV_LEN, iv_len);
    } else if (*len == 0 || *len % MASTER_IV_LEN) {
        error_setg(errp, "Encrypted secret length %zu is not a multiple of the cipher block", *len);
    } else if (gcry_cipher_open(&cipher, GCRY_CIPHER_AES256, GCRY_CIPHER_MODE_CBC, 0) ||
               gcry_cipher_setkey(cipher, key, key_len) || gcry_cipher_setiv(cipher, iv, iv_len) ||
               gcry_cipher_decrypt(cipher, *data, *len, NULL, 0)) {
        error_setg(errp, "Failed to decrypt secret");
    } else {
        unsigned pad = (*data)[*len - 1];

        if (pad == 0 || pad > MASTER_IV_LEN || pad > *len) {
            error_setg(errp, "Incorrect number of padding bytes (%u) found on decrypted data", pad);
        } else {
            *len -= pad;
            (*data)[*len] = 0;
            ok = true;
        }
    }
    gcry_cipher_close(cipher);
    secret_wipe(key, key_len);
    return ok;
}

static bool load(const QDict *props, uint8_t **data, size_t *len, Error **errp)
{
    const char *text = qdict_get_str(props, "data"), *file = qdict_get_str(props, "file");
    GError *gerr = NULL;

    if (text && file) {
        error_setg(errp, "'file' and 'data' are mutually exclusive");
        return false;
    }
    if (text) {
        *len = strlen(text);
        *data = (uint8_t *)text_try_dup(text);
        if (!*data) {
            error_setg_errno(errp, ENOMEM, "Secret of %zu bytes", *len);
        }
        return *data != NULL;
    }
    if (!file) {
        error_setg(errp, "Either 'file' or 'data' must be provided");
        return false;
    }
    if (!g_file_get_contents(file, (char **)data, len, &gerr)) {
        error_setg(errp, "Unable to read %s: %s", file, gerr->message);
        g_error_free(gerr);
        return false;
    }
    return true;
}

bool secret_add(const char *id, const QDict *props, Error **errp)
{
    const char *format = qdict_get_str(props, "format"), *keyid = qdict_get_str(props, "keyid");
    bool base64 = format && !strcmp(format, "base64");
    uint8_t *data = NULL;
    size_t len = 0;
    Secret *s;

    if (format && !base64 && strcmp(format, "raw")) {
        error_setg(errp, "Parameter 'format' does not accept value '%s'", format);
        return false;
    }
    if (!load(props, &data, &len, errp)) {
        return false;
    }
    /* Encrypted values are base64 in transport whatever the format of what is inside. */
    for (int round = 0; round < 2; round++) {
        if (round == 0 ? keyid != NULL : base64) {
            size_t n = 0;
            uint8_t *decoded = base64_bytes((char *)data, len, "data", &n, errp);

            secret_wipe(data, len);
            if (!decoded) {
                return false;
            }
            data = decoded;
            len = n;
        }
        if (round == 0 && keyid && !decrypt(&data, &len, keyid, qdict_get_str(props, "iv"), errp)) {
            secret_wipe(data, len);
            return false;
        }
    }
    if (!secrets) {
        secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, secret_free);
    }
    s = g_new(Secret, 1);
    *s = (Secret){ data, len };
    g_hash_table_replace(secrets, g_strdup(id), s);
    return true;
}

bool secret_exists(const char *id)
{
    return secrets && g_hash_table_contains(secrets, id);
}

void secret_remove(const char *id)
{
    if (secrets) {
        g_hash_table_remove(secrets, id);
    }
}

uint8_t *secret_lookup(const char *id, size_t *len, Error **errp)
{
    Secret *s = secrets ? g_hash_table_lookup(secrets, id) : NULL;
    uint8_t *copy;

    if (!s) {
        error_setg(errp, "No secret with id '%s'", id);
        return NULL;
    }
    copy = g_malloc(s->len + 1);
    memcpy(copy, s->data, s->len);
    copy[s->len] = 0;
    *len = s->len;
    return copy;
}

char *secret_lookup_utf8(const char *id, Error **errp)
{
    size_t len;
    uint8_t *data = secret_lookup(id, &len, errp);

    if (data && !g_utf8_validate((char *)data, len, NULL)) {
        error_setg(errp, "Data from secret %s is not valid UTF-8", id);
        secret_wipe(data, len);
        return NULL;
    }
    return (char *)data;
}
