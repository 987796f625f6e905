/*
 * Runtime options of a qcow2 node: the table, cache sizing, overlap-check selection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-options.h"

#define DEFAULT_L2_CACHE_MAX (32 * MiB)
#define MIN_L2_CACHE_CLUSTERS 2
#define MIN_REFCOUNT_CACHE_CLUSTERS 4
#define GROWN_L2_CACHE (1 * MiB)       /* for an image that grows after it was opened, unless it has more already */
#define MIN_L2_ENTRY_BYTES 512

const OptDesc qcow2_open_options[] = {
    { "lazy-refcounts", OPT_BOOL, "Postpone refcount updates", NULL },
    { "pass-discard-request", OPT_BOOL, "Pass guest discard requests to the layer below", NULL },
    { "pass-discard-snapshot", OPT_BOOL, "Generate discard requests when snapshot related space is freed", NULL },
    { "pass-discard-other", OPT_BOOL, "Generate discard requests when other clusters are freed", NULL },
    { "discard-no-unref", OPT_BOOL, "Keep discarded clusters allocated", NULL },
    { "overlap-check", OPT_STRING, "Selects which overlap checks to perform: none, constant, cached or all", NULL },
    { "overlap-check.template", OPT_STRING, "Selects which overlap checks to perform: none, constant, cached or all", NULL },
    { "overlap-check.main-header", OPT_BOOL, "Check for unintended writes into the main qcow2 header", NULL },
    { "overlap-check.active-l1", OPT_BOOL, "Check for unintended writes into the active L1 table", NULL },
    { "overlap-check.active-l2", OPT_BOOL, "Check for unintended writes into an active L2 table", NULL },
    { "overlap-check.refcount-table", OPT_BOOL, "Check for unintended writes into the refcount table", NULL },
    { "overlap-check.refcount-block", OPT_BOOL, "Check for unintended writes into a refcount block", NULL },
    { "overlap-check.snapshot-table", OPT_BOOL, "Check for unintended writes into the snapshot table", NULL },
    { "overlap-check.inactive-l1", OPT_BOOL, "Check for unintended writes into an inactive L1 table", NULL },
    { "overlap-check.inactive-l2", OPT_BOOL, "Check for unintended writes into an inactive L2 table", NULL },
    { "overlap-check.bitmap-directory", OPT_BOOL, "Check for unintended writes into the bitmap directory", NULL },
    { "cache-size", OPT_SIZE, "Maximum combined metadata (L2 tables and refcount blocks) cache size", NULL },
    { "l2-cache-size", OPT_SIZE, "Maximum L2 table cache size", NULL },
    { "l2-cache-entry-size", OPT_SIZE, "Size of each entry in the L2 cache", NULL },
    { "refcount-cache-size", OPT_SIZE, "Maximum refcount block cache size", NULL },
    { "cache-clean-interval", OPT_NUMBER, "Clean unused cache entries after this time (in seconds)", NULL },
    { "encrypt.format", OPT_STRING, "Encryption format of the image: 'aes' or 'luks'", NULL },
    { "encrypt.key-secret", OPT_STRING, "ID of secret providing qcow2 AES key or LUKS passphrase", NULL },
    { NULL }
};

static const struct {
    const char *name;
    unsigned bit;
} overlap_parts[] = {
    { "overlap-check.main-header", QCOW2_OL_MAIN_HEADER },
    { "overlap-check.active-l1", QCOW2_OL_ACTIVE_L1 },
    { "overlap-check.active-l2", QCOW2_OL_ACTIVE_L2 },
    { "overlap-check.refcount-table", QCOW2_OL_REFCOUNT_TABLE },
    { "overlap-check.refcount-block", QCOW2_OL_REFCOUNT_BLOCK },
    { "overlap-check.snapshot-table", QCOW2_OL_SNAPSHOT_TABLE },
    { "overlap-check.inactive-l1", QCOW2_OL_INACTIVE_L1 },
    { "overlap-check.inactive-l2", QCOW2_OL_INACTIVE_L2 },
    { "overlap-check.bitmap-directory", QCOW2_OL_BITMAP_DIRECTORY },
};

