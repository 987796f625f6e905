/*
 * Negotiation, the client's side: one option at a time, its replies read until the end mark.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd/client.h"

typedef struct OptReply {
    uint32_t type, len;
    uint8_t *data;                     /* owned; len bytes and a NUL behind them */
} OptReply;

static void reply_clear(OptReply *r)
{
    g_free(r->data);
    r->data = NULL;
}

NbdClientExport *nbd_client_export_new(const char *name)
{
    NbdClientExport *e = g_new0(NbdClientExport, 1);

    e->name = g_strdup(name);
    e->contexts = g_ptr_array_new_with_free_func(g_free);
    e->context_ids = g_array_new(false, false, sizeof(uint32_t));
    return e;
}

void nbd_client_export_free(NbdClientExport *e)
{
    if (e) {
        g_free(e->name);
        g_free(e->description);
        g_ptr_array_unref(e->contexts);
        g_array_unref(e->context_ids);
        g_free(e);
    }
}

static int send_option(NbdClient *n, NbdOption option, const void *data, uint32_t len, Error **errp)
{
    uint8_t header[NBD_OPT_HEADER_BYTES];
    struct iovec iov[2] = { { header, sizeof(header) }, { (void *)data, len } };
    int ret;

    nbd_put64(header, NBD_OPTS_MAGIC);
    nbd_put32(header + 8, option);
    nbd_put32(header + 12, len);
    ret = io_channel_writev_all(n->channel, iov, len ? 2 : 1, errp);
    if (ret < 0) {
        error_prepend(errp, "Failed to send option request: ");
    }
    return ret;
}

static int read_reply(NbdClient *n, NbdOption option, OptReply *r, Error **errp)
{
    uint8_t header[NBD_OPT_REPLY_BYTES];
    int ret = io_channel_read_all(n->channel, header, sizeof(header), errp);

    if (ret < 0) {
        error_prepend(errp, "failed to read option reply: ");
        return ret;
    }
    *r = (OptReply){ .type = nbd_get32(header + 12), .len = nbd_get32(header + 16) };
    if (nbd_get64(header) != NBD_OPT_REPLY_MAGIC) {
        error_setg(errp, "Unexpected option reply magic");
        return -EINVAL;
    }
    if (nbd_get32(header + 8) != option) {
        error_setg(errp, "Unexpected option type %u (%s), expected %u (%s)", nbd_get32(header + 8),
                   nbd_option_name(nbd_get32(header + 8)), option, nbd_option_name(option));
        return -EINVAL;
    }
    if (r->len > 2 * NBD_MAX_STRING + 64) {
        error_setg(errp, "option reply is too long");
        return -EINVAL;
    }
    r->data = g_malloc(r->len + 1);
    r->data[r->len] = 0;
    ret = io_channel_read_all(n->channel, r->data, r->len, errp);
    if (ret < 0) {
        reply_clear(r);
    }
    return ret;
}

static bool is_error(const OptReply *r) { return r->type & 0x80000000u; }

/* The server's refusal as an error. */
static int refusal(const OptReply *r, NbdOption option, Error **errp)
{
    int ret = r->type == (uint32_t)NBD_REP_ERR_UNKNOWN ? -ENOENT : r->type == (uint32_t)NBD_REP_ERR_UNSUP ? -ENOTSUP : -EINVAL;

    switch (r->type) {
    case (uint32_t)NBD_REP_ERR_UNKNOWN:
        error_setg(errp, "Requested export not available");
        break;
    case (uint32_t)NBD_REP_ERR_TLS_REQD:
        error_setg(errp, "Server requires TLS for option %u (%s)", option, nbd_option_name(option));
        error_append_hint(errp, "Did you forget a valid tls-creds?\n");
        break;
    default:
        error_setg(errp, "Server refused option %u (%s): %s", option, nbd_option_name(option), nbd_option_reply_name(r->type));
    }
    if (r->len) {
        error_append_hint(errp, "server reported: %s\n", (const char *)r->data);
    }
    return ret;
}

