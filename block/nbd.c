/*
 * nbd: a disk that an NBD server exports.
 *
 * The driver translates requests; the connection is in nbd-client.c, names in nbd-name.c.  A server that goes
 * away is looked for again as `reconnect-delay` says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "drivers.h"
#include "nbd-client.h"
#include "nbd-name.h"
#include "block/driver.h"
#include "util/cutils.h"

typedef struct NbdState {
    NbdLink link;
    IOAddress *addr;
    char *export_name, *context, *tls_hostname;
} NbdState;

static const OptDesc nbd_options[] = {
    { "host", OPT_STRING, "TCP host to connect to", NULL },
    { "port", OPT_STRING, "TCP port to connect to", NULL },
    { "path", OPT_STRING, "Unix socket path to connect to", NULL },
    { "export", OPT_STRING, "Name of the NBD export to open", NULL },
    { "tls-creds", OPT_STRING, "ID of the TLS credentials to use", NULL },
    { "tls-hostname", OPT_STRING, "Override hostname for validating TLS x509 certificate", NULL },
    { "x-dirty-bitmap", OPT_STRING, "experimental: expose named dirty bitmap in place of block status", NULL },
    { "reconnect-delay", OPT_NUMBER, "seconds to wait for a lost server before requests fail", NULL },
    { "open-timeout", OPT_NUMBER, "seconds to go on trying to connect at open", NULL },
    { NULL }
};
static const char *const nbd_fixed_options[] = { "host", "port", "path", "export", "tls-creds", "tls-hostname",
    "x-dirty-bitmap", "reconnect-delay", "open-timeout", NULL };
static const char *const nbd_strong_options[] = { "path", "host", "port", "export", "tls-creds", "tls-hostname", "server.",
    NULL };
/* It cannot create, but a disk that is there can be given the size by a truncation. */
static const OptDesc nbd_create_options[] = {
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "preallocation", OPT_STRING, "Preallocation mode (allowed values: off)", NULL },
    { NULL }
};

/* --- open and close -------------------------------------------------------- */

static void state_clear(NbdState *s)
{
    io_address_free(s->addr);
    tls_creds_unref(s->link.tls);
    g_free(s->export_name);
    g_free(s->context);
    g_free(s->tls_hostname);
}

static int take_options(NbdState *s, BlockDriverState *bs, const QDict *options, Error **errp)
{
    const char *tls = opt_get_str(options, "tls-creds");

    s->addr = nbd_address_from_options(bs->options, options, errp);
    if (!s->addr) {
        return -EINVAL;
    }
    s->export_name = g_strdup(opt_get_str(options, "export"));
    if (s->export_name && strlen(s->export_name) > NBD_MAX_STRING) {
        error_setg(errp, "export name too long to send to server");
        return -EINVAL;
    }
    s->context = g_strdup(opt_get_str(options, "x-dirty-bitmap"));
    if (s->context && strlen(s->context) > NBD_MAX_STRING) {
        error_setg(errp, "x-dirty-bitmap query too long to send to server");
        return -EINVAL;
    }
    s->tls_hostname = g_strdup(opt_get_str(options, "tls-hostname"));
    if (tls) {
        s->link.tls = tls_creds_lookup(tls, false, errp);
        if (!s->link.tls) {
            return -EINVAL;
        }
        if (!s->tls_hostname && s->addr->kind == IO_ADDR_INET) {
            s->tls_hostname = g_strdup(s->addr->host);
        }
    }
    s->link.reconnect_ns = MIN(opt_get_number(options, "reconnect-delay", 0), UINT32_MAX) * 1000000000ULL;
    s->link.open_ns = MIN(opt_get_number(options, "open-timeout", 0), UINT32_MAX) * 1000000000ULL;
    return 0;
}

static void nbd_close(BlockDriverState *bs)
{
    NbdState *s = bs->opaque;

    nbd_link_close(&s->link);
    state_clear(s);
}

/* What the server said about the export, said of the node. */
static int take_facts(BlockDriverState *bs)
{
    NbdState *s = bs->opaque;
    uint16_t flags = s->link.info->flags;

    if (s->context && !s->link.has_context) {
        return -EINVAL;                    /* the peer tells no more here either, nor below */
    }
    if ((flags & NBD_FLAG_READ_ONLY) && (bs->open_flags & BDRV_O_RDWR)) {
        int ret = bdrv_apply_auto_read_only(bs, NULL, NULL);

        if (ret < 0) {
            return ret;
        }
    }
    if (s->link.info->size > INT64_MAX) {
        return -EFBIG;
    }
    if (flags & NBD_FLAG_SEND_FUA) {
        bs->supported_write_flags = BDRV_REQ_FUA;
        bs->supported_zero_flags |= BDRV_REQ_FUA;
    }
    if (flags & NBD_FLAG_SEND_WRITE_ZEROES) {
        bs->supported_zero_flags |= BDRV_REQ_MAY_UNMAP;
        bs->supported_zero_flags |= flags & NBD_FLAG_SEND_FAST_ZERO ? BDRV_REQ_NO_FALLBACK : 0;
    }
    return 0;
}

