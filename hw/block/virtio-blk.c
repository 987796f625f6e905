/*
 * virtio-blk: the device and its configuration.  Requests are in virtio-blk-req.c.
 *
 * Threads: properties, configuration, reset in the main thread; queues in the device's context.  Requests
 * that wait for the machine to run again (policy "stop") are on a list that `lock` guards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/block/virtio-blk.h"
#include "hw/virtio/vmstate-virtio.h"
#include "util/cutils.h"

enum {
    F_SEG_MAX = 2, F_GEOMETRY = 4, F_RO = 5, F_BLK_SIZE = 6, F_SCSI = 7, F_FLUSH = 9, F_TOPOLOGY = 10,
    F_CONFIG_WCE = 11, F_MQ = 12,
    F_DISCARD = 13, F_WRITE_ZEROES = 14,
};

/* --- configuration ------------------------------------------------------------------------------------ */

static void put16(uint8_t *c, unsigned at, uint16_t v) { memcpy(c + at, &v, 2); }
static void put32(uint8_t *c, unsigned at, uint32_t v) { memcpy(c + at, &v, 4); }

static void get_config(VirtioDevice *vdev, uint8_t *c)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    const BlockConf *conf = &s->conf;
    int64_t length = blk_getlength(conf->blk);
    uint64_t sectors = length < 0 ? 0 : length / 512;
    unsigned per_block = conf->logical / 512;

    memset(c, 0, VIRTIO_BLK_CONFIG_SIZE);
    memcpy(c, &sectors, 8);
    put32(c, 12, s->seg_max_adjust ? MAX(s->queue_size, 3) - 2 : 126);
    put16(c, 16, conf->cyls);
    c[18] = conf->heads;
    /* a whole number of logical blocks in a track */
    c[19] = length > 0 && length / conf->heads / conf->secs % conf->logical ? conf->secs & ~(per_block - 1)
            : conf->secs;
    put32(c, 20, conf->logical);
    c[24] = conf->physical > conf->logical ? __builtin_ctzll(conf->physical / conf->logical) : 0;
    put16(c, 26, conf->min_io / conf->logical);
    put32(c, 28, conf->opt_io / conf->logical);
    c[32] = blk_enable_write_cache(conf->blk);
    put16(c, 34, s->num_queues);
    if (s->host_bits & (1u << F_DISCARD)) {
        uint64_t granularity = conf->discard_granularity;

        granularity = granularity == UINT32_MAX || !s->report_discard_granularity ? conf->logical : granularity;
        put32(c, 36, s->max_discard_sectors);
        put32(c, 40, 1);
        put32(c, 44, granularity / 512);
    }
    if (s->host_bits & (1u << F_WRITE_ZEROES)) {
        put32(c, 48, s->max_write_zeroes_sectors);
        put32(c, 52, 1);
        c[56] = 1;
    }
}

static void set_config(VirtioDevice *vdev, const uint8_t *c)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    blk_set_enable_write_cache(s->conf.blk, c[32] != 0);
}

static uint64_t features(VirtioDevice *vdev, uint64_t base)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    uint64_t f = base | s->host_bits;

    if (!vdev->transport.modern) {         /* as drivers of old know such disks */
        f = (f & ~(1ULL << VIRTIO_F_ANY_LAYOUT)) | 1ULL << F_SCSI;
    }
    f |= 1u << F_SEG_MAX | 1u << F_GEOMETRY | 1u << F_TOPOLOGY | 1u << F_BLK_SIZE;
    if (blk_enable_write_cache(s->conf.blk) || (s->wce_if_config_wce && (s->host_bits & (1u << F_CONFIG_WCE)))) {
        f |= 1u << F_FLUSH;
    }
    if (!blk_is_writable(s->conf.blk)) {
        f |= 1u << F_RO;
    }
    if (s->num_queues > 1) {
        f |= 1u << F_MQ;
    }
    return f;
}

static void status_changed(VirtioDevice *vdev, uint8_t old)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK) || (old & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    /* A driver that knows neither flushes nor the switch must not lose writes. */
    if (!virtio_has(vdev, F_CONFIG_WCE)) {
        blk_set_enable_write_cache(s->conf.blk, virtio_has(vdev, F_FLUSH));
    }
}

static void reset(VirtioDevice *vdev)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    blk_drain_held(s->conf.blk);
    virtio_blk_drop_waiting(s, NULL);
    blk_set_enable_write_cache(s->conf.blk, s->original_wce);
}

