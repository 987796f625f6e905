/*
 * Check, pass 5: COPIED is set in the active L1 and L2 tables exactly where the count is one (S2).
 *
 * Runs after the counts were put right, so the flags follow them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-check.h"

typedef struct CopiedPass {
    Checker *c;
    bool repair;
    const char *verb;
} CopiedPass;

/* Do flag and count disagree?  Not when the count cannot be had; that is told unless it was when counts were compared. */
static bool coroutine_fn mismatch(Checker *c, uint64_t entry, uint64_t offset, bool counted, uint64_t *count)
{
    uint64_t cluster = offset >> c->q->cluster_bits;
    int ret;

    *count = 1;
    ret = counted ? check_disk_count(c, cluster, count) : 0;
    if (ret < 0) {
        if (!c->res->check_errors) {
            check_say("Can't get refcount for cluster %" G_GUINT64_FORMAT ": %s\n", cluster, strerror(-ret));
            c->res->check_errors++;
        }
        return false;
    }
    return (*count == 1) != !!(entry & QCOW2_OFLAG_COPIED);
}

static void tally(CopiedPass *p)
{
    if (p->repair) {
        p->c->res->corruptions_fixed++;
    } else {
        p->c->res->corruptions++;
    }
}

static uint64_t with_flag(uint64_t entry, bool on)
{
    return on ? entry | QCOW2_OFLAG_COPIED : entry & ~QCOW2_OFLAG_COPIED;
}

static int coroutine_fn check_l1_entry(CopiedPass *p, uint32_t index)
{
    Qcow2 *q = p->c->q;
    uint64_t entry = q->l1[index], count;
    uint8_t word[8];
    int ret;

    if (!mismatch(p->c, entry, entry & QCOW2_L1_OFFSET_MASK, true, &count)) {
        return 0;
    }
    check_say("%s OFLAG_COPIED L2 cluster: l1_index=%u l1_entry=%" G_GINT64_MODIFIER "x refcount=%" G_GUINT64_FORMAT "\n",
              p->verb, index, entry, count);
    check_note(p->c, CHECK_COPIED, entry & QCOW2_L1_OFFSET_MASK, q->cluster_size);
    tally(p);
    if (!p->repair) {
        return 0;
    }
    store_be64(word, with_flag(entry, count == 1));
    ret = check_write(p->c, QCOW2_OL_ACTIVE_L1, q->l1_offset + index * 8ULL, 8, word);
    if (ret < 0) {
        p->c->res->check_errors++;
        return ret;
    }
    q->l1[index] = load_be64(word);
    return 0;
}

/* Is this an entry with a host cluster of its own? */
static bool has_cluster(const Qcow2 *q, uint64_t entry)
{
    return !(entry & QCOW2_OFLAG_COMPRESSED) &&
           ((entry & QCOW2_L2_OFFSET_MASK) || (qcow2_has_data_file(q) && (entry & QCOW2_OFLAG_COPIED)));
}

/* Do all counts of a run of plain clusters agree with the flag that they share? */
static bool coroutine_fn run_agrees(Checker *c, uint64_t cluster, uint32_t n, bool copied)
{
    const Qcow2 *q = c->q;

    while (n) {
        uint32_t in = cluster & (q->rb_entries - 1), part = MIN(n, q->rb_entries - in);
        const uint8_t *block = check_disk_block(c, cluster >> q->rb_bits);
        bool differ = false;

        if (!block) {
            return false;
        }
        const uint16_t *counts = (const uint16_t *)(const void *)block + in;
        for (uint32_t i = 0; i < part; i++) {
            differ |= (counts[i] == GUINT16_TO_BE(1)) != copied;
        }
        if (differ) {
            return false;
        }
        cluster += part;
        n -= part;
    }
    return true;
}

static int coroutine_fn check_l2_table(CopiedPass *p, uint64_t offset, uint8_t *table)
{
    Checker *c = p->c;
    Qcow2 *q = c->q;
    bool dirty = false;
    int ret = check_read(c, offset, q->cluster_size, table);

    if (ret < 0) {
        check_say("ERROR: Could not read L2 table: %s\n", strerror(-ret));
        c->res->check_errors++;
        return ret;
    }
    bool simple = q->l2_entry_size == 8 && q->refcount_order == 4 && !qcow2_has_data_file(q);
    for (uint32_t i = 0; i < q->l2_entries; i++) {
        uint64_t entry = qcow2_l2_get(q, table, i), count;
        uint32_t run = simple ? qcow2_plain_run(q, table, i) : 0;

        if (run && run_agrees(c, (entry & QCOW2_L2_OFFSET_MASK) >> q->cluster_bits, run, entry & QCOW2_OFLAG_COPIED)) {
            i += run - 1;
            continue;
        }

        if (!has_cluster(q, entry) ||
            !mismatch(c, entry, entry & QCOW2_L2_OFFSET_MASK, !qcow2_has_data_file(q), &count)) {
            continue;
        }
        check_say("%s OFLAG_COPIED data cluster: l2_entry=%" G_GINT64_MODIFIER "x refcount=%" G_GUINT64_FORMAT "\n",
                  p->verb, entry, count);
        check_note_entry(c, CHECK_COPIED, offset, i);
        tally(p);
        store_be64(table + (size_t)i * q->l2_entry_size, with_flag(entry, count == 1));
        dirty = p->repair;
    }
    if (!dirty) {
        return 0;
    }
    /* A snapshot may share the table: its flags are the active state's all the same. */
    ret = check_write(c, QCOW2_OL_ACTIVE_L2 | QCOW2_OL_INACTIVE_L2, offset, q->cluster_size, table);
    if (ret < 0) {
        check_say("ERROR: Could not write L2 table: %s\n", strerror(-ret));
        c->res->check_errors++;
    }
    return ret;
}

int coroutine_fn check_copied_flags(Checker *c)
{
    Qcow2 *q = c->q;
    const BdrvCheckResult *r = c->res;
    g_autofree uint8_t *table = g_try_malloc(q->cluster_size);
    CopiedPass p = { .c = c };
    int ret = table ? 0 : -ENOMEM;

    /* Flags follow counts: when only leaks may be repaired, the counts must all be right by now. */
    p.repair = (c->fix & BDRV_FIX_ERRORS) ||
               ((c->fix & BDRV_FIX_LEAKS) && !r->check_errors && !r->corruptions && !r->leaks);
    p.verb = p.repair ? "Repairing" : "ERROR";
    for (uint32_t i = 0; i < q->l1_size && ret == 0; i++) {
        uint64_t offset = q->l1[i] & QCOW2_L1_OFFSET_MASK;

        if (offset) {
            ret = check_l1_entry(&p, i);
        }
        if (offset && ret == 0) {
            ret = check_l2_table(&p, offset, table);
        }
    }
    return ret;
}