int nbd_client_greet(NbdClient *n, IOChannel *c, bool structured, Error **errp)
{
    uint8_t hello[18], flags[4];
    uint16_t server;
    int ret = io_channel_read_all(c, hello, sizeof(hello), errp);

    *n = (NbdClient){ .channel = c };
    if (ret < 0) {
        error_prepend(errp, "Failed to read initial magic: ");
        return ret;
    }
    if (nbd_get64(hello) != NBD_INIT_MAGIC || nbd_get64(hello + 8) != NBD_OPTS_MAGIC) {
        error_setg(errp, "Bad server magic received");
        return -EINVAL;
    }
    server = nbd_get16(hello + 16);
    n->fixed = server & NBD_FLAG_FIXED_NEWSTYLE;
    n->no_zeroes = server & NBD_FLAG_NO_ZEROES;
    nbd_put32(flags, server & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
    ret = io_channel_write_all(c, flags, sizeof(flags), errp);
    return ret < 0 || !structured ? ret : nbd_client_structured(n, errp);
}

int nbd_client_structured(NbdClient *n, Error **errp)
{
    OptReply r;
    int ret;

    if (!n->fixed) {
        return 0;
    }
    ret = send_option(n, NBD_OPT_STRUCTURED_REPLY, NULL, 0, errp);
    if (ret == 0) {
        ret = read_reply(n, NBD_OPT_STRUCTURED_REPLY, &r, errp);
    }
    if (ret == 0 && r.type == (uint32_t)NBD_REP_ERR_TLS_REQD) {
        ret = refusal(&r, NBD_OPT_STRUCTURED_REPLY, errp);
        reply_clear(&r);
    } else if (ret == 0) {
        n->structured = r.type == NBD_REP_ACK;
        reply_clear(&r);
    }
    return ret;
}

int nbd_client_starttls(NbdClient *n, Error **errp)
{
    OptReply r;
    int ret;

    if (!n->fixed) {
        error_setg(errp, "Server does not support STARTTLS");
        return -EINVAL;
    }
    ret = send_option(n, NBD_OPT_STARTTLS, NULL, 0, errp);
    if (ret == 0) {
        ret = read_reply(n, NBD_OPT_STARTTLS, &r, errp);
    }
    if (ret < 0) {
        return ret;
    }
    if (r.type != NBD_REP_ACK) {
        ret = is_error(&r) ? refusal(&r, NBD_OPT_STARTTLS, errp) : -EINVAL;
        if (!is_error(&r)) {
            error_setg(errp, "Unexpected reply type %u (%s)", r.type, nbd_option_reply_name(r.type));
        }
    } else if (r.len) {
        error_setg(errp, "Start TLS response was not zero");
        ret = -EINVAL;
    }
    reply_clear(&r);
    return ret;
}

static int add_listed(void *opaque, const OptReply *r, Error **errp)
{
    GPtrArray *list = opaque;
    uint32_t name_len = r->len >= 4 ? nbd_get32(r->data) : UINT32_MAX;
    g_autofree char *name = NULL;
    NbdClientExport *e;

    if (name_len > NBD_MAX_STRING || name_len > r->len - 4 || list->len >= NBD_CLIENT_MAX_EXPORTS) {
        error_setg(errp, "incorrect option name length");
        return -EINVAL;
    }
    name = g_strndup((char *)r->data + 4, name_len);
    e = nbd_client_export_new(name);
    e->description = r->len > 4 + name_len ? g_strdup((char *)r->data + 4 + name_len) : NULL;
    g_ptr_array_add(list, e);
    return 0;
}

/* One reply that is neither an error nor the last: 0 or -errno. */
typedef int TakeReply(void *opaque, const OptReply *r, Error **errp);

/* All replies to an option that was sent. */
static int read_replies(NbdClient *n, NbdOption option, TakeReply *take, void *opaque, Error **errp)
{
    for (;;) {
        OptReply r;
        bool done;
        int ret = read_reply(n, option, &r, errp);

        if (ret < 0) {
            return ret;
        }
        done = r.type == NBD_REP_ACK;
        if (is_error(&r)) {
            ret = refusal(&r, option, errp);
        } else if (!done) {
            ret = take(opaque, &r, errp);
        }
        reply_clear(&r);
        if (done || ret < 0) {
            return ret;
        }
    }
}

int nbd_client_list_exports(NbdClient *n, GPtrArray *list, Error **errp)
{
    int ret = send_option(n, NBD_OPT_LIST, NULL, 0, errp);

    return ret < 0 ? ret : read_replies(n, NBD_OPT_LIST, add_listed, list, errp);
}

/* name, then n strings that follow as they are. */
static GByteArray *string_payload(const char *name)
{
    GByteArray *b = g_byte_array_new();
    uint8_t len[4];

    nbd_put32(len, strlen(name));
    g_byte_array_append(b, len, 4);
    g_byte_array_append(b, (const uint8_t *)name, strlen(name));
    return b;
}

typedef struct InfoReplies { NbdClientExport *e; bool have_facts; } InfoReplies;

static int take_block_sizes(NbdClientExport *e, const uint8_t *p, Error **errp)
{
    e->min_block = nbd_get32(p);
    e->preferred_block = nbd_get32(p + 4);
    e->max_block = nbd_get32(p + 8);
    if (!e->min_block || (e->min_block & (e->min_block - 1)) || e->max_block < e->min_block) {
        error_setg(errp, "server minimum block size %" PRIu32 " is not a power of two", e->min_block);
        return -EINVAL;
    }
    return 0;
}

static int take_info(void *opaque, const OptReply *r, Error **errp)
{
    InfoReplies *x = opaque;
    uint16_t type = r->len >= 2 ? nbd_get16(r->data) : UINT16_MAX;
    const uint8_t *p = r->data + 2;

    if (type == NBD_INFO_EXPORT && r->len == 12) {
        x->e->size = nbd_get64(p);
        x->e->flags = nbd_get16(p + 8);
        x->have_facts = true;
    } else if (type == NBD_INFO_BLOCK_SIZE && r->len == 14) {
        return take_block_sizes(x->e, p, errp);
    } else if (type == NBD_INFO_DESCRIPTION) {
        g_free(x->e->description);
        x->e->description = g_strndup((const char *)p, r->len - 2);
    } else if (type == NBD_INFO_EXPORT || type == NBD_INFO_BLOCK_SIZE || r->len < 2) {
        error_setg(errp, "Received invalid info");
        return -EINVAL;
    }
    return 0;
}

static int info_or_go(NbdClient *n, NbdOption option, NbdClientExport *e, Error **errp)
{
    g_autoptr(GByteArray) payload = string_payload(e->name);
    uint8_t wishes[4] = { 0, 1, 0, NBD_INFO_BLOCK_SIZE };
    InfoReplies x = { e, false };
    int ret;

    g_byte_array_append(payload, wishes, sizeof(wishes));
    ret = send_option(n, option, payload->data, payload->len, errp);
    if (ret == 0) {
        ret = read_replies(n, option, take_info, &x, errp);
    }
    if (ret == 0 && !x.have_facts) {
        error_setg(errp, "broken server omitted NBD_INFO_EXPORT");
        ret = -EINVAL;
    }
    return ret;
}

int nbd_client_info(NbdClient *n, NbdClientExport *e, Error **errp)
{
    return info_or_go(n, NBD_OPT_INFO, e, errp);
}

/* A server of before GO: choose by name, facts come bare. */
static int export_name(NbdClient *n, NbdClientExport *e, Error **errp)
{
    uint8_t reply[10 + 124];
    int ret = send_option(n, NBD_OPT_EXPORT_NAME, e->name, strlen(e->name), errp);

    if (ret == 0) {
        ret = io_channel_read_all(n->channel, reply, n->no_zeroes ? 10 : sizeof(reply), errp);
    }
    if (ret == 0) {
        e->size = nbd_get64(reply);
        e->flags = nbd_get16(reply + 8);
    }
    return ret;
}

int nbd_client_go(NbdClient *n, NbdClientExport *e, Error **errp)
{
    ERRP_GUARD();
    int ret = n->fixed ? info_or_go(n, NBD_OPT_GO, e, errp) : -ENOTSUP;

    if (ret == -ENOTSUP) {
        if (*errp) {
            error_free(*errp);
            *errp = NULL;
        }
        ret = export_name(n, e, errp);
    }
    return ret;
}

static int take_context(void *opaque, const OptReply *r, Error **errp)
{
    NbdClientExport *e = opaque;
    uint32_t id;

    if (r->type != NBD_REP_META_CONTEXT || r->len < 5 || e->contexts->len >= NBD_CLIENT_MAX_CONTEXTS) {
        error_setg(errp, "Unexpected reply type %u (%s)", r->type, nbd_option_reply_name(r->type));
        return -EINVAL;
    }
    id = nbd_get32(r->data);
    g_ptr_array_add(e->contexts, g_strdup((char *)r->data + 4));
    g_array_append_val(e->context_ids, id);
    return 0;
}

/* query NULL: none. */
static int meta_context(NbdClient *n, NbdOption option, NbdClientExport *e, const char *query, Error **errp)
{
    g_autoptr(GByteArray) payload = string_payload(e->name);
    uint8_t count[4] = { 0, 0, 0, query ? 1 : 0 };
    int ret;

    g_byte_array_append(payload, count, sizeof(count));
    if (query) {
        g_autoptr(GByteArray) q = string_payload(query);

        g_byte_array_append(payload, q->data, q->len);
    }
    ret = send_option(n, option, payload->data, payload->len, errp);
    return ret < 0 ? ret : read_replies(n, option, take_context, e, errp);
}

int nbd_client_list_contexts(NbdClient *n, NbdClientExport *e, Error **errp)
{
    return meta_context(n, NBD_OPT_LIST_META_CONTEXT, e, NULL, errp);
}

int nbd_client_select_context(NbdClient *n, NbdClientExport *e, const char *context, Error **errp)
{
    guint before = e->contexts->len;
    int ret = meta_context(n, NBD_OPT_SET_META_CONTEXT, e, context, errp);

    if (ret == -ENOTSUP) {
        return 0;
    }
    if (ret == 0 && e->contexts->len > before + 1) {
        error_setg(errp, "Server replied with more than one context");
        return -EINVAL;
    }
    if (ret == 0 && e->contexts->len == before + 1 && strcmp(e->contexts->pdata[before], context)) {
        error_setg(errp, "Failed to negotiate query '%s', server answered with different context '%s'", context,
                   (char *)e->contexts->pdata[before]);
        return -EINVAL;
    }
    return ret < 0 ? ret : e->contexts->len > before;
}

void nbd_client_bye(NbdClient *n)
{
    if (n->fixed) {
        send_option(n, NBD_OPT_ABORT, NULL, 0, NULL);
    }
}
