/*
 * Snapshots of the whole machine: its state inside one disk, and an internal snapshot of each disk.
 *
 * Saving:  stop -> the state goes into the vmstate area of one disk -> snapshots of all disks are written but for the
 *          switch -> all switch -> (an old snapshot of that name goes) -> run.
 * Loading: all disks prepare to go back -> all switch -> the machine is reset -> the state is read.
 * S1  Until the switch an image on disk is the old one; a failure before it leaves all disks as they were, one
 *     during it takes the new snapshots away again.
 * S2  An old snapshot of the same name is deleted after the new one is durable: a power cut leaves one or both.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include "block/blockdev.h"
#include "block/snapshot.h"
#include "machine/runstate.h"
#include "migration/machine-state.h"
#include "migration/vmstate.h"
#include "util/aio.h"
#include "util/cutils.h"

typedef GPtrArray Disks;       /* BlockDriverState *, referenced */

static const char *name_of(BlockDriverState *bs)
{
    const char *device = blockdev_device_name(bs);

    return *device ? device : bs->node_name;
}

static void drop(void *bs) { bdrv_unref(bs); }

/* Does one of them lead to the image that bs leads to? */
static bool covered(const Disks *disks, BlockDriverState *bs)
{
    for (guint i = 0; i < disks->len; i++) {
        if (disks->pdata[i] == bs
            || (bdrv_snapshot_node(bs) && bdrv_snapshot_node(bs) == bdrv_snapshot_node(disks->pdata[i]))) {
            return true;
        }
    }
    return false;
}

static void add(Disks *disks, BlockDriverState *bs)
{
    if (!covered(disks, bs)) {
        bdrv_ref(bs);
        g_ptr_array_add(disks, bs);
    }
}

static Disks *find_disks(const VmSnapshotWhat *what, Error **errp)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func(drop);

    if (!what->devices) {
        g_autoptr(GPtrArray) all = blockdev_machine_disks();

        for (guint i = 0; i < all->len; i++) {
            add(disks, all->pdata[i]);
        }
        return g_steal_pointer(&disks);
    }
    if (!*what->devices) {
        error_setg(errp, "At least one device is required for snapshot");
        return NULL;
    }
    for (const char *const *d = what->devices; *d; d++) {
        BlockDriverState *bs = bdrv_find_node(*d);

        if (!bs) {
            error_setg(errp, "No block device node '%s'", *d);
            return NULL;
        }
        add(disks, bs);
    }
    return g_steal_pointer(&disks);
}

/* The disks, each of which can hold snapshots. */
static Disks *find_able_disks(const VmSnapshotWhat *what, Error **errp)
{
    g_autoptr(GPtrArray) disks = find_disks(what, errp);

    for (guint i = 0; disks && i < disks->len; i++) {
        if (!bdrv_can_snapshot(disks->pdata[i])) {
            error_setg(errp, "Device '%s' is writable but does not support snapshots", name_of(disks->pdata[i]));
            return NULL;
        }
    }
    return g_steal_pointer(&disks);
}

static bool all_have(const Disks *disks, const char *name)
{
    QEMUSnapshotInfo sn;

    for (guint i = 0; i < disks->len; i++) {
        if (bdrv_snapshot_find(disks->pdata[i], &sn, name) < 0) {
            return false;
        }
    }
    return true;
}

static BlockDriverState *find_vmstate_disk(const Disks *disks, const char *wanted, Error **errp)
{
    for (guint i = 0; i < disks->len; i++) {
        BlockDriverState *bs = disks->pdata[i];

        if (!wanted ? bdrv_can_snapshot(bs) : !strcmp(bs->node_name, wanted)) {
            return bs;
        }
    }
    if (wanted) {
        error_setg(errp, "vmstate block device '%s' does not exist", wanted);
    } else {
        error_setg(errp, "no block device can store vmstate for snapshot");
    }
    return NULL;
}

/* --- the state in a disk ------------------------------------------------------------------------------ */

typedef struct Area {
    BlockBackend *blk;
    int64_t pos, end;          /* end: of what was saved, when reading */
} Area;

static int area_write(void *opaque, const void *buf, size_t len)
{
    Area *a = opaque;
    int ret = blk_save_vmstate(a->blk, buf, a->pos, len);

    a->pos += len;
    return MIN(ret, 0);
}

static ssize_t area_read(void *opaque, void *buf, size_t len)
{
    Area *a = opaque;
    int ret;

    len = MIN((int64_t)len, a->end - a->pos);
    ret = len ? blk_load_vmstate(a->blk, buf, a->pos, len) : 0;
    a->pos += len;
    return ret < 0 ? ret : (ssize_t)len;
}

