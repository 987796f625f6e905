/*
 * luks: a LUKS version 1 volume.  Header and key material first, then the payload, enciphered
 * with vectors that count sectors from the payload's start.
 *
 * Requests are aligned to sectors by the gate.  Data passes through a buffer of our own on both
 * ways: the guest's memory never holds enciphered data, and what it changes during a write is
 * not seen half way.  The cipher is safe for several threads; the node has no other state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/graph.h"
#include "crypt-co.h"
#include "crypto/luks.h"
#include "drivers.h"
#include "util/cutils.h"

typedef struct LuksState {
    Luks *luks;
    LuksArea area;
    uint64_t payload;            /* where the guest's first byte lies */
} LuksState;

static const OptDesc luks_open_options[] = {
    { "key-secret", OPT_STRING, "ID of the secret that provides the keyslot passphrase", NULL },
    { NULL }
};

/* In the order in which the "Formatting" line shows them. */
static const OptDesc luks_create_options[] = {
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "key-secret", OPT_STRING, "ID of the secret that provides the keyslot passphrase", NULL },
    { "cipher-alg", OPT_STRING, "Name of encryption cipher algorithm", NULL },
    { "cipher-mode", OPT_STRING, "Name of encryption cipher mode", NULL },
    { "ivgen-alg", OPT_STRING, "Name of IV generator algorithm", NULL },
    { "ivgen-hash-alg", OPT_STRING, "Name of IV generator hash algorithm", NULL },
    { "hash-alg", OPT_STRING, "Name of encryption hash algorithm", NULL },
    { "iter-time", OPT_NUMBER, "Time to spend in PBKDF in milliseconds", NULL },
    { NULL }
};

static const OptDesc luks_amend_options[] = {
    { "state", OPT_STRING, "Select new state of affected keyslots (active/inactive)", NULL },
    { "keyslot", OPT_NUMBER, "Select a single keyslot to modify explicitly", NULL },
    { "old-secret", OPT_STRING, "Select all keyslots that match this password", NULL },
    { "new-secret", OPT_STRING, "New secret to set in the matching keyslots. Empty string to erase", NULL },
    { "iter-time", OPT_NUMBER, "Time to spend in PBKDF in milliseconds", NULL },
    { NULL }
};

static int luks_driver_probe(const uint8_t *buf, int buf_size, const char *filename)
{
    return luks_probe(buf, buf_size) ? 100 : 0;
}

/* --- the header area -------------------------------------------------------------- */

static int area_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    BdrvChild *file = opaque;

    return offset > BDRV_MAX_LENGTH ? -EINVAL : bdrv_read_buf(file, offset, len, buf, 0);
}

static int area_write(void *opaque, uint64_t offset, const void *buf, size_t len)
{
    BdrvChild *file = opaque;

    return offset > BDRV_MAX_LENGTH ? -EINVAL : bdrv_write_sync(file, offset, len, buf, 0);
}

static int luks_driver_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    LuksState *s = bs->opaque;
    int ret = bdrv_open_file_child(NULL, bs->options, bs, errp);

    if (ret < 0) {
        return ret;
    }
    s->area = (LuksArea){ .read = area_read, .write = area_write, .opaque = bs->file };
    s->luks = luks_open(&s->area, opt_get_str(options, "key-secret"), flags & BDRV_O_NO_IO, errp);
    if (!s->luks) {
        return -EIO;
    }
    s->payload = luks_payload_offset(s->luks);
    bs->encrypted = true;
    bs->supported_write_flags = BDRV_REQ_FUA & bs->file->bs->supported_write_flags;
    return 0;
}

static void luks_driver_close(BlockDriverState *bs)
{
    LuksState *s = bs->opaque;

    luks_free(s->luks);
}

/* The key stays what it is: nothing changes with the options. */
static int luks_reopen_prepare(BdrvReopenState *rs, Error **errp) { return 0; }

static void luks_refresh_limits(BlockDriverState *bs, Error **errp)
{
    bs->bl.request_alignment = CRYPT_SECTOR;
}

/* --- guest data --------------------------------------------------------------------- */

