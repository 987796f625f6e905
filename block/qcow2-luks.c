/*
 * The LUKS header inside a qcow2 image, read without a key: checked at open, described by `info`.
 *
 * LUKS version 1: magic (6), version (2), cipher name, mode and hash (32 each), payload offset in
 * sectors (4), key bytes (4), master key digest (20), salt (32), iterations (4), UUID (40), then
 * eight slots of 48 bytes: state, iterations, salt (32), key material offset in sectors, stripes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-luks.h"

#define CIPHER_NAME 8
#define CIPHER_MODE 40
#define HASH_SPEC 72
#define NAME_BYTES 32
#define PAYLOAD_OFFSET 104
#define KEY_BYTES 108
#define MASTER_KEY_ITERS 164
#define UUID 168
#define UUID_BYTES 40
#define SLOTS 208
#define SLOT_BYTES 48
#define SLOT_ACTIVE 0x00ac71f3u

int qcow2_luks_check(const uint8_t *buf, size_t len, Error **errp)
{
    static const struct {
        size_t offset;
        const char *name;
    } names[] = { { CIPHER_NAME, "cipher name" }, { CIPHER_MODE, "cipher mode" }, { HASH_SPEC, "hash spec" } };

    if (len < QCOW2_LUKS_BYTES || memcmp(buf, "LUKS\xba\xbe", 6)) {
        error_setg(errp, "Volume is not in LUKS format");
        return -EINVAL;
    }
    if (load_be16(buf + 6) != 1) {
        error_setg(errp, "LUKS version %u is not supported", load_be16(buf + 6));
        return -ENOTSUP;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!memchr(buf + names[i].offset, 0, NAME_BYTES)) {
            error_setg(errp, "LUKS header %s is not NUL terminated", names[i].name);
            return -EINVAL;
        }
    }
    return 0;
}

static QList *describe_slots(const uint8_t *buf)
{
    QList *slots = qlist_new();

    for (unsigned i = 0; i < QCOW2_LUKS_SLOTS; i++) {
        const uint8_t *slot = buf + SLOTS + i * SLOT_BYTES;
        bool active = load_be32(slot) == SLOT_ACTIVE;
        QDict *d = qdict_new();

        qdict_put_bool(d, "active", active);
        if (active) {
            qdict_put_int(d, "iters", load_be32(slot + 4));
        }
        qdict_put_int(d, "key-offset", load_be32(slot + 40) * (int64_t)BDRV_SECTOR_SIZE);
        if (active) {
            qdict_put_int(d, "stripes", load_be32(slot + 44));
        }
        qlist_append(slots, d);
    }
    return slots;
}

/* "aes" with its key length: two keys with XTS. */
static char *cipher_name(const uint8_t *buf, const char *mode)
{
    uint64_t bits = load_be32(buf + KEY_BYTES) * 8ULL;
    const char *name = (const char *)buf + CIPHER_NAME;

    return g_strdup_printf("%s-%" G_GUINT64_FORMAT, name,
                           !strcmp(mode, "xts") ? bits / 2 : bits);
}

QDict *qcow2_luks_describe(const uint8_t *buf)
{
    /* "xts-plain64", "cbc-essiv:sha256" */
    g_auto(GStrv) mode = g_strsplit((const char *)buf + CIPHER_MODE, "-", 2);
    g_auto(GStrv) iv = g_strsplit(mode[0] && mode[1] ? mode[1] : "", ":", 2);
    g_autofree char *cipher = cipher_name(buf, mode[0] ? mode[0] : "");
    g_autofree char *uuid = g_strndup((const char *)buf + UUID, UUID_BYTES);
    QDict *d = qdict_new();

    qdict_put_str(d, "ivgen-alg", iv[0] ? iv[0] : "");
    qdict_put_str(d, "hash-alg", (const char *)buf + HASH_SPEC);
    qdict_put_str(d, "cipher-alg", cipher);
    qdict_put_str(d, "uuid", uuid);
    if (iv[0] && iv[1]) {
        qdict_put_str(d, "ivgen-hash-alg", iv[1]);
    }
    qdict_put_str(d, "format", "luks");
    qdict_put_str(d, "cipher-mode", mode[0] ? mode[0] : "");
    qdict_put(d, "slots", describe_slots(buf));
    qdict_put_int(d, "payload-offset", load_be32(buf + PAYLOAD_OFFSET) * (int64_t)BDRV_SECTOR_SIZE);
    qdict_put_int(d, "master-key-iters", load_be32(buf + MASTER_KEY_ITERS));
    return d;
}
