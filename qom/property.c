/*
 * Properties: finding, reading, setting.  Values are typed (JSON) or text to be parsed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qom/qom-int.h"
#include "util/cutils.h"
#include "util/options.h"

static void *field(Object *o, const Property *p) { return (char *)o + p->offset; }

static void store_int(Object *o, const Property *p, int64_t v)
{
    uint64_t mask = 1ULL << p->bit;

    switch (p->kind) {
    case PROP_BOOL: *(bool *)field(o, p) = v; break;
    case PROP_BIT32: *(uint32_t *)field(o, p) = (*(uint32_t *)field(o, p) & ~(uint32_t)mask) | (v ? mask : 0); break;
    case PROP_BIT64: *(uint64_t *)field(o, p) = (*(uint64_t *)field(o, p) & ~mask) | (v ? mask : 0); break;
    case PROP_U8: *(uint8_t *)field(o, p) = v; break;
    case PROP_U16: *(uint16_t *)field(o, p) = v; break;
    case PROP_U32: case PROP_I32: *(uint32_t *)field(o, p) = v; break;
    case PROP_ENUM: *(int *)field(o, p) = v; break;
    case PROP_U64: case PROP_I64: case PROP_SIZE: *(uint64_t *)field(o, p) = v; break;
    default: break;
    }
}

static uint64_t load_int(Object *o, const Property *p)
{
    switch (p->kind) {
    case PROP_BOOL: return *(bool *)field(o, p);
    case PROP_BIT32: return (*(uint32_t *)field(o, p) >> p->bit) & 1;
    case PROP_BIT64: return (*(uint64_t *)field(o, p) >> p->bit) & 1;
    case PROP_U8: return *(uint8_t *)field(o, p);
    case PROP_U16: return *(uint16_t *)field(o, p);
    case PROP_U32: return *(uint32_t *)field(o, p);
    case PROP_I32: return (int64_t)*(int32_t *)field(o, p);
    case PROP_ENUM: return *(int *)field(o, p);
    default: return *(uint64_t *)field(o, p);
    }
}

void property_init_defaults(Object *o, const TypeInfo *type)
{
    for (const Property *p = type->props; p && p->name; p++) {
        if (p->has_default && p->kind != PROP_STRING && p->kind != PROP_CUSTOM) {
            store_int(o, p, p->def);
        } else if (p->kind == PROP_STRING && p->def_str) {
            *(char **)field(o, p) = g_strdup(p->def_str);
        }
    }
}

void property_free_fields(Object *o, const TypeInfo *type)
{
    for (const Property *p = type->props; p && p->name; p++) {
        if (p->kind == PROP_STRING) {
            g_free(*(char **)field(o, p));
        }
    }
}

const char *property_type(const Property *p)
{
    static const char *const names[] = {
        [PROP_BOOL] = "bool", [PROP_BIT32] = "bool", [PROP_BIT64] = "bool", [PROP_U8] = "uint8", [PROP_U16] = "uint16",
        [PROP_U32] = "uint32", [PROP_I32] = "int32", [PROP_U64] = "uint64", [PROP_I64] = "int", [PROP_SIZE] = "size",
        [PROP_STRING] = "str", [PROP_ENUM] = "str", [PROP_CUSTOM] = "str",
    };

    return p->type ? p->type : names[p->kind];
}

const Property *type_find_property(const TypeInfo *type, const char *name)
{
    for (; type; type = type_parent(type)) {
        for (const Property *p = type->props; p && p->name; p++) {
            if (!strcmp(p->name, name)) {
                return p;
            }
        }
    }
    return NULL;
}

void type_foreach_property(const TypeInfo *type, void (*fn)(const TypeInfo *, const Property *, void *), void *opaque)
{
    const TypeInfo *parent = type_parent(type);

    if (parent) {
        type_foreach_property(parent, fn, opaque);
    }
    for (const Property *p = type->props; p && p->name; p++) {
        fn(type, p, opaque);
    }
}

/* --- parsing ------------------------------------------------------------------------------- */

