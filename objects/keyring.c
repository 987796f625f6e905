/*
 * secret_keyring: a secret that the kernel's key ring holds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "crypto/secret.h"
#include "secret.h"

typedef struct KeyringObject {
    SecretCommon common;
    int32_t serial;
} KeyringObject;

/* The key's bytes; secret_wipe them.  NULL + errp. */
static uint8_t *read_key(int32_t serial, size_t *len, Error **errp)
{
    long size = syscall(SYS_keyctl, KEYCTL_READ, serial, NULL, 0L);
    uint8_t *data;

    if (size >= 0) {
        data = g_malloc0(size + 1);
        if (syscall(SYS_keyctl, KEYCTL_READ, serial, data, size) == size) {
            *len = size;
            return data;
        }
        secret_wipe(data, size);
        errno = EAGAIN;                    /* it was exchanged meanwhile */
    }
    error_setg_errno(errp, errno, "Unable to read serial key %08x", (unsigned)serial);
    return NULL;
}

static bool keyring_complete(Object *o, Error **errp)
{
    KeyringObject *k = (KeyringObject *)o;
    size_t len;
    uint8_t *data = read_key(k->serial, &len, errp);
    bool ok;

    if (!data) {
        return false;
    }
    ok = secret_common_add(&k->common, data, len, errp);
    secret_wipe(data, len);
    return ok;
}

static const Property keyring_props[] = {
    { .name = "serial", .type = "int32_t", .kind = PROP_I32, .offset = offsetof(KeyringObject, serial) }, { NULL }
};
static const char *const keyring_required[] = { "serial", NULL };
static const TypeInfo keyring_type = {
    .name = "secret_keyring", .parent = "secret_common", .size = sizeof(KeyringObject), .props = keyring_props,
    .required = keyring_required, .complete = keyring_complete, .user_creatable = true,
};
QOM_TYPE(keyring_type)
