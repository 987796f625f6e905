/*
 * quorum: several children hold the same disk; a read is a vote over their answers, a write goes to all.
 *
 * A request is good when at least `threshold` children agree (content for reads, success for writes
 * and flushes).  With rewrite-corrupted, children that lost a vote get the winning content.  With
 * read-pattern=fifo reads ask one child after another until one answers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../drivers.h"
#include "block/graph.h"
#include "qapi/events-block-core.h"
#include "pass.h"
#include "block/graph.h"
#include "util/cutils.h"

#define QUORUM_MAX_CHILDREN 256

typedef struct Quorum {
    BdrvChild **children;
    unsigned nb_children;
    unsigned next_index;           /* number of the next added child's name */
    unsigned threshold;
    bool blkverify;                /* two children, any difference stops the program */
    bool rewrite_corrupted;
    bool fifo;
} Quorum;

typedef enum QuorumOp { QUORUM_READ, QUORUM_WRITE, QUORUM_ZERO, QUORUM_FLUSH } QuorumOp;

typedef struct QuorumRequest {
    BlockDriverState *bs;
    Quorum *q;
    QuorumOp op;
    int64_t offset, bytes;
    BdrvRequestFlags flags;
    Coroutine *waiter;
    unsigned running;
    struct QuorumAnswer *answers;
} QuorumRequest;

/* What one child said. */
typedef struct QuorumAnswer {
    QuorumRequest *req;
    BdrvChild *child;
    IoVec *qiov;
    size_t qiov_offset;
    IoVec own;                     /* reads: this child's copy */
    void *buf;
    int ret;
    unsigned version;              /* index of the first answer with the same content */
} QuorumAnswer;

static const OptDesc quorum_options[] = {
    { "vote-threshold", OPT_NUMBER, "The number of vote needed for reaching quorum", NULL },
    { "blkverify", OPT_BOOL, "Trigger block verify mode if set", NULL },
    { "rewrite-corrupted", OPT_BOOL, "Rewrite corrupted block on read quorum", NULL },
    { "read-pattern", OPT_STRING, "Allowed pattern: quorum, fifo. Quorum is default", NULL },
    { NULL }
};

static bool quorum_take_options(Quorum *s, QDict *options, Error **errp)
{
    const char *pattern = opt_get_str(options, "read-pattern");
    uint64_t threshold = opt_get_number(options, "vote-threshold", 0);

    if (!threshold) {
        error_setg(errp, "Parameter 'vote-threshold' expects a value >= 1");
        return false;
    }
    if (threshold > s->nb_children) {
        error_setg(errp, "threshold may not exceed children count");
        return false;
    }
    s->threshold = threshold;
    if (pattern && strcmp(pattern, "fifo") && strcmp(pattern, "quorum")) {
        error_setg(errp, "Please set read-pattern as fifo or quorum");
        return false;
    }
    s->fifo = pattern && !strcmp(pattern, "fifo");
    if (s->fifo) {
        return true;
    }
    s->blkverify = opt_get_bool(options, "blkverify", false);
    if (s->blkverify && (s->nb_children != 2 || s->threshold != 2)) {
        error_setg(errp, "blkverify=on can only be set if there are exactly two files and vote-threshold is 2");
        return false;
    }
    s->rewrite_corrupted = opt_get_bool(options, "rewrite-corrupted", false);
    if (s->rewrite_corrupted && s->blkverify) {
        error_setg(errp, "rewrite-corrupted=on cannot be used with blkverify=on");
        return false;
    }
    return true;
}

/* How many children do the options "children.N..." describe?  -1: gaps or too many. */
static int count_children(const QDict *options)
{
    int n = 0;

    for (size_t i = 0; i < qdict_size(options); i++) {
        const char *rest;

        if (str_has_prefix(qdict_key_at(options, i), "children.", &rest)) {
            uint64_t index = g_ascii_strtoull(rest, NULL, 10);

            if (index >= QUORUM_MAX_CHILDREN) {
                return -1;
            }
            n = MAX(n, (int)index + 1);
        }
    }
    return n;
}

