/*
 * The tree of objects: types, references, children, paths.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "qom/qom-int.h"

static GHashTable *types;      /* name -> const TypeInfo * */
static Object *root;

/* --- types ----------------------------------------------------------------------------- */

void type_register(const TypeInfo *info)
{
    if (!types) {
        types = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_hash_table_insert(types, (gpointer)info->name, (gpointer)info);
}

static QObject *get_type(Object *o, const Property *p, Error **errp)
{
    return qstring_new(o->type->name);
}

static const Property object_props[] = {
    { .name = "type", .type = "string", .kind = PROP_CUSTOM, .get = get_type, .internal = true },
    { NULL }
};
static const TypeInfo object_type = {
    .name = "object", .abstract = true, .size = sizeof(Object), .props = object_props,
};
QOM_TYPE(object_type)

static const TypeInfo container_type = { .name = "container", .size = sizeof(Object) };
QOM_TYPE(container_type)

const TypeInfo *type_find(const char *name)
{
    return name ? g_hash_table_lookup(types, name) : NULL;
}

const TypeInfo *type_parent(const TypeInfo *type)
{
    if (type == &object_type) {
        return NULL;
    }
    return type->parent ? type_find(type->parent) : type->interface ? NULL : &object_type;
}

bool type_is_a(const TypeInfo *type, const char *ancestor)
{
    for (; type; type = type_parent(type)) {
        if (!strcmp(type->name, ancestor)) {
            return true;
        }
        for (size_t i = 0; type->interfaces && type->interfaces[i]; i++) {
            if (!strcmp(type->interfaces[i], ancestor)) {
                return true;
            }
        }
    }
    return false;
}

const void *type_class(const TypeInfo *type)
{
    for (; type; type = type_parent(type)) {
        if (type->class_data) {
            return type->class_data;
        }
    }
    return NULL;
}

static int compare_types(gconstpointer a, gconstpointer b)
{
    const TypeInfo *x = *(const TypeInfo *const *)a, *y = *(const TypeInfo *const *)b;

    return strcmp(x->name, y->name);
}

GPtrArray *type_list(void)
{
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, types);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_ptr_array_add(list, value);
    }
    g_ptr_array_sort(list, compare_types);
    return list;
}

/* --- life --------------------------------------------------------------------------------- */

static void init_fields(Object *o, const TypeInfo *type)
{
    const TypeInfo *parent = type_parent(type);

    if (parent) {
        init_fields(o, parent);
    }
    property_init_defaults(o, type);
    if (type->init) {
        type->init(o);
    }
}

static size_t type_size(const TypeInfo *type)
{
    size_t size = sizeof(Object);

    for (; type; type = type_parent(type)) {
        size = MAX(size, type->size);
    }
    return size;
}

Object *object_new(const TypeInfo *type)
{
    Object *o = g_malloc0(type_size(type));

    o->type = type;
    o->refs = 1;
    init_fields(o, type);
    return o;
}

Object *object_ref(Object *o)
{
    o->refs++;
    return o;
}

static void free_child(gpointer p)
{
    ObjectChild *c = p;

    g_free(c->name);
    g_free(c);
}

static void free_dyn(gpointer p)
{
    DynProperty *d = p;

    g_free(d->name);
    g_free(d->type);
    g_free(d);
}

static void finalize(Object *o)
{
    while (o->children && o->children->len) {
        object_unparent(((ObjectChild *)g_ptr_array_index(o->children, o->children->len - 1))->obj);
    }
    for (const TypeInfo *t = o->type; t; t = type_parent(t)) {
        if (t->finalize) {
            t->finalize(o);
        }
    }
    for (const TypeInfo *t = o->type; t; t = type_parent(t)) {
        property_free_fields(o, t);
    }
    if (o->children) {
        g_ptr_array_unref(o->children);
    }
    if (o->dyn) {
        g_ptr_array_unref(o->dyn);
    }
    g_free(o->name);
    g_free(o);
}

void object_unref(Object *o)
{
    if (o && --o->refs == 0) {
        finalize(o);
    }
}

bool object_is_a(const Object *o, const char *type) { return type_is_a(o->type, type); }

/* --- the tree -------------------------------------------------------------------------------- */

Object *object_root(void)
{
    if (!root) {
        root = object_new(&container_type);
    }
    return root;
}

