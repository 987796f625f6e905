/*
 * Character devices as objects: /chardevs/LABEL, for those who look.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "chardev/char.h"
#include "qom/object.h"

/* --- types ------------------------------------------------------------------------------------ */

static const TypeInfo chardev_type = { .name = "chardev", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(chardev_type)
static const TypeInfo fd_type = { .name = "chardev-fd", .parent = "chardev", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(fd_type)

static QObject *get_connected(Object *o, const Property *p, Error **errp)
{
    Chardev *chr = chr_find(o->name);

    return qbool_new(chr && chr_is_connected(chr));
}

static QObject *get_addr(Object *o, const Property *p, Error **errp)
{
    Chardev *chr = chr_find(o->name);
    QDict *addr = chr ? chr_address(chr) : NULL;

    return addr ? addr : qnull_new();
}

static const Property socket_props[] = {
    { .name = "connected", .type = "bool", .kind = PROP_CUSTOM, .get = get_connected, .read_only = true },
    { .name = "addr", .type = "SocketAddress", .kind = PROP_CUSTOM, .get = get_addr, .read_only = true }, { NULL }
};

#define CHARDEV(ident, above, ...) \
    static const TypeInfo ident##_type = { .name = "chardev-" #ident, .parent = above, .size = sizeof(Object), __VA_ARGS__ }; \
    QOM_TYPE(ident##_type)

CHARDEV(file, "chardev-fd")
CHARDEV(pipe, "chardev-fd")
CHARDEV(serial, "chardev-fd")
CHARDEV(stdio, "chardev-fd")
CHARDEV(memory, "chardev-ringbuf")
CHARDEV(mux, "chardev")
CHARDEV(null, "chardev")
CHARDEV(parallel, "chardev")
CHARDEV(pty, "chardev")
CHARDEV(ringbuf, "chardev")
CHARDEV(socket, "chardev", .props = socket_props)
CHARDEV(udp, "chardev")

/* --- following the registry ------------------------------------------------------------------------ */

static void added(Chardev *chr)
{
    g_autofree char *name = g_strconcat("chardev-", chr_kind(chr), NULL);
    const TypeInfo *type = type_find(name);
    Object *o = type ? object_new(type) : NULL;

    if (o) {
        object_add_child(object_container("/chardevs"), chr_label(chr), o);
        object_unref(o);
    }
}

static void removed(Chardev *chr)
{
    Object *o = object_child(object_container("/chardevs"), chr_label(chr));

    if (o) {
        object_unparent(o);
    }
}

__attribute__((constructor)) static void set_hooks(void) { chr_set_listener(added, removed); }
