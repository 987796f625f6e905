/*
 * Reopen: new flags and options for a set of nodes, all or nothing.
 *
 *   QUEUED   -> PREPARED  prepare_entry(): options checked, the driver's reopen_prepare; old state in force
 *   PREPARED -> SWITCHED  switch_entry(): flags of all nodes set, permissions checked for the new graph
 *   SWITCHED -> DONE      commit_entry(): locks taken over, the driver's reopen_commit; then reopen_commit_post of all
 * A failure in any stage takes every entry back (abort_entry).  The nodes are drained throughout.
 * A child that was opened with its parent follows it with the flags that it would inherit; "file" and
 * "backing" may also name another node (reopen-child.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

typedef struct NodeState {
    int flags;
    bool read_only, force_share, detect_zeroes, detect_zeroes_unmap;
} NodeState;

typedef struct ReopenEntry {
    BlockDriverState *bs;              /* referenced, drained */
    QDict *options;                    /* flat: what is wanted, and with keep_old what was said before */
    QDict *own;                        /* copy for bs->options, explicit_options */
    NodeState old, new;
    int base_flags;                    /* where the options are silent */
    bool base_force_share;
    bool keep_old;
    bool backing_missing;              /* there is a backing file, and new options alone do not mention it */
    BdrvReopenState rs;
    bool prepared, switched;
    GPtrArray *child_switches;         /* of ChildSwitch: edges that go elsewhere */
} ReopenEntry;

struct BdrvReopenQueue {
    GPtrArray *entries;                /* parents before children */
};

static void entry_free(gpointer p)
{
    ReopenEntry *e = p;

    qobject_unref(e->options);
    qobject_unref(e->own);
    qobject_unref(e->rs.options);
    g_ptr_array_unref(e->child_switches);
    bdrv_drained_end(e->bs);
    bdrv_unref(e->bs);
    g_free(e);
}

static NodeState node_state(const BlockDriverState *bs)
{
    return (NodeState) { bs->open_flags, bs->read_only, bs->core->force_share, bs->detect_zeroes,
                         bs->detect_zeroes_unmap };
}

static void node_set_state(BlockDriverState *bs, const NodeState *s)
{
    bs->open_flags = s->flags;
    bs->read_only = s->read_only;
    bs->core->force_share = s->force_share;
    bs->detect_zeroes = s->detect_zeroes;
    bs->detect_zeroes_unmap = s->detect_zeroes_unmap;
}

static ReopenEntry *find_entry(BdrvReopenQueue *q, const BlockDriverState *bs)
{
    for (guint i = 0; i < q->entries->len; i++) {
        ReopenEntry *e = g_ptr_array_index(q->entries, i);

        if (e->bs == bs) {
            return e;
        }
    }
    return NULL;
}

static ReopenEntry *add_entry(BdrvReopenQueue *q, BlockDriverState *bs, QDict *options, bool keep_old)
{
    ReopenEntry *e = find_entry(q, bs);

    if (e) {                           /* named before: this wish is newer */
        qdict_join(e->options, options, false);
        qobject_unref(options);
        return e;
    }
    e = g_new0(ReopenEntry, 1);
    e->bs = bs;
    e->options = options;
    e->child_switches = g_ptr_array_new();
    bdrv_ref(bs);
    bdrv_drained_begin(bs);
    e->keep_old = keep_old;
    if (keep_old) {
        qdict_join(options, bs->explicit_options, true);
    }
    g_ptr_array_add(q->entries, e);
    return e;
}

/* The flags that the options of e lead to, for its children to inherit; errors show up in prepare. */
static void guess_flags(ReopenEntry *e)
{
    g_autoptr(QObject) copy = qobject_clone(e->options);
    SCOPED_NODE_OPTIONS node = { .flags = e->base_flags };

    bdrv_node_options_absorb(copy, e->base_flags, e->base_force_share, &node, NULL);
    e->new.flags = node.flags;
    e->new.force_share = node.force_share;
}

static int flags_for_child(ReopenEntry *parent, const BdrvChild *c)
{
    BlockDriverState *bs = parent->bs;
    int saved = bs->open_flags, flags;

    bs->open_flags = parent->new.flags;
    flags = bdrv_inherited_flags(bs, c->role);
    bs->open_flags = saved;
    return flags;
}

