/*
 * The tree of regions: objects that containers hold, in the order in which they win.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "machine/region-int.h"
#include "util/cutils.h"

static IoRegion *roots[2], *buses[2];
static Object *current_owner;
static int depth;              /* of io_region_begin */
static bool changed[2];

/* --- changes ------------------------------------------------------------------------------------- */

void io_region_begin(void) { depth++; }

void io_region_commit(void)
{
    if (--depth) {
        return;
    }
    for (int space = 0; space < 2; space++) {
        if (changed[space]) {
            changed[space] = false;
            io_view_update(space);
        }
    }
}

static void touch(const IoRegion *r)
{
    io_region_begin();
    changed[r->space] = true;
    io_region_commit();
}

/* --- the object ------------------------------------------------------------------------------------ */

static void region_finalize(Object *o)
{
    IoRegion *r = (IoRegion *)o;

    io_region_unmap(r);
    while (r->children && r->children->len) {
        io_region_unmap(g_ptr_array_index(r->children, 0));
    }
    if (r->children) {
        g_ptr_array_unref(r->children);
    }
    g_free(r->name);
}

static QObject *get_size(Object *o, const Property *p, Error **errp) { return qint_new(((IoRegion *)o)->last + 1); }

static QObject *get_container(Object *o, const Property *p, Error **errp)
{
    return object_path_value(((IoRegion *)o)->container ? &((IoRegion *)o)->container->obj : NULL);
}

static const Property region_props[] = {
    { .name = "container", .type = "link<memory-region>", .kind = PROP_CUSTOM, .get = get_container },
    { .name = "addr", .kind = PROP_U64, .offset = offsetof(IoRegion, addr), .read_only = true },
    { .name = "priority", .type = "uint32", .kind = PROP_I32, .offset = offsetof(IoRegion, priority),
      .read_only = true },
    { .name = "size", .type = "uint64", .kind = PROP_CUSTOM, .get = get_size },
    { NULL }
};
static const TypeInfo region_type = {
    .name = "memory-region", .size = sizeof(IoRegion), .props = region_props, .finalize = region_finalize,
};
QOM_TYPE(region_type)

Object *io_region_set_owner(Object *owner)
{
    Object *before = current_owner;

    current_owner = owner;
    return before;
}

/* A name may hold what paths may not. */
static char *child_name(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, "/", -1);
    g_autofree char *clean = g_strjoinv("\\x2f", parts);

    return g_strdup_printf("%s[*]", clean);
}

static void give_parent(IoRegion *r)
{
    g_autofree char *name = child_name(r->name);
    bool board = object_child(object_root(), "machine");

    if (r->owner || board) {
        object_add_child(r->owner ? r->owner : object_container("/machine/unattached"), name, &r->obj);
        object_unref(&r->obj);
    }
}

static IoRegion *region_new(IoSpace space, const char *name, uint64_t size)
{
    IoRegion *r = (IoRegion *)object_new(&region_type);

    r->space = space;
    r->name = g_strdup(name);
    r->last = size - 1;
    r->enabled = true;
    r->owner = current_owner;
    give_parent(r);
    return r;
}

IoRegion *io_region_new(IoSpace space, const char *name, uint64_t size, const IoOps *ops, void *opaque)
{
    IoRegion *r = region_new(space, name, size);

    r->ops = ops;
    r->opaque = opaque;
    return r;
}

IoRegion *io_region_new_container(IoSpace space, const char *name, uint64_t size)
{
    return region_new(space, name, size);
}

IoRegion *io_region_new_ram(RamBlock *block, bool readonly)
{
    IoRegion *r = region_new(IO_SPACE_MEM, block->name, block->size);

    r->block = block;
    r->readonly = readonly;
    return r;
}

IoRegion *io_region_new_alias(const char *name, IoRegion *target, uint64_t offset, uint64_t size)
{
    IoRegion *r = region_new(target->space, name, size);

    r->alias = target;
    r->alias_offset = offset;
    return r;
}

void io_region_free(IoRegion *r)
{
    if (!r) {
        return;
    }
    io_region_unmap(r);
    while (r->children && r->children->len) {
        io_region_free(g_ptr_array_index(r->children, 0));
    }
    if (r->obj.parent) {
        object_unparent(&r->obj);
    } else {
        object_unref(&r->obj);
    }
}

/* --- the tree ---------------------------------------------------------------------------------------- */

static uint64_t nothing_read(void *opaque, uint64_t offset, unsigned size) { return UINT64_MAX; }
static const IoOps nothing = { .read = nothing_read };

IoRegion *io_region_root(IoSpace space)
{
    if (!roots[space]) {
        Object *owner = io_region_set_owner(NULL);
        bool ports = space == IO_SPACE_PORT;

        roots[space] = ports ? io_region_new(space, "io", 0x10000, &nothing, NULL)
                       : region_new(space, "system", IO_REGION_ALL);
        address_space_new(ports ? "I/O" : "memory", roots[space]);
        io_region_set_owner(owner);
        io_view_update(space);
    }
    return roots[space];
}

IoRegion *io_region_bus(IoSpace space) { return buses[space] ? buses[space] : io_region_root(space); }
void io_region_set_bus(IoRegion *bus) { buses[bus->space] = bus; }

void io_region_unmap(IoRegion *r)
{
    if (r->container) {
        g_ptr_array_remove(r->container->children, r);
        r->container = NULL;
        touch(r);
    }
}

void io_region_map_in(IoRegion *container, IoRegion *r, uint64_t base, int priority)
{
    guint at = 0;

    io_region_begin();
    io_region_unmap(r);
    if (!container->children) {
        container->children = g_ptr_array_new();
    }
    while (at < container->children->len
           && ((IoRegion *)g_ptr_array_index(container->children, at))->priority > priority) {
        at++;
    }
    r->addr = base;
    r->priority = priority;
    r->container = container;
    g_ptr_array_insert(container->children, at, r);
    touch(r);
    io_region_commit();
}

void io_region_map(IoRegion *r, uint64_t base, int priority)
{
    io_region_map_in(io_region_root(r->space), r, base, priority);
}

void io_region_set_enabled(IoRegion *r, bool enabled)
{
    if (r->enabled != enabled) {
        r->enabled = enabled;
        touch(r);
    }
}

void io_region_set_readonly(IoRegion *r, bool readonly)
{
    if (r->readonly != readonly) {
        r->readonly = readonly;
        touch(r);
    }
}

void io_region_set_size(IoRegion *r, uint64_t size)
{
    if (r->last != size - 1) {
        r->last = size - 1;
        touch(r);
    }
}

bool io_region_mapped(const IoRegion *r, uint64_t *base)
{
    *base = r->addr;
    return r->container;
}

void io_region_info(const IoRegion *r, IoRegionInfo *info)
{
    const IoRegion *end = r;

    while (end->alias) {
        end = end->alias;
    }
    *info = (IoRegionInfo) {
        .name = r->name, .addr = r->addr, .last = r->last, .priority = r->priority, .enabled = r->enabled,
        .readonly = r->readonly,
        .is_io = r->ops, .is_rom = end->block && end->readonly, .block = end->block, .alias = r->alias,
        .alias_offset = r->alias_offset,
        .owner = r->owner, .parent = r->obj.parent, .children = r->children,
    };
}
