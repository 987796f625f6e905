/*
 * What secrets have in common, wherever their data come from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef OBJECTS_SECRET_H
#define OBJECTS_SECRET_H

#include "qom/object.h"

typedef struct SecretCommon {
    Object obj;
    char *keyid, *iv;
    int format;
    bool added;
} SecretCommon;

/* The bytes, in the object's format and perhaps encrypted, become the secret of the object's id. */
bool secret_common_add(SecretCommon *s, const uint8_t *data, size_t len, Error **errp);

#endif
