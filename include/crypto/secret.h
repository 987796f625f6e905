/*
 * Secrets: passphrases and keys that users hand over by id.
 *
 * Main thread.  Values are wiped when the secret is deleted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CRYPTO_SECRET_H
#define CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>
#include "util/error.h"
#include "util/qobject.h"

/*
 * Define secret `id` from the properties of a secret object: data or file, format (raw, base64),
 * keyid and iv (the value is AES-256-CBC encrypted with the named master key).  props is not changed.
 */
bool secret_add(const char *id, const QDict *props, Error **errp);
bool secret_exists(const char *id);
void secret_remove(const char *id);
/* The value, g_malloc'd with a terminating NUL after len bytes; wipe it with secret_wipe.  NULL: "No secret with id 'x'". */
uint8_t *secret_lookup(const char *id, size_t *len, Error **errp);
/* As secret_lookup for values that must be valid UTF-8. */
char *secret_lookup_utf8(const char *id, Error **errp);
void secret_wipe(void *value, size_t len);          /* overwrite and free */

#endif