static int nbd_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    NbdState *s = bs->opaque;
    int ret = take_options(s, bs, options, errp);

    if (ret < 0) {
        state_clear(s);
        return ret;
    }
    s->link.addr = s->addr;
    s->link.export_name = s->export_name;
    s->link.context = s->context;
    s->link.tls_hostname = s->tls_hostname;
    s->link.yank_name = g_strdup(bs->node_name);
    ret = nbd_link_open(&s->link, errp);
    if (ret == 0) {
        ret = take_facts(bs);
    }
    if (ret < 0) {
        nbd_close(bs);
    }
    return ret;
}

static int nbd_reopen_prepare(BdrvReopenState *rs, Error **errp)
{
    NbdState *s = rs->bs->opaque;

    if ((rs->flags & BDRV_O_RDWR) && (s->link.info->flags & NBD_FLAG_READ_ONLY)) {
        error_setg(errp, "Can't reopen read-only NBD mount as read/write");
        return -EACCES;
    }
    return 0;
}

static void nbd_refresh_limits(BlockDriverState *bs, Error **errp)
{
    NbdState *s = bs->opaque;
    const NbdClientExport *e = s->link.info;
    uint32_t min = e->min_block, max = e->max_block ? MIN(e->max_block, NBD_MAX_PAYLOAD) : NBD_MAX_PAYLOAD;

    /* A server that does not tell: sectors are safe, unless the end is inside one. */
    min = min ? min : (e->size % BDRV_SECTOR_SIZE) || (s->link.has_context && !s->context) ? 1 : BDRV_SECTOR_SIZE;
    bs->bl.request_alignment = min;
    bs->bl.max_pdiscard = ALIGN_DOWN(INT32_MAX, min);
    bs->bl.max_pwrite_zeroes = max;
    bs->bl.max_transfer = max;
    bs->bl.opt_transfer = MAX(bs->bl.opt_transfer, e->preferred_block);
}

static void nbd_refresh_filename(BlockDriverState *bs)
{
    NbdState *s = bs->opaque;
    char *name = nbd_plain_name(s->addr, s->export_name);

    if (name) {
        g_free(bs->exact_filename);
        bs->exact_filename = name;
    }
}

static int64_t nbd_getlength(BlockDriverState *bs)
{
    return ((NbdState *)bs->opaque)->link.info->size;
}

/* --- requests -------------------------------------------------------------- */

static int coroutine_fn nbd_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                    size_t qiov_offset, BdrvRequestFlags flags)
{
    NbdState *s = bs->opaque;
    int64_t size = s->link.info->size, inside = offset >= size ? 0 : MIN(bytes, size - offset);
    NbdRequest r = { .type = NBD_CMD_READ, .from = offset, .len = inside };

    /* The node's length may be rounded up to the alignment. */
    iov_fill(qiov, qiov_offset + inside, 0, bytes - inside);
    return inside ? nbd_link_request(&s->link, &r, qiov, qiov_offset, NULL) : 0;
}

static int coroutine_fn nbd_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                     size_t qiov_offset, BdrvRequestFlags flags)
{
    NbdState *s = bs->opaque;
    NbdRequest r = { .type = NBD_CMD_WRITE, .from = offset, .len = bytes,
                     .flags = flags & BDRV_REQ_FUA ? NBD_CMD_FLAG_FUA : 0 };

    return nbd_link_request(&s->link, &r, qiov, qiov_offset, NULL);
}

static int coroutine_fn nbd_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    NbdState *s = bs->opaque;
    NbdRequest r = { .type = NBD_CMD_WRITE_ZEROES, .from = offset, .len = bytes };

    if (!(s->link.info->flags & NBD_FLAG_SEND_WRITE_ZEROES)) {
        return -ENOTSUP;
    }
    r.flags = (flags & BDRV_REQ_FUA ? NBD_CMD_FLAG_FUA : 0) | (flags & BDRV_REQ_MAY_UNMAP ? 0 : NBD_CMD_FLAG_NO_HOLE) |
              (flags & BDRV_REQ_NO_FALLBACK ? NBD_CMD_FLAG_FAST_ZERO : 0);
    return nbd_link_request(&s->link, &r, NULL, 0, NULL);
}