static void queue_node(BdrvReopenQueue *q, BlockDriverState *bs, QDict *options, bool keep_old, int base_flags,
                       bool base_force_share)
{
    ReopenEntry *e = add_entry(q, bs, options, keep_old);

    e->base_flags = base_flags;
    e->base_force_share = base_force_share;
    guess_flags(e);
}

/* A node that was not opened through its parent, or is named by it now, keeps its own ideas. */
static void queue_children(BdrvReopenQueue *q, ReopenEntry *e, bool keep_old)
{
    e->backing_missing = !e->keep_old && e->bs->backing && !qdict_has(e->options, "backing") &&
                         !qdict_has_prefix(e->options, "backing.");
    for (BdrvChild *c = e->bs->children; c; c = c->next) {
        g_autofree char *prefix = g_strconcat(c->name, ".", NULL);

        if (!qdict_has(e->options, c->name) && c->bs->core->inherits_from == e->bs->core->serial) {
            queue_node(q, c->bs, qdict_extract_subdict(e->options, prefix), keep_old, flags_for_child(e, c),
                       e->new.force_share);
        }
    }
}

/* Where new options alone are silent. */
static int default_flags(const BlockDriverState *bs)
{
    return (bs->open_flags & ~(BDRV_O_NOCACHE | BDRV_O_NO_FLUSH | BDRV_O_AUTO_RDONLY)) | BDRV_O_RDWR;
}

BdrvReopenQueue *bdrv_reopen_queue(BdrvReopenQueue *q, BlockDriverState *bs, QDict *options, bool keep_old)
{
    guint first;

    if (!q) {
        q = g_new0(BdrvReopenQueue, 1);
        q->entries = g_ptr_array_new_with_free_func(entry_free);
    }
    options = options ? options : qdict_new();
    bdrv_options_flatten(options);
    first = q->entries->len;
    queue_node(q, bs, options, keep_old, keep_old ? bs->open_flags : default_flags(bs),
               keep_old && bs->core->force_share);
    for (guint i = first; i < q->entries->len; i++) {
        queue_children(q, g_ptr_array_index(q->entries, i), keep_old);
    }
    return q;
}

void bdrv_reopen_queue_free(BdrvReopenQueue *q)
{
    if (q) {
        g_ptr_array_unref(q->entries);
        g_free(q);
    }
}

static int cannot_change(const char *name, Error **errp)
{
    error_setg(errp, "Cannot change the option '%s'", name);
    return -EINVAL;
}

/* A child named by a string: the one that is there, or for some children another. */
static int check_child_reference(ReopenEntry *e, const char *key, const QObject *value, Error **errp)
{
    ChildSwitch *cs;
    int ret = bdrv_child_switch_prepare(e->bs, key, value, &cs, errp);

    if (ret == 0 && cs) {
        g_ptr_array_add(e->child_switches, cs);
    }
    return ret == -ENOENT ? cannot_change(key, errp) : ret;
}

