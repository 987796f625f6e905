/*
 * Negotiation, the server's side: greeting, options one after another, then transmission.
 *
 * Each option is read whole before it is looked at (its length is bounded), handled by one
 * function, and answered.  Only what breaks the framing ends the connection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "server-private.h"

#define MAX_OPTION_BYTES (64 * 1024)         /* of option data that is kept; more is read and refused */

/* --- small pieces ------------------------------------------------------------------ */

int coroutine_fn nbd_reply(NbdNegotiation *n, uint32_t option, NbdOptReply type, const void *data, size_t len,
                           Error **errp)
{
    uint8_t header[NBD_OPT_REPLY_BYTES];
    struct iovec iov[2] = { { header, sizeof(header) }, { (void *)data, len } };

    nbd_put64(header, NBD_OPT_REPLY_MAGIC);
    nbd_put32(header + 8, option);
    nbd_put32(header + 12, type);
    nbd_put32(header + 16, len);
    return io_channel_writev_all(n->session->channel, iov, len ? 2 : 1, errp);
}

int coroutine_fn nbd_reply_error(NbdNegotiation *n, uint32_t option, NbdOptReply type, Error **errp, const char *fmt,
                                 ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return nbd_reply(n, option, type, text, MIN(strlen(text), (size_t)NBD_MAX_STRING), errp);
}

char *nbd_take_string(const uint8_t **p, const uint8_t *end)
{
    uint32_t len;
    char *s;

    if (end - *p < 4) {
        return NULL;
    }
    len = nbd_get32(*p);
    if (len > NBD_MAX_STRING || len > (size_t)(end - *p - 4)) {
        return NULL;
    }
    s = g_strndup((const char *)*p + 4, len);
    *p += 4 + len;
    return s;
}

static int coroutine_fn skip_bytes(IOChannel *c, uint64_t bytes, Error **errp)
{
    uint8_t buf[4096];
    int ret = 0;

    while (bytes && ret == 0) {
        size_t n = MIN(bytes, (uint64_t)sizeof(buf));

        ret = io_channel_read_all(c, buf, n, errp);
        bytes -= n;
    }
    return ret;
}

/* --- options ------------------------------------------------------------------------- */

typedef struct ListReply { NbdNegotiation *n; GPtrArray *names, *descriptions; } ListReply;

static void list_one(void *arg, const char *name, const char *description)
{
    ListReply *l = arg;

    g_ptr_array_add(l->names, g_strdup(name));
    g_ptr_array_add(l->descriptions, g_strdup(description));
}

/* The names are copied first: exports may come and go while replies are sent. */
static int coroutine_fn option_list(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    ListReply l = { n, g_ptr_array_new_with_free_func(g_free), g_ptr_array_new_with_free_func(g_free) };
    int ret = 0;

    n->host->list(n->host->opaque, list_one, &l);
    for (guint i = 0; i < l.names->len && ret == 0; i++) {
        const char *name = l.names->pdata[i], *description = l.descriptions->pdata[i];
        size_t name_len = strlen(name), len = 4 + name_len + (description ? strlen(description) : 0);
        g_autofree uint8_t *data = g_malloc(len);

        nbd_put32(data, name_len);
        memcpy(data + 4, name, name_len);
        memcpy(data + 4 + name_len, description ? description : "", len - 4 - name_len);
        ret = nbd_reply(n, o->option, NBD_REP_SERVER, data, len, errp);
    }
    g_ptr_array_unref(l.names);
    g_ptr_array_unref(l.descriptions);
    return ret < 0 ? ret : nbd_reply(n, o->option, NBD_REP_ACK, NULL, 0, errp);
}

static uint16_t flags_for(const NbdNegotiation *n, const NbdExportFacts *f)
{
    return f->flags | (n->session->structured ? NBD_FLAG_SEND_DF : 0);
}

/* The client's choice stands: what it selected for another export is void. */
static void choose(NbdNegotiation *n, const NbdExportFacts *f)
{
    if (g_strcmp0(n->session->context_export, f->name)) {
        g_array_set_size(n->session->contexts, 0);
    }
    n->session->export = f->export;
}

/* EXPORT_NAME: the old way in, without an error reply. */
static int coroutine_fn option_export_name(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    g_autofree char *name = NULL;
    uint8_t reply[10 + 124] = { 0 };
    NbdExportFacts f;

    if (o->len > NBD_MAX_STRING) {
        error_setg(errp, "Bad length received");
        return -EINVAL;
    }
    name = g_strndup((const char *)o->data, o->len);
    if (!n->host->find(n->host->opaque, name, &f)) {
        error_setg(errp, "export not found");
        return -EINVAL;
    }
    choose(n, &f);
    nbd_put64(reply, f.size);
    nbd_put16(reply + 8, flags_for(n, &f));
    return io_channel_write_all(n->session->channel, reply, n->no_zeroes ? 10 : sizeof(reply), errp);
}

static int coroutine_fn send_info(NbdNegotiation *n, uint32_t option, NbdInfo type, const void *data, size_t len,
                                  Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(2 + len);

    nbd_put16(buf, type);
    memcpy(buf + 2, data, len);
    return nbd_reply(n, option, NBD_REP_INFO, buf, 2 + len, errp);
}

