/*
 * The SCSI bus: addresses, requests, sense data, commands to targets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/scsi-int.h"
#include "util/aio.h"
#include "util/cutils.h"

const ScsiSense scsi_no_sense = { 0, 0, 0 }, scsi_invalid_opcode = { 5, 0x20, 0 }, scsi_invalid_field = { 5, 0x24, 0 },
    scsi_lun_not_supported = { 5, 0x25, 0 }, scsi_lba_range = { 5, 0x21, 0 }, scsi_no_medium = { 2, 0x3a, 0 },
    scsi_reset = { 6, 0x29, 0 },
    scsi_write_protected = { 7, 0x27, 0 }, scsi_invalid_param_len = { 5, 0x1a, 0 }, scsi_invalid_param = { 5, 0x26, 0 },
    scsi_saving_not_supported = { 5, 0x39, 0 }, scsi_removal_prevented = { 5, 0x53, 2 },
    scsi_incompatible_format = { 5, 0x30, 0 },
    scsi_medium_changed = { 6, 0x28, 0 }, scsi_no_medium_ua = { 6, 0x3a, 0 }, scsi_io_error = { 0x0b, 0, 6 },
    scsi_space_alloc_failed = { 7, 0x27, 7 }, scsi_target_failure = { 4, 0x44, 0 };

/* What belongs to a bus beside its devices.  `units` are those that may be found: any thread, under `units_lock`, a
   leaf. */
typedef struct Known {
    Bus *bus;
    const ScsiBusInfo *info;
    GPtrArray *units;
} Known;

/* Changed by the main thread, under the lock. */
static GPtrArray *buses;               /* Known */
static pthread_mutex_t units_lock = PTHREAD_MUTEX_INITIALIZER;

static Known *known_bus(const Bus *bus)
{
    for (guint i = 0; buses && i < buses->len; i++) {
        Known *k = g_ptr_array_index(buses, i);

        if (k->bus == bus) {
            return k;
        }
    }
    return NULL;
}

static const ScsiBusInfo *info_of(const Bus *bus)
{
    const Known *k = known_bus(bus);

    return k ? k->info : NULL;
}

/* Under units_lock. */
static GPtrArray *units_of(const Bus *bus)
{
    const Known *k = known_bus(bus);

    return k ? k->units : NULL;
}

/* --- addresses --------------------------------------------------------------------------------------- */

static ScsiDevice *at(Bus *bus, uint32_t channel, uint32_t id, uint32_t lun)
{
    for (guint i = 0; i < bus->devices->len; i++) {
        ScsiDevice *d = g_ptr_array_index(bus->devices, i);

        if (d->channel == channel && d->id == id && d->lun == lun) {
            return d;
        }
    }
    return NULL;
}

ScsiDevice *scsi_find(Bus *bus, uint32_t channel, uint32_t id, uint32_t lun, ScsiDevice **target_only)
{
    ScsiDevice *found = NULL;
    GPtrArray *units;

    *target_only = NULL;
    pthread_mutex_lock(&units_lock);
    units = units_of(bus);
    for (guint i = 0; !found && units && i < units->len; i++) {
        ScsiDevice *d = g_ptr_array_index(units, i);

        if (d->channel == channel && d->id == id) {
            *target_only = d;
            found = d->lun == lun ? d : NULL;
        }
    }
    pthread_mutex_unlock(&units_lock);
    if (found) {
        *target_only = NULL;
    }
    return found;
}

static void make_known(ScsiDevice *d, bool on)
{
    GPtrArray *units;

    pthread_mutex_lock(&units_lock);
    units = units_of(d->dev.bus);
    if (units && on) {
        g_ptr_array_add(units, d);
    } else if (units) {
        g_ptr_array_remove(units, d);
    }
    pthread_mutex_unlock(&units_lock);
}

