/*
 * virtio-scsi: the adapter.  Control, event and request queues.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/scsi-int.h"
#include "hw/virtio-pci.h"
#include "objects/iothread.h"
#include "util/cutils.h"

enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };
enum { RSP_OK = 0, RSP_OVERRUN = 1, RSP_BAD_TARGET = 3, RSP_FAILURE = 9, RSP_FUNCTION_REJECTED = 11, RSP_BAD_LUN = 12 };
enum { EVENT_NONE = 0, EVENT_TRANSPORT = 1, EVENT_PARAM = 3, EVENT_MISSED = 0x80000000u, RESET_RESCAN = 1, RESET_REMOVED = 2 };
#define CONFIG_SIZE 36
#define REQ_SIZE(s) (19u + (s)->cdb_size)
#define RSP_SIZE(s) (12u + (s)->sense_size)

typedef struct VirtioScsi {
    VirtioDevice vdev;
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun, host_bits, sense_size, cdb_size;
    bool seg_max_adjust, event_missed;
    IoThread *iothread;
    Bus *bus;
} VirtioScsi;

#define VIRTIO_SCSI(o) ((VirtioScsi *)(o))

typedef struct VirtioScsiReq {
    VirtElement elem;
    VirtioScsi *s;
    ScsiReq *scsi;
    IoVec data;
} VirtioScsiReq;

/* --- answers -------------------------------------------------------------------------------------------- */

static void push(VirtioScsiReq *q, uint32_t len)
{
    VirtQueue *vq = VIRTQUEUE(q->elem.ring);

    iov_destroy(&q->data);
    virtqueue_push(&q->elem, len);
    virtio_notify(&q->s->vdev, vq);
    g_free(q);
}

static void respond(VirtioScsiReq *q, uint8_t response, uint8_t status, uint32_t residual, const uint8_t *sense, uint32_t sense_len)
{
    uint8_t buf[12 + 256] = { 0 };

    sense_len = MIN(sense_len, q->s->sense_size);
    memcpy(buf, &sense_len, 4);
    memcpy(buf + 4, &residual, 4);
    buf[10] = status;
    buf[11] = response;
    if (sense_len) {
        memcpy(buf + 12, sense, sense_len);
    }
    iov_from_buf(&q->elem.in, 0, buf, 12 + sense_len);
    push(q, q->elem.in.size + q->elem.out.size - REQ_SIZE(q->s));
}

static void command_done(ScsiReq *r)
{
    VirtioScsiReq *q = r->adapter;

    respond(q, RSP_OK, r->status, r->residual, r->sense, r->sense_len);
    scsi_req_free(r);
}

/* --- requests ---------------------------------------------------------------------------------------------- */

static bool parse_lun(const uint8_t *lun, uint32_t *target, uint32_t *unit)
{
    if (lun[0] != 1 || (lun[2] && (lun[2] < 0x40 || lun[2] > 0x7f))) {
        return false;
    }
    *target = lun[1];
    *unit = (lun[2] << 8 | lun[3]) & 0x3fff;
    return true;
}

static ScsiDevice *find_device(VirtioScsi *s, const uint8_t *lun, uint32_t *unit, ScsiDevice **target_only)
{
    uint32_t target;

    *target_only = NULL;
    return parse_lun(lun, &target, unit) ? scsi_find(s->bus, 0, target, *unit, target_only) : NULL;
}

/* Do the buffers hold what the command moves?  Sets the vector. */
static bool take_data(VirtioScsiReq *q)
{
    VirtElement *e = &q->elem;
    ScsiReq *r = q->scsi;
    size_t out = e->out.size - REQ_SIZE(q->s), in = e->in.size - RSP_SIZE(q->s);

    if (out) {
        iov_concat(&q->data, &e->out, REQ_SIZE(q->s), out);
    } else if (in) {
        iov_concat(&q->data, &e->in, RSP_SIZE(q->s), in);
    }
    return r->direction == SCSI_XFER_NONE || r->xfer <= (r->direction == SCSI_TO_DEV ? out : in);
}

