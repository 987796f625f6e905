/*
 * tls-creds-anon, tls-creds-psk, tls-creds-x509; and who is let in (authz-simple).
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

static const Property creds_props[] = {
    STR("dir", dir),
    { .name = "endpoint", .type = "QCryptoTLSCredsEndpoint", .kind = PROP_ENUM, .names = endpoints,
      .offset = offsetof(TlsObject, endpoint), .has_default = true },
    STR("priority", priority), FLAG("verify-peer", verify_peer), { NULL }
};
static const Property psk_props[] = { STR("username", username), { NULL } };
static const Property x509_props[] = { STR("passwordid", passwordid), FLAG("sanity-check", sanity_check), { NULL } };

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
    .name = "tls-creds-anon", .parent = "tls-creds", .size = sizeof(TlsObject), .complete = creds_complete,
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

/* --- authz ------------------------------------------------------------------------------------------ */

typedef struct AuthzSimple { Object obj; char *identity; } AuthzSimple;

static const Property simple_props[] = {
    { .name = "identity", .type = "string", .kind = PROP_STRING, .offset = offsetof(AuthzSimple, identity) }, { NULL }
};
static const char *const simple_required[] = { "identity", NULL };
static const TypeInfo authz_type = { .name = "authz", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(authz_type)
static const TypeInfo simple_type = {
    .name = "authz-simple", .parent = "authz", .size = sizeof(AuthzSimple), .props = simple_props,
    .required = simple_required, .user_creatable = true,
};
QOM_TYPE(simple_type)

static Object *find_object(const char *id) { return object_child(object_container("/objects"), id); }

static bool other_object(const char *id) { return find_object(id) != NULL; }

static bool authorize(const char *authz_id, const char *name, Error **errp)
{
    Object *o = find_object(authz_id);

    if (!o) {
        error_setg(errp, "Cannot find QAuthZ object ID %s", authz_id);
    } else if (!object_is_a(o, "authz-simple")) {
        error_setg(errp, "Object '%s' is not a QAuthZ subclass", authz_id);
    } else if (strcmp(((AuthzSimple *)o)->identity, name)) {
        error_setg(errp, "TLS x509 authz check for %s is denied", name);
    } else {
        return true;
    }
    return false;
}

__attribute__((constructor)) static void set_hooks(void)
{
    tls_other_object_exists = other_object;
    tls_authorize = authorize;
}