static int quorum_open(BlockDriverState *bs, QDict *options, int flags, Error **errp)
{
    Quorum *s = bs->opaque;
    int n = count_children(bs->options);

    if (n < 0) {
        error_setg(errp, "Option children is not a valid array");
        return -EINVAL;
    }
    if (n < 1) {
        error_setg(errp, "Number of provided children must be 1 or more");
        return -EINVAL;
    }
    s->nb_children = n;
    if (!quorum_take_options(s, options, errp)) {
        s->nb_children = 0;
        return -EINVAL;
    }
    s->children = g_new0(BdrvChild *, n);
    s->next_index = n;
    for (int i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("children.%d", i);

        s->children[i] = bdrv_open_child(NULL, bs->options, key, bs, BDRV_CHILD_DATA, false, errp);
        if (!s->children[i]) {
            g_clear_pointer(&s->children, g_free);
            return -EINVAL;
        }
    }
    bs->supported_write_flags = BDRV_REQ_WRITE_UNCHANGED;
    bs->supported_zero_flags = BDRV_REQ_WRITE_UNCHANGED | BDRV_REQ_MAY_UNMAP;
    return 0;
}

static void quorum_close(BlockDriverState *bs)
{
    Quorum *s = bs->opaque;

    g_free(s->children);
}

static int64_t sectors(const QuorumRequest *r)
{
    return DIV_UP(r->offset + r->bytes, BDRV_SECTOR_SIZE) - r->offset / BDRV_SECTOR_SIZE;
}

/* A child failed (ret < 0) or was outvoted. */
static void report_bad(const QuorumRequest *r, const BdrvChild *child, int ret)
{
    QuorumReportBadEvent event = {
        .type = r->op == QUORUM_READ ? QUORUM_OP_TYPE_READ : r->op == QUORUM_FLUSH ? QUORUM_OP_TYPE_FLUSH
                                                           : QUORUM_OP_TYPE_WRITE,
        .error = ret < 0 ? (char *)strerror(-ret) : NULL, .node_name = child->bs->node_name,
        .sector_num = r->offset / BDRV_SECTOR_SIZE, .sectors_count = sectors(r),
    };

    qapi_event_send_QUORUM_REPORT_BAD(&event);
}

static void report_failure(const QuorumRequest *r)
{
    QuorumFailureEvent event = {
        .reference = (char *)bdrv_get_device_or_node_name(r->bs),
        .sector_num = r->offset / BDRV_SECTOR_SIZE, .sectors_count = sectors(r),
    };

    if (r->op != QUORUM_FLUSH) {
        qapi_event_send_QUORUM_FAILURE(&event);
    }
}

static void coroutine_fn quorum_ask(void *opaque)
{
    QuorumAnswer *a = opaque;
    QuorumRequest *r = a->req;

    switch (r->op) {
    case QUORUM_READ:
        a->ret = bdrv_read(a->child, r->offset, r->bytes, a->qiov, a->qiov_offset, r->flags);
        break;
    case QUORUM_WRITE:
        a->ret = bdrv_write(a->child, r->offset, r->bytes, a->qiov, a->qiov_offset, r->flags);
        break;
    case QUORUM_ZERO:
        a->ret = bdrv_zero(a->child, r->offset, r->bytes, r->flags);
        break;
    case QUORUM_FLUSH:
        a->ret = bdrv_flush(a->child->bs);
        break;
    }
    if (a->ret < 0) {
        report_bad(r, a->child, a->ret);
    }
    /* All children of one request and its waiter run in one thread. */
    if (--r->running == 0 && r->waiter) {
        aio_co_wake(r->waiter);
    }
}

/* Ask every child at once and wait for all answers. */
static void coroutine_fn quorum_ask_all(QuorumRequest *r)
{
    unsigned n = r->q->nb_children;

    r->running = n;
    r->waiter = NULL;
    for (unsigned i = 0; i < n; i++) {
        r->answers[i].req = r;
        r->answers[i].child = r->q->children[i];
        coroutine_enter(coroutine_create(quorum_ask, &r->answers[i]));
    }
    while (r->running) {
        r->waiter = coroutine_self();
        coroutine_yield();
    }
}