/* Whatever nobody can change must be as it was. */
static int check_unchanged(ReopenEntry *e, QDict *left, Error **errp)
{
    for (size_t i = 0; i < qdict_size(left); i++) {
        const char *key = qdict_key_at(left, i);
        QObject *value = qdict_value_at(left, i);
        QObject *old = qdict_get(e->bs->options, key);
        int ret;

        if (old && qobject_equal(old, value)) {
            continue;
        }
        ret = check_child_reference(e, key, value, errp);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

/* As an option string has it: yes and no are "on" and "off" there. */
static char *option_text(const QObject *value)
{
    bool on;

    if (!value) {
        return NULL;
    }
    if (qobject_get_bool(value, &on)) {
        return g_strdup(on ? "on" : "off");
    }
    return qobject_get_str(value) ? g_strdup(qobject_get_str(value)) : json_print(value, false);
}

/* What is decided once, when the node is opened. */
static int check_fixed(ReopenEntry *e, Error **errp)
{
    static const char *const fixed_for_all[] = { "force-share", NULL };
    const char *const *lists[] = { fixed_for_all, e->bs->drv->fixed_options };

    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        for (const char *const *name = lists[i]; name && *name; name++) {
            g_autofree char *now = option_text(qdict_get(e->own, *name));
            g_autofree char *old = option_text(qdict_get(i ? e->bs->options : e->bs->explicit_options, *name));

            if (now && g_strcmp0(now, old)) {
                return cannot_change(*name, errp);
            }
        }
    }
    return 0;
}

static bool is_mutable(const BlockDriver *drv, const char *name)
{
    for (const char *const *s = drv->mutable_options; s && *s; s++) {
        if (!strcmp(*s, "*") || !strcmp(*s, name)) {
            return true;
        }
    }
    return false;
}

static int check_said_again(ReopenEntry *e, const char *name, Error **errp)
{
    if (qdict_has(e->bs->options, name) && !qdict_has(e->own, name) && !is_mutable(e->bs->drv, name)) {
        error_setg(errp, "Option '%s' cannot be reset to its default value", name);
        return -EINVAL;
    }
    return 0;
}

/* With new options alone, what the driver cannot change must be said again. */
static int check_not_reset(ReopenEntry *e, Error **errp)
{
    const BlockDriver *drv = e->bs->drv;
    int ret = 0;

    if (e->keep_old || !drv->reopen_prepare) {           /* what cannot be reopened at all is told so later */
        return 0;
    }
    for (const char *const *s = drv->strong_options; s && *s && ret == 0; s++) {
        ret = check_said_again(e, *s, errp);
    }
    for (const OptDesc *o = drv->open_options; o && o->name && ret == 0; o++) {
        ret = check_said_again(e, o->name, errp);
    }
    return ret;
}

static int check_identity(ReopenEntry *e, const NodeOptions *node, Error **errp)
{
    const char *driver = qdict_get_str(e->own, "driver");
    const char *filename = qdict_get_str(e->own, "filename");
    const char *old_filename = qdict_get_str(e->bs->options, "filename");

    if (driver && strcmp(driver, e->bs->drv->name)) {
        return cannot_change("driver", errp);
    }
    if (node->node_name && strcmp(node->node_name, e->bs->node_name)) {
        return cannot_change("node-name", errp);
    }
    if (filename && old_filename && strcmp(filename, old_filename)) {
        return cannot_change("filename", errp);
    }
    return 0;
}

static int call_driver_prepare(ReopenEntry *e, Error **errp)
{
    ERRP_GUARD();
    static const OptDesc no_options[] = { { NULL } };
    BlockDriverState *bs = e->bs;
    const BlockDriver *drv = bs->drv;
    int ret;

    e->rs.bs = bs;
    e->rs.flags = e->new.flags;
    e->rs.options = opts_absorb(e->options, drv->open_options ? drv->open_options : no_options, errp);
    if (!e->rs.options) {
        return -EINVAL;
    }
    if (!drv->reopen_prepare) {
        error_setg(errp, "Block format '%s' used by node '%s' does not support reopening files", drv->name,
                   bdrv_get_device_or_node_name(bs));
        return -ENOTSUP;
    }
    ret = drv->reopen_prepare(&e->rs, errp);
    if (ret < 0 && !*errp) {
        error_setg(errp, "failed while preparing to reopen image '%s'", bs->filename);
    }
    e->prepared = ret >= 0;
    return ret;
}

static int prepare_entry(ReopenEntry *e, Error **errp)
{
    SCOPED_NODE_OPTIONS node = { 0 };
    int ret;

    e->own = qobject_clone(e->options);
    e->old = node_state(e->bs);
    ret = check_not_reset(e, errp);
    ret = ret < 0 ? ret : check_fixed(e, errp);
    if (ret < 0) {
        return ret;
    }
    ret = bdrv_node_options_absorb(e->options, e->base_flags, e->base_force_share, &node, errp);
    if (ret < 0) {
        return ret;
    }
    e->new = (NodeState) { node.flags, !(node.flags & BDRV_O_RDWR), node.force_share, node.detect_zeroes,
                           node.detect_zeroes_unmap };
    if (e->new.read_only && !e->old.read_only && e->bs->open_flags & BDRV_O_COPY_ON_READ) {
        error_setg(errp, "Can't set node '%s' to r/o with copy-on-read enabled", e->bs->node_name);
        return -EINVAL;
    }
    ret = bdrv_flush(e->bs);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Error flushing drive");
        return ret;
    }
    ret = call_driver_prepare(e, errp);
    if (ret == 0 && e->backing_missing) {
        error_setg(errp, "backing is missing for '%s'", e->bs->node_name);
        return -EINVAL;
    }
    ret = ret < 0 ? ret : check_identity(e, &node, errp);
    return ret < 0 ? ret : check_unchanged(e, e->options, errp);
}