static int overlap_template(const char *name, unsigned *bits)
{
    static const struct {
        const char *name;
        unsigned bits;
    } templates[] = {
        { "none", QCOW2_OL_NONE }, { "constant", QCOW2_OL_CONSTANT }, { "cached", QCOW2_OL_CACHED }, { "all", QCOW2_OL_ALL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(templates); i++) {
        if (!strcmp(name, templates[i].name)) {
            *bits = templates[i].bits;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_overlap(const QDict *options, unsigned *out, Error **errp)
{
    const char *plain = opt_get_str(options, "overlap-check");
    const char *dict = opt_get_str(options, "overlap-check.template");
    const char *name = plain ? plain : dict ? dict : "cached";
    unsigned bits;

    if (plain && dict && strcmp(plain, dict)) {
        error_setg(errp, "Conflicting values for qcow2 options 'overlap-check' ('%s') and 'overlap-check.template' ('%s')",
                   plain, dict);
        return -EINVAL;
    }
    if (overlap_template(name, &bits) < 0) {
        error_setg(errp, "Unsupported value '%s' for qcow2 option 'overlap-check'. Allowed are any of the following: "
                   "none, constant, cached, all", name);
        return -EINVAL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(overlap_parts); i++) {
        bool on = opt_get_bool(options, overlap_parts[i].name, bits & overlap_parts[i].bit);

        bits = on ? bits | overlap_parts[i].bit : bits & ~overlap_parts[i].bit;
    }
    *out = bits;
    return 0;
}

/* cache-size is shared out: L2 gets what it can use, refcounts at least their minimum. */
static int parse_cache_sizes(const Qcow2 *q, uint64_t disk_size, const QDict *options, Qcow2Options *out, Error **errp)
{
    uint64_t min_rb = MIN_REFCOUNT_CACHE_CLUSTERS * (uint64_t)q->cluster_size;
    uint64_t max_l2 = ALIGN_UP(qcow2_clusters_for(q, disk_size) * q->l2_entry_size, q->cluster_size);
    bool has_total = qdict_has(options, "cache-size"), has_l2 = qdict_has(options, "l2-cache-size");
    bool has_rb = qdict_has(options, "refcount-cache-size");
    uint64_t total = opt_get_size(options, "cache-size", 0), entry = opt_get_size(options, "l2-cache-entry-size",
                                                                                 q->cluster_size);
    uint64_t l2 = opt_get_size(options, "l2-cache-size", DEFAULT_L2_CACHE_MAX);
    uint64_t rb = opt_get_size(options, "refcount-cache-size", 0);
    const char *wrong = NULL;

    if (has_total && has_l2 && has_rb) {
        wrong = "cache-size, l2-cache-size and refcount-cache-size may not be set at the same time";
    } else if (has_total && has_l2 && l2 > total) {
        wrong = "l2-cache-size may not exceed cache-size";
    } else if (has_total && has_rb && rb > total) {
        wrong = "refcount-cache-size may not exceed cache-size";
    }
    if (wrong) {
        error_setg(errp, "%s", wrong);
        return -EINVAL;
    }
    if (has_total && has_l2) {
        rb = total - l2;
    } else if (has_total && has_rb) {
        l2 = total - rb;
    } else if (has_total) {
        l2 = total > max_l2 + min_rb ? max_l2 : total - MIN(total, min_rb);
        rb = total - l2;
    }
    if (entry < MIN_L2_ENTRY_BYTES || entry > q->cluster_size || !IS_POW2(entry)) {
        error_setg(errp, "L2 cache entry size must be a power of two between %d and the cluster size (%u)",
                   MIN_L2_ENTRY_BYTES, q->cluster_size);
        return -EINVAL;
    }
    out->l2_cache_bytes = MAX(MIN(l2, max_l2), MIN_L2_CACHE_CLUSTERS * (uint64_t)q->cluster_size);
    out->refcount_cache_bytes = MAX(MIN(rb, INT64_MAX), min_rb);
    out->l2_cache_limit = has_total && !has_l2 ? out->l2_cache_bytes : MIN(l2, GROWN_L2_CACHE);
    return 0;
}

static int parse_crypt(const Qcow2 *q, const QDict *options, Error **errp)
{
    static const char *const names[] = { [QCOW2_CRYPT_NONE] = "", [QCOW2_CRYPT_AES] = "aes", [QCOW2_CRYPT_LUKS] = "luks" };
    const char *format = opt_get_str(options, "encrypt.format");

    if (!format) {
        return 0;
    }
    if (q->crypt == QCOW2_CRYPT_NONE) {
        error_setg(errp, "No encryption in image header, but options specified format '%s'", format);
        return -EINVAL;
    }
    if (strcmp(format, names[q->crypt])) {
        error_setg(errp, "Header reported '%s' encryption format but options specify '%s'", names[q->crypt], format);
        return -EINVAL;
    }
    return 0;
}

int qcow2_options_parse(const Qcow2 *q, uint64_t disk_size, int flags, const QDict *options, Qcow2Options *out, Error **errp)
{
    Qcow2Options o = { 0 };
    int ret = parse_cache_sizes(q, disk_size, options, &o, errp);

    if (ret < 0) {
        return ret;
    }
    o.cache_clean_interval_s = opt_get_number(options, "cache-clean-interval", 600);
    if (o.cache_clean_interval_s > UINT32_MAX) {
        error_setg(errp, "Cache clean interval too big");
        return -EINVAL;
    }
    o.lazy_refcounts = opt_get_bool(options, "lazy-refcounts", q->compatible & QCOW2_COMPAT_LAZY_REFCOUNTS);
    if (o.lazy_refcounts && q->version < 3) {
        error_setg(errp, "Lazy refcounts require a qcow2 image with at least qemu 1.1 compatibility level");
        return -EINVAL;
    }
    ret = parse_overlap(options, &o.overlap_check, errp);
    if (ret == 0) {
        ret = parse_crypt(q, options, errp);
    }
    if (ret < 0) {
        return ret;
    }
    o.discard_no_unref = opt_get_bool(options, "discard-no-unref", false);
    o.discard_pass[QCOW2_DISCARD_ALWAYS] = true;
    o.discard_pass[QCOW2_DISCARD_REQUEST] = opt_get_bool(options, "pass-discard-request", flags & BDRV_O_UNMAP);
    o.discard_pass[QCOW2_DISCARD_SNAPSHOT] = opt_get_bool(options, "pass-discard-snapshot", true);
    o.discard_pass[QCOW2_DISCARD_OTHER] = opt_get_bool(options, "pass-discard-other", false);
    *out = o;
    return 0;
}

void qcow2_options_apply(Qcow2 *q, const Qcow2Options *o)
{
    q->lazy_refcounts = o->lazy_refcounts;
    q->discard_no_unref = o->discard_no_unref;
    memcpy(q->discard_pass, o->discard_pass, sizeof(q->discard_pass));
    q->overlap_check = o->overlap_check;
    q->l2_cache_bytes = o->l2_cache_bytes;
    q->l2_cache_limit = o->l2_cache_limit;
    q->refcount_cache_bytes = o->refcount_cache_bytes;
    q->cache_clean_interval_s = o->cache_clean_interval_s;
}
