/*
 * The server's answers about metadata contexts: which an export has, which a client selects.
 *
 * A query is "NAMESPACE:LEAF".  Listing takes "NAMESPACE:" (and "qemu:dirty-bitmap:") for all below;
 * selecting takes full names only.  What nobody knows is passed over without an error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "server-private.h"

/* Does the query name this context? */
static bool query_matches(const char *query, const char *name, bool list)
{
    size_t len = strlen(query);

    if (!strcmp(query, name)) {
        return true;
    }
    return list && len && query[len - 1] == ':' && !strncmp(query, name, len);
}

/* Marks contexts in `wanted`; false when the payload is malformed. */
static bool parse_queries(const uint8_t *p, const uint8_t *end, const NbdExportFacts *facts, bool list, bool *wanted)
{
    uint32_t n;

    if (end - p < 4) {
        return false;
    }
    n = nbd_get32(p);
    p += 4;
    if (n == 0 && list) {
        memset(wanted, true, facts->n_contexts);
    }
    for (uint32_t i = 0; i < n; i++) {
        g_autofree char *query = nbd_take_string(&p, end);

        if (!query) {
            return false;
        }
        for (unsigned c = 0; c < facts->n_contexts; c++) {
            wanted[c] |= query_matches(query, facts->contexts[c].name, list);
        }
    }
    return p == end;
}

static int coroutine_fn answer(NbdNegotiation *n, uint32_t option, const NbdExportFacts *facts, const bool *wanted,
                               Error **errp)
{
    bool list = option == NBD_OPT_LIST_META_CONTEXT;
    int ret = 0;

    g_array_set_size(n->session->contexts, 0);
    for (unsigned c = 0; c < facts->n_contexts && ret == 0; c++) {
        const NbdContext *context = &facts->contexts[c];
        size_t len = strlen(context->name);
        g_autofree uint8_t *data = NULL;

        if (!wanted[c]) {
            continue;
        }
        data = g_malloc(4 + len);
        nbd_put32(data, list ? 0 : context->id);
        memcpy(data + 4, context->name, len);
        if (!list) {
            g_array_append_val(n->session->contexts, context->id);
        }
        ret = nbd_reply(n, option, NBD_REP_META_CONTEXT, data, 4 + len, errp);
    }
    return ret < 0 ? ret : nbd_reply(n, option, NBD_REP_ACK, NULL, 0, errp);
}

int coroutine_fn nbd_option_meta_context(NbdNegotiation *n, const NbdOptionRequest *o, Error **errp)
{
    const uint8_t *p = o->data, *end = o->data + o->len;
    g_autofree char *name = NULL;
    g_autofree bool *wanted = NULL;
    NbdExportFacts facts;
    int ret;

    if (!n->session->structured) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp,
                               "request option '%s' when structured reply is not negotiated",
                                   nbd_option_name(o->option));
    }
    name = nbd_take_string(&p, end);
    if (!name) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "Inconsistent lengths in option %s",
                               nbd_option_name(o->option));
    }
    if (!n->host->find(n->host->opaque, name, &facts)) {
        return nbd_reply_error(n, o->option, NBD_REP_ERR_UNKNOWN, errp, "export '%s' not present", name);
    }
    wanted = g_new0(bool, facts.n_contexts + 1);
    ret = parse_queries(p, end, &facts, o->option == NBD_OPT_LIST_META_CONTEXT, wanted)
        ? answer(n, o->option, &facts, wanted, errp)
        : nbd_reply_error(n, o->option, NBD_REP_ERR_INVALID, errp, "Inconsistent lengths in option %s",
                          nbd_option_name(o->option));
    /* The selection holds for this export only. */
    g_free(n->session->context_export);
    n->session->context_export = g_steal_pointer(&name);
    n->host->unref(n->host->opaque, facts.export);
    return ret;
}