static void queue_reset(VirtioDevice *vdev, unsigned i)
{
    blk_drain(VIRTIO_BLK(vdev)->conf.blk);
    virtio_blk_drop_waiting(VIRTIO_BLK(vdev), &vdev->vqs[i]);
}

static void held(VirtioDevice *vdev, bool on)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    if (on) {
        blk_drain(s->conf.blk);
    } else {
        virtio_blk_vm_changed(s, vm_running(), vm_state());
    }
}

/* --- what the backend tells ------------------------------------------------------------------------------- */

static void resized(void *opaque) { virtio_notify_config(opaque); }

static const char *no_id(void *opaque) { return ""; }      /* the id is the proxy's */

static const BlockDevOps block_ops = {
    .resized = resized, .drained_end = virtio_blk_drained_end, .dev_id = no_id, .dev_path = blockdev_path,
};

/* --- life ------------------------------------------------------------------------------------------------------- */

static bool check_queues(VirtioBlk *s, Error **errp)
{
    if (s->num_queues == 0xffff) {
        s->num_queues = virtio_auto_queues(&s->vdev, 0);
    }
    if (!s->num_queues) {
        error_setg(errp, "num-queues property must be larger than 0");
        return false;
    }
    if (s->num_queues > VIRTIO_QUEUE_MAX) {
        error_setg(errp, "num-queues property must be at most %d", VIRTIO_QUEUE_MAX);
        return false;
    }
    if (s->queue_size <= 2) {
        error_setg(errp, "invalid queue-size property (%u), must be > 2", s->queue_size);
        return false;
    }
    if (!IS_POW2(s->queue_size) || s->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setg(errp, "invalid queue-size property (%u), must be a power of 2 (max %d)", s->queue_size,
                   VIRTQUEUE_MAX_SIZE);
        return false;
    }
    return true;
}

static bool check_limits(VirtioBlk *s, Error **errp)
{
    const struct { unsigned bit; uint32_t value; const char *name; } limits[] = {
        { F_DISCARD, s->max_discard_sectors, "max-discard-sectors" },
        { F_WRITE_ZEROES, s->max_write_zeroes_sectors, "max-write-zeroes-sectors" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        if ((s->host_bits & (1u << limits[i].bit)) && (!limits[i].value || limits[i].value > BDRV_MAX_REQUEST / 512)) {
            error_setg(errp, "invalid %s property (%u), must be between 1 and %d", limits[i].name, limits[i].value,
                       BDRV_MAX_REQUEST / 512);
            return false;
        }
    }
    return true;
}

static bool realize(VirtioDevice *vdev, Error **errp)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    BlockConf *conf = &s->conf;

    if (!conf->blk) {
        error_setg(errp, "drive property not set");
        return false;
    }
    if (!blk_is_inserted(conf->blk)) {
        error_setg(errp, "Device needs media, but drive is empty");
        return false;
    }
    if (vdev->transport.modern && (s->host_bits & (1u << F_SCSI))) {
        error_setg(errp, "Please set scsi=off for virtio-blk devices in order to use virtio 1.0");
        return false;
    }
    if (!check_queues(s, errp) || !blockconf_apply_sizes(conf, errp)
        || !blockconf_apply_backend(conf, !blk_supports_write_perm(conf->blk), true, errp)) {
        return false;
    }
    s->original_wce = blk_enable_write_cache(conf->blk);
    if (!blockconf_geometry(conf, 65535, 255, 255, errp) || !check_limits(s, errp)) {
        return false;
    }
    if (s->iothread && !virtio_can_use_iothread(vdev, errp)) {
        return false;
    }
    virtio_add_queues(vdev, s->num_queues);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_set_queue(vdev, i, s->queue_size, virtio_blk_handle_queue);
    }
    if (s->iothread) {
        iothread_use(s->iothread);
        vdev->ctx = s->iothread->ctx;
        blk_set_aio_context(conf->blk, vdev->ctx);
    }
    blk_iostatus_enable(conf->blk);
    s->listener = vm_listener_add(virtio_blk_vm_changed, s);
    return true;
}

static void unrealize(VirtioDevice *vdev)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    vm_listener_remove(s->listener);
    s->listener = NULL;
    blk_drain_held(s->conf.blk);
    if (s->iothread) {
        blk_set_aio_context(s->conf.blk, aio_main_context());
        vdev->ctx = NULL;
        iothread_unuse(s->iothread);
    }
    blockconf_detach(&s->conf, s);
}

