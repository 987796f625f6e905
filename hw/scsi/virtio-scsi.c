/*
 * virtio-scsi: the adapter.  Control, event and request queues.
 *
 * Threads: rings are read and written in the adapter's context, the I/O thread's or the main one.  Requests that were
 * completed elsewhere, and events, are sent there to be given to the guest.  Task management works in the main thread
 * and answers when the requests that it ends are over.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/scsi/scsi-int.h"
#include "hw/virtio-pci.h"
#include "hw/virtio/vmstate-virtio.h"
#include "objects/iothread.h"
#include "util/cutils.h"

enum { F_INOUT = 0, F_HOTPLUG = 1, F_CHANGE = 2 };
enum {
    RSP_OK = 0, RSP_OVERRUN = 1, RSP_ABORTED = 2, RSP_BAD_TARGET = 3, RSP_RESET = 4, RSP_FAILURE = 9,
    RSP_FUNCTION_SUCCEEDED = 10, RSP_FUNCTION_REJECTED = 11, RSP_BAD_LUN = 12,
};
enum { ABORT_TASK = 0, TARGET_RESET = 4, LUN_RESET = 5, QUERY_TASK = 6, QUERY_TASK_SET = 7 };
enum {
    EVENT_NONE = 0, EVENT_TRANSPORT = 1, EVENT_PARAM = 3, EVENT_MISSED = 0x80000000u, RESET_RESCAN = 1,
    RESET_REMOVED = 2,
};
#define CONFIG_SIZE 36
#define REQ_SIZE(q) (19u + (q)->cdb_size)
#define RSP_SIZE(q) (12u + (q)->sense_size)

typedef struct VirtioScsi {
    VirtioDevice vdev;
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun, host_bits, sense_size, cdb_size;
    bool seg_max_adjust;
    bool event_missed;                  /* the adapter's context */
    IoThread *iothread;
    Bus *bus;
    pthread_mutex_t lock;                        /* guards `tasks` */
    GQueue tasks;                       /* Task *, the oldest first */
    AioBh *task_bh;                     /* main thread: looks at them */
    bool in_task;
    bool resetting;                     /* atomic: what is cancelled is so by the reset of a unit */
} VirtioScsi;

#define VIRTIO_SCSI(o) ((VirtioScsi *)(o))

typedef struct VirtioScsiReq {
    VirtElement elem;
    VirtioScsi *s;
    ScsiReq *scsi;
    IoVec data;
    uint32_t cdb_size, sense_size;      /* when it was taken */
} VirtioScsiReq;

/* Task management under way: it waits for the requests that it cancelled. */
typedef struct Task {
    VirtioScsiReq *q;
    uint32_t subtype;
    uint8_t lun[8];
    uint64_t tag;
    bool begun;
    uint8_t response;
} Task;

static AioContext *context(VirtioScsi *s) { return s->vdev.ctx ? s->vdev.ctx : aio_main_context(); }
static bool at_home(VirtioScsi *s) { return s->vdev.ctx ? !in_main_thread() : in_main_thread(); }

/* --- answers -------------------------------------------------------------------------------------------- */

static void push(VirtioScsiReq *q, uint32_t len)
{
    VirtQueue *vq = VIRTQUEUE(q->elem.ring);

    iov_destroy(&q->data);
    virtqueue_push(&q->elem, len);
    virtio_notify(&q->s->vdev, vq);
    g_free(q);
}

static void respond(VirtioScsiReq *q, uint8_t response, uint8_t status, uint32_t residual, const uint8_t *sense,
                    uint32_t sense_len)
{
    uint8_t buf[12 + 256] = { 0 };

    sense_len = MIN(sense_len, q->sense_size);
    memcpy(buf, &sense_len, 4);
    memcpy(buf + 4, &residual, 4);
    buf[10] = status;
    buf[11] = response;
    if (sense_len) {
        memcpy(buf + 12, sense, sense_len);
    }
    iov_from_buf(&q->elem.in, 0, buf, 12 + sense_len);
    push(q, q->elem.in.size + q->elem.out.size - REQ_SIZE(q));
}

