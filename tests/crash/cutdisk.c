/*
 * The recording disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "alloccount.h"
#include "cutdisk.h"
#include "places.h"
#include "shortio.h"
#include "util/cutils.h"

CutImage cut_disks[CUT_DISKS];
GArray *cut_log;
int64_t cut_fail_at, cut_requests, cut_trips;
bool cut_fail_lasting, cut_delay_lasting;
int64_t cut_delay_at;
int cut_fail_errno = EIO;
unsigned cut_discard_turns;
bool cut_length_counts;

typedef struct CutState { int disk; } CutState;

static const OptDesc cut_options[] = {
    { "disk", OPT_NUMBER, "which one", "0" },
    { NULL }
};

void cut_image_resize(CutImage *image, int64_t len)
{
    if (len > image->room) {
        image->room = MAX(len, image->room * 2);
        alloc_own++;
        image->data = g_realloc(image->data, image->room);
        alloc_own--;
    }
    if (len > image->len) {
        memset(image->data + image->len, 0, len - image->len);
    }
    image->len = len;
}

void cut_image_copy(CutImage *to, const CutImage *from)
{
    if (to->room < from->len) {
        to->room = from->room;
        alloc_own++;
        to->data = g_realloc(to->data, to->room);
        alloc_own--;
    }
    to->len = from->len;
    memcpy(to->data, from->data, from->len);
}

bool cut_image_load(CutImage *image, const char *path)
{
    g_autofree char *data = NULL;
    gsize len;

    bool ok;

    alloc_own++;
    ok = g_file_get_contents(path, &data, &len, NULL);
    alloc_own--;
    if (!ok) {
        return false;
    }
    image->len = 0;
    cut_image_resize(image, len);
    memcpy(image->data, data, len);
    return true;
}

bool cut_image_store(const CutImage *image, const char *path)
{
    return g_file_set_contents(path, (const char *)image->data, image->len, NULL);
}

/* What the entry makes of n bytes, `at` bytes into it. */
static void apply_piece(CutImage *image, const CutEntry *e, int64_t at, int64_t n)
{
    switch (e->kind) {
    case CUT_WRITE:
        memcpy(image->data + e->offset + at, e->data + at, n);
        break;
    case CUT_ZERO:
        memset(image->data + e->offset + at, 0, n);
        break;
    default:
        memset(image->data + e->offset + at, CUT_HOLE, n);
        break;
    }
}

void cut_apply(CutImage *image, const CutEntry *e, const uint8_t *sectors)
{
    int64_t bytes = e->bytes;

    switch (e->kind) {
    case CUT_FLUSH:
        return;
    case CUT_TRUNCATE:
        cut_image_resize(image, e->bytes);
        return;
    case CUT_DISCARD:
        bytes = CLAMP(image->len - e->offset, 0, bytes);
        break;
    default:
        cut_image_resize(image, MAX(image->len, e->offset + bytes));
        break;
    }
    for (int64_t at = 0, n; at < bytes; at += n) {
        n = sectors ? MIN((int64_t)BDRV_SECTOR_SIZE, bytes - at) : bytes;
        if (!sectors || sectors[at / BDRV_SECTOR_SIZE]) {
            apply_piece(image, e, at, n);
        }
    }
}

static void clear_entry(void *p)
{
    g_free(((CutEntry *)p)->data);
}

void cut_log_start(void)
{
    cut_log_end();
    cut_log = g_array_new(false, true, sizeof(CutEntry));
    g_array_set_clear_func(cut_log, clear_entry);
}

void cut_log_end(void)
{
    if (cut_log) {
        g_array_unref(cut_log);
        cut_log = NULL;
    }
}

/* --- the driver ----------------------------------------------------------------------- */

static int disk_of(BlockDriverState *bs) { return ((CutState *)bs->opaque)->disk; }

/* The k-th request's failure. */
static int trip(void)
{
    places_event(++cut_requests);
    if (!cut_fail_at || (cut_fail_at > 1 && --cut_fail_at)) {
        return 0;
    }
    cut_fail_at = cut_fail_lasting ? 1 : 0;
    cut_trips++;
    return -cut_fail_errno;
}

