/*
 * Who is let in: authz-simple (one name), authz-list (rules), authz-list-file (rules in a file that may change).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "crypto/tls.h"
#include "qapi/types-authz.h"
#include "qom/object.h"

typedef struct Authz { Object obj; } Authz;
typedef struct AuthzSimple { Authz base; char *identity; } AuthzSimple;
typedef struct AuthzList { Authz base; int policy; QList *rules; } AuthzList;
typedef struct AuthzFile {
    Authz base;
    char *filename;
    bool refresh;
    AuthZListProperties *list;         /* NULL: the file could not be read again; nobody is let in */
    struct stat seen;                  /* of the file that list is from */
} AuthzFile;

static const TypeInfo authz_type = { .name = "authz", .abstract = true, .size = sizeof(Authz) };
QOM_TYPE(authz_type)

/* --- one name ----------------------------------------------------------------------------- */

static const Property simple_props[] = {
    { .name = "identity", .type = "string", .kind = PROP_STRING, .offset = offsetof(AuthzSimple, identity) }, { NULL }
};
static const char *const simple_required[] = { "identity", NULL };
static const TypeInfo simple_type = {
    .name = "authz-simple", .parent = "authz", .size = sizeof(AuthzSimple), .props = simple_props,
    .required = simple_required, .user_creatable = true,
};
QOM_TYPE(simple_type)

/* --- rules ---------------------------------------------------------------------------------- */

static bool rule_matches(const QAuthZListRule *rule, const char *name)
{
    return rule->has_format && rule->format == QAUTHZ_LIST_FORMAT_GLOB ? g_pattern_match_simple(rule->match, name)
                                                                       : !strcmp(rule->match, name);
}

/* The first rule that matches decides. */
static bool list_allows(const AuthZListProperties *list, const char *name)
{
    QAuthZListPolicy policy = list->has_policy ? list->policy : QAUTHZ_LIST_POLICY_DENY;

    for (size_t i = 0; list->rules && i < list->rules->len; i++) {
        if (rule_matches(list->rules->items[i], name)) {
            policy = list->rules->items[i]->policy;
            break;
        }
    }
    return policy == QAUTHZ_LIST_POLICY_ALLOW;
}

static const char *const policies[] = { "deny", "allow", NULL };

static QObject *get_rules(Object *o, const Property *p, Error **errp)
{
    AuthzList *a = (AuthzList *)o;

    return a->rules ? qobject_ref(a->rules) : qlist_new();
}

static AuthZListProperties *list_of(int policy, const QList *rules, Error **errp)
{
    g_autoptr(QObject) dict = qdict_new();

    qdict_put_str(dict, "policy", policies[policy]);
    if (rules) {
        qdict_put(dict, "rules", qobject_clone(rules));
    }
    return AuthZListProperties_from_qobject(dict, errp);
}

static bool set_rules(Object *o, const Property *p, const QObject *value, Error **errp)
{
    AuthzList *a = (AuthzList *)o;
    g_autoptr(AuthZListProperties) checked = list_of(0, value, errp);

    if (!checked) {
        return false;
    }
    qobject_unref(a->rules);
    a->rules = qobject_clone(value);
    return true;
}

static void list_finalize(Object *o) { qobject_unref(((AuthzList *)o)->rules); }

static const Property list_props[] = {
    { .name = "policy", .type = "QAuthZListPolicy", .kind = PROP_ENUM, .names = policies,
      .offset = offsetof(AuthzList, policy),
      .has_default = true },
    { .name = "rules", .type = "QAuthZListRule", .kind = PROP_CUSTOM, .get = get_rules, .set = set_rules }, { NULL }
};
static const TypeInfo list_type = {
    .name = "authz-list", .parent = "authz", .size = sizeof(AuthzList), .props = list_props, .finalize = list_finalize,
    .user_creatable = true,
};
QOM_TYPE(list_type)

/* --- rules in a file --------------------------------------------------------------------------- */

static bool load_file(AuthzFile *f, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(QObject) value = NULL;
    g_autoptr(GError) gerr = NULL;

    AuthZListProperties_free(f->list);
    f->list = NULL;
    if (stat(f->filename, &f->seen) < 0) {
        error_setg_errno(errp, errno, "Unable to access '%s'", f->filename);
        return false;
    }
    if (!g_file_get_contents(f->filename, &text, NULL, &gerr)) {
        error_setg(errp, "Unable to read '%s': %s", f->filename, gerr->message);
        return false;
    }
    value = json_parse(text, errp);
    if (!value) {
        return false;
    }
    if (qobject_type(value) != QTYPE_DICT) {
        error_setg(errp, "File '%s' must contain a JSON object", f->filename);
        return false;
    }
    f->list = AuthZListProperties_from_qobject(value, errp);
    return f->list != NULL;
}

static bool changed(const AuthzFile *f)
{
    struct stat now;

    return stat(f->filename, &now) < 0 || now.st_ino != f->seen.st_ino || now.st_dev != f->seen.st_dev
        || now.st_size != f->seen.st_size || now.st_mtim.tv_sec != f->seen.st_mtim.tv_sec
        || now.st_mtim.tv_nsec != f->seen.st_mtim.tv_nsec;
}

static bool file_allows(AuthzFile *f, const char *name)
{
    Error *err = NULL;

    if (f->refresh && changed(f) && !load_file(f, &err)) {
        error_report_err(err);
    }
    return f->list && list_allows(f->list, name);
}

static bool file_complete(Object *o, Error **errp) { return load_file((AuthzFile *)o, errp); }
static void file_init(Object *o) { ((AuthzFile *)o)->refresh = true; }
static void file_finalize(Object *o) { AuthZListProperties_free(((AuthzFile *)o)->list); }

static const Property file_props[] = {
    { .name = "filename", .type = "string", .kind = PROP_STRING, .offset = offsetof(AuthzFile, filename) },
    { .name = "refresh", .type = "bool", .kind = PROP_BOOL, .offset = offsetof(AuthzFile, refresh) }, { NULL }
};
static const char *const file_required[] = { "filename", NULL };
static const TypeInfo file_type = {
    .name = "authz-list-file", .parent = "authz", .size = sizeof(AuthzFile), .props = file_props,
    .required = file_required,
    .init = file_init, .complete = file_complete, .finalize = file_finalize, .user_creatable = true,
};
QOM_TYPE(file_type)

/* --- asking ---------------------------------------------------------------------------------------- */

static bool allows(Object *o, const char *name)
{
    if (object_is_a(o, "authz-simple")) {
        return !strcmp(((AuthzSimple *)o)->identity, name);
    }
    if (object_is_a(o, "authz-list")) {
        AuthzList *a = (AuthzList *)o;
        g_autoptr(AuthZListProperties) list = list_of(a->policy, a->rules, NULL);

        return list && list_allows(list, name);
    }
    return object_is_a(o, "authz-list-file") && file_allows((AuthzFile *)o, name);
}

static Object *find_object(const char *id) { return object_child(object_container("/objects"), id); }

static bool other_object(const char *id) { return find_object(id) != NULL; }

static bool authorize(const char *authz_id, const char *name, Error **errp)
{
    Object *o = find_object(authz_id);

    if (!o) {
        error_setg(errp, "Cannot find QAuthZ object ID %s", authz_id);
    } else if (!object_is_a(o, "authz")) {
        error_setg(errp, "Object '%s' is not a QAuthZ subclass", authz_id);
    } else if (!allows(o, name)) {
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