static void command_done_here(void *opaque)
{
    ScsiReq *r = opaque;
    VirtioScsiReq *q = r->adapter;
    VirtioScsi *s = q->s;
    bool tasks;

    if (r->status == SCSI_TASK_ABORTED) {
        respond(q, __atomic_load_n(&s->resetting, __ATOMIC_SEQ_CST) ? RSP_RESET : RSP_ABORTED, 0, 0, NULL, 0);
    } else {
        respond(q, RSP_OK, r->status, r->residual, r->sense, r->sense_len);
    }
    scsi_req_free(r);
    pthread_mutex_lock(&s->lock);
    tasks = s->tasks.length;
    pthread_mutex_unlock(&s->lock);
    if (tasks) {
        aio_bh_schedule(s->task_bh);
    }
}

static void command_done(ScsiReq *r)
{
    VirtioScsiReq *q = r->adapter;

    if (at_home(q->s)) {
        command_done_here(r);
    } else {
        aio_bh_oneshot(context(q->s), command_done_here, r);
    }
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
    size_t out = e->out.size - REQ_SIZE(q), in = e->in.size - RSP_SIZE(q);

    if (out) {
        iov_concat(&q->data, &e->out, REQ_SIZE(q), out);
    } else if (in) {
        iov_concat(&q->data, &e->in, RSP_SIZE(q), in);
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
    if (q->elem.out.size > REQ_SIZE(q) && q->elem.in.size > RSP_SIZE(q)) {      /* both ways at once */
        respond(q, RSP_FAILURE, 0, 0, NULL, 0);
        return;
    }
    iov_to_buf(&q->elem.out, 0, req, REQ_SIZE(q));
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

static bool is_request(const VirtQueue *vq) { return vq->index >= 2; }

/* An element, or NULL: none, or the device is broken.  Requests have the sizes that were configured. */
static VirtioScsiReq *pop(VirtioScsi *s, VirtQueue *vq, unsigned out, unsigned in, const char *what)
{
    VirtioScsiReq *q = g_new0(VirtioScsiReq, 1);

    q->s = s;
    q->cdb_size = __atomic_load_n(&s->cdb_size, __ATOMIC_RELAXED);
    q->sense_size = __atomic_load_n(&s->sense_size, __ATOMIC_RELAXED);
    out = is_request(vq) ? REQ_SIZE(q) : out;
    in = is_request(vq) ? RSP_SIZE(q) : in;
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
    while ((q = pop(s, vq, 0, 0, "headers"))) {
        handle_command(q);
    }
    aio_unplug();
}

/* --- control queue -------------------------------------------------------------------------------------------- */

/* The units that a task is about, one after the other; i: in and out. */
static ScsiDevice *next_unit(Task *t, guint *i)
{
    Bus *bus = t->q->s->bus;
    uint32_t target = 0, unit = 0;

    parse_lun(t->lun, &target, &unit);
    while (*i < bus->devices->len) {
        ScsiDevice *d = g_ptr_array_index(bus->devices, (*i)++);

        if (d->dev.realized && d->id == target && (t->subtype == TARGET_RESET || d->lun == unit)) {
            return d;
        }
    }
    return NULL;
}

static const uint64_t *tag_of(const Task *t)
{
    return t->subtype == ABORT_TASK || t->subtype == QUERY_TASK ? &t->tag : NULL;
}

/* Answers what needs no waiting; RSP_OK: go on. */
static uint8_t check_task(Task *t)
{
    ScsiDevice *other, *d;
    uint32_t unit = 0;

    d = find_device(t->q->s, t->lun, &unit, &other);
    if (!d && !other) {
        return RSP_BAD_TARGET;
    }
    if (t->subtype > QUERY_TASK_SET || t->subtype == 2) {
        return RSP_FUNCTION_REJECTED;
    }
    if (!d && t->subtype != TARGET_RESET) {
        return RSP_BAD_LUN;
    }
    if (t->subtype >= QUERY_TASK && scsi_pending(d, tag_of(t), false)) {
        return RSP_FUNCTION_SUCCEEDED;
    }
    return RSP_OK;
}

/* False: requests that it ends are still under way. */
static bool work_task(Task *t)
{
    ScsiDevice *d;

    if (!t->begun) {
        t->begun = true;
        __atomic_store_n(&t->q->s->resetting, t->subtype == LUN_RESET || t->subtype == TARGET_RESET, __ATOMIC_SEQ_CST);
        t->response = check_task(t);
        for (guint i = 0; t->response == RSP_OK && t->subtype < QUERY_TASK && (d = next_unit(t, &i)); ) {
            scsi_cancel(d, tag_of(t));
        }
    }
    if (t->response != RSP_OK || t->subtype >= QUERY_TASK) {
        return true;
    }
    for (guint i = 0; (d = next_unit(t, &i)); ) {
        if (scsi_pending(d, tag_of(t), true)) {
            return false;
        }
    }
    for (guint i = 0; (t->subtype == LUN_RESET || t->subtype == TARGET_RESET) && (d = next_unit(t, &i)); ) {
        scsi_device_reset(&d->dev);
    }
    return true;
}

static void answer_task(void *opaque)
{
    Task *t = opaque;

    iov_from_buf(&t->q->elem.in, 0, &t->response, 1);
    push(t->q, t->q->elem.in.size);
    g_free(t);
}

static void work_tasks(void *opaque)
{
    VirtioScsi *s = opaque;
    Task *t;

    if (s->in_task) {                       /* a reset polls */
        return;
    }
    s->in_task = true;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        t = g_queue_peek_head(&s->tasks);
        pthread_mutex_unlock(&s->lock);
        if (!t || !work_task(t)) {
            break;
        }
        pthread_mutex_lock(&s->lock);
        g_queue_remove(&s->tasks, t);
        pthread_mutex_unlock(&s->lock);
        if (at_home(s)) {
            answer_task(t);
        } else {
            aio_bh_oneshot(context(s), answer_task, t);
        }
    }
    s->in_task = false;
}

/* The guest resets the device: nobody waits for the answers. */
static void drop_tasks(VirtioScsi *s)
{
    Task *t;

    pthread_mutex_lock(&s->lock);
    while ((t = g_queue_pop_head(&s->tasks))) {
        iov_destroy(&t->q->data);
        vring_discard(&t->q->elem);
        g_free(t->q);
        g_free(t);
    }
    pthread_mutex_unlock(&s->lock);
}

static void add_task(VirtioScsiReq *q, const uint8_t *req)
{
    VirtioScsi *s = q->s;
    Task *t = g_new0(Task, 1);

    t->q = q;
    memcpy(&t->subtype, req + 4, 4);
    memcpy(t->lun, req + 8, 8);
    memcpy(&t->tag, req + 16, 8);
    pthread_mutex_lock(&s->lock);
    g_queue_push_tail(&s->tasks, t);
    pthread_mutex_unlock(&s->lock);
    aio_bh_schedule(s->task_bh);
}

static void handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtioScsiReq *q;

    while ((q = pop(s, vq, 4, 1, "control request"))) {
        uint8_t req[24] = { 0 }, rsp[5] = { 0 };
        uint32_t type;

        iov_init(&q->data, 1);
        iov_to_buf(&q->elem.out, 0, req, sizeof(req));
        memcpy(&type, req, 4);
        if (type == 0) {
            add_task(q, req);
        } else {                                    /* asynchronous notifications: none */
            iov_from_buf(&q->elem.in, 0, rsp, MIN(q->elem.in.size, 5));
            push(q, q->elem.in.size);
        }
    }
}

