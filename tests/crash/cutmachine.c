/*
 * Steps on snapshots of a whole machine: save (also over an old one), load, delete; of one disk or of a group, one of which holds the state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "alloccount.h"
#include "cutmachine.h"
#include "cutrun.h"
#include "migration/machine-state.h"
#include "migration/vmstate.h"

#define DEVICE_BYTES 20001             /* no whole number of anything */

typedef struct DeviceWire { uint32_t stamp; uint8_t fill[DEVICE_BYTES]; } DeviceWire;

static uint32_t device;                /* the machine's only state */

static uint8_t fill_byte(uint32_t stamp, unsigned i) { return (stamp ^ i * 2654435761u) >> 11; }

static void device_save(void *obj, void *wire)
{
    DeviceWire *w = wire;

    w->stamp = device;
    for (unsigned i = 0; i < DEVICE_BYTES; i++) {
        w->fill[i] = fill_byte(device, i);
    }
}

static bool device_load(void *obj, const void *wire, Error **errp)
{
    const DeviceWire *w = wire;

    for (unsigned i = 0; i < DEVICE_BYTES; i++) {
        if (w->fill[i] != fill_byte(w->stamp, i)) {
            error_setg(errp, "byte %u of the state is another one", i);
            return false;
        }
    }
    device = w->stamp;
    return true;
}

static const VmField device_fields[] = { VMF(DeviceWire, stamp, "uint32"), VMF_BYTES(DeviceWire, fill), { NULL } };
static const VmDesc device_desc = {
    .name = "cut", .version = 1, .min_version = 1, .size = sizeof(DeviceWire), .fields = device_fields, .save = device_save, .load = device_load,
};

void cut_machine_init(void)
{
    machine_state_init("cut", true);
    vmstate_register(NULL, &device_desc, &device);
}

/* --- judging ---------------------------------------------------------------------------------- */

typedef struct Area { BlockBackend *blk; int64_t pos, end; } Area;

static ssize_t area_read(void *opaque, void *buf, size_t len)
{
    Area *a = opaque;
    size_t n = MIN((int64_t)len, a->end - a->pos);
    int ret = n ? blk_load_vmstate(a->blk, buf, a->pos, n) : 0;

    a->pos += n;
    return ret < 0 ? ret : (ssize_t)n;
}

char *cut_machine_judge(BlockBackend *blk, uint64_t size, uint32_t stamp)
{
    Area area = { blk, 0, size };
    VmReader reader;
    int ret;

    device = 0;
    vm_reader_init(&reader, area_read, &area);
    ret = machine_state_load(&reader);
    vm_reader_end(&reader);
    return ret < 0 ? g_strdup_printf("the machine's state cannot be loaded: %s", strerror(-ret))
                   : device != stamp ? g_strdup_printf("the machine's state is %u, not %u", device, stamp) : NULL;
}

/* --- steps ------------------------------------------------------------------------------------ */

typedef struct Names { char text[CUT_DISKS][16]; const char *list[CUT_DISKS + 1]; } Names;

static void name_disks(const CutRun *r, Names *names)
{
    unsigned n = 0;

    for (const CutRun *m = r; m; m = m->next, n++) {
        g_snprintf(names->text[n], sizeof(names->text[n]), "image%d", m->disk);
        names->list[n] = names->text[n];
    }
    names->list[n] = NULL;
}

/* The stock program's texts that give a number, or nothing, as the reason. */
static const char *reason(CutRun *r, const Error *err)
{
    const char *text = err ? error_get_pretty(err) : NULL;
    int number;

    if (!text) {
        return NULL;
    }
    if (!cut_met()) {
        cut_run_wrong(r, "%s", text);
    }
    if (sscanf(text, "Error %d while", &number) == 1) {
        return number == -cut_fail_errno || number == -ENOMEDIUM ? strerror(cut_fail_errno) : text;
    }
    return g_str_has_prefix(text, "Error while creating snapshot on") ? strerror(cut_fail_errno) : text;
}

static unsigned count_disks(const CutRun *r)
{
    unsigned n = 0;

    for (; r; r = r->next) {
        n++;
    }
    return n;
}

/* A snapshot that all disks have, with the machine's state in one of them; *holder: its place in the list. */
static CutSnapshot *pick_machine(CutRun *r, unsigned *holder)
{
    CutSnapshot *s = cut_pick_common(r);

    *holder = 0;
    for (CutRun *m = r; m && s; m = m->next, ++*holder) {
        if (cut_model_find(m->model, s->name)->state) {
            return s;
        }
    }
    return NULL;
}