static bool check_bounds(const ScsiDevice *d, const ScsiBusInfo *info, Error **errp)
{
    if (d->channel > info->max_channel) {
        error_setg(errp, "bad scsi channel id: %d", d->channel);
    } else if (d->id != UINT32_MAX && d->id > info->max_target) {
        error_setg(errp, "bad scsi device id: %d", d->id);
    } else if (d->lun != UINT32_MAX && d->lun > info->max_lun) {
        error_setg(errp, "bad scsi device lun: %d", d->lun);
    } else {
        return true;
    }
    return false;
}

static bool check_address(Bus *bus, Device *dev, Error **errp)
{
    const ScsiBusInfo *info = info_of(bus);
    ScsiDevice *d = SCSI_DEVICE(dev), *other;

    if (!check_bounds(d, info, errp)) {
        return false;
    }
    if (d->id == UINT32_MAX) {
        d->lun = d->lun == UINT32_MAX ? 0 : d->lun;
        for (d->id = 0; d->id <= info->max_target && at(bus, d->channel, d->id, d->lun); d->id++) {
        }
        if (d->id > info->max_target) {
            error_setg(errp, "no free target");
            return false;
        }
    } else if (d->lun == UINT32_MAX) {
        for (d->lun = 0; d->lun <= info->max_lun && at(bus, d->channel, d->id, d->lun); d->lun++) {
        }
        if (d->lun > info->max_lun) {
            error_setg(errp, "no free lun");
            return false;
        }
    } else {
        other = at(bus, d->channel, d->id, d->lun);
        if (other) {
            error_setg(errp, "lun already used by '%s'", other->dev.id ? other->dev.id : "(null)");
            return false;
        }
    }
    return true;
}

static char *place(const Device *dev)
{
    const ScsiDevice *d = SCSI_DEVICE(dev);
    g_autofree char *adapter = device_place(dev->bus->parent);

    return g_strdup_printf("%s%s%" PRIu32 ":%" PRIu32 ":%" PRIu32, adapter ? adapter : "", adapter ? "/" : "",
                           d->channel, d->id, d->lun);
}

static const BusType scsi_kind = { .name = "SCSI", .check_address = check_address, .hotplug = true, .place = place };

Bus *scsi_bus_new(Device *adapter, const ScsiBusInfo *info)
{
    Object *top = adapter->obj.parent;
    Device *named = !adapter->id && top && object_is_a(top, "device") && DEVICE(top)->id ? DEVICE(top) : adapter;
    g_autofree char *name = named->id ? g_strdup_printf("%s.0", named->id) : NULL;
    Bus *bus = bus_new(&scsi_kind, adapter, name);
    Known *k;

    k = g_new0(Known, 1);
    *k = (Known) { bus, info, g_ptr_array_new() };
    pthread_mutex_lock(&units_lock);
    buses = buses ? buses : g_ptr_array_new();
    g_ptr_array_add(buses, k);
    pthread_mutex_unlock(&units_lock);
    return bus;
}

void scsi_bus_gone(Bus *bus)
{
    Known *k = known_bus(bus);

    pthread_mutex_lock(&units_lock);
    g_ptr_array_remove(buses, k);
    pthread_mutex_unlock(&units_lock);
    g_ptr_array_unref(k->units);
    g_free(k);
}

/* --- devices -------------------------------------------------------------------------------------------- */

static const Property scsi_props[] = {
    P_NUM("channel", PROP_U32, ScsiDevice, channel, 0), P_NUM("scsi-id", PROP_U32, ScsiDevice, id, UINT32_MAX),
    P_NUM("lun", PROP_U32, ScsiDevice, lun, UINT32_MAX),
    { NULL }
};

static void scsi_init(Object *o) { pthread_mutex_init(&SCSI_DEVICE(o)->lock, NULL); }
static void scsi_finalize(Object *o) { pthread_mutex_destroy(&SCSI_DEVICE(o)->lock); }

static const TypeInfo scsi_type = {
    .name = "scsi-device", .parent = "device", .abstract = true, .size = sizeof(ScsiDevice), .props = scsi_props,
    .init = scsi_init,
    .finalize = scsi_finalize,
};
QOM_TYPE(scsi_type)

static const ScsiClass *scsi_class(const ScsiDevice *d) { return type_class(d->dev.obj.type); }