/* Writes and flushes: success if `threshold` children succeeded, else the most frequent error. */
static int quorum_result(const QuorumRequest *r)
{
    unsigned n = r->q->nb_children, good = 0, best = 0;
    int error = -EIO;

    for (unsigned i = 0; i < n; i++) {
        unsigned same = 0;

        if (r->answers[i].ret >= 0) {
            good++;
            continue;
        }
        for (unsigned j = 0; j < n; j++) {
            same += r->answers[j].ret == r->answers[i].ret;
        }
        if (same > best) {
            best = same;
            error = r->answers[i].ret;
        }
    }
    if (good >= r->q->threshold) {
        return 0;
    }
    report_failure(r);
    return error;
}

static int coroutine_fn quorum_change(BlockDriverState *bs, QuorumOp op, int64_t offset, int64_t bytes, IoVec *qiov,
                                      size_t qiov_offset, BdrvRequestFlags flags)
{
    Quorum *s = bs->opaque;
    g_autofree QuorumAnswer *answers = g_new0(QuorumAnswer, s->nb_children);
    QuorumRequest r = { .bs = bs, .q = s, .op = op, .offset = offset, .bytes = bytes, .flags = flags, .answers = answers };

    for (unsigned i = 0; i < s->nb_children; i++) {
        answers[i].qiov = qiov;
        answers[i].qiov_offset = qiov_offset;
    }
    quorum_ask_all(&r);
    return quorum_result(&r);
}

static bool same_content(QuorumAnswer *a, QuorumAnswer *b, int64_t bytes)
{
    return !memcmp(a->buf, b->buf, bytes);
}

/* Number of votes of the best version; its first answer in *winner. */
static unsigned count_votes(QuorumRequest *r, unsigned *winner)
{
    unsigned n = r->q->nb_children, best = 0;
    g_autofree unsigned *votes = g_new0(unsigned, n);

    for (unsigned i = 0; i < n; i++) {
        QuorumAnswer *a = &r->answers[i];

        if (a->ret < 0) {
            continue;
        }
        a->version = i;
        for (unsigned j = 0; j < i; j++) {
            if (r->answers[j].ret >= 0 && r->answers[j].version == j && same_content(&r->answers[j], a, r->bytes)) {
                a->version = j;
                break;
            }
        }
        votes[a->version]++;
        if (votes[a->version] > best) {
            best = votes[a->version];
            *winner = a->version;
        }
    }
    return best;
}

static void G_GNUC_NORETURN quorum_mismatch(QuorumRequest *r)
{
    ssize_t at = iov_first_difference(&r->answers[0].own, &r->answers[1].own);

    fprintf(stderr, "quorum: offset=%" PRId64 " bytes=%" PRId64 " contents mismatch at offset %" PRId64 "\n", r->offset,
            r->bytes, r->offset + (int64_t)at);
    exit(1);
}

/* Give the losers of a vote the winning content; failures stay theirs. */
static void coroutine_fn rewrite_losers(QuorumRequest *r, unsigned winner)
{
    for (unsigned i = 0; i < r->q->nb_children; i++) {
        QuorumAnswer *a = &r->answers[i];

        if (a->ret < 0 || a->version != winner) {
            bdrv_write(a->child, r->offset, r->bytes, &r->answers[winner].own, 0, 0);
        }
    }
}

static int coroutine_fn quorum_decide(QuorumRequest *r, IoVec *qiov, size_t qiov_offset)
{
    Quorum *s = r->q;
    unsigned winner = 0, answered = 0, votes;

    for (unsigned i = 0; i < s->nb_children; i++) {
        answered += r->answers[i].ret >= 0;
    }
    if (answered < s->threshold) {
        return quorum_result(r);
    }
    votes = count_votes(r, &winner);
    if (s->blkverify && votes < s->nb_children) {
        quorum_mismatch(r);
    }
    if (votes < s->threshold) {
        report_failure(r);
        return -EIO;
    }
    for (unsigned i = 0; i < s->nb_children; i++) {
        if (r->answers[i].ret >= 0 && r->answers[i].version != winner) {
            report_bad(r, r->answers[i].child, 0);
        }
    }
    if (s->rewrite_corrupted && votes < s->nb_children) {
        rewrite_losers(r, winner);
    }
    iov_from_buf(qiov, qiov_offset, r->answers[winner].buf, r->bytes);
    return 0;
}

