/*
 * twofish with keys of 192 bits, over nettle.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dlfcn.h>
#include <string.h>
#include <glib.h>
#include <nettle/cbc.h>
#include <nettle/ctr.h>
#include <nettle/twofish.h>
#include <nettle/xts.h>
#include "crypto/twofish192.h"

/* The soname of the headers that this was built with. */
#define LIBRARY "libnettle.so.8"

struct Twofish192 {
    Twofish192Mode mode;
    struct twofish_ctx data, tweak;
};

/* The part of nettle that is used, by the names that its headers give the functions. */
#define FUNCTIONS(F) \
    F(twofish192_set_key) F(twofish_encrypt) F(twofish_decrypt) F(cbc_encrypt) F(cbc_decrypt) F(ctr_crypt) \
    F(xts_encrypt_message) F(xts_decrypt_message)

#define STRING(x) #x
#define NAME(x) STRING(x)
#define POINTER(name) __typeof__(&name) p_##name;
static struct { FUNCTIONS(POINTER) } lib;

static gpointer load(gpointer unused)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool ok = library != NULL;

#define FIND(name) ok = ok && (*(void **)&lib.p_##name = dlsym(library, NAME(name)));
    FUNCTIONS(FIND)
#undef FIND
    return GINT_TO_POINTER(ok);
}

Twofish192 *twofish192_new(Twofish192Mode mode, const uint8_t *key)
{
    static GOnce once = G_ONCE_INIT;
    Twofish192 *t;

    if (!g_once(&once, load, NULL)) {
        return NULL;
    }
    t = g_new0(Twofish192, 1);
    t->mode = mode;
    lib.p_twofish192_set_key(&t->data, key);
    if (mode == TWOFISH_XTS) {
        lib.p_twofish192_set_key(&t->tweak, key + TWOFISH192_KEY_SIZE);
    }
    return t;
}

void twofish192_free(Twofish192 *t)
{
    if (t) {
        explicit_bzero(t, sizeof(*t));
        g_free(t);
    }
}

void twofish192_crypt(const Twofish192 *t, bool encrypt, const uint8_t iv[16], uint8_t *buf, size_t len)
{
    nettle_cipher_func *enc = (nettle_cipher_func *)(void *)lib.p_twofish_encrypt;
    nettle_cipher_func *dec = (nettle_cipher_func *)(void *)lib.p_twofish_decrypt;
    uint8_t chain[16];

    memcpy(chain, iv, sizeof(chain));
    switch (t->mode) {
    case TWOFISH_ECB:
        (encrypt ? enc : dec)(&t->data, len, buf, buf);
        break;
    case TWOFISH_CBC:
        encrypt ? lib.p_cbc_encrypt(&t->data, enc, 16, chain, len, buf, buf)
                : lib.p_cbc_decrypt(&t->data, dec, 16, chain, len, buf, buf);
        break;
    case TWOFISH_CTR:
        lib.p_ctr_crypt(&t->data, enc, 16, chain, len, buf, buf);
        break;
    case TWOFISH_XTS:
        encrypt ? lib.p_xts_encrypt_message(&t->data, &t->tweak, enc, chain, len, buf, buf)
                : lib.p_xts_decrypt_message(&t->data, &t->tweak, dec, enc, chain, len, buf, buf);
        break;
    }
}