static int coroutine_fn luks_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    LuksState *s = bs->opaque;
    int64_t chunk = MIN(bytes, CRYPT_CO_CHUNK);
    void *buf = bdrv_blockalign(bs->file->bs, chunk);
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t done = 0; done < bytes && ret == 0; done += chunk) {
        int64_t n = MIN(chunk, bytes - done);

        ret = bdrv_read_buf(bs->file, s->payload + offset + done, n, buf, 0);
        if (ret == 0) {
            ret = crypt_co_run(s->luks->cipher, offset + done, buf, n, false);
        }
        if (ret == 0) {
            iov_from_buf(qiov, qiov_offset + done, buf, n);
        }
    }
    bdrv_memfree(buf);
    return ret;
}

static int coroutine_fn luks_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                      size_t qiov_offset, BdrvRequestFlags flags)
{
    LuksState *s = bs->opaque;
    int64_t chunk = MIN(bytes, CRYPT_CO_CHUNK);
    void *buf = bdrv_blockalign(bs->file->bs, chunk);
    int ret = buf ? 0 : -ENOMEM;

    for (int64_t done = 0; done < bytes && ret == 0; done += chunk) {
        int64_t n = MIN(chunk, bytes - done);

        iov_to_buf(qiov, qiov_offset + done, buf, n);
        ret = crypt_co_run(s->luks->cipher, offset + done, buf, n, true);
        if (ret == 0) {
            ret = bdrv_write_buf(bs->file, s->payload + offset + done, n, buf, flags);
        }
    }
    bdrv_memfree(buf);
    return ret;
}

static int64_t luks_getlength(BlockDriverState *bs)
{
    LuksState *s = bs->opaque;
    int64_t len = bdrv_getlength(bs->file->bs);

    return len < 0 ? len : (uint64_t)len < s->payload ? -EIO : len - (int64_t)s->payload;
}

static int coroutine_fn luks_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                         BdrvRequestFlags flags, Error **errp)
{
    LuksState *s = bs->opaque;

    if ((uint64_t)offset > BDRV_MAX_LENGTH - s->payload) {
        error_setg(errp, "The requested file size is too large");
        return -EFBIG;
    }
    return bdrv_truncate(bs->file, offset + s->payload, exact, prealloc, 0, errp);
}

/* --- creation -------------------------------------------------------------------------- */

static char *create_parent_desc(BdrvChild *c) { return g_strdup("image creation"); }
static const BdrvChildOps create_ops = { .get_parent_desc = create_parent_desc };

typedef struct CreateJob {
    const char *filename;
    const QDict *opts;
    BdrvChild *file;
    Error **errp;
    int ret;
} CreateJob;

static int prealloc_of(const QDict *opts, PreallocMode *mode, Error **errp)
{
    const char *name = opt_get_str(opts, "preallocation");

    *mode = PREALLOC_OFF;
    if (name && !prealloc_mode_parse(name, mode)) {
        error_setg(errp, "invalid parameter value: %s", name);
        return -EINVAL;
    }
    return 0;
}

/* The header's length is known: give the file its whole length. */
static int create_init(void *opaque, uint64_t header_bytes, Error **errp)
{
    CreateJob *j = opaque;
    uint64_t size = opt_get_size(j->opts, "size", 0);
    PreallocMode mode;
    int ret = prealloc_of(j->opts, &mode, errp);

    if (ret == 0 && size > (uint64_t)(BDRV_MAX_LENGTH - BDRV_SECTOR_SIZE) - header_bytes) {
        error_setg(errp, "The requested file size is too large");
        ret = -EFBIG;
    }
    return ret < 0 ? ret : bdrv_truncate(j->file, ALIGN_UP(size, BDRV_SECTOR_SIZE) + header_bytes, false, mode, 0, errp);
}

static int open_new_file(CreateJob *j)
{
    uint64_t perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE;
    BlockDriverState *bs = bdrv_open(j->filename, NULL, qdict_new(), BDRV_O_RDWR | BDRV_O_RESIZE | BDRV_O_PROTOCOL, j->errp);

    j->file = bs ? bdrv_root_attach(bs, "image-create", &create_ops, NULL, perm, BLK_PERM_ALL, j->errp) : NULL;
    return j->file ? 0 : -EIO;
}

