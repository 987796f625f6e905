/*
 * User creatable objects: -object, object-add, object-del.  They live under /objects by id.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "qom/qom-int.h"
#include "util/cutils.h"
#include "util/options.h"

static bool check_id(const char *id, Error **errp)
{
    ERRP_GUARD();

    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    if (!id_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier");
        error_append_hint(errp, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.\n");
        return false;
    }
    return true;
}

static const TypeInfo *find_creatable(const char *name, Error **errp)
{
    const TypeInfo *type = type_find(name);

    if (!name) {
        error_setg(errp, "Parameter 'qom-type' is missing");
        return NULL;
    }
    if (!type || type->abstract || !type->user_creatable) {
        error_setg(errp, "Parameter 'qom-type' does not accept value '%s'", name);
        return NULL;
    }
    return type;
}

/* What the schema would find wrong before anything is made. */
static bool check_props(const TypeInfo *type, const QDict *props, bool text, Error **errp)
{
    for (size_t i = 0; i < qdict_size(props); i++) {
        const Property *p = type_find_property(type, qdict_key_at(props, i));

        if (!p || p->internal) {
            error_setg(errp, text ? "Invalid parameter '%s'" : "Parameter '%s' is unexpected", qdict_key_at(props, i));
            return false;
        }
    }
    for (size_t i = 0; type->required && type->required[i]; i++) {
        if (!qdict_has(props, type->required[i])) {
            error_setg(errp, "Parameter '%s' is missing", type->required[i]);
            return false;
        }
    }
    return true;
}

static bool apply_props(Object *o, const QDict *props, bool text, Error **errp)
{
    for (size_t i = 0; i < qdict_size(props); i++) {
        const char *key = qdict_key_at(props, i);
        const QObject *value = qdict_value_at(props, i);

        if (!(text ? object_set_text(o, key, value, errp) : object_set(o, key, value, errp))) {
            return false;
        }
    }
    return true;
}

static Object *create(const TypeInfo *type, const char *id, const QDict *props, bool text, Error **errp)
{
    Object *objects = object_container("/objects"), *o = object_new(type);

    if (!apply_props(o, props, text, errp)) {
        object_unref(o);
        return NULL;
    }
    if (object_child(objects, id)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
        object_unref(o);
        return NULL;
    }
    object_add_child(objects, id, o);
    object_unref(o);
    if (type->complete && !type->complete(o, errp)) {
        object_unparent(o);
        return NULL;
    }
    return o;
}

Object *user_object_add(const char *type_name, const char *id, const QDict *props, bool text, Error **errp)
{
    const TypeInfo *type;

    /* The schema's name for it; the peer knows the object by the other one only, and so cannot make it over QMP. */
    if (!g_strcmp0(type_name, "authz-listfile")) {
        type_name = "authz-list-file";
    }
    /* Values with types come through the schema, which knows more names than this program has types. */
    if (!text && type_name && !type_find(type_name)) {
        error_setg(errp, "invalid object type: %s", type_name);
        return NULL;
    }
    type = find_creatable(type_name, errp);
    if (!type) {
        return NULL;
    }
    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return NULL;
    }
    if (!check_props(type, props, text, errp) || !check_id(id, errp)) {
        return NULL;
    }
    return create(type, id, props, text, errp);
}

static QDict *arg_props(const QDict *opts)
{
    QDict *props = qobject_clone(opts);

    qdict_del(props, "qom-type");
    qdict_del(props, "id");
    return props;
}

Object *user_object_add_dict(const QDict *opts, Error **errp)
{
    g_autoptr(QObject) props = arg_props(opts);

    return user_object_add(qdict_get_str(opts, "qom-type"), qdict_get_str(opts, "id"), props, false, errp);
}

bool user_object_del(const char *id, Error **errp)
{
    Object *o = object_child(object_container("/objects"), id);

    if (!o) {
        error_setg(errp, "object '%s' not found", id);
        return false;
    }
    if (o->type->can_delete && !o->type->can_delete(o)) {
        error_setg(errp, "object '%s' is in use, can not be deleted", id);
        return false;
    }
    object_unparent(o);
    return true;
}

void user_objects_cleanup(void)
{
    Object *objects = object_container("/objects");

    while (objects->children && objects->children->len) {
        object_unparent(((ObjectChild *)g_ptr_array_index(objects->children, objects->children->len - 1))->obj);
    }
}

/* --- command line --------------------------------------------------------------------------------- */