/* --- events ------------------------------------------------------------------------------------------------------ */

typedef struct ScsiEvent {
    VirtioScsi *s;
    uint32_t event, reason;
    uint8_t lun[4];
} ScsiEvent;

static void send_event_here(void *opaque)
{
    g_autofree ScsiEvent *e = opaque;
    VirtioScsi *s = e->s;
    VirtioScsiReq *q = pop(s, &s->vdev.vqs[1], 0, 16, "event");
    uint8_t buf[16] = { 0 };

    if (!q) {
        s->event_missed = true;
        return;
    }
    if (s->event_missed) {
        e->event |= EVENT_MISSED;
        s->event_missed = false;
    }
    memcpy(buf, &e->event, 4);
    memcpy(buf + 4, e->lun, 4);
    memcpy(buf + 12, &e->reason, 4);
    iov_init(&q->data, 1);
    iov_from_buf(&q->elem.in, 0, buf, 16);
    push(q, 16);
}

/* Main thread. */
static void send_event(VirtioScsi *s, ScsiDevice *d, uint32_t event, uint32_t reason)
{
    ScsiEvent *e;

    if (!(s->vdev.status & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    e = g_new0(ScsiEvent, 1);
    *e = (ScsiEvent) { s, event, reason, { 1, d->id, d->lun >= 256 ? 0x40 | d->lun >> 8 : 0, d->lun } };
    if (at_home(s)) {
        send_event_here(e);
    } else {
        aio_bh_oneshot(context(s), send_event_here, e);
    }
}

static void handle_event_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (s->event_missed) {
        ScsiEvent *e = g_new0(ScsiEvent, 1);

        e->s = s;
        send_event_here(e);
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

static AioContext *own_context(void *adapter) { return VIRTIO_SCSI(adapter)->vdev.ctx; }
static void settle(void *adapter) { virtio_barrier(adapter); }

/* --- life --------------------------------------------------------------------------------------------------------- */

static void get_config(VirtioDevice *vdev, uint8_t *c)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    uint32_t words[7] = {
        s->num_queues, s->seg_max_adjust ? s->queue_size - 2 : 126, s->max_sectors, s->cmd_per_lun, 16,
        s->sense_size, s->cdb_size,
    };
    uint16_t halves[2] = { 0, 255 };
    uint32_t max_lun = 16383;

    memcpy(c, words, 28);
    memcpy(c + 28, halves, 4);
    memcpy(c + 32, &max_lun, 4);
}

static void set_sizes(VirtioScsi *s, uint32_t sense, uint32_t cdb)
{
    __atomic_store_n(&s->sense_size, sense, __ATOMIC_RELAXED);
    __atomic_store_n(&s->cdb_size, cdb, __ATOMIC_RELAXED);
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
    set_sizes(s, MIN(sense, 256), cdb);
}

static uint64_t features(VirtioDevice *vdev, uint64_t base) { return base | VIRTIO_SCSI(vdev)->host_bits; }

static void loaded(VirtioDevice *vdev, const uint8_t *c)
{
    uint32_t sizes[2];                        /* as the driver chose them: sense data, command blocks */

    memcpy(sizes, c + 20, sizeof(sizes));
    if (sizes[0] && sizes[1]) {
        set_config(vdev, c);
    }
}

static const VmDesc scsi_vmstate = VIRTIO_VMSTATE("virtio-scsi", 1);

static void reset(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    drop_tasks(s);
    for (guint i = 0; s->bus && i < s->bus->devices->len; i++) {
        scsi_device_reset(g_ptr_array_index(s->bus->devices, i));
    }
    set_sizes(s, 96, 32);
    s->event_missed = false;
}

/* --- one queue is reset --- */

static bool is_from(const ScsiReq *r, const void *ring)
{
    return ((const VirtioScsiReq *)r->adapter)->elem.ring == ring;
}

static bool any_from(void *opaque)
{
    VirtQueue *vq = opaque;
    VirtioScsi *s = VIRTIO_SCSI(vq->vdev);
    bool any = false;

    for (guint i = 0; !any && i < s->bus->devices->len; i++) {
        any = scsi_pending_if(g_ptr_array_index(s->bus->devices, i), is_from, &vq->ring);
    }
    return any;
}

static void queue_reset(VirtioDevice *vdev, unsigned i)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (!i) {
        drop_tasks(s);
    }
    for (guint n = 0; n < s->bus->devices->len; n++) {
        scsi_cancel_if(g_ptr_array_index(s->bus->devices, n), is_from, &vdev->vqs[i].ring);
    }
    if (any_from(&vdev->vqs[i])) {
        blk_drain_all();                   /* no limit holds them up */
        aio_wait_while(any_from, &vdev->vqs[i]);
    }
}

static void held(VirtioDevice *vdev, bool on)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (on && s->bus && s->bus->devices->len) {
        blk_drain_all();
    }
}

