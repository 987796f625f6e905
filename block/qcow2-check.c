/*
 * Checking a qcow2 image: the order of the passes, and the comparison of counts.
 *
 * A repair raises and lowers counts to exactly the number of references that are on disk, so a
 * cut leaves each count either as it was or right.  When a count of zero has references, or the
 * structures themselves are broken, they are built anew beside the old ones (qcow2-rebuild.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "qcow2-rebuild.h"

/* --- what is said ------------------------------------------------------------------ */

static GString *said;                /* one check at a time: they run drained, in the main thread */

#define SAY_AT_ONCE 65536

void check_say_now(void)
{
    if (said && said->len) {
        fwrite(said->str, 1, said->len, stderr);
        g_string_truncate(said, 0);
    }
}

static GString *said_with_room(void)
{
    if (!said) {
        said = g_string_sized_new(SAY_AT_ONCE + 4096);
    } else if (said->len >= SAY_AT_ONCE) {
        check_say_now();
    }
    return said;
}

void check_say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(said_with_room(), fmt, ap);
    va_end(ap);
}

static void say_number(GString *s, const char *before, uint64_t n)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = '0' + n % 10;
        n /= 10;
    } while (n);
    g_string_append(s, before);
    g_string_append_len(s, digits + at, sizeof(digits) - at);
}

/* As check_say, for the one line of which there may be tens of millions. */
static void say_count(const char *verb, uint64_t cluster, uint64_t count, uint64_t refs)
{
    GString *s = said_with_room();

    g_string_append(s, verb);
    say_number(s, " cluster ", cluster);
    say_number(s, " refcount=", count);
    say_number(s, " reference=", refs);
    g_string_append_c(s, '\n');
}

int coroutine_fn check_read(Checker *c, uint64_t offset, uint64_t bytes, void *buf)
{
    uint64_t have = offset < c->file_len ? MIN(bytes, c->file_len - offset) : 0;
    int ret;

    if (!bytes || offset > INT64_MAX - bytes) {
        return bytes ? -EIO : 0;
    }
    memset((uint8_t *)buf + have, 0, bytes - have);
    ret = have ? bdrv_read_buf(c->q->bs->file, offset, have, buf, 0) : 0;
    c->io_error |= ret < 0;
    return ret;
}

int coroutine_fn check_write(Checker *c, unsigned ignore, uint64_t offset, uint64_t bytes, const void *buf)
{
    int ret;

    check_say_now();
    ret = qcow2_check_overlap(c->q, ignore, offset, bytes, false);

    return ret < 0 ? ret : bdrv_write_buf(c->q->bs->file, offset, bytes, buf, 0);
}

/* --- counts on disk --------------------------------------------------------------- */

void check_forget_blocks(Checker *c)
{
    for (size_t i = 0; i < CHECK_BLOCKS; i++) {
        g_clear_pointer(&c->blocks[i].data, g_free);
        c->blocks[i].valid = false;
    }
}

/* The refcount block at table index, *block NULL when there is none: all its counts are zero. */
static int coroutine_fn get_block(Checker *c, uint64_t index, uint8_t **block)
{
    Qcow2 *q = c->q;
    size_t slot = index % CHECK_BLOCKS;
    uint64_t offset = index < q->rt_size ? q->rt[index] & QCOW2_RT_OFFSET_MASK : 0;
    int ret;

    *block = NULL;
    if (!offset) {
        return 0;
    }
    if (qcow2_in_cluster(q, offset)) {
        if (!c->signalled && !(c->fix & BDRV_FIX_ERRORS)) {
            check_say_now();
            qcow2_corrupt(q, true, -1, -1, "Refblock offset %#" G_GINT64_MODIFIER "x unaligned (reftable index: %#"
                          G_GINT64_MODIFIER "x)", offset, index);
        }
        c->signalled = true;
        return -EIO;
    }
    if (!c->blocks[slot].valid || c->blocks[slot].index != index) {
        if (!c->blocks[slot].data) {
            c->blocks[slot].data = g_try_malloc(q->cluster_size);
        }
        if (!c->blocks[slot].data) {
            return -ENOMEM;
        }
        c->blocks[slot].valid = false;
        ret = check_read(c, offset, q->cluster_size, c->blocks[slot].data);
        if (ret < 0) {
            return ret;
        }
        c->blocks[slot].index = index;
        c->blocks[slot].valid = true;
    }
    *block = c->blocks[slot].data;
    return 0;
}