static void print_types(void)
{
    g_autoptr(GPtrArray) list = type_list();

    out_printf("List of user creatable objects:\n");
    for (guint i = 0; i < list->len; i++) {
        const TypeInfo *type = g_ptr_array_index(list, i);

        if (type->user_creatable && !type->abstract) {
            out_printf("  %s\n", type->name);
        }
    }
}

static void add_help_line(const TypeInfo *owner, const Property *p, void *opaque)
{
    if (!p->internal && !p->read_only) {
        g_autofree char *head = g_strdup_printf("  %s=<%s>", p->name, property_type(p));

        g_ptr_array_add(opaque, p->description ? g_strdup_printf("%-24s - %s", head, p->description)
                                               : g_strdup(head));
    }
}

static int compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_properties(const TypeInfo *type)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    type_foreach_property(type, add_help_line, lines);
    g_ptr_array_sort(lines, compare_lines);
    out_printf(lines->len ? "%s options:\n" : "There are no options for %s.\n", type->name);
    for (guint i = 0; i < lines->len; i++) {
        out_printf("%s\n", (char *)g_ptr_array_index(lines, i));
    }
}

static QDict *parse_arg(const char *arg, bool *help, Error **errp)
{
    g_autoptr(QObject) v = NULL;

    if (*arg != '{') {
        return opts_parse_list(arg, "qom-type", help, errp);
    }
    v = json_parse(arg, errp);
    if (v && qobject_type(v) != QTYPE_DICT) {
        error_setg(errp, "Invalid parameter type, expected: dict");
        return NULL;
    }
    return v ? qobject_ref(v) : NULL;
}

/* Text is read before anything is made: values of the wrong form are told at once. */
static bool check_text_values(const TypeInfo *type, const QDict *props, Error **errp)
{
    for (size_t i = 0; i < qdict_size(props); i++) {
        const Property *p = type_find_property(type, qdict_key_at(props, i));
        const char *value = qobject_get_str(qdict_value_at(props, i));
        int64_t n;
        bool b;

        if (p->kind == PROP_I64 && parse_i64(value, 0, &n) < 0) {
            error_setg(errp, "Parameter '%s' expects an int64 value", p->name);
            return false;
        }
        if (p->kind == PROP_BOOL && !opt_parse_bool(p->name, value, &b, errp)) {
            return false;
        }
    }
    return true;
}

static bool print_help(const QDict *opts, bool text, bool help)
{
    const char *type = qdict_get_str(opts, "qom-type");

    if ((text && type && (!strcmp(type, "help") || !strcmp(type, "?"))) || (help && !type)) {
        print_types();
        return true;
    }
    if (help && type_find(type) && type_find(type)->user_creatable) {
        print_properties(type_find(type));
        return true;
    }
    return false;
}

static void maybe_help(const QDict *opts, bool text, bool help)
{
    if (print_help(opts, text, help)) {
        exit(EXIT_SUCCESS);
    }
}

bool user_object_help(const char *arg)
{
    bool help = false;
    g_autoptr(QObject) opts = parse_arg(arg, &help, NULL);

    return opts && print_help(opts, *arg != '{', help);
}

bool user_object_check_arg(const char *arg, QDict *ids, Error **errp)
{
    bool help = false, text = *arg != '{';
    g_autoptr(QObject) opts = parse_arg(arg, &help, errp), props = NULL;
    const TypeInfo *type;
    const char *id;

    if (!opts) {
        return false;
    }
    maybe_help(opts, text, help);
    id = qdict_get_str(opts, "id");
    if (text && id && !check_id(id, errp)) {
        return false;
    }
    if (text && id && qdict_has(ids, id)) {
        error_setg(errp, "Duplicate ID '%s' for object", id);
        return false;
    }
    type = find_creatable(qdict_get_str(opts, "qom-type"), errp);
    if (!type) {
        return false;
    }
    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    if (text) {
        qdict_put_bool(ids, id, true);
    }
    props = arg_props(opts);
    return check_props(type, props, text, errp) && (!text || check_text_values(type, props, errp));
}

bool user_object_add_arg(const char *arg, Error **errp)
{
    bool help = false, text = *arg != '{';
    g_autoptr(QObject) opts = parse_arg(arg, &help, errp), props = NULL;

    if (!opts) {
        return false;
    }
    maybe_help(opts, text, help);
    props = arg_props(opts);
    return user_object_add(qdict_get_str(opts, "qom-type"), qdict_get_str(opts, "id"), props, text, errp) != NULL;
}

char *user_object_arg_type(const char *arg)
{
    bool help = false;
    g_autoptr(QObject) opts = parse_arg(arg, &help, NULL);

    return opts ? g_strdup(qdict_get_str(opts, "qom-type")) : NULL;
}