static bool wrong_type(const Property *p, const char *expected, Error **errp)
{
    error_setg(errp, "Invalid parameter type for '%s', expected: %s", p->name, expected);
    return false;
}

static bool parse_bool(const Property *p, const QObject *v, bool text, int64_t *out, Error **errp)
{
    bool b;

    if (qobject_get_bool(v, &b)) {
        *out = b;
        return true;
    }
    if (!text || !qobject_get_str(v)) {
        return wrong_type(p, "boolean", errp);
    }
    if (!opt_parse_bool(p->name, qobject_get_str(v), &b, errp)) {
        return false;
    }
    *out = b;
    return true;
}

static bool parse_size_value(const Property *p, const QObject *v, bool text, int64_t *out, Error **errp)
{
    uint64_t size;

    if (qobject_get_uint(v, &size)) {
        *out = size;
        return true;
    }
    if (!text || !qobject_get_str(v) || parse_size(qobject_get_str(v), NULL, 'B', &size) < 0) {
        error_setg(errp, text ? "Parameter '%s' expects size" : "Parameter '%s' expects uint64", p->name);
        return false;
    }
    *out = size;
    return true;
}

static bool text_to_int(const Property *p, const char *s, int64_t *out, Error **errp)
{
    uint64_t u;

    if (parse_i64(s, 0, out) < 0) {
        if (parse_u64(s, 0, &u) < 0) {
            error_setg(errp, "Parameter '%s' expects integer", p->name);
            return false;
        }
        *out = u;
    }
    return true;
}

static bool in_range(const Property *p, int64_t v, Error **errp)
{
    static const struct { int64_t min, max; const char *name; } ranges[] = {
        [PROP_U8] = { 0, UINT8_MAX, "uint8_t" }, [PROP_U16] = { 0, UINT16_MAX, "uint16_t" },
        [PROP_U32] = { 0, UINT32_MAX, "uint32_t" }, [PROP_I32] = { INT32_MIN, INT32_MAX, "int32_t" },
    };

    if (p->kind < G_N_ELEMENTS(ranges) && ranges[p->kind].name
        && (v < ranges[p->kind].min || v > ranges[p->kind].max)) {
        error_setg(errp, "Parameter '%s' expects %s", p->name, ranges[p->kind].name);
        return false;
    }
    return true;
}

static bool parse_int(const Property *p, const QObject *v, bool text, int64_t *out, Error **errp)
{
    uint64_t u;

    if (qobject_get_int(v, out)) {
        return in_range(p, *out, errp);
    }
    if (p->kind == PROP_U64 && qobject_get_uint(v, &u)) {
        *out = u;
        return true;
    }
    if (!text || !qobject_get_str(v)) {
        if (p->kind == PROP_I32 || p->kind == PROP_I64) {
            return wrong_type(p, "integer", errp);
        }
        error_setg(errp, "Parameter '%s' expects uint64", p->name);
        return false;
    }
    return text_to_int(p, qobject_get_str(v), out, errp) && in_range(p, *out, errp);
}