static int coroutine_fn send_facts(NbdNegotiation *n, uint32_t option, const NbdExportFacts *f, bool want_name,
                                   bool want_sizes,
                                   Error **errp)
{
    uint8_t sizes[12], export[10];
    int ret = want_name ? send_info(n, option, NBD_INFO_NAME, f->name, strlen(f->name), errp) : 0;

    if (ret == 0 && f->description) {
        ret = send_info(n, option, NBD_INFO_DESCRIPTION, f->description, strlen(f->description), errp);
    }
    /* Who has not asked for sizes may not heed them: such a client is told that anything goes. */
    nbd_put32(sizes, option == NBD_OPT_INFO || want_sizes ? f->min_block : 1);
    nbd_put32(sizes + 4, f->preferred_block);
    nbd_put32(sizes + 8, f->max_block);
    if (ret == 0) {
        ret = send_info(n, option, NBD_INFO_BLOCK_SIZE, sizes, sizeof(sizes), errp);
    }
    nbd_put64(export, f->size);
    nbd_put16(export + 8, flags_for(n, f));
    return ret < 0 ? ret : send_info(n, option, NBD_INFO_EXPORT, export, sizeof(export), errp);
}

/* INFO and GO.  *chosen: the client goes on to transmission. */
static int coroutine_fn option_info(NbdNegotiation *n, const NbdOptionRequest *o, bool *chosen, Error **errp)
{
    const uint8_t *p = o->data, *end = o->data + o->len;
    g_autofree char *name = nbd_take_string(&p, end);
    bool want_name = false, want_sizes = false;
    NbdExportFacts f;
    int ret;

    if (!name || end - p < 2 || (end - p - 2) != 2 * nbd_get16(p)) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "Inconsistent lengths in option %s",
                               nbd_option_name(o->option));
    }
    for (p += 2; p < end; p += 2) {
        want_name |= nbd_get16(p) == NBD_INFO_NAME;
        want_sizes |= nbd_get16(p) == NBD_INFO_BLOCK_SIZE;
    }
    if (!n->host->find(n->host->opaque, name, &f)) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_UNKNOWN, errp, "export '%s' not present", name);
    }
    ret = send_facts(n, o->option, &f, want_name, want_sizes, errp);
    if (ret == 0) {
        ret = nbd_reply(n, o->option, NBD_REP_ACK, NULL, 0, errp);
    }
    if (ret == 0 && o->option == NBD_OPT_GO) {
        choose(n, &f);
        *chosen = true;
    } else {
        n->host->unref(n->host->opaque, f.export);
    }
    return ret;
}

static int coroutine_fn option_tls(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    IOChannel *c;
    int ret;

    if (!n->host->start_tls) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_POLICY, errp, "TLS not configured");
    }
    if (n->tls) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "TLS already enabled");
    }
    ret = nbd_reply(n, o->option, NBD_REP_ACK, NULL, 0, errp);
    if (ret < 0) {
        return ret;
    }
    c = n->host->start_tls(n->host->opaque, g_steal_pointer(&n->session->channel), errp);
    if (!c) {
        return -EIO;
    }
    n->session->channel = c;
    n->tls = true;
    /* What was agreed in the clear counts no more. */
    n->session->structured = false;
    g_array_set_size(n->session->contexts, 0);
    return 0;
}

static int coroutine_fn option_structured(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    if (n->session->structured) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "structured reply already negotiated");
    }
    n->session->structured = true;
    return nbd_reply(n, o->option, NBD_REP_ACK, NULL, 0, errp);
}

/* Options that carry no data, and do. */
static bool takes_no_data(uint32_t option)
{
    return option == NBD_OPT_LIST || option == NBD_OPT_STARTTLS || option == NBD_OPT_STRUCTURED_REPLY;
}

typedef enum Step { STEP_ERROR = -1, STEP_NEXT, STEP_CHOSEN, STEP_LEFT } Step;

static Step step_of(int ret) { return ret < 0 ? STEP_ERROR : STEP_NEXT; }