/* *size: bytes of state. */
static bool write_state(BlockDriverState *bs, uint64_t *size, Error **errp)
{
    Area area = { .blk = blk_new_with_bs(bs, 0, BLK_PERM_ALL, errp) };
    VmWriter w;
    int ret;

    if (!area.blk) {
        return false;
    }
    vm_writer_init(&w, area_write, &area);
    machine_state_save(&w);
    *size = w.total;
    ret = vm_writer_end(&w);
    blk_unref(area.blk);
    if (ret < 0) {
        error_setg(errp, "Error %d while writing VM", ret);
    }
    return ret >= 0;
}

static bool read_state(BlockDriverState *bs, uint64_t size, Error **errp)
{
    Area area = { .blk = blk_new_with_bs(bs, 0, BLK_PERM_ALL, errp), .end = MIN(size, INT64_MAX) };
    VmReader r;
    int ret;

    if (!area.blk) {
        return false;
    }
    vm_system_reset(VM_CAUSE_NONE);
    vm_reader_init(&r, area_read, &area);
    ret = machine_state_load(&r);
    vm_reader_end(&r);
    blk_unref(area.blk);
    if (ret < 0) {
        vm_system_reset(VM_CAUSE_NONE);
        error_setg(errp, "Error %d while loading VM state", ret);
    }
    return ret >= 0;
}

/* --- a group of disks, all or none ------------------------------------------------------------------------ */

typedef struct Group {
    const Disks *disks;
    BdrvSnapshotPrepared **of;         /* one each; NULL: not prepared, or finished */
    QEMUSnapshotInfo *made;            /* those finished */
    guint finished;
} Group;

static bool group_failed(BlockDriverState *bs, const char *load, Error *err, Error **errp)
{
    if (load) {
        error_propagate(errp, err);
        error_prepend(errp, "Could not load snapshot '%s' on '%s': ", load, name_of(bs));
    } else {
        error_free(err);
        error_setg(errp, "Error while creating snapshot on '%s'", name_of(bs));
    }
    return false;
}

/* load: the name of the snapshot to go back to; NULL: the snapshots in g->made are to be made. */
static bool group_steps(Group *g, const char *load, Error **errp)
{
    ERRP_GUARD();
    const Disks *d = g->disks;
    Error *err = NULL;

    for (guint i = 0; i < d->len; i++) {
        g->of[i] = load ? bdrv_snapshot_goto_prepare(d->pdata[i], g->made[i].id_str, &err)
                        : bdrv_snapshot_prepare(d->pdata[i], &g->made[i], &err);
        if (!g->of[i]) {
            return group_failed(d->pdata[i], load, err, errp);
        }
    }
    for (guint i = 0; i < d->len; i++) {
        if (bdrv_snapshot_wait(g->of[i], &err) < 0) {
            g->of[i] = NULL;
            return group_failed(d->pdata[i], load, err, errp);
        }
    }
    for (guint i = 0; i < d->len; i++) {
        bdrv_snapshot_commit(g->of[i]);
    }
    for (; g->finished < d->len; g->finished++) {
        if (bdrv_snapshot_finish(g_steal_pointer(&g->of[g->finished]), load ? NULL : &g->made[g->finished], &err) < 0) {
            return group_failed(d->pdata[g->finished], load, err, errp);
        }
    }
    return true;
}

static bool group_run(Group *g, const char *load, Error **errp)
{
    guint n = g->disks->len;
    bool ok;

    g->of = g_new0(BdrvSnapshotPrepared *, n);
    ok = group_steps(g, load, errp);
    for (guint i = n; !ok && i-- > 0; ) {
        if (g->of[i]) {
            bdrv_snapshot_abort(g->of[i]);
        }
    }
    for (guint i = g->finished; !ok && !load && i-- > 0; ) {
        bdrv_snapshot_delete(g->disks->pdata[i], g->made[i].id_str, g->made[i].name, NULL);
    }
    g_free(g->of);
    return ok;
}

/* --- delete -------------------------------------------------------------------------------------------------- */

/* keep: those of the ids in it stay (one for each disk); NULL: none. */
static bool delete_named(const Disks *disks, const char *name, const QEMUSnapshotInfo *keep, Error **errp)
{
    ERRP_GUARD();

    for (guint i = 0; i < disks->len; i++) {
        BlockDriverState *bs = disks->pdata[i];
        QEMUSnapshotInfo sn;
        int ret = bdrv_snapshot_find(bs, &sn, name);

        if (ret == -ENOMEM) {
            error_setg_errno(errp, ENOMEM, "Could not delete snapshot '%s' on '%s'", name, name_of(bs));
            return false;
        }
        if (ret < 0 || (keep && !strcmp(sn.id_str, keep[i].id_str))) {
            continue;
        }
        if (bdrv_snapshot_delete(bs, sn.id_str, sn.name, errp) < 0) {
            error_prepend(errp, "Could not delete snapshot '%s' on '%s': ", name, name_of(bs));
            return false;
        }
    }
    return true;
}

