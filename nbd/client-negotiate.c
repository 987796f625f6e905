/*
 * Negotiation, the client's side: one option at a time, its replies read until the end mark.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "nbd/client.h"

#define REPLY_MAX_BYTES 65536          /* data of one reply to an option */
#define REPLIES_MAX (2 * NBD_CLIENT_MAX_EXPORTS)

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

static int read_named(IOChannel *c, void *buf, size_t len, const char *what, Error **errp)
{
    int ret = io_channel_read_all(c, buf, len, errp);

    if (ret < 0) {
        error_prepend(errp, "Failed to read %s: ", what);
    }
    return ret;
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
        error_prepend(errp, "Failed to send option request header: ");
    }
    return ret;
}

static bool is_error(const OptReply *r) { return r->type & 0x80000000u; }

static const char *ack_too_long(NbdOption option)
{
    return option == NBD_OPT_LIST ? "length too long for option end" :
        option == NBD_OPT_INFO
            || option == NBD_OPT_GO ? "server sent invalid NBD_REP_ACK" : "Unexpected length to ACK response";
}

/* Before memory is taken for it. */
static bool length_is_right(NbdOption option, const OptReply *r, Error **errp)
{
    bool simple = option == NBD_OPT_STRUCTURED_REPLY || option == NBD_OPT_STARTTLS;

    if (r->type == NBD_REP_ACK && r->len && simple) {
        error_setg(errp, "Option %u ('%s') response length is %u (it should be zero)", option, nbd_option_name(option),
                   r->len);
    } else if (r->type == NBD_REP_ACK && r->len) {
        error_setg(errp, "%s", ack_too_long(option));
    } else if (r->len > REPLY_MAX_BYTES && is_error(r)) {
        error_setg(errp, "server error %u (%s) message is too long", r->type, nbd_option_reply_name(r->type));
    } else if (r->len > REPLY_MAX_BYTES) {
        error_setg(errp, "incorrect option length %u", r->len);
    } else {
        return true;
    }
    return false;
}

/* Which part of a reply is missing. */
static void prepend_part(NbdOption option, const OptReply *r, Error **errp)
{
    if (is_error(r)) {
        error_prepend(errp, "Failed to read option error %u (%s) message: ", r->type, nbd_option_reply_name(r->type));
    } else {
        error_prepend(errp, "Failed to read %s: ", option == NBD_OPT_LIST ? "option name" :
                      option == NBD_OPT_INFO || option == NBD_OPT_GO ? "info payload" : "context id");
    }
}