static int coroutine_fn nbd_co_discard(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    NbdState *s = bs->opaque;
    NbdRequest r = { .type = NBD_CMD_TRIM, .from = offset, .len = bytes };

    return s->link.info->flags & NBD_FLAG_SEND_TRIM ? nbd_link_request(&s->link, &r, NULL, 0, NULL) : 0;
}

static int coroutine_fn nbd_co_flush(BlockDriverState *bs)
{
    NbdState *s = bs->opaque;
    NbdRequest r = { .type = NBD_CMD_FLUSH };

    return s->link.info->flags & NBD_FLAG_SEND_FLUSH ? nbd_link_request(&s->link, &r, NULL, 0, NULL) : 0;
}

static int coroutine_fn nbd_co_truncate(BlockDriverState *bs, int64_t offset, bool exact, PreallocMode prealloc,
                                        BdrvRequestFlags flags, Error **errp)
{
    int64_t size = nbd_getlength(bs);

    if (offset != size && exact) {
        error_setg(errp, "Cannot resize NBD nodes");
        return -ENOTSUP;
    }
    if (offset > size) {
        error_setg(errp, "Cannot grow NBD nodes");
        return -EINVAL;
    }
    return 0;
}

/*
 * Servers are to tell of whole blocks.  Where one ends within a block: what is whole before it, and the block with the
 * end is data, as nothing is known of its second part.
 */
static int64_t whole_blocks(NbdExtent *e, int64_t asked, uint32_t block)
{
    int64_t n = MIN((int64_t)e->length, asked);

    if (n == asked || n % block == 0) {
        return n;
    }
    if (n < block) {
        e->flags = 0;
        return MIN(asked, (int64_t)block);
    }
    return ALIGN_DOWN(n, block);
}

static int coroutine_fn nbd_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    NbdState *s = bs->opaque;
    int64_t size = s->link.info->size;
    NbdRequest r = { .type = NBD_CMD_BLOCK_STATUS, .from = offset, .flags = NBD_CMD_FLAG_REQ_ONE };
    NbdExtent e;
    int ret;

    *map = offset;
    *file = bs;
    *pnum = bytes;
    if (offset >= size) {
        return BDRV_BLOCK_ZERO;
    }
    if (!s->link.has_context) {
        return BDRV_BLOCK_DATA | BDRV_BLOCK_OFFSET_VALID;
    }
    r.len = MIN(MIN(bytes, size - offset), (int64_t)ALIGN_DOWN(INT32_MAX, bs->bl.request_alignment));
    ret = nbd_link_request(&s->link, &r, NULL, 0, &e);
    if (ret < 0) {
        return ret;
    }
    *pnum = whole_blocks(&e, r.len, bs->bl.request_alignment);
    return (e.flags & NBD_STATE_HOLE ? 0 : BDRV_BLOCK_DATA) | (e.flags & NBD_STATE_ZERO ? BDRV_BLOCK_ZERO : 0) |
           BDRV_BLOCK_OFFSET_VALID;
}

#define NBD_DRIVER(prefix)                             \
    {                                                  \
        .name = "nbd",                                 \
        .protocol = prefix,                            \
        .instance_size = sizeof(NbdState),             \
        .open_options = nbd_options,                   \
        .fixed_options = nbd_fixed_options,            \
        .strong_options = nbd_strong_options,          \
        .create_options = nbd_create_options,          \
        .parse_filename = nbd_parse_filename,          \
        .open = nbd_open,                              \
        .close = nbd_close,                            \
        .reopen_prepare = nbd_reopen_prepare,          \
        .refresh_limits = nbd_refresh_limits,          \
        .refresh_filename = nbd_refresh_filename,      \
        .getlength = nbd_getlength,                    \
        .co_read = nbd_co_read,                        \
        .co_write = nbd_co_write,                      \
        .co_zero = nbd_co_zero,                        \
        .co_discard = nbd_co_discard,                  \
        .co_flush_to_disk = nbd_co_flush,              \
        .co_truncate = nbd_co_truncate,                \
        .co_block_status = nbd_co_block_status,        \
    }

/* One for each prefix of names; by name the first is found, as with the peer. */
static const BlockDriver nbd_drivers[] = { NBD_DRIVER("nbd+unix"), NBD_DRIVER("nbd+tcp"), NBD_DRIVER("nbd") };

void bdrv_nbd_register(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(nbd_drivers); i++) {
        bdrv_register(&nbd_drivers[i]);
    }
}