bool vm_snapshot_delete(const VmSnapshotWhat *what, Error **errp)
{
    g_autoptr(GPtrArray) disks = find_able_disks(what, errp);

    return disks && delete_named(disks, what->name, NULL, errp);
}

/* --- save ---------------------------------------------------------------------------------------------------- */

static QEMUSnapshotInfo describe(const char *name)
{
    QEMUSnapshotInfo sn = { .vm_clock_nsec = aio_clock_ns(AIO_CLOCK_VIRTUAL), .icount = UINT64_MAX };
    struct timeval now;
    struct tm tm;
    time_t sec;

    gettimeofday(&now, NULL);
    sn.date_sec = sec = now.tv_sec;
    sn.date_nsec = now.tv_usec * 1000;
    if (name) {
        pstrcpy(sn.name, sizeof(sn.name), name);
    } else {
        localtime_r(&sec, &tm);
        strftime(sn.name, sizeof(sn.name), "vm-%Y%m%d%H%M%S", &tm);
    }
    return sn;
}

static bool save_stopped(const VmSnapshotWhat *what, const Disks *disks, BlockDriverState *vmstate, Error **errp)
{
    g_autofree QEMUSnapshotInfo *made = g_new0(QEMUSnapshotInfo, disks->len);
    Group g = { .disks = disks, .made = made };
    QEMUSnapshotInfo sn = describe(what->name);
    uint64_t size;

    if (!write_state(vmstate, &size, errp)) {
        return false;
    }
    for (guint i = 0; i < disks->len; i++) {
        made[i] = sn;
        made[i].vm_state_size = disks->pdata[i] == vmstate ? size : 0;
    }
    return group_run(&g, NULL, errp)
           && (!what->overwrite || !what->name || delete_named(disks, what->name, made, errp));
}

bool vm_snapshot_save(const VmSnapshotWhat *what, Error **errp)
{
    g_autoptr(GPtrArray) disks = find_able_disks(what, errp);
    BlockDriverState *vmstate;
    bool ran = vm_running(), ok;

    if (!disks) {
        return false;
    }
    if (what->name && !what->overwrite && disks->len && all_have(disks, what->name)) {
        error_setg(errp, "Snapshot '%s' already exists in one or more devices", what->name);
        return false;
    }
    vmstate = find_vmstate_disk(disks, what->vmstate, errp);
    if (!vmstate) {
        return false;
    }
    machine_state_note_runstate(vm_state_name(vm_state()));
    vm_stop(VM_SAVE_VM);
    ok = vmstate_all_ready(errp) && save_stopped(what, disks, vmstate, errp);
    machine_state_note_runstate(NULL);
    if (ran) {
        vm_start();
    }
    return ok;
}

/* --- load ---------------------------------------------------------------------------------------------------- */

bool vm_snapshot_load(const VmSnapshotWhat *what, Error **errp)
{
    g_autoptr(GPtrArray) disks = find_able_disks(what, errp);
    g_autofree QEMUSnapshotInfo *those = NULL;
    BlockDriverState *vmstate;
    QEMUSnapshotInfo sn;
    Group g;

    if (!disks) {
        return false;
    }
    if (!all_have(disks, what->name)) {
        error_setg(errp, "Snapshot '%s' does not exist in one or more devices", what->name);
        return false;
    }
    vmstate = find_vmstate_disk(disks, what->vmstate, errp);
    if (!vmstate || bdrv_snapshot_find(vmstate, &sn, what->name) < 0) {
        return false;
    }
    if (!sn.vm_state_size) {
        error_setg(errp, "This is a disk-only snapshot. Revert to it  offline using qemu-img");
        return false;
    }
    those = g_new0(QEMUSnapshotInfo, disks->len);
    for (guint i = 0; i < disks->len; i++) {
        bdrv_snapshot_find(disks->pdata[i], &those[i], what->name);
    }
    g = (Group) { .disks = disks, .made = those };
    return group_run(&g, what->name, errp) && read_state(vmstate, sn.vm_state_size, errp);
}

bool vm_snapshot_load_and_go(const VmSnapshotWhat *what, Error **errp)
{
    bool ran = vm_running(), ok;

    vm_stop(VM_RESTORE_VM);
    ok = vm_snapshot_load(what, errp);
    if (ok && ran) {
        vm_start();
    }
    return ok;
}