bool scsi_device_realize(Device *dev, Error **errp)
{
    ScsiDevice *d = SCSI_DEVICE(dev);
    const ScsiBusInfo *info = info_of(dev->bus);
    AioContext *ctx;

    if (!scsi_class(d)->realize(d, errp)) {
        return false;
    }
    ctx = info->context ? info->context(dev->bus->parent) : NULL;
    if (ctx && scsi_class(d)->set_context) {
        scsi_class(d)->set_context(d, ctx);
    }
    d->unit_attention = scsi_reset;
    make_known(d, true);
    if (device_machine_is_ready() && info->plugged) {
        info->plugged(dev->bus->parent, d);
    }
    return true;
}

void scsi_device_unrealize(Device *dev)
{
    ScsiDevice *d = SCSI_DEVICE(dev);
    const ScsiBusInfo *info = info_of(dev->bus);

    make_known(d, false);
    if (info->settle) {
        info->settle(dev->bus->parent);
    }
    if (info->unplugged) {
        info->unplugged(dev->bus->parent, d);
    }
    scsi_class(d)->unrealize(d);
    if (info->settle) {
        info->settle(dev->bus->parent);    /* who freed the last request may still be about to let go of the lock */
    }
}

void scsi_device_reset(Device *dev)
{
    ScsiDevice *d = SCSI_DEVICE(dev);

    if (scsi_class(d)->reset) {
        scsi_class(d)->reset(d);
    }
    pthread_mutex_lock(&d->lock);
    d->sense = scsi_no_sense;
    d->unit_attention = scsi_reset;
    pthread_mutex_unlock(&d->lock);
}

void scsi_set_attention(ScsiDevice *d, ScsiSense sense)
{
    const ScsiBusInfo *info = d->dev.bus ? info_of(d->dev.bus) : NULL;

    pthread_mutex_lock(&d->lock);
    d->unit_attention = sense;
    pthread_mutex_unlock(&d->lock);
    if (info && info->attention && d->dev.realized) {
        info->attention(d->dev.bus->parent, d, sense);
    }
}

/* --- requests ------------------------------------------------------------------------------------------------ */

ScsiReq *scsi_req_new(ScsiDevice *dev, uint32_t lun, uint64_t tag, const uint8_t *cdb, void (*complete)(ScsiReq *),
                      void *adapter)
{
    ScsiReq *r = g_new0(ScsiReq, 1);

    r->dev = dev;
    r->lun = lun;
    r->tag = tag;
    r->complete = complete;
    r->adapter = adapter;
    memcpy(r->cdb, cdb, sizeof(r->cdb));
    scsi_parse_cdb(r);
    pthread_mutex_lock(&dev->lock);
    r->next = dev->requests;
    dev->requests = r;
    pthread_mutex_unlock(&dev->lock);
    return r;
}

void scsi_req_free(ScsiReq *r)
{
    ScsiReq **p;

    pthread_mutex_lock(&r->dev->lock);
    for (p = &r->dev->requests; *p && *p != r; p = &(*p)->next) {
    }
    if (*p) {
        *p = r->next;
    }
    pthread_mutex_unlock(&r->dev->lock);
    g_free(r);
    aio_wait_kick();
}

static bool has_tag(const ScsiReq *r, const void *tag) { return !tag || r->tag == *(const uint64_t *)tag; }

void scsi_cancel_if(ScsiDevice *d, ScsiReqTest *test, const void *opaque)
{
    pthread_mutex_lock(&d->lock);
    for (ScsiReq *r = d->requests; r; r = r->next) {
        if (test(r, opaque)) {
            __atomic_store_n(&r->cancelled, true, __ATOMIC_SEQ_CST);
        }
    }
    pthread_mutex_unlock(&d->lock);
    if (scsi_class(d)->cancelled) {
        scsi_class(d)->cancelled(d);
    }
}

void scsi_cancel(ScsiDevice *d, const uint64_t *tag) { scsi_cancel_if(d, has_tag, tag); }

