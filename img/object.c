/*
 * --object: user creatable objects as far as a program that works on images can use them.
 *
 * Definitions are checked and kept for the life of the program, by id.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/throttle.h"
#include "crypto/secret.h"
#include "crypto/tls.h"
#include "img/common.h"

bool (*img_object_make)(const char *type, const char *id, const QDict *props, Error **errp);

typedef struct ObjectType {
    const char *name;
    bool creatable;                    /* in programs without a machine */
    const char *const *properties;     /* "name=<type>", sorted as `TYPE,help` prints them */
} ObjectType;

static const char *const secret_properties[] = {
    "data=<string>", "file=<string>", "format=<QCryptoSecretFormat>", "iv=<string>", "keyid=<string>", NULL,
};
static const char *const keyring_properties[] = {
    "format=<QCryptoSecretFormat>", "iv=<string>", "keyid=<string>", "serial=<int32_t>", NULL,
};
static const char *const authz_list_properties[] = { "policy=<QAuthZListPolicy>", "rules=<QAuthZListRule>", NULL };
static const char *const authz_file_properties[] = { "filename=<string>", "refresh=<bool>", NULL };
static const char *const authz_simple_properties[] = { "identity=<string>", NULL };
static const char *const iothread_properties[] = {
    "aio-max-batch=<int>", "poll-grow=<int>", "poll-max-ns=<int>", "poll-shrink=<int>", "thread-pool-max=<int>",
    "thread-pool-min=<int>", NULL,
};
static const char *const helper_properties[] = { "path=<string>", NULL };
static const char *const context_properties[] = { "cpu-affinity=<int>", "node-affinity=<int>", NULL };
static const char *const loop_properties[] = {
    "aio-max-batch=<int>", "thread-pool-max=<int>", "thread-pool-min=<int>", NULL,
};
static const char *const throttle_properties[] = {
    "limits=<ThrottleLimits>",
    "x-bps-read-max-length=<int>", "x-bps-read-max=<int>", "x-bps-read=<int>",
    "x-bps-total-max-length=<int>", "x-bps-total-max=<int>", "x-bps-total=<int>",
    "x-bps-write-max-length=<int>", "x-bps-write-max=<int>", "x-bps-write=<int>",
    "x-iops-read-max-length=<int>", "x-iops-read-max=<int>", "x-iops-read=<int>", "x-iops-size=<int>",
    "x-iops-total-max-length=<int>", "x-iops-total-max=<int>", "x-iops-total=<int>",
    "x-iops-write-max-length=<int>", "x-iops-write-max=<int>", "x-iops-write=<int>", NULL,
};
static const char *const x509_properties[] = {
    "dir=<string>", "endpoint=<QCryptoTLSCredsEndpoint>", "passwordid=<string>", "priority=<string>",
    "sanity-check=<bool>", "verify-peer=<bool>", NULL,
};

static const char *const anon_properties[] = {
    "dir=<string>", "endpoint=<QCryptoTLSCredsEndpoint>", "priority=<string>", "verify-peer=<bool>", NULL,
};
static const char *const psk_properties[] = {
    "dir=<string>", "endpoint=<QCryptoTLSCredsEndpoint>", "priority=<string>", "username=<string>", "verify-peer=<bool>", NULL,
};

static const ObjectType types[] = {
    { "authz-list", true, authz_list_properties }, { "authz-list-file", true, authz_file_properties },
    { "authz-simple", true, authz_simple_properties }, { "iothread", false, iothread_properties },
    { "main-loop", true, loop_properties }, { "pr-manager-helper", true, helper_properties },
    { "secret", true, secret_properties }, { "secret_keyring", true, keyring_properties },
    { "thread-context", true, context_properties }, { "throttle-group", true, throttle_properties },
    { "tls-cipher-suites", true, anon_properties }, { "tls-creds-anon", true, anon_properties },
    { "tls-creds-psk", true, psk_properties }, { "tls-creds-x509", true, x509_properties },
};

/* A program with a tree of objects has threads for its exports, too. */
static bool is_creatable(const ObjectType *type)
{
    return type->creatable || img_object_make;
}

static QDict *objects;     /* id -> definition */

static void print_types(void)
{
    printf("List of user creatable objects:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (is_creatable(&types[i])) {
            printf("  %s\n", types[i].name);
        }
    }
}

static void print_properties(const ObjectType *type)
{
    printf("%s options:\n", type->name);
    for (size_t i = 0; type->properties && type->properties[i]; i++) {
        printf("  %s\n", type->properties[i]);
    }
}

static const ObjectType *find_type(const char *name)
{
    for (size_t i = 0; name && i < G_N_ELEMENTS(types); i++) {
        if (!strcmp(types[i].name, name)) {
            return &types[i];
        }
    }
    return NULL;
}

static bool has_property(const ObjectType *type, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; type->properties && type->properties[i]; i++) {
        if (!strncmp(type->properties[i], key, len) && type->properties[i][len] == '=') {
            return true;
        }
    }
    return !type->properties || !strcmp(key, "id") || !strcmp(key, "qom-type");
}

