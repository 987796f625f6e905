/*
 * Objects: named, typed, in a tree of paths, with properties that a manager can list, read and set.
 *
 * A type is described by a static TypeInfo registered before main() (QOM_TYPE).  An object is a struct
 * that starts with Object (or with its parent's struct).  Objects are reference counted; a parent owns
 * one reference to each child.  Everything here: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include "util/error.h"
#include "util/qobject.h"

typedef struct Object Object;
typedef struct Property Property;
typedef struct TypeInfo TypeInfo;

typedef enum PropKind {
    PROP_BOOL,              /* bool field */
    PROP_BIT32, PROP_BIT64, /* one bit of a field; told as bool */
    PROP_U8, PROP_U16, PROP_U32, PROP_I32, PROP_U64, PROP_I64, PROP_SIZE,
    PROP_STRING,            /* g_malloc'd char *, freed with the object */
    PROP_ENUM,              /* int field, names in `names` */
    PROP_CUSTOM,            /* get and set only */
} PropKind;

struct Property {
    const char *name;
    const char *type;                   /* as listings show it; NULL: that of the kind */
    PropKind kind;
    size_t offset;
    unsigned bit;
    const char *const *names;           /* PROP_ENUM, ends with NULL */
    bool has_default;
    int64_t def;
    const char *def_str;                /* PROP_STRING, not told to managers */
    const char *description;
    bool internal;                      /* not shown by device-list-properties (realized, type, ...) */
    bool read_only;
    bool hidden;                        /* known, not listed for a type (added when an object is made) */
    bool class_only;                    /* a child that each object has: listings of the type name it */
    bool options_only;                  /* object-add takes it, the object does not show it */
    QObject *(*get)(Object *o, const Property *p, Error **errp);
    bool (*set)(Object *o, const Property *p, const QObject *value, Error **errp);
    /* Called after a plain value was parsed and before it is stored. */
    bool (*check)(Object *o, const Property *p, int64_t value, Error **errp);
};

struct TypeInfo {
    const char *name;
    const char *parent;                 /* NULL: "object" */
    bool abstract;
    bool interface;
    size_t size;
    const Property *props;              /* ends with a NULL name */
    const char *const *interfaces;      /* ends with NULL */
    void (*init)(Object *o);            /* parents first */
    void (*finalize)(Object *o);        /* children types first */
    /* user creatable objects: checks and starts; may the object go now? */
    bool (*complete)(Object *o, Error **errp);
    bool (*can_delete)(Object *o);
    bool user_creatable;
    const char *const *required;        /* properties that object-add must be given */
    const void *class_data;             /* table of the base ("device": DeviceClass); inherited when NULL */
    const char *backend_type;           /* type of the child "virtio-backend" whose properties are shown as own */
};

typedef struct ObjectChild { char *name; Object *obj; } ObjectChild;
/* A property of one object only. */
typedef struct DynProperty {
    char *name, *type;
    QObject *(*get)(Object *o, void *opaque, Error **errp);
    void *opaque;
} DynProperty;

struct Object {
    const TypeInfo *type;
    int refs;
    Object *parent;
    char *name;                         /* within parent */
    GPtrArray *children;                /* ObjectChild */
    GPtrArray *dyn;                     /* DynProperty */
    uint64_t props_set[2];              /* spare for owners: which options were given */
};

void type_register(const TypeInfo *info);
#define QOM_TYPE(info) \
    __attribute__((constructor)) static void register_##info(void) { type_register(&info); }

const TypeInfo *type_find(const char *name);
bool type_is_a(const TypeInfo *type, const char *ancestor);
const TypeInfo *type_parent(const TypeInfo *type);
/* First class_data on the way to the root. */
const void *type_class(const TypeInfo *type);
/* All types in name order; GPtrArray of const TypeInfo *, free with g_ptr_array_unref. */
GPtrArray *type_list(void);

Object *object_new(const TypeInfo *type);
Object *object_ref(Object *o);
void object_unref(Object *o);
bool object_is_a(const Object *o, const char *type);
static inline const char *object_type_name(const Object *o) { return o->type->name; }

Object *object_root(void);
/* "/machine", "/objects", ...: made as a container when absent. */
Object *object_container(const char *path);
void object_set_machine(Object *machine);      /* puts the object at /machine */
/* Take a reference and name the child; "x[*]" takes the first free number. */
void object_add_child(Object *parent, const char *name, Object *child);
Object *object_child(const Object *parent, const char *name);
void object_unparent(Object *o);
char *object_path(const Object *o);             /* g_free; NULL outside the tree */
/* Absolute, or a partial path that fits one object; *ambiguous (may be NULL) tells why not. */
Object *object_resolve_path(const char *path, bool *ambiguous);
void object_add_dyn(Object *o, const char *name, const char *type,
                    QObject *(*get)(Object *, void *, Error **), void *opaque);

/* Class property of the object's type or an ancestor; NULL if there is none. */
const Property *type_find_property(const TypeInfo *type, const char *name);
const char *property_type(const Property *p);
/* Each class property once, those of ancestors first. */
void type_foreach_property(const TypeInfo *type, void (*fn)(const TypeInfo *owner, const Property *p, void *opaque), void *opaque);
/* text values ("on", "12", "1M") are parsed; typed ones must have the property's type unless lenient. */
bool object_set(Object *o, const char *name, const QObject *value, Error **errp);
bool object_set_str(Object *o, const char *name, const char *value, Error **errp);
/* As object_set for values that came as text (command line): strings are parsed for every kind. */
bool object_set_text(Object *o, const char *name, const QObject *value, Error **errp);
QObject *object_get(Object *o, const char *name, Error **errp);
/* The value of a link property as a path ("" for none). */
QObject *object_path_value(const Object *o);

/* -object / object-add: props without qom-type and id.  text: values are strings to be parsed. */
Object *user_object_add(const char *type, const char *id, const QDict *props, bool text, Error **errp);
/* What object-add is given, checked by the schema. */
Object *user_object_add_dict(const QDict *opts, Error **errp);
bool user_object_del(const char *id, Error **errp);
void user_objects_cleanup(void);
/* What can be told of such an argument before anything is made; ids collects those seen. May print help and exit. */
bool user_object_check_arg(const char *arg, QDict *ids, Error **errp);
/* -object ARG: "type,id=x,..." or JSON.  May print help and exit. */
bool user_object_add_arg(const char *arg, Error **errp);
/* Does the argument ask for help?  Then it was printed. */
bool user_object_help(const char *arg);
/* The qom-type of a -object argument without creating anything; g_free, NULL if unreadable. */
char *user_object_arg_type(const char *arg);

#endif
