/*
 * tls-creds-anon, tls-creds-psk, tls-creds-x509, tls-cipher-suites.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "crypto/tls.h"
#include "qom/object.h"

typedef struct TlsObject {
    Object obj;
    char *dir, *priority, *username, *passwordid;
    bool verify_peer, sanity_check, added;
    int endpoint;
} TlsObject;

static const char *const endpoints[] = { "client", "server", NULL };

#define STR(n, f) { .name = n, .type = "string", .kind = PROP_STRING, .offset = offsetof(TlsObject, f) }
#define FLAG(n, f) { .name = n, .type = "bool", .kind = PROP_BOOL, .offset = offsetof(TlsObject, f) }

static QObject *get_loaded(Object *o, const Property *p, Error **errp) { return qbool_new(((TlsObject *)o)->added); }

#define LOADED { .name = "loaded", .type = "bool", .kind = PROP_CUSTOM, .get = get_loaded, .read_only = true }

static const Property creds_props[] = {
    STR("dir", dir),
    { .name = "endpoint", .type = "QCryptoTLSCredsEndpoint", .kind = PROP_ENUM, .names = endpoints,
      .offset = offsetof(TlsObject, endpoint), .has_default = true },
    STR("priority", priority), FLAG("verify-peer", verify_peer), { NULL }
};
static const Property anon_props[] = { LOADED, { NULL } };
static const Property psk_props[] = { STR("username", username), LOADED, { NULL } };
static const Property x509_props[] = {
    FLAG("sanity-check", sanity_check), STR("passwordid", passwordid), LOADED, { NULL }
};

static void creds_init(Object *o)
{
    TlsObject *t = (TlsObject *)o;

    t->verify_peer = t->sanity_check = true;
}

static bool creds_complete(Object *o, Error **errp)
{
    TlsObject *t = (TlsObject *)o;
    g_autoptr(QObject) props = qdict_new();
    const struct { const char *name, *value; } texts[] = {
        { "dir", t->dir }, { "priority", t->priority }, { "username", t->username }, { "passwordid", t->passwordid },
        { "endpoint", endpoints[t->endpoint] },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (texts[i].value) {
            qdict_put_str(props, texts[i].name, texts[i].value);
        }
    }
    qdict_put_bool(props, "verify-peer", t->verify_peer);
    qdict_put_bool(props, "sanity-check", t->sanity_check);
    t->added = tls_creds_add(o->type->name, o->name, props, errp);
    return t->added;
}

static void creds_finalize(Object *o)
{
    if (((TlsObject *)o)->added) {
        tls_creds_remove(o->name);
    }
}

static const TypeInfo creds_type = {
    .name = "tls-creds", .abstract = true, .size = sizeof(TlsObject), .props = creds_props, .init = creds_init,
    .complete = creds_complete, .finalize = creds_finalize,
};
QOM_TYPE(creds_type)
static const TypeInfo anon_type = {
    .name = "tls-creds-anon", .parent = "tls-creds", .size = sizeof(TlsObject), .props = anon_props,
    .complete = creds_complete,
    .user_creatable = true,
};
QOM_TYPE(anon_type)
static const TypeInfo psk_type = {
    .name = "tls-creds-psk", .parent = "tls-creds", .size = sizeof(TlsObject), .props = psk_props,
    .complete = creds_complete, .user_creatable = true,
};
QOM_TYPE(psk_type)
static const TypeInfo x509_type = {
    .name = "tls-creds-x509", .parent = "tls-creds", .size = sizeof(TlsObject), .props = x509_props,
    .complete = creds_complete, .user_creatable = true,
};
QOM_TYPE(x509_type)

/* --- a list of ciphers, for firmware that asks -------------------------------------------------- */

static bool suites_complete(Object *o, Error **errp)
{
    if (!((TlsObject *)o)->priority) {
        error_setg(errp, "'priority' property is not set");
        return false;
    }
    return true;
}

static const TypeInfo suites_type = {
    .name = "tls-cipher-suites", .parent = "tls-creds", .size = sizeof(TlsObject), .complete = suites_complete,
    .user_creatable = true,
};
QOM_TYPE(suites_type)