static void saved(CutRun *m, const char *name, guint tick, const CutSnapshot *old, const Error *err)
{
    const char *why = reason(m, err);

    cut_snapshot_created(m, name, tick, err ? -cut_fail_errno : 0, why);
    if (old && !err) {
        g_array_index(m->model->snapshots, CutSnapshot, cut_model_find(m->model, name)->replaces - 1).gone_end = cut_now();
    }
}

/* Each disk's model is told what may be there from now on. */
static void begin_save(CutRun *m, const char *name, bool holds, bool over)
{
    const CutSnapshot *old = over ? cut_model_find(m->model, name) : NULL;
    guint place = old ? old - &g_array_index(m->model->snapshots, CutSnapshot, 0) + 1 : 0;
    CutSnapshot *s;

    cut_model_snapshot(m->model, name, false, cut_now());
    s = cut_model_find(m->model, name);
    s->state = holds ? device : 0;
    s->replaces = place;
    if (place) {
        g_array_index(m->model->snapshots, CutSnapshot, place - 1).gone_begin = cut_now();
    }
}

void cut_step_machine_save(CutRun *r)
{
    unsigned holder, number = 0;
    CutSnapshot *old = cut_pick(r, 0, 2) ? NULL : pick_machine(r, &holder);
    g_autofree char *name = old ? g_strdup(old->name) : g_strdup_printf("m%u", r->snapshot_count++);
    g_autoptr(Error) err = NULL;
    guint ticks[CUT_DISKS];
    VmSnapshotWhat what = { .name = name, .overwrite = old != NULL };
    Names names;

    name_disks(r, &names);
    device = cut_model_stamp(r->model);
    holder = cut_pick(r, 0, count_disks(r) - 1);
    what.devices = names.list;
    what.vmstate = names.list[holder];
    for (CutRun *m = r; m; m = m->next, number++) {
        ticks[m->disk] = cut_model_tick(m->model);
        begin_save(m, name, number == holder, old != NULL);
    }
    alloc_own++;                       /* streams have a buffer of their own, whose size nothing names */
    vm_snapshot_save(&what, &err);
    alloc_own--;
    for (CutRun *m = r; m; m = m->next) {
        saved(m, name, ticks[m->disk], old, err);
    }
}

void cut_step_machine_load(CutRun *r)
{
    unsigned holder;
    CutSnapshot *s = pick_machine(r, &holder);
    guint begin = cut_now();
    g_autoptr(Error) err = NULL;
    VmSnapshotWhat what;
    uint32_t state = 0;
    Names names;

    if (!s) {
        cut_step_machine_save(r);
        return;
    }
    name_disks(r, &names);
    what = (VmSnapshotWhat){ .name = s->name, .devices = names.list, .vmstate = names.list[holder] };
    device = 0;
    alloc_own++;
    vm_snapshot_load_and_go(&what, &err);
    alloc_own--;
    for (CutRun *m = r; m; m = m->next) {
        const CutSnapshot *own = cut_model_find(m->model, s->name);

        state |= own->state;
        cut_snapshot_applied(m, own, begin, err ? -cut_fail_errno : 0, reason(m, err));
    }
    if (!err && device != state) {
        cut_run_wrong(r, "the machine's state is %u after loading %u", device, state);
    }
}

void cut_step_machine_delete(CutRun *r)
{
    unsigned holder;
    CutSnapshot *s = pick_machine(r, &holder);
    g_autofree char *name = s ? g_strdup(s->name) : NULL;
    VmSnapshotWhat what = { .name = name };
    g_autoptr(Error) err = NULL;
    guint ticks[CUT_DISKS];
    Names names;

    if (!s) {
        cut_step_machine_save(r);
        return;
    }
    name_disks(r, &names);
    what.devices = names.list;
    for (CutRun *m = r; m; m = m->next) {
        ticks[m->disk] = cut_model_tick(m->model);
        cut_model_find(m->model, name)->gone_begin = cut_now();
    }
    vm_snapshot_delete(&what, &err);
    for (CutRun *m = r; m; m = m->next) {
        if (err) {
            cut_run_failed_text(m, -cut_fail_errno, reason(m, err));
            continue;
        }
        cut_model_find(m->model, name)->gone_end = cut_now();
        cut_model_flush(m->model, ticks[m->disk], cut_now());
    }
}