static bool parse_enum(const Property *p, const QObject *v, int64_t *out, Error **errp)
{
    const char *s = qobject_get_str(v);

    if (!s) {
        return wrong_type(p, "string", errp);
    }
    for (int i = 0; p->names[i]; i++) {
        if (!strcmp(p->names[i], s)) {
            *out = i;
            return true;
        }
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s'", p->name, s);
    return false;
}

static bool set_string(Object *o, const Property *p, const QObject *v, Error **errp)
{
    const char *s = qobject_get_str(v);

    if (!s) {
        return wrong_type(p, "string", errp);
    }
    g_free(*(char **)field(o, p));
    *(char **)field(o, p) = g_strdup(s);
    return true;
}

static bool parse_value(const Property *p, const QObject *v, bool text, int64_t *out, Error **errp)
{
    switch (p->kind) {
    case PROP_BOOL: case PROP_BIT32: case PROP_BIT64:
        return parse_bool(p, v, text, out, errp);
    case PROP_SIZE:
        return parse_size_value(p, v, text, out, errp);
    case PROP_ENUM:
        return parse_enum(p, v, out, errp);
    default:
        return parse_int(p, v, text, out, errp);
    }
}

/* --- reading and setting ------------------------------------------------------------------------ */

static Object *backend_of(const Object *o)
{
    for (const TypeInfo *t = o->type; t; t = type_parent(t)) {
        if (t->backend_type) {
            return object_child(o, "virtio-backend");
        }
    }
    return NULL;
}

static bool set_value(Object *o, const char *name, const QObject *value, bool text, Error **errp)
{
    const Property *p = type_find_property(o->type, name);
    Object *backend = backend_of(o);
    int64_t v;

    if (!p && backend && type_find_property(backend->type, name)) {
        return set_value(backend, name, value, text, errp);
    }
    if (!p) {
        bool known = object_child(o, name) != NULL;

        error_setg(errp, known ? "Property '%s.%s' is not writable" : "Property '%s.%s' not found", o->type->name,
                   name);
        return false;
    }
    if ((p->kind == PROP_CUSTOM && !p->set)) {
        error_setg(errp, "Property '%s.%s' is not writable", o->type->name, name);
        return false;
    }
    if (p->set) {
        return p->set(o, p, value, errp);
    }
    if (p->kind == PROP_STRING) {
        return set_string(o, p, value, errp);
    }
    if (!parse_value(p, value, text, &v, errp) || (p->check && !p->check(o, p, v, errp))) {
        return false;
    }
    store_int(o, p, v);
    return true;
}

bool object_set(Object *o, const char *name, const QObject *value, Error **errp)
{
    return set_value(o, name, value, false, errp);
}

bool object_set_text(Object *o, const char *name, const QObject *value, Error **errp)
{
    return set_value(o, name, value, true, errp);
}

bool object_set_str(Object *o, const char *name, const char *value, Error **errp)
{
    g_autoptr(QObject) v = qstring_new(value);

    return set_value(o, name, v, true, errp);
}

static QObject *get_field(Object *o, const Property *p)
{
    const char *s;

    switch (p->kind) {
    case PROP_BOOL: case PROP_BIT32: case PROP_BIT64:
        return qbool_new(load_int(o, p));
    case PROP_STRING:
        s = *(char **)field(o, p);
        return qstring_new(s ? s : "");
    case PROP_ENUM:
        return qstring_new(p->names[load_int(o, p)]);
    case PROP_U64: case PROP_SIZE:
        return quint_new(load_int(o, p));
    default:
        return qint_new(load_int(o, p));
    }
}

QObject *object_get(Object *o, const char *name, Error **errp)
{
    const Property *p = type_find_property(o->type, name);
    Object *backend = backend_of(o), *child = object_child(o, name);

    if (p && !p->options_only && !p->class_only) {
        if (p->kind == PROP_CUSTOM && !p->get) {
            error_setg(errp, "Property '%s.%s' is not readable", o->type->name, name);
            return NULL;
        }
        return p->get ? p->get(o, p, errp) : get_field(o, p);
    }
    if (child) {
        return object_path_value(child);
    }
    for (guint i = 0; o->dyn && i < o->dyn->len; i++) {
        DynProperty *d = g_ptr_array_index(o->dyn, i);

        if (!strcmp(d->name, name)) {
            return d->get(o, d->opaque, errp);
        }
    }
    if (backend && type_find_property(backend->type, name)) {
        return object_get(backend, name, errp);
    }
    error_setg(errp, "Property '%s.%s' not found", o->type->name, name);
    return NULL;
}