static int default_vectors(VirtioDevice *vdev) { return VIRTIO_BLK(vdev)->num_queues + 1; }

/* --- the type ----------------------------------------------------------------------------------------------------- */

static bool set_iothread(Object *o, const Property *p, const QObject *value, Error **errp)
{
    return iothread_set_link(&VIRTIO_BLK(o)->iothread, p, value, errp);
}

static QObject *get_iothread(Object *o, const Property *p, Error **errp)
{
    IoThread *t = VIRTIO_BLK(o)->iothread;

    return object_path_value(t ? &t->obj : NULL);
}

static void init(Object *o)
{
    VIRTIO_BLK(o)->conf.ops = &block_ops;
    VIRTIO_BLK(o)->conf.bootindex = -1;
    pthread_mutex_init(&VIRTIO_BLK(o)->lock, NULL);
}

static void finalize(Object *o)
{
    blockconf_detach(&VIRTIO_BLK(o)->conf, o);
    pthread_mutex_destroy(&VIRTIO_BLK(o)->lock);
}

#define BLK_BIT(n, bit, on) P_BIT(n, VirtioBlk, host_bits, bit, on)

static const Property blk_props[] = {
    BLOCK_PROPS(VirtioBlk), BLOCK_ERROR_PROPS(VirtioBlk), BLOCK_CHS_PROPS(VirtioBlk), BLOCK_BOOT_PROP(VirtioBlk),
    P_STR("serial", VirtioBlk, serial), BLK_BIT("config-wce", F_CONFIG_WCE, true), BLK_BIT("scsi", F_SCSI, false),
    P_BIT("request-merging", VirtioBlk, merging, 0, true), P_NUM("num-queues", PROP_U16, VirtioBlk, num_queues, 0xffff),
    P_NUM("queue-size", PROP_U16, VirtioBlk, queue_size, 256),
    P_BOOL("seg-max-adjust", VirtioBlk, seg_max_adjust, true),
    BLK_BIT("discard", F_DISCARD, true),
    P_BOOL("report-discard-granularity", VirtioBlk, report_discard_granularity, true),
    BLK_BIT("write-zeroes", F_WRITE_ZEROES, true),
    P_NUM("max-discard-sectors", PROP_U32, VirtioBlk, max_discard_sectors, 4194303),
    P_NUM("max-write-zeroes-sectors", PROP_U32, VirtioBlk, max_write_zeroes_sectors, 4194303),
    P_BOOL("x-enable-wce-if-config-wce", VirtioBlk, wce_if_config_wce, true),
    { .name = "iothread", .type = "link<iothread>", .kind = PROP_CUSTOM, .get = get_iothread, .set = set_iothread },
    { NULL }
};

/* Without the switch the cache follows from the features. */
static void loaded(VirtioDevice *vdev, const uint8_t *config)
{
    static const uint8_t nothing[8];

    if (virtio_has(vdev, F_CONFIG_WCE) && memcmp(config, nothing, sizeof(nothing))) {
        set_config(vdev, config);
    }
}

static const VmDesc blk_vmstate = VIRTIO_VMSTATE("virtio-blk", 2);
static const VirtioClass blk_class = {
    .dev = VIRTIO_CLASS_DEV(.vmstate = &blk_vmstate), .waiting = virtio_blk_waiting,
    .wait_again = virtio_blk_wait_again, .loaded = loaded,
    .device_id = 2, .name = "virtio-blk", .config_size = VIRTIO_BLK_CONFIG_SIZE, .realize = realize,
    .unrealize = unrealize, .features = features, .get_config = get_config, .set_config = set_config,
    .status_changed = status_changed, .reset = reset, .queue_reset = queue_reset, .held = held,
    .default_vectors = default_vectors,
};
static const TypeInfo blk_type = {
    .name = "virtio-blk-device", .parent = "virtio-device", .size = sizeof(VirtioBlk), .props = blk_props, .init = init,
    .finalize = finalize, .class_data = &blk_class,
};
QOM_TYPE(blk_type)

static const Property blk_pci_props[] = { P_NUM("class", PROP_U32, VirtioPci, class_code, 0), { NULL } };
VIRTIO_PCI_TYPES(virtio_blk_pci, "virtio-blk", 0x0100, 0x1001, blk_pci_props)