static void handle_command(VirtioScsiReq *q)
{
    VirtioScsi *s = q->s;
    uint8_t req[19 + 256] = { 0 };
    ScsiDevice *d, *other;
    uint32_t unit = 0;
    uint64_t tag;

    iov_init(&q->data, q->elem.in.niov + q->elem.out.niov);
    if (q->elem.out.size > REQ_SIZE(s) && q->elem.in.size > RSP_SIZE(s)) {      /* both ways at once */
        respond(q, RSP_FAILURE, 0, 0, NULL, 0);
        return;
    }
    iov_to_buf(&q->elem.out, 0, req, REQ_SIZE(s));
    d = find_device(s, req, &unit, &other);
    if (!d && !other) {
        respond(q, RSP_BAD_TARGET, 0, 0, NULL, 0);
        return;
    }
    memcpy(&tag, req + 8, 8);
    q->scsi = scsi_req_new(d ? d : other, unit, tag, req + 19, command_done, q);
    if (!take_data(q)) {
        scsi_req_free(q->scsi);
        respond(q, RSP_OVERRUN, 0, 0, NULL, 0);
        return;
    }
    scsi_req_start(q->scsi, &q->data);
}

/* An element, or NULL: none, or the device is broken. */
static VirtioScsiReq *pop(VirtioScsi *s, VirtQueue *vq, unsigned out, unsigned in, const char *what)
{
    VirtioScsiReq *q = g_new0(VirtioScsiReq, 1);

    q->s = s;
    if (!vring_pop(&vq->ring, &q->elem)) {
        g_free(q);
        return NULL;
    }
    if (q->elem.out.size < out || q->elem.in.size < in) {
        virtio_error(&s->vdev, "wrong size for virtio-scsi %s", what);
        vring_discard(&q->elem);
        g_free(q);
        return NULL;
    }
    return q;
}

static void handle_commands(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtioScsiReq *q;

    aio_plug();
    while ((q = pop(s, vq, REQ_SIZE(s), RSP_SIZE(s), "headers"))) {
        handle_command(q);
    }
    aio_unplug();
}

/* --- control queue -------------------------------------------------------------------------------------------- */

static uint8_t task_management(VirtioScsi *s, uint32_t subtype, const uint8_t *lun)
{
    ScsiDevice *d, *other;
    uint32_t unit, target;

    if (!parse_lun(lun, &target, &unit)) {
        return RSP_BAD_TARGET;
    }
    d = find_device(s, lun, &unit, &other);
    if (!d && !other) {
        return RSP_BAD_TARGET;
    }
    switch (subtype) {
    case 0: case 1: case 3: case 6: case 7:        /* abort task, set, clear set; query task, set */
        if (!d) {
            return RSP_BAD_LUN;
        }
        if (subtype < 6) {
            scsi_cancel_all(d);
        }
        return RSP_OK;
    case 5:
        if (!d) {
            return RSP_BAD_LUN;
        }
        scsi_cancel_all(d);
        scsi_device_reset(&d->dev);
        return RSP_OK;
    case 4:
        for (guint i = 0; i < s->bus->devices->len; i++) {
            ScsiDevice *each = g_ptr_array_index(s->bus->devices, i);

            if (each->id == target) {
                scsi_cancel_all(each);
                scsi_device_reset(&each->dev);
            }
        }
        return RSP_OK;
    default: return RSP_FUNCTION_REJECTED;
    }
}