static bool realize(VirtioDevice *vdev, Error **errp)
{
    static const ScsiBusInfo bus_info = { 0, 255, 16383, plugged, unplugged, attention, own_context, settle };
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (s->num_queues == UINT32_MAX) {
        s->num_queues = virtio_auto_queues(vdev, 2);
    }
    if (!s->num_queues || s->num_queues > VIRTIO_QUEUE_MAX - 2) {
        error_setg(errp, "Invalid number of queues (= %u), must be a positive integer less than %d.", s->num_queues,
                   VIRTIO_QUEUE_MAX - 2);
        return false;
    }
    if (s->queue_size <= 2) {
        error_setg(errp, "invalid virtqueue_size property (= %u), must be > 2", s->queue_size);
        return false;
    }
    if (!IS_POW2(s->queue_size) || s->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setg(errp, "invalid virtqueue_size property (= %u), must be a power of 2 (max %d)", s->queue_size,
                   VIRTQUEUE_MAX_SIZE);
        return false;
    }
    if (s->iothread && !virtio_can_use_iothread(vdev, errp)) {
        return false;
    }
    set_sizes(s, 96, 32);
    virtio_add_queues(vdev, s->num_queues + 2);
    virtio_set_queue(vdev, 0, s->queue_size, handle_control);
    virtio_set_queue(vdev, 1, s->queue_size, handle_event_queue);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_set_queue(vdev, i + 2, s->queue_size, handle_commands);
    }
    if (s->iothread) {
        iothread_use(s->iothread);
        vdev->ctx = s->iothread->ctx;
    }
    s->task_bh = aio_bh_new(aio_main_context(), work_tasks, s);
    s->bus = scsi_bus_new(&vdev->dev, &bus_info);
    return true;
}