const uint8_t *coroutine_fn check_disk_block(Checker *c, uint64_t index)
{
    uint8_t *block;

    return get_block(c, index, &block) < 0 ? NULL : block;
}

int coroutine_fn check_disk_count(Checker *c, uint64_t cluster, uint64_t *count)
{
    uint8_t *block;
    int ret = get_block(c, cluster >> c->q->rb_bits, &block);

    *count = block ? qcow2_rb_get(c->q, block, cluster & (c->q->rb_entries - 1)) : 0;
    return ret;
}

/* --- pass 3 -------------------------------------------------------------------------- */

/* Put right what is wrong in one block, as far as fix allows.  Returns whether block was changed. */
static bool compare_one(Checker *c, BdrvCheckFix fix, uint8_t *block, uint64_t cluster, uint64_t count, uint64_t refs)
{
    uint32_t index = cluster & (c->q->rb_entries - 1);
    bool low = count < refs, fixing = false;

    if (count == 0) {
        c->rebuild = true;           /* there may be no block to hold the count */
    } else if (low) {
        fixing = fix & BDRV_FIX_ERRORS;
    } else {
        fixing = fix & BDRV_FIX_LEAKS;
    }
    check_note(c, count == 0 ? CHECK_COUNT_NONE : low ? CHECK_COUNT_LOW : refs ? CHECK_COUNT_HIGH : CHECK_LEAK,
               cluster << c->q->cluster_bits, c->q->cluster_size);
    say_count(fixing ? "Repairing" : low ? "ERROR" : "Leaked", cluster, count, refs);
    if (fixing) {
        qcow2_rb_set(c->q, block, index, refs);
        *(low ? &c->res->corruptions_fixed : &c->res->leaks_fixed) += 1;
    } else {
        *(low ? &c->res->corruptions : &c->res->leaks) += 1;
    }
    return fixing;
}

static void report_unreadable(Checker *c, uint64_t from, uint64_t to, int err)
{
    check_note(c, CHECK_COUNT_UNREADABLE, from << c->q->cluster_bits, (to - from) << c->q->cluster_bits);
    for (uint64_t i = from; i < to; i++) {
        check_say("Can't get refcount for cluster %" G_GUINT64_FORMAT ": %s\n", i, strerror(err));
        c->res->check_errors++;
    }
}

/*
 * A changed block goes back to its place.  Where that is some other structure's place too, the write is prevented:
 * the findings stay, and the check goes on.
 */
static int coroutine_fn write_repaired(Checker *c, uint64_t offset, const uint8_t *block, const BdrvCheckResult *before)
{
    BdrvCheckResult *r = c->res;

    check_say_now();                 /* what the overlap check may say comes after */
    int ret = qcow2_check_overlap(c->q, QCOW2_OL_REFCOUNT_BLOCK, offset, c->q->cluster_size, false);

    if (ret < 0) {
        r->corruptions += r->corruptions_fixed - before->corruptions_fixed;
        r->leaks += r->leaks_fixed - before->leaks_fixed;
        r->corruptions_fixed = before->corruptions_fixed;
        r->leaks_fixed = before->leaks_fixed;
        return 0;
    }
    ret = bdrv_write_buf(c->q->bs->file, offset, c->q->cluster_size, block, 0);
    if (ret < 0) {
        r->check_errors++;
    }
    return ret;
}

/*
 * Do n 16-bit counts equal the references from cluster on?  Then *highest is the last one in use, if any is.
 * Simple loops, which the compiler makes vectors of.
 */