static void handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtioScsiReq *q;

    while ((q = pop(s, vq, 4, 1, "control request"))) {
        uint8_t req[24] = { 0 }, rsp[5] = { 0 };
        uint32_t type, subtype, len = 1;

        iov_to_buf(&q->elem.out, 0, req, sizeof(req));
        memcpy(&type, req, 4);
        memcpy(&subtype, req + 4, 4);
        if (type == 0) {
            rsp[0] = task_management(s, subtype, req + 8);
        } else {                                    /* asynchronous notifications: none */
            len = MIN(q->elem.in.size, 5);
            rsp[4] = RSP_OK;
        }
        iov_init(&q->data, 1);
        iov_from_buf(&q->elem.in, 0, rsp, len);
        push(q, q->elem.in.size);
    }
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static void send_event(VirtioScsi *s, ScsiDevice *d, uint32_t event, uint32_t reason)
{
    VirtQueue *vq = &s->vdev.vqs[1];
    VirtioScsiReq *q;
    uint8_t buf[16] = { 0 };

    if (!(s->vdev.status & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    q = pop(s, vq, 0, 16, "event");
    if (!q) {
        s->event_missed = true;
        return;
    }
    if (s->event_missed) {
        event |= EVENT_MISSED;
        s->event_missed = false;
    }
    memcpy(buf, &event, 4);
    memcpy(buf + 12, &reason, 4);
    if (d) {
        buf[4] = 1;
        buf[5] = d->id;
        buf[6] = d->lun >= 256 ? 0x40 | d->lun >> 8 : 0;
        buf[7] = d->lun;
    }
    iov_init(&q->data, 1);
    iov_from_buf(&q->elem.in, 0, buf, 16);
    push(q, 16);
}

static void handle_event_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    if (VIRTIO_SCSI(vdev)->event_missed) {
        send_event(VIRTIO_SCSI(vdev), NULL, EVENT_NONE, 0);
    }
}

static void plugged(void *adapter, ScsiDevice *d)
{
    if (virtio_has(adapter, F_HOTPLUG)) {
        send_event(adapter, d, EVENT_TRANSPORT, RESET_RESCAN);
    }
}

static void unplugged(void *adapter, ScsiDevice *d)
{
    if (virtio_has(adapter, F_HOTPLUG)) {
        send_event(adapter, d, EVENT_TRANSPORT, RESET_REMOVED);
    }
}

static void attention(void *adapter, ScsiDevice *d, ScsiSense sense)
{
    if (virtio_has(adapter, F_CHANGE) && d->type != SCSI_TYPE_ROM) {
        send_event(adapter, d, EVENT_PARAM, sense.asc | sense.ascq << 8);
    }
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

static void get_config(VirtioDevice *vdev, uint8_t *c)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    uint32_t words[7] = { s->num_queues, s->seg_max_adjust ? s->queue_size - 2 : 126, s->max_sectors, s->cmd_per_lun, 16,
                          s->sense_size, s->cdb_size };
    uint16_t halves[2] = { 0, 255 };
    uint32_t max_lun = 16383;

    memcpy(c, words, 28);
    memcpy(c + 28, halves, 4);
    memcpy(c + 32, &max_lun, 4);
}

static void set_config(VirtioDevice *vdev, const uint8_t *c)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    uint32_t sense, cdb;

    memcpy(&sense, c + 20, 4);
    memcpy(&cdb, c + 24, 4);
    if (sense >= 65536 || cdb >= 256) {
        virtio_error(vdev, "bad data written to virtio-scsi configuration space");
        return;
    }
    s->sense_size = MIN(sense, 256);
    s->cdb_size = cdb;
}

static uint64_t features(VirtioDevice *vdev, uint64_t base) { return base | VIRTIO_SCSI(vdev)->host_bits; }

static void reset_device(Device *d) { scsi_device_reset(d); }

static void reset(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    for (guint i = 0; s->bus && i < s->bus->devices->len; i++) {
        ScsiDevice *d = g_ptr_array_index(s->bus->devices, i);

        scsi_cancel_all(d);
        reset_device(&d->dev);
    }
    s->sense_size = 96;
    s->cdb_size = 32;
    s->event_missed = false;
}

