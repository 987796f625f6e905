/*
 * Objects whose work is done by another room: secrets, throttle groups.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/throttle.h"
#include "crypto/secret.h"
#include "secret.h"
#include "util/text.h"

/* --- secret ------------------------------------------------------------------------------------- */

typedef struct SecretObject {
    SecretCommon common;
    char *data, *file;
} SecretObject;

static const char *const secret_formats[] = { "raw", "base64", NULL };

static QObject *get_true(Object *o, const Property *p, Error **errp) { return qbool_new(true); }

static const Property common_props[] = {
    { .name = "iv", .type = "string", .kind = PROP_STRING, .offset = offsetof(SecretCommon, iv) },
    { .name = "keyid", .type = "string", .kind = PROP_STRING, .offset = offsetof(SecretCommon, keyid) },
    { .name = "loaded", .type = "bool", .kind = PROP_CUSTOM, .get = get_true, .read_only = true },
    { .name = "format", .type = "QCryptoSecretFormat", .kind = PROP_ENUM, .names = secret_formats,
      .offset = offsetof(SecretCommon, format), .has_default = true },
    { NULL }
};

static QDict *common_values(const SecretCommon *s)
{
    QDict *props = qdict_new();

    if (s->keyid) {
        qdict_put_str(props, "keyid", s->keyid);
    }
    if (s->iv) {
        qdict_put_str(props, "iv", s->iv);
    }
    return props;
}

/* Bytes go as base64: they may be no text. */
bool secret_common_add(SecretCommon *s, const uint8_t *data, size_t len, Error **errp)
{
    g_autoptr(QObject) props = common_values(s);
    char *text = s->format ? text_try_ndup((const char *)data, len) : text_base64(data, len);

    if (!text) {
        error_setg_errno(errp, ENOMEM, "Secret of %zu bytes", len);
        return false;
    }
    qdict_put_str(props, "data", text);
    qdict_put_str(props, "format", "base64");
    secret_wipe(text, strlen(text));
    s->added = secret_add(s->obj.name, props, errp);
    return s->added;
}

static void common_finalize(Object *o)
{
    if (((SecretCommon *)o)->added) {
        secret_remove(o->name);
    }
}

static const TypeInfo secret_common_type = {
    .name = "secret_common", .abstract = true, .size = sizeof(SecretCommon), .props = common_props,
    .finalize = common_finalize,
};
QOM_TYPE(secret_common_type)

static const Property secret_props[] = {
    { .name = "file", .type = "string", .kind = PROP_STRING, .offset = offsetof(SecretObject, file) },
    { .name = "data", .type = "string", .kind = PROP_STRING, .offset = offsetof(SecretObject, data) }, { NULL }
};

static bool secret_complete(Object *o, Error **errp)
{
    SecretObject *s = (SecretObject *)o;
    g_autoptr(QObject) props = common_values(&s->common);

    if (s->data && s->file) {
        error_setg(errp, "'file' and 'data' are mutually exclusive");
        return false;
    }
    if (s->data) {
        qdict_put_str(props, "data", s->data);
    }
    if (s->file) {
        qdict_put_str(props, "file", s->file);
    }
    qdict_put_str(props, "format", secret_formats[s->common.format]);
    s->common.added = secret_add(o->name, props, errp);
    return s->common.added;
}

static void secret_finalize(Object *o)
{
    SecretObject *s = (SecretObject *)o;

    if (s->data) {
        explicit_bzero(s->data, strlen(s->data));
    }
}

static const TypeInfo secret_type = {
    .name = "secret", .parent = "secret_common", .size = sizeof(SecretObject), .props = secret_props,
    .complete = secret_complete,
    .finalize = secret_finalize, .user_creatable = true,
};
QOM_TYPE(secret_type)

/* --- throttle-group ------------------------------------------------------------------------------- */

typedef struct ThrottleObject {
    Object obj;
    QDict *given;              /* until the object is complete */
    ThrottleGroup *group;
} ThrottleObject;

/* "x-bps-total" of the object is "bps-total" of ThrottleLimits. */
static QObject *get_limit(Object *o, const Property *p, Error **errp)
{
    ThrottleConfig config;
    g_autoptr(QObject) limits = NULL;
    QObject *value;

    throttle_group_get(((ThrottleObject *)o)->group, &config);
    limits = throttle_config_to_props(&config);
    if (!strcmp(p->name, "limits")) {
        return qobject_ref(limits);
    }
    value = qdict_get(limits, p->name + strlen("x-"));
    return value ? qobject_ref(value) : qint_new(0);
}

static bool set_limit(Object *o, const Property *p, const QObject *value, Error **errp)
{
    ThrottleObject *t = (ThrottleObject *)o;
    g_autoptr(QObject) props = NULL;
    ThrottleConfig config;

    if (!t->group) {
        if (!t->given) {
            t->given = qdict_new();
        }
        qdict_put(t->given, p->name, qobject_clone(value));
        return true;
    }
    if (strcmp(p->name, "limits")) {
        error_setg(errp, "Property cannot be set after initialization");
        return false;
    }
    props = qdict_new();
    qdict_put(props, p->name, qobject_clone(value));
    throttle_group_get(t->group, &config);
    if (!throttle_config_from_props(&config, props, errp) || !throttle_config_check(&config, errp)) {
        return false;
    }
    throttle_group_set(t->group, &config);
    return true;
}

#define LIMIT(n) { .name = n, .type = "int", .kind = PROP_CUSTOM, .get = get_limit, .set = set_limit }
#define LIMITS(n) LIMIT("x-" n), LIMIT("x-" n "-max"), LIMIT("x-" n "-max-length")

static const Property throttle_props[] = {
    LIMITS("bps-total"), LIMITS("bps-read"), LIMITS("bps-write"), LIMITS("iops-total"), LIMITS("iops-read"),
    LIMITS("iops-write"),
    LIMIT("x-iops-size"),
    { .name = "limits", .type = "ThrottleLimits", .kind = PROP_CUSTOM, .get = get_limit, .set = set_limit },
    { NULL }
};

static bool throttle_complete(Object *o, Error **errp)
{
    ThrottleObject *t = (ThrottleObject *)o;
    ThrottleConfig config;

    throttle_config_init(&config);
    if (t->given && (!throttle_config_from_props(&config, t->given, errp) || !throttle_config_check(&config, errp))) {
        return false;
    }
    t->group = throttle_group_new(o->name, true, errp);
    if (t->group) {
        throttle_group_set(t->group, &config);
    }
    return t->group != NULL;
}

static void throttle_finalize(Object *o)
{
    ThrottleObject *t = (ThrottleObject *)o;

    qobject_unref(t->given);
    if (t->group) {
        throttle_group_unref(t->group);
    }
}

static bool throttle_can_delete(Object *o)
{
    return !throttle_group_in_use(((ThrottleObject *)o)->group);
}

static const TypeInfo throttle_type = {
    .name = "throttle-group", .size = sizeof(ThrottleObject), .props = throttle_props, .complete = throttle_complete,
    .finalize = throttle_finalize, .user_creatable = true, .can_delete = throttle_can_delete,
};
QOM_TYPE(throttle_type)