static bool equal_16(const Checker *c, const uint8_t *block, uint64_t cluster, uint64_t n, uint64_t *highest)
{
    while (n) {
        uint64_t part = n;
        const uint16_t *refs = refmap_peek(c->refs, cluster, &part), *counts = (const uint16_t *)(const void *)block;
        uint16_t differ = 0, large = 0;

        for (uint64_t i = 0; refs && i < part; i++) {
            differ |= GUINT16_FROM_BE(counts[i]) ^ refs[i];
            large |= refs[i] == REFMAP_LARGE;
        }
        for (uint64_t i = 0; !refs && i < part; i++) {
            differ |= counts[i];
        }
        if (differ || large) {
            return false;
        }
        for (uint64_t i = part; refs && i > 0; i--) {
            if (refs[i - 1]) {
                *highest = cluster + i - 1;
                break;
            }
        }
        cluster += part;
        block += part * 2;
        n -= part;
    }
    return true;
}

/* The clusters [from, to) that block (NULL: none) counts; *highest: last cluster in use. */
static int coroutine_fn compare_block(Checker *c, BdrvCheckFix fix, uint8_t *block, uint64_t from, uint64_t to,
                                      uint64_t *highest)
{
    Qcow2 *q = c->q;
    const BdrvCheckResult before = *c->res;
    bool changed = false;

    if (block && q->refcount_order == 4 && equal_16(c, block, from, to - from, highest)) {
        return 0;
    }
    for (uint64_t i = from; i < to; i++) {
        uint64_t refs = refmap_get(c->refs, i), count = block ? qcow2_rb_get(q, block, i - from) : 0;

        if (count || refs) {
            *highest = i;
        }
        if (count != refs && compare_one(c, fix, block, i, count, refs)) {
            changed = true;
        }
    }
    return changed ? write_repaired(c, q->rt[from >> q->rb_bits] & QCOW2_RT_OFFSET_MASK, block, &before) : 0;
}

/* Where the next block begins that counts something, or that references want to be counted in. */
static uint64_t next_block(const Checker *c, uint64_t from)
{
    const Qcow2 *q = c->q;
    uint64_t next = refmap_next(c->refs, from) & ~(uint64_t)(q->rb_entries - 1);
    uint64_t i = from >> q->rb_bits, stop = MIN((uint64_t)q->rt_size, MAX(next >> q->rb_bits, i));

    while (i < stop && !q->rt[i]) {
        i++;
    }
    return i < stop ? i << q->rb_bits : MAX(next, from);
}

int coroutine_fn check_compare(Checker *c, BdrvCheckFix fix)
{
    Qcow2 *q = c->q;
    uint64_t highest = 0, end = refmap_size(c->refs);
    int ret = 0;

    for (uint64_t from = next_block(c, 0); from < end && ret == 0; from = next_block(c, from + q->rb_entries)) {
        uint64_t to = MIN(end, from + q->rb_entries);
        uint8_t *block;
        int err = get_block(c, from >> q->rb_bits, &block);

        if (err < 0) {
            report_unreadable(c, from, to, -err);
            c->rebuild = c->rebuild || (c->fix & BDRV_FIX_ERRORS);
        } else {
            ret = compare_block(c, fix, block, from, to, &highest);
        }
    }
    c->res->image_end_offset = (highest + 1) << q->cluster_bits;
    return ret;
}

/* --- all passes ------------------------------------------------------------------------ */

static int coroutine_fn run_rebuild(Checker *c)
{
    int64_t old_corruptions = c->res->corruptions, old_leaks = c->res->leaks, len;
    int ret;

    check_say("Rebuilding refcount structure\n");
    check_say_now();
    ret = qcow2_rebuild_refcounts(c->q, c->refs, NULL, c->q->refcount_order);
    len = bdrv_getlength(c->q->bs->file->bs);
    if (ret < 0 || len < 0) {
        return ret < 0 ? ret : (int)len;
    }
    c->file_len = len;
    c->res->corruptions = 0;
    c->res->leaks = 0;
    c->rebuild = false;
    check_forget_blocks(c);
    ret = check_count_references(c);
    if (ret == 0) {
        /* What the old structures took, and what leaked before, is free now. */
        int64_t leaks_fixed = c->res->leaks_fixed;

        ret = check_compare(c, BDRV_FIX_LEAKS);
        c->res->leaks_fixed = leaks_fixed;
    }
    c->res->corruptions_fixed += old_corruptions > c->res->corruptions ? old_corruptions - c->res->corruptions : 0;
    c->res->leaks_fixed += old_leaks;
    return ret;
}

