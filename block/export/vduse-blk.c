/*
 * The export type vduse-blk: making and removing the kernel's device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "export-drivers.h"
#include "util/cutils.h"
#include "vduse.h"

#define DEFAULT_QUEUE_SIZE 256
#define DEVICE_ID_BLOCK 2
#define F_ACCESS_PLATFORM 33
#define F_VERSION_1 32

/* What went wrong in the kernel's interface is told apart from the export's error, as the peer does. */
G_GNUC_PRINTF(1, 2)
static void complain(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static uint64_t offered_features(const VduseExport *e)
{
    uint64_t without = 1ULL << VIRTIO_BLK_F_SIZE_MAX | 1ULL << VIRTIO_BLK_F_CONFIG_WCE | 1ULL << VIRTIO_BLK_F_MQ;
    uint64_t f = virtio_blk_serve_features(&e->server) & ~without;

    return f | (e->server.num_queues > 1 ? 1ULL << VIRTIO_BLK_F_MQ : 0) | 1ULL << F_ACCESS_PLATFORM | 1ULL << F_VERSION_1
        | 1ULL << VRING_F_NOTIFY_ON_EMPTY | 1ULL << VRING_F_EVENT_IDX | 1ULL << VRING_F_INDIRECT;
}

static bool open_control(VduseExport *e)
{
    uint64_t version = VDUSE_API_VERSION;

    e->control = open("/dev/vduse/control", O_RDWR | O_CLOEXEC);
    if (e->control < 0) {
        complain("Failed to open /dev/vduse/control: %s", strerror(errno));
        return false;
    }
    if (ioctl(e->control, VDUSE_SET_API_VERSION, &version) < 0) {
        complain("Failed to set api version: %s", strerror(errno));
        return false;
    }
    return true;
}

/* A device of that name may be left from a daemon that ended badly: it is taken over. */
static bool create_device(VduseExport *e, uint16_t queue_size)
{
    g_autofree struct vduse_dev_config *config = g_malloc0(sizeof(*config) + VIRTIO_BLK_SERVE_CONFIG);
    g_autofree char *path = g_strdup_printf("/dev/vduse/%s", e->name);
    uint32_t segments = MAX(queue_size, 3) - 2;

    pstrcpy(config->name, sizeof(config->name), e->name);
    config->device_id = DEVICE_ID_BLOCK;
    config->features = offered_features(e);
    config->vq_num = e->server.num_queues;
    config->vq_align = sysconf(_SC_PAGESIZE);
    config->config_size = VIRTIO_BLK_SERVE_CONFIG;
    virtio_blk_serve_config(&e->server, config->config);
    memcpy(config->config + 12, &segments, sizeof(segments));
    if (ioctl(e->control, VDUSE_CREATE_DEV, config) < 0 && errno != EEXIST) {
        complain("Failed to create vduse device %s: %s", e->name, strerror(errno));
        return false;
    }
    e->dev = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (e->dev < 0) {
        complain("Failed to open vduse dev %s: %s", e->name, strerror(errno));
        ioctl(e->control, VDUSE_DESTROY_DEV, config->name);
        return false;
    }
    for (uint32_t i = 0; i < e->server.num_queues; i++) {
        struct vduse_vq_config vq = { .index = i, .max_size = queue_size };

        if (ioctl(e->dev, VDUSE_VQ_SETUP, &vq) < 0) {
            complain("Failed to init vduse device %s: %s", e->name, strerror(errno));
            return false;
        }
    }
    return true;
}

static void close_all(VduseExport *e)
{
    char name[VDUSE_NAME_MAX] = "";

    if (e->dev >= 0) {
        close(e->dev);
        pstrcpy(name, sizeof(name), e->name);
        ioctl(e->control, VDUSE_DESTROY_DEV, name);    /* fails while somebody uses it; the next daemon takes it over */
    }
    if (e->control >= 0) {
        close(e->control);
    }
    g_free(e->name);
    g_free(e->serial);
}

static bool check_options(const BlockExport *common, const BlockExportOptionsVduseBlk *o, Error **errp)
{
    if (o->has_num_queues && !o->num_queues) {
        error_setg(errp, "num-queues must be greater than 0");
        return false;
    }
    if (o->has_queue_size && (o->queue_size <= 2 || !IS_POW2(o->queue_size) || o->queue_size > VRING_MAX_SIZE)) {
        error_setg(errp, "queue-size is invalid");
        return false;
    }
    return !o->has_logical_block_size || virtio_blk_serve_check_logical(common->id, o->logical_block_size, errp);
}

static void on_resize(void *opaque)
{
    VduseExport *e = opaque;
    uint8_t buf[sizeof(struct vduse_config_data) + 8] = { 0 };
    struct vduse_config_data *data = (struct vduse_config_data *)buf;
    uint64_t sectors = MAX(blk_getlength(e->common.blk), 0) / 512;

    data->length = sizeof(sectors);
    memcpy(data->buffer, &sectors, sizeof(sectors));
    if (ioctl(e->dev, VDUSE_DEV_SET_CONFIG, data) == 0) {
        ioctl(e->dev, VDUSE_DEV_INJECT_CONFIG_IRQ, 0);
    }
}

static const BlockDevOps dev_ops = { .resized = on_resize };

static bool name_ok(const char *name)
{
    return strlen(name) < VDUSE_NAME_MAX && strcmp(name, "..") && strcmp(name, ".");
}

static int vduse_create(BlockExport *common, const BlockExportOptions *opts, Error **errp)
{
    VduseExport *e = (VduseExport *)common;
    const BlockExportOptionsVduseBlk *o = &opts->u.vduse_blk;
    AioPause *pause;

    if (!check_options(common, o, errp)) {
        return -EINVAL;
    }
    e->control = e->dev = -1;
    e->name = g_strdup(o->name);
    e->serial = g_strdup(o->serial ? o->serial : "");
    e->server = (VirtioBlkServer) {
        .blk = common->blk, .serial = e->serial, .writable = common->writable, .num_queues = o->has_num_queues ? o->num_queues : 1,
        .logical = o->has_logical_block_size ? o->logical_block_size : 512,
    };
    if (!name_ok(e->name)) {
        complain("Invalid parameter for vduse");
    }
    if (!name_ok(e->name) || !open_control(e) || !create_device(e, o->has_queue_size ? o->queue_size : DEFAULT_QUEUE_SIZE)) {
        close_all(e);
        error_setg(errp, "failed to create vduse device");
        return -EINVAL;
    }
    vduse_dev_init(e);
    blk_attach_dev(common->blk, &dev_ops, e);
    pause = aio_context_pause(common->ctx);
    vduse_dev_watch(e, true);
    aio_context_resume(pause);
    return 0;
}

static void vduse_request_shutdown(BlockExport *common)
{
    VduseExport *e = (VduseExport *)common;
    AioPause *pause = aio_context_pause(common->ctx);

    if (!e->ending) {
        e->ending = true;
        vduse_dev_watch(e, false);
        vduse_dev_stop(e);
        e->waits = e->busy || e->server.in_flight;
        if (e->waits) {
            blk_exp_ref(common);
        }
    }
    aio_context_resume(pause);
}

static void vduse_delete(BlockExport *common)
{
    VduseExport *e = (VduseExport *)common;

    blk_detach_dev(common->blk, e);
    vduse_dev_clear(e);
    close_all(e);
}

const BlockExportDriver vduse_blk_export_driver = {
    .type = BLOCK_EXPORT_TYPE_VDUSE_BLK, .instance_size = sizeof(VduseExport), .create = vduse_create,
    .request_shutdown = vduse_request_shutdown, .delete = vduse_delete,
};