bool scsi_pending_if(ScsiDevice *d, ScsiReqTest *test, const void *opaque)
{
    bool any = false;

    pthread_mutex_lock(&d->lock);
    for (ScsiReq *r = d->requests; r && !any; r = r->next) {
        any = test(r, opaque);
    }
    pthread_mutex_unlock(&d->lock);
    return any;
}

static bool has_tag_cancelled(const ScsiReq *r, const void *tag) { return has_tag(r, tag) && scsi_req_cancelled(r); }

bool scsi_pending(ScsiDevice *d, const uint64_t *tag, bool cancelled)
{
    return scsi_pending_if(d, cancelled ? has_tag_cancelled : has_tag, tag);
}

static bool is_busy(void *opaque) { return scsi_pending(opaque, NULL, false); }

void scsi_wait_idle(ScsiDevice *d) { aio_wait_while(is_busy, d); }

static int build_sense(uint8_t *buf, ScsiSense s)
{
    memset(buf, 0, 18);
    buf[0] = 0x70;
    buf[2] = s.key;
    buf[7] = 10;
    buf[12] = s.asc;
    buf[13] = s.ascq;
    return 18;
}

void scsi_req_complete(ScsiReq *r, uint8_t status)
{
    r->status = status;
    r->complete(r);
}

void scsi_req_fail(ScsiReq *r, ScsiSense sense)
{
    r->sense_len = build_sense(r->sense, sense);
    if (r->dev->lun == r->lun) {
        pthread_mutex_lock(&r->dev->lock);
        r->dev->sense = sense;
        pthread_mutex_unlock(&r->dev->lock);
    }
    scsi_req_complete(r, SCSI_CHECK_CONDITION);
}

void scsi_req_answer(ScsiReq *r, const void *buf, uint64_t len)
{
    uint64_t n = MIN(MIN(len, r->xfer), r->data ? r->data->size : 0);

    if (n) {
        iov_from_buf(r->data, 0, buf, n);
    }
    r->residual = r->xfer - n;
    scsi_req_complete(r, SCSI_GOOD);
}

/* --- commands that the target answers for a unit --------------------------------------------------------------- */

static int compare_luns(gconstpointer a, gconstpointer b)
{
    return (int)GPOINTER_TO_UINT(*(gpointer *)a) - (int)GPOINTER_TO_UINT(*(gpointer *)b);
}

static void report_luns(ScsiReq *r)
{
    g_autoptr(GPtrArray) luns = g_ptr_array_new();
    g_autofree uint8_t *buf = NULL;
    Bus *bus = r->dev->dev.bus;

    if (r->xfer < 16 || r->cdb[2] > 2) {
        scsi_req_fail(r, scsi_invalid_field);
        return;
    }
    g_ptr_array_add(luns, GUINT_TO_POINTER(0));
    for (guint i = 0; i < bus->devices->len; i++) {
        ScsiDevice *d = g_ptr_array_index(bus->devices, i);

        if (d->channel == r->dev->channel && d->id == r->dev->id && d->lun) {
            g_ptr_array_add(luns, GUINT_TO_POINTER(d->lun));
        }
    }
    g_ptr_array_sort(luns, compare_luns);
    buf = g_malloc0(8 + 8 * luns->len);
    store_be32(buf, 8 * luns->len);
    for (guint i = 0; i < luns->len; i++) {
        uint32_t lun = GPOINTER_TO_UINT(g_ptr_array_index(luns, i));

        if (lun < 256) {
            buf[8 + 8 * i + 1] = lun;
        } else {
            store_be16(buf + 8 + 8 * i, 0x4000 | lun);
        }
    }
    scsi_req_answer(r, buf, 8 + 8 * luns->len);
}

static void request_sense(ScsiReq *r, ScsiSense s)
{
    uint8_t buf[18] = { 0 };

    if (r->cdb[1] & 1) {
        buf[0] = 0x72;
        buf[1] = s.key;
        buf[2] = s.asc;
        buf[3] = s.ascq;
        scsi_req_answer(r, buf, r->xfer);
        return;
    }
    build_sense(buf, s);
    scsi_req_answer(r, buf, 18);
}