#define LONG_DELAY 60                          /* rounds of the loop: all that is in flight beside it ends first */
#define DISK_MAX (int64_t)(64 * MiB)            /* as a file system that is full */

/* What is left of a write that fails: each other sector of it. */
static void leave_half(BlockDriverState *bs, const CutEntry *e)
{
    int64_t n = DIV_UP(e->bytes, BDRV_SECTOR_SIZE);
    g_autofree uint8_t *sectors = NULL;

    if (e->kind == CUT_WRITE && e->offset + e->bytes <= DISK_MAX) {
        alloc_own++;
        sectors = g_malloc0(n);
        alloc_own--;
        for (int64_t i = 0; i < n; i += 2) {
            sectors[i] = 1;
        }
        cut_apply(&cut_disks[disk_of(bs)], e, sectors);
    }
}

static int do_entry(BlockDriverState *bs, CutEntry e)
{
    int ret = trip();

    if (ret < 0) {
        leave_half(bs, &e);
    } else if (e.kind != CUT_DISCARD && (e.offset > DISK_MAX || e.bytes > DISK_MAX - e.offset)) {
        ret = -EFBIG;
    }

    if (ret < 0) {
        g_free(e.data);
        return ret;
    }
    e.disk = disk_of(bs);
    cut_apply(&cut_disks[e.disk], &e, NULL);
    if (cut_log) {
        alloc_own++;
        g_array_append_val(cut_log, e);
        alloc_own--;
    } else {
        g_free(e.data);
    }
    return 0;
}

/* Rounds of the loop that this request takes. */
static unsigned rounds(void)
{
    if (!cut_delay_at || (cut_delay_at > 1 && --cut_delay_at)) {
        return 1;
    }
    cut_delay_at = cut_delay_lasting ? 2 : 0;
    return LONG_DELAY;
}

/* Let others run in between, as on a disk that takes time. */
static void coroutine_fn pause_here(void)
{
    for (unsigned n = rounds(); n > 0; n--) {
        aio_co_schedule(aio_current_context(), coroutine_self());
        coroutine_yield();
    }
}

static int coroutine_fn do_later(BlockDriverState *bs, CutEntry e)
{
    e.begin = cut_log ? cut_log->len : 0;
    pause_here();
    return do_entry(bs, e);
}

static int cut_driver_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    CutState *s = bs->opaque;

    s->disk = opt_get_number(options, "disk", 0);
    bs->supported_zero_flags = BDRV_REQ_MAY_UNMAP | BDRV_REQ_NO_FALLBACK;
    bs->supported_truncate_flags = BDRV_REQ_ZERO_WRITE;
    return 0;
}

static int coroutine_fn cut_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f)
{
    const CutImage *image = &cut_disks[disk_of(bs)];
    int64_t inside;
    int ret;

    if (cut_delay_at) {
        pause_here();
    }
    ret = trip();
    if (ret == 0) {
        inside = offset < image->len ? MIN(bytes, image->len - offset) : 0;
        iov_from_buf(qiov, qo, image->data + offset, inside);
        iov_fill(qiov, qo + inside, 0, bytes - inside);
    }
    return ret;
}

static int coroutine_fn cut_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov, size_t qo, BdrvRequestFlags f)
{
    uint8_t *data;

    alloc_own++;
    data = g_malloc(bytes);
    alloc_own--;
    iov_to_buf(qiov, qo, data, bytes);
    return do_later(bs, (CutEntry){ .kind = CUT_WRITE, .offset = offset, .bytes = bytes, .data = data });
}

static int coroutine_fn cut_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags f)
{
    return do_later(bs, (CutEntry){ .kind = CUT_ZERO, .offset = offset, .bytes = bytes });
}

static int coroutine_fn cut_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    CutEntry e = { .kind = CUT_DISCARD, .offset = offset, .bytes = bytes, .begin = cut_log ? cut_log->len : 0 };

    for (unsigned i = 0; i <= cut_discard_turns; i++) {
        pause_here();
    }
    return do_entry(bs, e);
}