static int coroutine_fn compare_and_repair(Checker *c)
{
    BdrvCheckResult before = *c->res;
    int ret = check_compare(c, 0);

    if (ret < 0) {
        return ret;
    }
    check_explain(c);
    c->notes_closed = true;
    if (c->io_error && c->fix) {
        /* What looks unused may be in use by what could not be read. */
        check_say("The image could not be read in full: nothing is repaired\n");
        c->res->check_errors += !c->res->check_errors;
        c->fix = 0;
        return 0;
    }
    if (c->rebuild && (c->fix & BDRV_FIX_ERRORS)) {
        return run_rebuild(c);
    }
    if (c->rebuild && c->fix) {
        check_say("ERROR need to rebuild refcount structures\n");
        return -EIO;
    }
    if (c->fix && (c->res->corruptions || c->res->leaks)) {
        *c->res = before;
        ret = check_compare(c, c->fix);
    }
    return ret;
}

/* What the caches hold was read before the repairs. */
static void drop_caches(Qcow2 *q)
{
    qcow2_cache_clean(q->l2_cache);
    qcow2_cache_clean(q->rb_cache);
    q->free_cluster_index = 0;
    q->free_byte_offset = 0;
}

static int coroutine_fn run_passes(Checker *c)
{
    Error *err = NULL;
    int ret = check_snapshot_table(c, &err);

    if (ret < 0) {
        check_say_now();
        error_report_err(err);
        return ret;
    }
    ret = check_count_references(c);
    if (ret == 0) {
        ret = compare_and_repair(c);
    }
    if (ret == 0 && c->fix) {
        ret = bdrv_flush(c->q->bs->file->bs);
    }
    check_forget_blocks(c);
    if (ret == 0) {
        c->notes_closed = false;
        ret = check_copied_flags(c);
        check_explain(c);
    }
    if (c->fix) {
        drop_caches(c->q);
    }
    if (ret == 0 && c->snapshots_fixed) {
        ret = check_fix_snapshot_table(c);
    }
    return ret;
}

static int coroutine_fn settle_before(Qcow2 *q)
{
    int ret;

    if (!bdrv_is_writable(q->bs)) {
        return 0;
    }
    co_mutex_lock(&q->lock);
    ret = qcow2_commit(q, true);
    co_mutex_unlock(&q->lock);
    return ret;
}

int coroutine_fn qcow2_co_check(BlockDriverState *bs, BdrvCheckResult *res, BdrvCheckFix fix)
{
    Qcow2 *q = qcow2_of(bs);
    Checker c = { .q = q, .res = res, .fix = fix };
    int ret = settle_before(q);
    int64_t len = bdrv_getlength(bs->file->bs);      /* settling may have made the file longer */

    if (ret < 0 || len < 0) {
        return ret < 0 ? ret : (int)len;
    }
    if (qcow2_clusters_for(q, len) > INT_MAX) {
        res->check_errors++;
        return -EFBIG;                                /* a file may be that long and hold nothing */
    }
    c.file_len = len;
    ret = run_passes(&c);
    check_say_now();
    c.notes_closed = false;
    if (ret < 0 && !c.stop_noted) {
        check_note(&c, CHECK_STOPPED, 0, 0);
    }
    check_explain(&c);
    if (ret == 0 && fix) {
        ret = bdrv_flush(bs->file->bs);          /* flags and snapshot table, before the image is said to be good */
    }
    check_forget_blocks(&c);
    g_clear_pointer(&c.refs, refmap_free);
    g_clear_pointer(&c.l2_visits, g_hash_table_destroy);
    g_clear_pointer(&c.notes, g_array_unref);
    if (ret == 0 && fix && !q->broken && !res->check_errors && !res->corruptions) {
        ret = qcow2_mark_clean(q);
        if (ret == 0) {
            ret = qcow2_mark_consistent(q);
        }
    }
    return ret;
}