static int create_volume(CreateJob *j)
{
    g_autoptr(QObject) file_opts = qdict_new();
    LuksArea area = { .read = area_read, .write = area_write };
    Luks *luks;
    int ret;

    qdict_join(file_opts, j->opts, false);
    qdict_del(file_opts, "preallocation");      /* means the volume, not the empty file */
    qdict_put_int(file_opts, "size", 0);
    ret = bdrv_create_file(j->filename, file_opts, j->errp);
    if (ret < 0) {
        return ret;                             /* may be somebody else's, in use: not ours to remove */
    }
    ret = open_new_file(j);
    if (ret == 0) {
        area.opaque = j->file;
        luks = luks_create(j->opts, "", &area, create_init, j, j->errp);
        bdrv_root_detach(j->file);
        luks_free(luks);
        ret = luks ? 0 : -EIO;
    }
    if (ret < 0) {
        bdrv_remove_created_file(j->filename);
    }
    return ret;
}

/* Into a node that is there already. */
static int luks_create_on(BlockDriverState *file, BlockDriverState *data_file, QDict *opts, Error **errp)
{
    CreateJob j = { .filename = file->filename, .opts = opts, .errp = errp };
    LuksArea area = { .read = area_read, .write = area_write };
    Luks *luks;

    bdrv_ref(file);
    j.file = bdrv_root_attach(file, "image-create", &create_ops, NULL, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL,
                              errp);
    if (!j.file) {
        return -EPERM;
    }
    area.opaque = j.file;
    luks = luks_create(opts, "", &area, create_init, &j, errp);
    bdrv_root_detach(j.file);
    luks_free(luks);
    return luks ? 0 : -EIO;
}

static void create_outside(void *opaque)
{
    CreateJob *j = opaque;

    j->ret = create_volume(j);
}

static int coroutine_fn luks_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp)
{
    CreateJob job = { .filename = filename, .opts = opts, .errp = errp };

    aio_run_outside(create_outside, &job);
    return job.ret;
}

/* --- facts and key slots ------------------------------------------------------------------ */

static int luks_get_info(BlockDriverState *bs, BlockDriverInfo *bdi) { return 0; }

static QObject *luks_get_specific_info(BlockDriverState *bs, Error **errp)
{
    const LuksState *s = bs->opaque;
    QDict *d = qdict_new();

    qdict_put_str(d, "type", "luks");
    qdict_put(d, "data", luks_info(s->luks, NULL));
    return d;
}

static int luks_driver_amend(BlockDriverState *bs, QDict *opts, void (*progress)(void *, int64_t, int64_t), void *opaque,
                             bool force, Error **errp)
{
    LuksState *s = bs->opaque;

    return luks_amend(s->luks, &s->area, opts, "", force, errp) ? 0 : -EINVAL;
}

static QDict *luks_measure(QDict *opts, BlockDriverState *in_bs, Error **errp)
{
    uint64_t header, size;
    QDict *d;

    header = luks_measure_header(opts, "", errp);
    if (!header) {
        return NULL;
    }
    if (in_bs) {
        int64_t len = bdrv_getlength(in_bs);

        if (len < 0) {
            error_setg_errno(errp, -len, "Unable to get image virtual_size");
            return NULL;
        }
        size = len;
    } else {
        size = ALIGN_UP(opt_get_size(opts, "size", 0), BDRV_SECTOR_SIZE);
    }
    d = qdict_new();
    qdict_put_uint(d, "required", header + size);
    qdict_put_uint(d, "fully-allocated", header + size);
    return d;
}

static const char *const luks_strong_options[] = { "key-secret", NULL };

static const BlockDriver luks_driver = {
    .name = "luks",
    .instance_size = sizeof(LuksState),
    .is_format = true,
    .has_variable_length = true,
    .open_options = luks_open_options,
    .create_options = luks_create_options,
    .amend_options = luks_amend_options,
    .image_may_name = true,                   /* without image_options: the secret is the user's */
    .strong_options = luks_strong_options,
    .probe = luks_driver_probe,
    .open = luks_driver_open,
    .close = luks_driver_close,
    .reopen_prepare = luks_reopen_prepare,
    .refresh_limits = luks_refresh_limits,
    .co_create = luks_co_create,
    .create_on = luks_create_on,
    .co_read = luks_co_read,
    .co_write = luks_co_write,
    .co_truncate = luks_co_truncate,
    .getlength = luks_getlength,
    .get_info = luks_get_info,
    .get_specific_info = luks_get_specific_info,
    .amend = luks_driver_amend,
    .measure = luks_measure,
};

void bdrv_luks_register(void)
{
    bdrv_register(&luks_driver);
}