static int coroutine_fn cut_co_flush(BlockDriverState *bs)
{
    return do_later(bs, (CutEntry){ .kind = CUT_FLUSH });
}

static int coroutine_fn cut_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                        BdrvRequestFlags flags, Error **errp)
{
    int ret = do_later(bs, (CutEntry){ .kind = CUT_TRUNCATE, .bytes = offset });

    if (ret < 0) {
        error_setg_errno(errp, -ret, "Failed to resize the disk");
    }
    return ret;
}

static int64_t cut_getlength(BlockDriverState *bs)
{
    int ret = cut_length_counts ? trip() : 0;

    return ret < 0 ? ret : cut_disks[disk_of(bs)].len;
}

static int cut_reopen(BdrvReopenState *rs, Error **errp) { return 0; }

static const char *const cut_image_options[] = { "disk", NULL };

static const BlockDriver cut_driver = {
    .name = "cutdisk",
    .protocol = "cutdisk",
    .image_may_name = true,
    .image_options = cut_image_options,
    .instance_size = sizeof(CutState),
    .has_variable_length = true,
    .bounds_are_soft = true,
    .extend_run = 64 * KiB,                    /* of direct ones */
    .open_options = cut_options,
    .open = cut_driver_open,
    .reopen_prepare = cut_reopen,
    .co_read = cut_co_read,
    .co_write = cut_co_write,
    .co_zero = cut_co_zero,
    .co_discard = cut_co_discard,
    .co_flush_to_disk = cut_co_flush,
    .co_truncate = cut_co_truncate,
    .getlength = cut_getlength,
    .get_allocated_size = cut_getlength,
};

void cut_register(void)
{
    bdrv_register(&cut_driver);
}

int64_t cut_met(void) { return cut_trips + alloc_trips + (io_fault == IO_FAIL ? io_trips : 0); }

/* --- disks in files ---------------------------------------------------------------------- */

static struct {
    const char *folder, *engine;
    bool taken;
} files;

void cut_use_files(const char *folder, const char *engine)
{
    files.folder = folder;
    files.engine = engine;
    files.taken = false;
}

bool cut_files_used(void) { return files.folder != NULL; }

static char *file_of(int disk) { return g_strdup_printf("%s/disk%d", files.folder, disk); }

void cut_file_take(int disk)
{
    g_autofree char *path = NULL;

    if (files.taken) {
        path = file_of(disk);
        cut_image_store(&cut_disks[disk], path);
    }
}

void cut_files_take(void)
{
    files.taken = files.folder != NULL;
    for (int i = 0; i < CUT_DISKS; i++) {
        cut_file_take(i);
    }
}

/* Linux AIO does without the page cache only. */
static bool direct(void) { return !strcmp(files.engine, "native"); }

static void put(QDict *options, const char *prefix, const char *key, const char *value)
{
    g_autofree char *name = g_strdup_printf("%s%s", prefix, key);

    qdict_put_str(options, name, value);
}

void cut_put_options(QDict *options, const char *prefix, int disk)
{
    g_autofree char *path = files.taken ? file_of(disk) : g_strdup_printf("%d", disk);

    put(options, prefix, "driver", files.taken ? "file" : "cutdisk");
    put(options, prefix, files.taken ? "filename" : "disk", path);
    if (files.taken) {
        put(options, prefix, "aio", files.engine);
        put(options, prefix, "locking", "off");         /* snapshots are looked at while the image is open */
        put(options, prefix, "cache.direct", direct() ? "on" : "off");
    }
}

char *cut_disk_json(int disk)
{
    g_autofree char *path = files.folder ? file_of(disk) : NULL;

    return path ? g_strdup_printf("{\"driver\":\"file\",\"filename\":\"%s\",\"aio\":\"%s\",\"cache\":{\"direct\":%s}}",
                                  path, files.engine, direct() ? "true" : "false")
                : g_strdup_printf("{\"driver\":\"cutdisk\",\"disk\":%d}", disk);
}