static bool check_secret(const QDict *def, Error **errp)
{
    const char *format = qdict_get_str(def, "format"), *file = qdict_get_str(def, "file");
    g_autoptr(GError) gerr = NULL;
    g_autofree char *content = NULL;

    if (format && strcmp(format, "raw") && strcmp(format, "base64")) {
        error_setg(errp, "Parameter 'format' does not accept value '%s'", format);
        return false;
    }
    if (file && qdict_has(def, "data")) {
        error_setg(errp, "'file' and 'data' are mutually exclusive");
        return false;
    }
    if (!file && !qdict_has(def, "data")) {
        error_setg(errp, "Either 'file' or 'data' must be provided");
        return false;
    }
    if (file && !g_file_get_contents(file, &content, NULL, &gerr)) {
        error_setg(errp, "Unable to read %s: %s", file, gerr->message);
        return false;
    }
    return true;
}

static const char *const needed[][2] = { { "authz-simple", "identity" }, { "authz-list-file", "filename" },
                                         { "pr-manager-helper", "path" } };

static bool check_definition(const QDict *def, const ObjectType *type, Error **errp)
{
    const char *id = qdict_get_str(def, "id");

    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    for (size_t i = 0; i < qdict_size(def); i++) {
        if (!has_property(type, qdict_key_at(def, i))) {
            error_setg(errp, "Parameter '%s' is unexpected", qdict_key_at(def, i));
            return false;
        }
    }
    if (!is_creatable(type)) {
        error_setg(errp, "invalid object type: %s", type->name);
        return false;
    }
    if (!id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!strcmp(type->name, needed[i][0]) && !qdict_has(def, needed[i][1])) {
            error_setg(errp, "Parameter '%s' is missing", needed[i][1]);
            return false;
        }
    }
    return strcmp(type->name, "secret") || check_secret(def, errp);
}

static bool make_throttle_group(const QDict *def, Error **errp)
{
    g_autoptr(QObject) props = qobject_clone(def);
    ThrottleConfig config;
    ThrottleGroup *group;

    qdict_del(props, "qom-type");
    qdict_del(props, "id");
    throttle_config_init(&config);
    if (!throttle_config_from_props(&config, props, errp) || !throttle_config_check(&config, errp)) {
        return false;
    }
    group = throttle_group_new(qdict_get_str(def, "id"), true, errp);
    if (group) {
        throttle_group_set(group, &config);     /* the reference is kept for the life of the program */
    }
    return group != NULL;
}

/* Let the room that uses such objects have it. */
static bool make_object(const QDict *def, Error **errp)
{
    const char *type = qdict_get_str(def, "qom-type");

    if (img_object_make && strcmp(type, "main-loop") && strcmp(type, "thread-context") && strcmp(type, "tls-cipher-suites")) {
        g_autoptr(QObject) props = qobject_clone(def);

        qdict_del(props, "qom-type");
        qdict_del(props, "id");
        return img_object_make(type, qdict_get_str(def, "id"), props, errp);
    }
    if (!strcmp(type, "secret")) {
        return secret_add(qdict_get_str(def, "id"), def, errp);
    }
    if (g_str_has_prefix(type, "tls-creds-")) {
        return tls_creds_add(type, qdict_get_str(def, "id"), def, errp);
    }
    return strcmp(type, "throttle-group") || make_throttle_group(def, errp);
}

static bool is_object(const char *id) { return objects && qdict_has(objects, id); }

static bool keep_object(QDict *def, Error **errp)
{
    const char *id = qdict_get_str(def, "id");

    if (!img_object_make) {
        tls_other_object_exists = is_object;
    }
    if (!objects) {
        objects = qdict_new();
    }
    if (qdict_has(objects, id)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
        return false;
    }
    if (!make_object(def, errp)) {
        return false;
    }
    qdict_put(objects, id, qobject_ref(def));
    return true;
}

bool img_object_create(const char *text, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(QObject) def = NULL;
    const ObjectType *type;
    const char *type_name;
    bool help = false;

    def = *text == '{' ? json_parse(text, errp) : opts_parse_keyval(text, "qom-type", &help, errp);
    if (!def) {
        return false;
    }
    if (qobject_type(def) != QTYPE_DICT) {
        error_setg(errp, "Invalid parameter type, expected: dict");
        return false;
    }
    type_name = qdict_get_str(def, "qom-type");
    type = find_type(type_name);
    if (help && (!type || !is_creatable(type))) {
        print_types();
        exit(EXIT_SUCCESS);
    }
    if (!type) {
        error_setg(errp, type_name ? "Parameter 'qom-type' does not accept value '%s'"
                                   : "Parameter 'qom-type' is missing", type_name);
        return false;
    }
    if (help) {
        print_properties(type);
        exit(EXIT_SUCCESS);
    }
    return check_definition(def, type, errp) && keep_object(def, errp);
}