static void for_child_switches(ReopenEntry *e, void (*fn)(ChildSwitch *cs))
{
    for (guint i = e->child_switches->len; i-- > 0; ) {
        fn(g_ptr_array_index(e->child_switches, i));
    }
}

static void abort_entry(ReopenEntry *e)
{
    for_child_switches(e, bdrv_child_switch_abort);
    if (e->switched) {
        node_set_state(e->bs, &e->old);
        e->bs->core->reopening = false;
    }
    if (e->prepared && e->bs->drv->reopen_abort) {
        e->bs->drv->reopen_abort(&e->rs);
    }
}

static void switch_entry(ReopenEntry *e)
{
    node_set_state(e->bs, &e->new);
    e->bs->core->reopening = true;
    e->switched = true;
    for_child_switches(e, bdrv_child_switch_apply);
}

static void remember_options(ReopenEntry *e)
{
    BlockDriverState *bs = e->bs;

    qdict_del(e->own, "node-name");
    qdict_del(e->own, "driver");
    qobject_unref(bs->explicit_options);
    bs->explicit_options = qobject_clone(e->own);
    bdrv_options_drop_children(bs->explicit_options, bs);
    for (size_t i = 0; i < qdict_size(e->rs.options); i++) {
        const char *key = qdict_key_at(e->rs.options, i);

        if (qdict_has(e->own, key)) {
            qdict_put(bs->options, key, qobject_ref(qdict_get(e->own, key)));
        }
    }
    for (const OptDesc *o = bs->drv->open_options; o && o->name && !e->keep_old; o++) {
        if (!qdict_has(e->own, o->name)) {
            qdict_del(bs->options, o->name);
        }
    }
}

static void commit_entry(ReopenEntry *e)
{
    e->bs->core->reopening = false;
    if (e->bs->drv->reopen_commit) {
        e->bs->drv->reopen_commit(&e->rs);
    }
    remember_options(e);
    for_child_switches(e, bdrv_child_switch_commit);
}

static PermChange *check_switched(BdrvReopenQueue *q, Error **errp)
{
    g_autoptr(GPtrArray) roots = g_ptr_array_new();

    for (guint i = 0; i < q->entries->len; i++) {
        ReopenEntry *e = g_ptr_array_index(q->entries, i);

        switch_entry(e);
        g_ptr_array_add(roots, e->bs);
        for (guint k = 0; k < e->child_switches->len; k++) {
            BlockDriverState *old = bdrv_child_switch_old(g_ptr_array_index(e->child_switches, k));

            if (old) {
                g_ptr_array_add(roots, old);
            }
        }
    }
    return bdrv_perm_check((BlockDriverState *const *)roots->pdata, roots->len, errp);
}

int bdrv_reopen_multiple(BdrvReopenQueue *q, Error **errp)
{
    PermChange *pc = NULL;
    int ret = 0;

    for (guint i = 0; i < q->entries->len && ret >= 0; i++) {
        ret = prepare_entry(g_ptr_array_index(q->entries, i), errp);
    }
    if (ret >= 0) {
        pc = check_switched(q, errp);
        ret = pc ? 0 : -EPERM;
    }
    if (ret == 0) {
        bdrv_perm_commit(pc);
    }
    for (guint i = q->entries->len; i-- > 0; ) {
        (ret == 0 ? commit_entry : abort_entry)(g_ptr_array_index(q->entries, i));
    }
    for (guint i = q->entries->len; ret == 0 && i-- > 0; ) {     /* files are as they will be, whatever the order: formats may write */
        ReopenEntry *e = g_ptr_array_index(q->entries, i);

        if (e->bs->drv->reopen_commit_post) {
            e->bs->drv->reopen_commit_post(&e->rs);
        }
    }
    for (guint i = q->entries->len; ret == 0 && i-- > 0; ) {
        bdrv_refresh_limits(((ReopenEntry *)g_ptr_array_index(q->entries, i))->bs, NULL);
    }
    bdrv_reopen_queue_free(q);
    return ret;
}

int bdrv_reopen(BlockDriverState *bs, QDict *options, bool keep_old, Error **errp)
{
    return bdrv_reopen_multiple(bdrv_reopen_queue(NULL, bs, options, keep_old), errp);
}

int bdrv_reopen_set_read_only(BlockDriverState *bs, bool read_only, Error **errp)
{
    QDict *options = qdict_new();

    qdict_put_bool(options, "read-only", read_only);
    return bdrv_reopen(bs, options, true, errp);
}