static int coroutine_fn quorum_read_vote(BlockDriverState *bs, QuorumRequest *r, IoVec *qiov, size_t qiov_offset)
{
    Quorum *s = bs->opaque;
    g_autofree QuorumAnswer *answers = g_new0(QuorumAnswer, s->nb_children);
    bool ok = true;
    int ret = -ENOMEM;

    r->answers = answers;
    for (unsigned i = 0; i < s->nb_children; i++) {
        answers[i].buf = bdrv_blockalign(s->children[i]->bs, r->bytes);
        ok = ok && answers[i].buf;
        if (answers[i].buf) {
            iov_init_buf(&answers[i].own, answers[i].buf, r->bytes);
            answers[i].qiov = &answers[i].own;
        }
    }
    if (ok) {
        quorum_ask_all(r);
        ret = quorum_decide(r, qiov, qiov_offset);
    }
    for (unsigned i = 0; i < s->nb_children; i++) {
        bdrv_memfree(answers[i].buf);
    }
    return ret;
}

static int coroutine_fn quorum_co_read(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                       size_t qiov_offset, BdrvRequestFlags flags)
{
    Quorum *s = bs->opaque;
    QuorumRequest r = { .bs = bs, .q = s, .op = QUORUM_READ, .offset = offset, .bytes = bytes, .flags = flags };
    int ret = -EIO;

    if (!s->fifo) {
        return quorum_read_vote(bs, &r, qiov, qiov_offset);
    }
    for (unsigned i = 0; i < s->nb_children; i++) {
        ret = bdrv_read(s->children[i], offset, bytes, qiov, qiov_offset, flags);
        if (ret >= 0) {
            break;
        }
        report_bad(&r, s->children[i], ret);
    }
    return ret;
}

static int coroutine_fn quorum_co_write(BlockDriverState *bs, int64_t offset, int64_t bytes, IoVec *qiov,
                                        size_t qiov_offset, BdrvRequestFlags flags)
{
    return quorum_change(bs, QUORUM_WRITE, offset, bytes, qiov, qiov_offset, flags);
}

static int coroutine_fn quorum_co_zero(BlockDriverState *bs, int64_t offset, int64_t bytes, BdrvRequestFlags flags)
{
    return quorum_change(bs, QUORUM_ZERO, offset, bytes, NULL, 0, flags);
}

static int coroutine_fn quorum_co_flush(BlockDriverState *bs)
{
    return quorum_change(bs, QUORUM_FLUSH, 0, 0, NULL, 0, 0);
}

/* All children must agree. */
static int64_t quorum_getlength(BlockDriverState *bs)
{
    Quorum *s = bs->opaque;
    int64_t length = bdrv_getlength(s->children[0]->bs);

    for (unsigned i = 1; i < s->nb_children && length >= 0; i++) {
        int64_t other = bdrv_getlength(s->children[i]->bs);

        if (other < 0) {
            return other;
        }
        if (other != length) {
            return -EIO;
        }
    }
    return length;
}

/* Zeroes only where enough children say so; otherwise data. */
static int coroutine_fn quorum_co_block_status(BlockDriverState *bs, bool want_zero, int64_t offset, int64_t bytes,
                                               int64_t *pnum, int64_t *map, BlockDriverState **file)
{
    Quorum *s = bs->opaque;
    int64_t zero_len = bytes, data_len = 0;
    unsigned zeroes = 0;

    for (unsigned i = 0; i < s->nb_children; i++) {
        int64_t n, unused_map;
        BlockDriverState *unused_file;
        int ret = bdrv_block_status_one(s->children[i]->bs, want_zero, offset, bytes, &n, &unused_map, &unused_file);

        if (ret >= 0 && (ret & BDRV_BLOCK_ZERO)) {
            zeroes++;
            zero_len = MIN(zero_len, n);
        } else {
            data_len = MAX(data_len, ret >= 0 ? n : bytes);
        }
    }
    if (zeroes >= s->threshold) {
        *pnum = zero_len;
        return BDRV_BLOCK_ZERO;
    }
    *pnum = data_len ? data_len : bytes;
    return BDRV_BLOCK_DATA;
}

