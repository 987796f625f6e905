/*
 * A disk cipher called from coroutines: short pieces at once, long ones in a worker thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include "crypt-co.h"
#include "util/aio.h"

#define WORKER_MIN (32 * 1024)       /* shorter pieces cost less than the way to a worker */

typedef struct CipherJob {
    CryptCipher *cipher;
    uint64_t sector;
    void *buf;
    size_t len;
    bool encrypt;
} CipherJob;

static int cipher_work(void *arg)
{
    CipherJob *j = arg;

    return j->encrypt ? crypt_encrypt(j->cipher, j->sector, j->buf, j->len)
                      : crypt_decrypt(j->cipher, j->sector, j->buf, j->len);
}

int coroutine_fn crypt_co_run(CryptCipher *cipher, uint64_t offset, void *buf, size_t len, bool encrypt)
{
    CipherJob j = { cipher, offset / CRYPT_SECTOR, buf, len, encrypt };

    if (!cipher) {
        return -EIO;
    }
    return len < WORKER_MIN ? cipher_work(&j) : thread_pool_co_run(cipher_work, &j);
}