static int read_reply(NbdClient *n, NbdOption option, OptReply *r, Error **errp)
{
    uint8_t header[NBD_OPT_REPLY_BYTES];
    int ret = read_named(n->channel, header, sizeof(header), "option reply", errp);

    if (ret < 0) {
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
    if (!length_is_right(option, r, errp)) {
        return -EINVAL;
    }
    r->data = g_try_malloc(r->len + 1);
    if (!r->data) {
        error_setg(errp, "No memory for %" PRIu32 " bytes of a reply", r->len);
        return -ENOMEM;
    }
    r->data[r->len] = 0;
    ret = io_channel_read_all(n->channel, r->data, r->len, errp);
    if (ret < 0) {
        prepend_part(option, r, errp);
        reply_clear(r);
    }
    return ret;
}

static const char *refusal_text(uint32_t type)
{
    switch (type) {
    case (uint32_t)NBD_REP_ERR_UNSUP: return "Server does not know";
    case (uint32_t)NBD_REP_ERR_POLICY: return "Denied by server for";
    case (uint32_t)NBD_REP_ERR_INVALID: return "Invalid parameters for";
    case (uint32_t)NBD_REP_ERR_PLATFORM: return "Server lacks support for";
    case (uint32_t)NBD_REP_ERR_TLS_REQD: return "TLS negotiation required before";
    case (uint32_t)NBD_REP_ERR_SHUTDOWN: return "Server shutting down before";
    case (uint32_t)NBD_REP_ERR_BLOCK_SIZE_REQD: return "Server requires INFO_BLOCK_SIZE for";
    default: return "Unknown error code when asking for";
    }
}

/* The server's refusal as an error: -ENOENT, -ENOTSUP or -EACCES, and nothing else here returns these. */
static int refusal(const OptReply *r, NbdOption option, Error **errp)
{
    bool unknown = r->type == (uint32_t)NBD_REP_ERR_UNKNOWN;

    if (unknown) {
        error_setg(errp, "Requested export not available");
    } else {
        error_setg(errp, "%s option %u (%s)", refusal_text(r->type), option, nbd_option_name(option));
    }
    if (r->type == (uint32_t)NBD_REP_ERR_TLS_REQD) {
        error_append_hint(errp, "Did you forget a valid tls-creds?\n");
    }
    if (r->len) {
        error_append_hint(errp, "server reported: %s\n", (const char *)r->data);
    }
    return unknown ? -ENOENT : r->type == (uint32_t)NBD_REP_ERR_UNSUP ? -ENOTSUP : -EACCES;
}

/* An option that is granted or not: 1, 0 with errp when it is refused, or -errno. */
static int simple_option(NbdClient *n, NbdOption option, Error **errp)
{
    OptReply r;
    int ret = send_option(n, option, NULL, 0, errp);

    if (ret == 0) {
        ret = read_reply(n, option, &r, errp);
    }
    if (ret < 0) {
        return ret;
    }
    if (r.type == (uint32_t)NBD_REP_ERR_UNSUP && option == NBD_OPT_STARTTLS) {
        error_setg(errp, "Server don't support STARTTLS option");
        ret = 0;
    } else if (is_error(&r)) {
        refusal(&r, option, errp);
        ret = 0;
    } else if (r.type != NBD_REP_ACK) {
        error_setg(errp, "Server answered option %u (%s) with unexpected reply %u (%s)", option,
                   nbd_option_name(option), r.type,
                   nbd_option_reply_name(r.type));
        ret = -EINVAL;
    } else {
        ret = 1;
    }
    reply_clear(&r);
    return ret;
}

/* A server of before options has one export and tells its facts at once. */
static int greet_old(NbdClient *n, Error **errp)
{
    uint8_t facts[12], zeroes[124];
    uint32_t flags;
    int ret = read_named(n->channel, facts, 8, "export length", errp);

    if (ret == 0) {
        ret = read_named(n->channel, facts + 8, 4, "export flags", errp);
    }
    if (ret < 0) {
        return ret;
    }
    flags = nbd_get32(facts + 8);
    if (flags >> 16) {
        error_setg(errp, "Unexpected export flags %0" PRIx32 "x", flags);
        return -EINVAL;
    }
    n->old = true;
    n->old_size = nbd_get64(facts);
    n->old_flags = flags;
    return read_named(n->channel, zeroes, sizeof(zeroes), "reserved block", errp);
}

int nbd_client_greet(NbdClient *n, IOChannel *c, bool structured, Error **errp)
{
    uint8_t hello[8], flags[4];
    uint16_t server;
    int ret = read_named(c, hello, sizeof(hello), "initial magic", errp);

    *n = (NbdClient){ .channel = c };
    if (ret == 0 && nbd_get64(hello) != NBD_INIT_MAGIC) {
        error_setg(errp, "Bad initial magic received: 0x%016" PRIx64, nbd_get64(hello));
        return -EINVAL;
    }
    if (ret == 0) {
        ret = read_named(c, hello, sizeof(hello), "server magic", errp);
    }
    if (ret == 0 && nbd_get64(hello) == NBD_OLD_MAGIC) {
        return greet_old(n, errp);
    }
    if (ret == 0 && nbd_get64(hello) != NBD_OPTS_MAGIC) {
        error_setg(errp, "Bad server magic received: 0x%016" PRIx64, nbd_get64(hello));
        return -EINVAL;
    }
    if (ret == 0) {
        ret = read_named(c, hello, 2, "server flags", errp);
    }
    if (ret < 0) {
        return ret;
    }
    server = nbd_get16(hello);
    n->fixed = server & NBD_FLAG_FIXED_NEWSTYLE;
    n->no_zeroes = server & NBD_FLAG_NO_ZEROES;
    nbd_put32(flags, server & (NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
    ret = io_channel_write_all(c, flags, sizeof(flags), errp);
    return ret < 0 || !structured ? ret : nbd_client_structured(n, errp);
}

int nbd_client_structured(NbdClient *n, Error **errp)
{
    Error *err = NULL;
    int ret = n->fixed ? simple_option(n, NBD_OPT_STRUCTURED_REPLY, &err) : 0;

    n->structured = ret > 0;
    if (ret < 0) {
        error_propagate(errp, err);
        return ret;
    }
    error_free(err);                   /* then it goes on without */
    return 0;
}

int nbd_client_starttls(NbdClient *n, Error **errp)
{
    int ret;

    if (!n->fixed) {
        error_setg(errp, "Server does not support STARTTLS");
        return -EINVAL;
    }
    ret = simple_option(n, NBD_OPT_STARTTLS, errp);
    return ret > 0 ? 0 : ret < 0 ? ret : -EINVAL;
}

static bool reply_is(const OptReply *r, NbdOptReply type, Error **errp)
{
    if (r->type != (uint32_t)type) {
        error_setg(errp, "%s reply type %u (%s), expected %u (%s)", type == NBD_REP_INFO ? "unexpected" : "Unexpected",
                   r->type,
                   nbd_option_reply_name(r->type), type, nbd_option_reply_name(type));
        return false;
    }
    return true;
}

static int add_listed(void *opaque, const OptReply *r, Error **errp)
{
    Chunks *list = opaque;
    uint32_t name_len = r->len >= 4 ? nbd_get32(r->data) : 0;
    g_autofree char *name = NULL;
    NbdClientExport *e;

    if (!reply_is(r, NBD_REP_SERVER, errp)) {
        return -EINVAL;
    }
    if (r->len < 4) {
        error_setg(errp, "incorrect option length %u", r->len);
        return -EINVAL;
    }
    if (name_len > NBD_MAX_STRING || name_len > r->len - 4) {
        error_setg(errp, "incorrect name length in server's list response");
        return -EINVAL;
    }
    if (r->len - 4 - name_len > NBD_MAX_STRING) {
        error_setg(errp, "incorrect description length in server's list response");
        return -EINVAL;
    }
    if (list->len >= NBD_CLIENT_MAX_EXPORTS) {
        error_setg(errp, "Server lists more than %u exports", NBD_CLIENT_MAX_EXPORTS);
        return -EINVAL;
    }
    name = g_strndup((char *)r->data + 4, name_len);
    e = nbd_client_export_new(name);
    e->description = r->len > 4 + name_len ? g_strdup((char *)r->data + 4 + name_len) : NULL;
    *(NbdClientExport **)chunks_add(list) = e;
    return 0;
}

/* One reply that is neither an error nor the last: 0 or -errno. */
typedef int TakeReply(void *opaque, const OptReply *r, Error **errp);

/* All replies to an option that was sent. */
static int read_replies(NbdClient *n, NbdOption option, TakeReply *take, void *opaque, Error **errp)
{
    for (unsigned count = 0; count < REPLIES_MAX; count++) {
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
    error_setg(errp, "Server does not end its replies to option %u (%s)", option, nbd_option_name(option));
    return -EINVAL;
}

int nbd_client_list_exports(NbdClient *n, Chunks *list, Error **errp)
{
    ERRP_GUARD();
    int ret;

    if (n->old) {
        *(NbdClientExport **)chunks_add(list) = nbd_client_export_new("");
        return 0;
    }
    if (!n->fixed) {
        error_setg(errp, "Server does not support export lists");
        return -EINVAL;
    }
    ret = send_option(n, NBD_OPT_LIST, NULL, 0, errp);
    if (ret == 0) {
        ret = read_replies(n, NBD_OPT_LIST, add_listed, list, errp);
    }
    if (ret == -ENOTSUP) {             /* a server may keep its exports to itself */
        error_free(*errp);
        *errp = NULL;
        ret = 0;
    }
    return ret;
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
    uint32_t min = nbd_get32(p), preferred = nbd_get32(p + 4), max = nbd_get32(p + 8);

    if (!min || (min & (min - 1))) {
        error_setg(errp, "server minimum block size %" PRIu32 " is not a power of two", min);
        return -EINVAL;
    }
    if (preferred < min || (preferred & (preferred - 1))) {
        error_setg(errp, "server preferred block size %" PRIu32 " is not valid", preferred);
        return -EINVAL;
    }
    if (max < min) {
        error_setg(errp, "server maximum block size %" PRIu32 " is not valid", max);
        return -EINVAL;
    }
    e->min_block = min;
    e->preferred_block = preferred;
    e->max_block = max;
    return 0;
}

static int take_info(void *opaque, const OptReply *r, Error **errp)
{
    InfoReplies *x = opaque;
    uint16_t type = r->len >= 2 ? nbd_get16(r->data) : UINT16_MAX;
    const uint8_t *p = r->data + 2;

    if (!reply_is(r, NBD_REP_INFO, errp)) {
        return -EINVAL;
    }
    if (r->len < 2) {
        error_setg(errp, "NBD_REP_INFO length %u is too short", r->len);
        return -EINVAL;
    }
    if ((type == NBD_INFO_EXPORT && r->len != 12) || (type == NBD_INFO_BLOCK_SIZE && r->len != 14)) {
        error_setg(errp, "remaining export info len %u is unexpected size", r->len - 2);
        return -EINVAL;
    }
    if (type == NBD_INFO_EXPORT) {
        x->e->size = nbd_get64(p);
        x->e->flags = nbd_get16(p + 8);
        x->have_facts = x->e->flags & NBD_FLAG_HAS_FLAGS;
    } else if (type == NBD_INFO_BLOCK_SIZE) {
        return take_block_sizes(x->e, p, errp);
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

static int old_facts(const NbdClient *n, NbdClientExport *e, Error **errp)
{
    if (*e->name) {
        error_setg(errp, "Server does not support non-empty export names");
        return -EINVAL;
    }
    e->size = n->old_size;
    e->flags = n->old_flags;
    return 0;
}

int nbd_client_info(NbdClient *n, NbdClientExport *e, Error **errp)
{
    return n->old ? old_facts(n, e, errp) : info_or_go(n, NBD_OPT_INFO, e, errp);
}

/* A server of before GO: choose by name, facts come bare. */
static int export_name(NbdClient *n, NbdClientExport *e, Error **errp)
{
    uint8_t reply[10 + 124];
    int ret = send_option(n, NBD_OPT_EXPORT_NAME, e->name, strlen(e->name), errp);

    if (ret == 0) {
        ret = read_named(n->channel, reply, 8, "export length", errp);
    }
    if (ret == 0) {
        ret = read_named(n->channel, reply + 8, 2, "export flags", errp);
    }
    if (ret == 0 && !n->no_zeroes) {
        ret = read_named(n->channel, reply + 10, sizeof(reply) - 10, "reserved block", errp);
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
    int ret = n->old ? old_facts(n, e, errp) : n->fixed ? info_or_go(n, NBD_OPT_GO, e, errp) : -ENOTSUP;

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

    if (!reply_is(r, NBD_REP_META_CONTEXT, errp)) {
        return -EINVAL;
    }
    if (r->len < 5) {
        error_setg(errp, "Failed to negotiate meta context, server answered with unexpected length %u", r->len);
        return -EINVAL;
    }
    if (e->contexts->len >= NBD_CLIENT_MAX_CONTEXTS) {
        error_setg(errp, "Server lists more than %u contexts", NBD_CLIENT_MAX_CONTEXTS);
        return -EINVAL;
    }
    id = nbd_get32(r->data);
    g_ptr_array_add(e->contexts, g_strdup((char *)r->data + 4));
    g_array_append_val(e->context_ids, id);
    return 0;
}

/* query NULL: none.  A server that refuses has no contexts. */
static int meta_context(NbdClient *n, NbdOption option, NbdClientExport *e, const char *query, Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GByteArray) payload = string_payload(e->name);
    uint8_t count[4] = { 0, 0, 0, query ? 1 : 0 };
    int ret;

    g_byte_array_append(payload, count, sizeof(count));
    if (query) {
        g_autoptr(GByteArray) q = string_payload(query);

        g_byte_array_append(payload, q->data, q->len);
    }
    ret = send_option(n, option, payload->data, payload->len, errp);
    if (ret == 0) {
        ret = read_replies(n, option, take_context, e, errp);
    }
    if (ret == -ENOENT || ret == -ENOTSUP || ret == -EACCES) {
        error_free(*errp);
        *errp = NULL;
        ret = 0;
    }
    return ret;
}

int nbd_client_list_contexts(NbdClient *n, NbdClientExport *e, Error **errp)
{
    return meta_context(n, NBD_OPT_LIST_META_CONTEXT, e, NULL, errp);
}

int nbd_client_select_context(NbdClient *n, NbdClientExport *e, const char *context, Error **errp)
{
    guint before = e->contexts->len;
    int ret = meta_context(n, NBD_OPT_SET_META_CONTEXT, e, context, errp);

    if (ret == 0 && e->contexts->len > before + 1) {
        error_setg(errp, "Server answered with more than one context");
        return -EINVAL;
    }
    if (ret == 0 && e->contexts->len == before + 1 && strcmp(e->contexts->pdata[before], context)) {
        error_setg(errp, "Failed to negotiate meta context '%s', server answered with different context '%s'", context,
                   (char *)e->contexts->pdata[before]);
        return -EINVAL;
    }
    return ret < 0 ? ret : e->contexts->len > before;
}

void nbd_client_bye(NbdClient *n)
{
    if (n->fixed && !n->old) {
        send_option(n, NBD_OPT_ABORT, NULL, 0, NULL);
    }
}