static Step coroutine_fn handle_option(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    bool chosen = false;
    int ret;

    if (n->host->start_tls && !n->tls && o->option != NBD_OPT_STARTTLS && o->option != NBD_OPT_ABORT) {
        if (o->option == NBD_OPT_EXPORT_NAME || !n->fixed) {
            error_setg(errp, "Option 0x%" PRIx32 " not permitted before TLS", o->option);
            return STEP_ERROR;
        }
        return step_of(nbd_reply_error(n, o->option, NBD_REP_ERR_TLS_REQD, errp,
                                       "Option 0x%" PRIx32 " not permitted before TLS", o->option));
    }
    if (!n->fixed && o->option != NBD_OPT_EXPORT_NAME) {
        error_setg(errp, "Unsupported option 0x%" PRIx32 " (%s)", o->option, nbd_option_name(o->option));
        return STEP_ERROR;
    }
    if (takes_no_data(o->option) && o->len) {
        return step_of(nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "option '%s' has unexpected length",
                                       nbd_option_name(o->option)));
    }
    switch (o->option) {
    case NBD_OPT_EXPORT_NAME:
        return option_export_name(n, o, errp) < 0 ? STEP_ERROR : STEP_CHOSEN;
    case NBD_OPT_ABORT:
        nbd_reply(n, o->option, NBD_REP_ACK, NULL, 0, NULL);    /* it may be gone already */
        return STEP_LEFT;
    case NBD_OPT_LIST:
        return step_of(option_list(n, o, errp));
    case NBD_OPT_STARTTLS:
        return step_of(option_tls(n, o, errp));
    case NBD_OPT_INFO:
    case NBD_OPT_GO:
        ret = option_info(n, o, &chosen, errp);
        return chosen ? STEP_CHOSEN : step_of(ret);
    case NBD_OPT_STRUCTURED_REPLY:
        return step_of(option_structured(n, o, errp));
    case NBD_OPT_LIST_META_CONTEXT:
    case NBD_OPT_SET_META_CONTEXT:
        return step_of(nbd_option_meta_context(n, o, errp));
    default:
        return step_of(nbd_reply_error(n, o->option, NBD_REP_ERR_UNSUP, errp, "Unsupported option %" PRIu32 " (%s)",
                                       o->option, nbd_option_name(o->option)));
    }
}

static Step coroutine_fn next_option(NbdNegotiation *n, Error **errp)
{
    IOChannel *c = n->session->channel;
    uint8_t header[NBD_OPT_HEADER_BYTES];
    g_autofree uint8_t *data = NULL;
    NbdOptionRequest o;
    int ret = io_channel_read_all(c, header, sizeof(header), errp);

    if (ret < 0) {
        error_prepend(errp, "Failed to read opts magic: ");
        return STEP_ERROR;
    }
    o.option = nbd_get32(header + 8);
    o.len = nbd_get32(header + 12);
    if (nbd_get64(header) != NBD_OPTS_MAGIC) {
        error_setg(errp, "Bad magic received");
        return STEP_ERROR;
    }
    if (o.len > NBD_MAX_PAYLOAD) {
        error_setg(errp, "len (%" PRIu32 ") is larger than max len (%u)", o.len, NBD_MAX_PAYLOAD);
        return STEP_ERROR;
    }
    if (o.len > MAX_OPTION_BYTES) {
        ret = skip_bytes(c, o.len, errp);
        return ret < 0 ? STEP_ERROR
               : step_of(nbd_reply_error(n, o.option, NBD_REP_ERR_TOO_BIG, errp, "option payload too big"));
    }
    data = g_try_malloc(MAX(o.len, 1u));
    if (!data) {
        error_setg(errp, "No memory for %" PRIu32 " bytes of an option", o.len);
        return STEP_ERROR;
    }
    if (io_channel_read_all(c, data, o.len, errp) < 0) {
        return STEP_ERROR;
    }
    o.data = data;
    return handle_option(n, &o, errp);
}

static int coroutine_fn greet(NbdNegotiation *n, Error **errp)
{
    uint8_t hello[18], flags[4];
    uint32_t client;
    int ret;

    nbd_put64(hello, NBD_INIT_MAGIC);
    nbd_put64(hello + 8, NBD_OPTS_MAGIC);
    nbd_put16(hello + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    ret = io_channel_write_all(n->session->channel, hello, sizeof(hello), errp);
    if (ret < 0) {
        return ret;
    }
    ret = io_channel_read_all(n->session->channel, flags, sizeof(flags), errp);
    if (ret < 0) {
        error_prepend(errp, "Failed to read flags: ");
        return ret;
    }
    client = nbd_get32(flags);
    n->fixed = client & NBD_FLAG_FIXED_NEWSTYLE;
    n->no_zeroes = client & NBD_FLAG_NO_ZEROES;
    if (client & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
        error_setg(errp, "Unknown client flags 0x%" PRIx32 " received", client);
        return -EINVAL;
    }
    return 0;
}

NbdNegotiated coroutine_fn nbd_server_negotiate(NbdSession *s, const NbdServerHost *host, Error **errp)
{
    NbdNegotiation n = { .session = s, .host = host };
    Step step = greet(&n, errp) < 0 ? STEP_ERROR : STEP_NEXT;

    while (step == STEP_NEXT) {
        step = next_option(&n, errp);
    }
    return step == STEP_ERROR ? NBD_NEGOTIATION_FAILED : step == STEP_LEFT ? NBD_CLIENT_LEFT : NBD_TRANSMISSION;
}

void nbd_session_init(NbdSession *s, IOChannel *c)
{
    *s = (NbdSession){ .channel = c, .contexts = g_array_new(false, false, sizeof(uint32_t)) };
}

void nbd_session_clear(NbdSession *s, const NbdServerHost *host)
{
    if (s->export) {
        host->unref(host->opaque, s->export);
    }
    io_channel_unref(s->channel);
    g_array_unref(s->contexts);
    g_free(s->context_export);
    *s = (NbdSession){ NULL };
}