static void unrealize(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    scsi_bus_gone(s->bus);
    s->bus = NULL;
    aio_bh_delete(s->task_bh);
    if (s->iothread) {
        vdev->ctx = NULL;
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
    P_NUM("num_queues", PROP_U32, VirtioScsi, num_queues, UINT32_MAX),
    P_NUM("virtqueue_size", PROP_U32, VirtioScsi, queue_size, 256),
    P_BOOL("seg_max_adjust", VirtioScsi, seg_max_adjust, true),
    P_NUM("max_sectors", PROP_U32, VirtioScsi, max_sectors, 0xffff),
    P_NUM("cmd_per_lun", PROP_U32, VirtioScsi, cmd_per_lun, 128),
    P_BIT("hotplug", VirtioScsi, host_bits, F_HOTPLUG, true),
    P_BIT("param_change", VirtioScsi, host_bits, F_CHANGE, true),
    { .name = "iothread", .type = "link<iothread>", .kind = PROP_CUSTOM, .get = get_iothread, .set = set_iothread },
    { NULL }
};

static const VirtioClass vscsi_class = {
    .dev = VIRTIO_CLASS_DEV(.vmstate = &scsi_vmstate), .loaded = loaded, .device_id = 8, .name = "virtio-scsi",
    .config_size = CONFIG_SIZE, .realize = realize,
    .unrealize = unrealize, .features = features, .get_config = get_config, .set_config = set_config, .reset = reset,
    .queue_reset = queue_reset, .held = held,
    .default_vectors = default_vectors,
};
static void init(Object *o) { pthread_mutex_init(&VIRTIO_SCSI(o)->lock, NULL); }
static void finalize(Object *o) { pthread_mutex_destroy(&VIRTIO_SCSI(o)->lock); }

static const TypeInfo common_type = {
    .name = "virtio-scsi-common", .parent = "virtio-device", .abstract = true, .size = sizeof(VirtioScsi), .init = init,
    .finalize = finalize,
};
QOM_TYPE(common_type)
static const TypeInfo vscsi_type = {
    .name = "virtio-scsi-device", .parent = "virtio-scsi-common", .size = sizeof(VirtioScsi), .props = vscsi_props,
    .class_data = &vscsi_class,
};
QOM_TYPE(vscsi_type)

static const Property vscsi_pci_props[] = { { NULL } };
VIRTIO_PCI_TYPES(virtio_scsi_pci, "virtio-scsi", 0x0100, 0x1004, vscsi_pci_props)