/* Children are written by votes and repairs, and nobody else may change them. */
static void quorum_child_perm(BlockDriverState *bs, BdrvChild *c, BdrvChildRole role, uint64_t perm, uint64_t shared,
                              uint64_t *nperm, uint64_t *nshared)
{
    Quorum *s = bs->opaque;
    const uint64_t pass = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_WRITE_UNCHANGED | BLK_PERM_RESIZE;

    *nperm = perm & pass;
    *nshared = (shared & (BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED)) |
        (BLK_PERM_ALL & ~(uint64_t)(pass));
    if (s->rewrite_corrupted) {
        *nperm |= BLK_PERM_WRITE;
    }
}

static void quorum_add_child(BlockDriverState *bs, BlockDriverState *child, Error **errp)
{
    Quorum *s = bs->opaque;
    g_autofree char *name = NULL;
    BdrvChild *edge;

    if (s->blkverify) {
        error_setg(errp, "Cannot add a child to a quorum in blkverify mode");
        return;
    }
    if (s->nb_children == QUORUM_MAX_CHILDREN || s->next_index == UINT32_MAX) {
        error_setg(errp, "Too many children");
        return;
    }
    name = g_strdup_printf("children.%u", s->next_index);
    bdrv_ref(child);                 /* goes over to the edge */
    edge = bdrv_attach_child(bs, child, name, BDRV_CHILD_DATA, errp);
    if (!edge) {
        return;
    }
    s->next_index++;
    s->children = g_renew(BdrvChild *, s->children, s->nb_children + 1);
    s->children[s->nb_children++] = edge;
}

static void quorum_del_child(BlockDriverState *bs, BdrvChild *child, Error **errp)
{
    Quorum *s = bs->opaque;
    unsigned i;

    for (i = 0; i < s->nb_children && s->children[i] != child; i++) {
    }
    if (i == s->nb_children) {
        error_setg(errp, "Node '%s' is not a child of this quorum", child->bs->node_name);
        return;
    }
    if (s->nb_children <= s->threshold) {
        error_setg(errp, "The number of children cannot be lower than the vote threshold %u", s->threshold);
        return;
    }
    memmove(&s->children[i], &s->children[i + 1], (s->nb_children - i - 1) * sizeof(*s->children));
    s->nb_children--;
    bdrv_unref_child(bs, child);
}

static const char *const quorum_strong_options[] = {
    "vote-threshold", "blkverify", "rewrite-corrupted", "read-pattern", NULL
};

/* No "blkverify", which ends the program, and no "rewrite-corrupted", which writes. */
static const char *const quorum_image_options[] = { "vote-threshold", "read-pattern", NULL };

static const BlockDriver quorum_driver = {
    .name = "quorum",
    .instance_size = sizeof(Quorum),
    .flushes_children = true,
    .open_options = quorum_options,
    .image_may_name = true,
    .image_options = quorum_image_options,
    .strong_options = quorum_strong_options,
    .open = quorum_open,
    .close = quorum_close,
    .child_perm = quorum_child_perm,
    .co_read = quorum_co_read,
    .co_write = quorum_co_write,
    .co_zero = quorum_co_zero,
    /* No discard: what is read then may differ between children, and votes would fail. */
    .co_flush_to_disk = quorum_co_flush,
    .getlength = quorum_getlength,
    .co_block_status = quorum_co_block_status,
    .add_child = quorum_add_child,
    .del_child = quorum_del_child,
};

void bdrv_quorum_register(void)
{
    bdrv_register(&quorum_driver);
}