/* Another unit of the target, or none at all, was meant. */
static void execute_for_absent_lun(ScsiReq *r)
{
    uint8_t buf[36] = { 0x7f };

    switch (r->cdb[0]) {
    case 0x12:
        if ((r->cdb[1] & 3) || r->cdb[2]) {
            scsi_req_fail(r, scsi_invalid_field);
        } else {
            scsi_req_answer(r, buf, MIN(r->xfer, sizeof(buf)));
        }
        break;
    case 0xa0:
        if (r->lun == 0) {
            report_luns(r);
        } else {
            scsi_req_fail(r, scsi_lun_not_supported);
        }
        break;
    case 0x03: request_sense(r, r->lun ? scsi_lun_not_supported : scsi_no_sense); break;
    case 0x00:
        if (r->lun == 0) {
            scsi_req_complete(r, SCSI_GOOD);
        } else {
            scsi_req_fail(r, scsi_lun_not_supported);
        }
        break;
    default: scsi_req_fail(r, r->lun ? scsi_lun_not_supported : scsi_invalid_opcode);
    }
}

/* A pending unit attention is told by the first command but these. */
static bool tells_attention(ScsiReq *r)
{
    ScsiDevice *d = r->dev;
    ScsiSense ua;

    if (r->cdb[0] == 0x12 || r->cdb[0] == 0xa0 || r->cdb[0] == 0x03 || r->cdb[0] == 0x46 || r->cdb[0] == 0x4a) {
        return false;
    }
    pthread_mutex_lock(&d->lock);
    ua = d->unit_attention;
    d->unit_attention = scsi_no_sense;
    pthread_mutex_unlock(&d->lock);
    if (!ua.key) {
        return false;
    }
    scsi_req_fail(r, ua);
    if (d->ua_reported) {
        d->ua_reported(d);
    }
    return true;
}

static void report_sense(ScsiReq *r)
{
    ScsiDevice *d = r->dev;
    ScsiSense ua, last;

    pthread_mutex_lock(&d->lock);
    ua = d->unit_attention;
    last = d->sense;
    d->unit_attention = d->sense = scsi_no_sense;
    pthread_mutex_unlock(&d->lock);
    request_sense(r, ua.key ? ua : last);
    if (ua.key && d->ua_reported) {
        d->ua_reported(d);
    }
}

static void forget_sense(ScsiReq *r)
{
    pthread_mutex_lock(&r->dev->lock);
    r->dev->sense = scsi_no_sense;
    pthread_mutex_unlock(&r->dev->lock);
}

static void start(ScsiReq *r)
{
    if (r->cdb[0] != 0x03) {
        forget_sense(r);
    }
    if (r->dev->lun != r->lun) {
        execute_for_absent_lun(r);
    } else if (tells_attention(r)) {
        return;
    } else if (!scsi_cdb_length(r->cdb[0])) {
        scsi_req_fail(r, scsi_invalid_opcode);
    } else if (r->cdb[0] == 0xa0) {
        report_luns(r);
    } else if (r->cdb[0] == 0x03) {
        report_sense(r);
    } else {
        scsi_class(r->dev)->execute(r);
    }
}

static void start_bh(void *opaque) { start(opaque); }

/* In the adapter's own thread; false: it is for the main thread. */
static bool start_here(ScsiReq *r)
{
    ScsiDevice *d = r->dev;
    const ScsiClass *c = scsi_class(d);
    bool attention;

    pthread_mutex_lock(&d->lock);
    attention = d->unit_attention.key;
    pthread_mutex_unlock(&d->lock);
    if (d->lun != r->lun || attention || !c->enter || !c->enter(r)) {
        return false;
    }
    forget_sense(r);
    c->execute(r);
    c->leave(d);
    return true;
}

void scsi_req_start(ScsiReq *r, IoVec *data)
{
    r->data = data;
    r->started = true;
    if (in_main_thread()) {
        start(r);
    } else if (!start_here(r)) {
        aio_bh_oneshot(aio_main_context(), start_bh, r);
    }
}
