/*
 * The schema told by query-qmp-schema: the commands and events of this program and every type that
 * they reach.  Types go by numbers, as with the peer, so that nobody relies on their names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/dispatch.h"

typedef struct Walk {
    QList *out;
    GHashTable *names;          /* QapiType * -> its number or "[number]" */
    GQueue todo;                /* types named but not told yet */
    unsigned next;
} Walk;

static const QapiType empty_object = { .kind = QAPI_OBJECT, .name = "empty" };

/* All integers look alike; the number of their bits is not told. */
static const char *builtin_name(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_STR:
        return "str";
    case QAPI_BOOL:
        return "bool";
    case QAPI_NUMBER:
        return "number";
    case QAPI_NULL:
        return "null";
    case QAPI_ANY:
        return "any";
    case QAPI_ENUM:
    case QAPI_OBJECT:
    case QAPI_ALTERNATE:
    case QAPI_LIST:
        return NULL;
    default:
        return "int";
    }
}

/* One descriptor stands for all that share a name. */
static const QapiType *canonical(const QapiType *type)
{
    const char *name;

    if (!type) {
        return &empty_object;
    }
    name = builtin_name(type);
    return name && strcmp(name, "int") == 0 ? &qapi_type_int : type;
}

static const char *walk_name(Walk *w, const QapiType *of)
{
    const QapiType *type = canonical(of);
    char *name = g_hash_table_lookup(w->names, type);

    if (name) {
        return name;
    }
    if (builtin_name(type)) {
        name = g_strdup(builtin_name(type));
    } else if (type->kind == QAPI_LIST) {
        name = g_strdup_printf("[%s]", walk_name(w, type->element));
    } else {
        name = g_strdup_printf("%u", w->next++);
    }
    g_hash_table_insert(w->names, (gpointer)type, name);
    g_queue_push_tail(&w->todo, (gpointer)type);
    return name;
}

static void put_features(QDict *entry, const char *const *features)
{
    QList *list;

    if (!features) {
        return;
    }
    list = qlist_new();
    for (; *features; features++) {
        qlist_append(list, qstring_new(*features));
    }
    qdict_put(entry, "features", list);
}

static QDict *new_entry(Walk *w, const char *name, const char *meta, const char *const *features)
{
    QDict *entry = qdict_new();

    qdict_put_str(entry, "name", name);
    qdict_put_str(entry, "meta-type", meta);
    put_features(entry, features);
    qlist_append(w->out, entry);
    return entry;
}

static void tell_enum(const QapiType *type, QDict *entry)
{
    QList *members = qlist_new(), *values = qlist_new();

    for (size_t i = 0; i < type->n_values; i++) {
        QDict *member = qdict_new();

        qdict_put_str(member, "name", type->values[i].name);
        put_features(member, type->values[i].features);
        qlist_append(members, member);
        qlist_append(values, qstring_new(type->values[i].name));
    }
    qdict_put(entry, "members", members);
    qdict_put(entry, "values", values);
}

static void tell_variants(Walk *w, const QapiType *type, QDict *entry)
{
    QList *variants = qlist_new();

    for (size_t i = 0; i < type->n_branches; i++) {
        QDict *variant = qdict_new();

        qdict_put_str(variant, "case", type->branches[i].name);
        qdict_put_str(variant, "type", walk_name(w, type->branches[i].type));
        qlist_append(variants, variant);
    }
    qdict_put_str(entry, "tag", type->tag->name);
    qdict_put(entry, "variants", variants);
}

static void tell_object(Walk *w, const QapiType *type, QDict *entry)
{
    QList *members = qlist_new();

    for (size_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];
        QDict *member = qdict_new();

        qdict_put_str(member, "name", m->name);
        if (m->optional) {
            qdict_put_null(member, "default");
        }
        qdict_put_str(member, "type", walk_name(w, m->type));
        put_features(member, m->features);
        qlist_append(members, member);
    }
    qdict_put(entry, "members", members);
    if (type->tag) {
        tell_variants(w, type, entry);
    }
}

static void tell_alternate(Walk *w, const QapiType *type, QDict *entry)
{
    QList *members = qlist_new();

    for (size_t i = 0; i < type->n_branches; i++) {
        QDict *member = qdict_new();

        qdict_put_str(member, "type", walk_name(w, type->branches[i].type));
        qlist_append(members, member);
    }
    qdict_put(entry, "members", members);
}

static const char *json_type(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_STR:
        return "string";
    case QAPI_BOOL:
        return "boolean";
    case QAPI_NUMBER:
        return "number";
    case QAPI_NULL:
        return "null";
    case QAPI_ANY:
        return "value";
    default:
        return "int";
    }
}

static void tell_type(Walk *w, const QapiType *type)
{
    static const char *const metas[] = {
        [QAPI_ENUM] = "enum", [QAPI_OBJECT] = "object", [QAPI_ALTERNATE] = "alternate", [QAPI_LIST] = "array",
    };
    bool builtin = builtin_name(type) != NULL;
    QDict *entry = new_entry(w, walk_name(w, type), builtin ? "builtin" : metas[type->kind], type->features);

    if (builtin) {
        qdict_put_str(entry, "json-type", json_type(type));
    } else if (type->kind == QAPI_ENUM) {
        tell_enum(type, entry);
    } else if (type->kind == QAPI_OBJECT) {
        tell_object(w, type, entry);
    } else if (type->kind == QAPI_ALTERNATE) {
        tell_alternate(w, type, entry);
    } else {
        qdict_put_str(entry, "element-type", walk_name(w, type->element));
    }
}

static void tell_command(const QmpCommand *cmd, void *opaque)
{
    Walk *w = opaque;
    QDict *entry = new_entry(w, cmd->name, "command", cmd->features);

    qdict_put_str(entry, "arg-type", walk_name(w, cmd->arguments));
    qdict_put_str(entry, "ret-type", walk_name(w, cmd->returns));
    if (cmd->oob) {
        qdict_put_bool(entry, "allow-oob", true);
    }
}

QList *qapi_introspect(void)
{
    Walk w = { .out = qlist_new(), .names = g_hash_table_new_full(NULL, NULL, NULL, g_free), .todo = G_QUEUE_INIT };
    QapiType *type;

    walk_name(&w, NULL);
    qmp_for_each_command(tell_command, &w);
    for (const QapiEvent *event = qapi_events; event->name; event++) {
        if (event->body && !qmp_is_left_out(event->name)) {
            QDict *entry = new_entry(&w, event->name, "event", event->features);

            qdict_put_str(entry, "arg-type", walk_name(&w, event->data));
        }
    }
    while ((type = g_queue_pop_head(&w.todo)) != NULL) {
        tell_type(&w, type);
    }
    g_hash_table_destroy(w.names);
    return w.out;
}