static bool realize(VirtioDevice *vdev, Error **errp)
{
    static const ScsiBusInfo bus_info = { 0, 255, 16383, plugged, unplugged, attention };
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (s->num_queues == UINT32_MAX) {
        s->num_queues = 1;
    }
    if (!s->num_queues || s->num_queues > VIRTIO_QUEUE_MAX - 2) {
        error_setg(errp, "Invalid number of queues (= %u), must be a positive integer less than %d.", s->num_queues, VIRTIO_QUEUE_MAX - 2);
        return false;
    }
    if (s->queue_size <= 2) {
        error_setg(errp, "invalid virtqueue_size property (= %u), must be > 2", s->queue_size);
        return false;
    }
    if (!IS_POW2(s->queue_size) || s->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setg(errp, "invalid virtqueue_size property (= %u), must be a power of 2 (max %d)", s->queue_size, VIRTQUEUE_MAX_SIZE);
        return false;
    }
    s->sense_size = 96;
    s->cdb_size = 32;
    virtio_add_queues(vdev, s->num_queues + 2);
    virtio_set_queue(vdev, 0, s->queue_size, handle_control);
    virtio_set_queue(vdev, 1, s->queue_size, handle_event_queue);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_set_queue(vdev, i + 2, s->queue_size, handle_commands);
    }
    if (s->iothread) {
        iothread_use(s->iothread);
    }
    s->bus = scsi_bus_new(&vdev->dev, &bus_info);
    return true;
}

static void unrealize(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    scsi_bus_gone(s->bus);
    s->bus = NULL;
    if (s->iothread) {
        iothread_unuse(s->iothread);
    }
}

static int default_vectors(VirtioDevice *vdev) { return VIRTIO_SCSI(vdev)->num_queues + 3; }

static bool set_iothread(Object *o, const Property *p, const QObject *value, Error **errp)
{
    return iothread_set_link(&VIRTIO_SCSI(o)->iothread, p, value, errp);
}

static QObject *get_iothread(Object *o, const Property *p, Error **errp)
{
    return object_path_value(VIRTIO_SCSI(o)->iothread ? &VIRTIO_SCSI(o)->iothread->obj : NULL);
}

static const Property vscsi_props[] = {
    P_NUM("num_queues", PROP_U32, VirtioScsi, num_queues, UINT32_MAX), P_NUM("virtqueue_size", PROP_U32, VirtioScsi, queue_size, 256),
    P_BOOL("seg_max_adjust", VirtioScsi, seg_max_adjust, true), P_NUM("max_sectors", PROP_U32, VirtioScsi, max_sectors, 0xffff),
    P_NUM("cmd_per_lun", PROP_U32, VirtioScsi, cmd_per_lun, 128), P_BIT("hotplug", VirtioScsi, host_bits, F_HOTPLUG, true),
    P_BIT("param_change", VirtioScsi, host_bits, F_CHANGE, true),
    { .name = "iothread", .type = "link<iothread>", .kind = PROP_CUSTOM, .get = get_iothread, .set = set_iothread },
    { NULL }
};

static const VirtioClass vscsi_class = {
    .dev = VIRTIO_CLASS_DEV(), .device_id = 8, .name = "virtio-scsi", .config_size = CONFIG_SIZE, .realize = realize,
    .unrealize = unrealize, .features = features, .get_config = get_config, .set_config = set_config, .reset = reset,
    .default_vectors = default_vectors,
};
static const TypeInfo common_type = {
    .name = "virtio-scsi-common", .parent = "virtio-device", .abstract = true, .size = sizeof(VirtioScsi),
};
QOM_TYPE(common_type)
static const TypeInfo vscsi_type = {
    .name = "virtio-scsi-device", .parent = "virtio-scsi-common", .size = sizeof(VirtioScsi), .props = vscsi_props,
    .class_data = &vscsi_class,
};
QOM_TYPE(vscsi_type)

static const Property vscsi_pci_props[] = { { NULL } };
VIRTIO_PCI_TYPES(virtio_scsi_pci, "virtio-scsi", 0x0100, 0x1004, vscsi_pci_props)