Object *object_child(const Object *parent, const char *name)
{
    for (guint i = 0; parent->children && i < parent->children->len; i++) {
        ObjectChild *c = g_ptr_array_index(parent->children, i);

        if (!strcmp(c->name, name)) {
            return c->obj;
        }
    }
    return NULL;
}

/* "x[*]" becomes "x[0]", "x[1]", ... */
static char *free_name(const Object *parent, const char *name)
{
    size_t len = strlen(name);

    if (len < 3 || strcmp(name + len - 3, "[*]")) {
        return g_strdup(name);
    }
    for (int i = 0;; i++) {
        g_autofree char *full = g_strdup_printf("%.*s[%d]", (int)len - 3, name, i);

        if (!object_child(parent, full)) {
            return g_steal_pointer(&full);
        }
    }
}

void object_add_child(Object *parent, const char *name, Object *child)
{
    ObjectChild *c = g_new0(ObjectChild, 1);

    if (!parent->children) {
        parent->children = g_ptr_array_new_with_free_func(free_child);
    }
    c->name = free_name(parent, name);
    c->obj = object_ref(child);
    child->parent = parent;
    g_free(child->name);
    child->name = g_strdup(c->name);
    g_ptr_array_add(parent->children, c);
}

void object_unparent(Object *o)
{
    Object *parent = o->parent;

    if (!parent) {
        return;
    }
    for (guint i = 0; i < parent->children->len; i++) {
        ObjectChild *c = g_ptr_array_index(parent->children, i);

        if (c->obj == o) {
            o->parent = NULL;
            g_ptr_array_remove_index(parent->children, i);
            object_unref(o);
            return;
        }
    }
}

Object *object_container(const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path + 1, "/", -1);
    Object *at = object_root();

    for (char **p = parts; *p && **p; p++) {
        Object *next = object_child(at, *p);

        if (!next) {
            next = object_new(&container_type);
            object_add_child(at, *p, next);
            object_unref(next);
        }
        at = next;
    }
    return at;
}

void object_set_machine(Object *machine) { object_add_child(object_root(), "machine", machine); }

char *object_path(const Object *o)
{
    g_autofree char *path = NULL;

    if (o == root) {
        return g_strdup("/");
    }
    for (; o && o != root; o = o->parent) {
        g_autofree char *tail = g_steal_pointer(&path);

        if (!o->name) {
            return NULL;
        }
        path = g_strconcat("/", o->name, tail, NULL);
    }
    return o ? g_steal_pointer(&path) : NULL;
}

static Object *walk_parts(Object *at, char **parts)
{
    for (; at && *parts; parts++) {
        if (**parts) {
            at = object_child(at, *parts);
        }
    }
    return at;
}

/* Every place below `at` where the partial path leads somewhere. */
static Object *resolve_partial(Object *at, char **parts, bool *ambiguous)
{
    Object *found = walk_parts(at, parts);

    for (guint i = 0; at->children && i < at->children->len; i++) {
        Object *more = resolve_partial(((ObjectChild *)g_ptr_array_index(at->children, i))->obj, parts, ambiguous);

        if (more && found && more != found) {
            *ambiguous = true;
            return found;
        }
        found = found ? found : more;
    }
    return found;
}

Object *object_resolve_path(const char *path, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    bool many = false;
    Object *o;

    if (path[0] == '/') {
        o = walk_parts(object_root(), parts);
    } else {
        o = path[0] ? resolve_partial(object_root(), parts, &many) : NULL;
    }
    if (ambiguous) {
        *ambiguous = many;
    }
    return many ? NULL : o;
}

void object_add_dyn(Object *o, const char *name, const char *type,
                    QObject *(*get)(Object *, void *, Error **), void *opaque)
{
    DynProperty *d = g_new0(DynProperty, 1);

    d->name = g_strdup(name);
    d->type = g_strdup(type);
    d->get = get;
    d->opaque = opaque;
    if (!o->dyn) {
        o->dyn = g_ptr_array_new_with_free_func(free_dyn);
    }
    g_ptr_array_add(o->dyn, d);
}

QObject *object_path_value(const Object *o)
{
    g_autofree char *path = o ? object_path(o) : NULL;

    return qstring_new(path ? path : "");
}
