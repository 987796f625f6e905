/*
 * Throttle groups: leaky buckets shared by the members of a group.
 *
 * A bucket fills by what requests cost and leaks at its average rate.  A request may go while the level
 * is not above the bucket's capacity: a tenth of a second at the average rate, or the burst rate for the
 * length of a burst.  Within a burst longer than a second, a second level that leaks at the burst rate keeps
 * the rate itself bounded.
 *
 * Order: requests of one direction take their turns first-in first-out over all members (`Turns`); whose turn it is
 * sleeps until its buckets allow it.  A disabled member passes at once: its requests leave the queue, and who
 * sleeps looks up at least every SLICE_NS.
 * Locks: `lock` and `turns_lock` are leaves, never held over a wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include "block/throttle.h"
#include "util/aio.h"
#include "util/cutils.h"
#include "util/options.h"

#define LIMIT_MAX 1000000000000000ULL
#define SLICE_NS 20000000LL
#define NS_PER_SECOND 1e9

typedef struct Bucket {
    ThrottleLimit limit;
    double level, burst_level;
} Bucket;

/* A request that waits for its turn; on its coroutine's stack. */
typedef struct Waiter {
    ThrottleMember *member;
    Coroutine *co;
    bool turn;                 /* it has come; else the member was disabled meanwhile */
    struct Waiter *next;
} Waiter;

typedef struct Turns { bool taken; Waiter *first, **end; } Turns;

struct ThrottleGroup {
    char *name;
    int refs;
    ThrottleGroup *next;
    pthread_mutex_t turns_lock;
    Turns turns[2];            /* turns_lock; reads, writes */
    CoMutex lock;              /* guards the fields below */
    Bucket bucket[THROTTLE_BUCKETS];
    uint64_t op_size;
    int64_t last_leak_ns;
};

struct ThrottleMember {
    ThrottleGroup *group;
    int disabled;              /* atomic */
};

static ThrottleGroup *groups;

static const char *const bucket_names[THROTTLE_BUCKETS] = {
    "bps-total", "bps-read", "bps-write", "iops-total", "iops-read", "iops-write",
};

/* Which buckets a request of each direction pays into. */
static const ThrottleBucketType pays[2][4] = {
    { THROTTLE_BPS_TOTAL, THROTTLE_OPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_OPS_READ },
    { THROTTLE_BPS_TOTAL, THROTTLE_OPS_TOTAL, THROTTLE_BPS_WRITE, THROTTLE_OPS_WRITE },
};

void throttle_config_init(ThrottleConfig *c)
{
    memset(c, 0, sizeof(*c));
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        c->limit[i].burst_length = 1;
    }
}

bool throttle_config_enabled(const ThrottleConfig *c)
{
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (c->limit[i].avg) {
            return true;
        }
    }
    return false;
}

static bool totals_conflict(const ThrottleConfig *c, int total)
{
    const ThrottleLimit *l = &c->limit[total];

    return (l[0].avg && (l[1].avg || l[2].avg)) || (l[0].max && (l[1].max || l[2].max));
}

static bool limit_check(const ThrottleLimit *l, Error **errp)
{
    if (l->avg > LIMIT_MAX || l->max > LIMIT_MAX) {
        error_setg(errp, "bps/iops/max values must be within [0, %" PRIu64 "]", (uint64_t)LIMIT_MAX);
    } else if (!l->burst_length) {
        error_setg(errp, "the burst length cannot be 0");
    } else if (l->burst_length > 1 && !l->max) {
        error_setg(errp, "burst length set without burst rate");
    } else if (l->max && l->burst_length > LIMIT_MAX / l->max) {
        error_setg(errp, "burst length too high for this burst rate");
    } else if (l->max && !l->avg) {
        error_setg(errp, "bps_max/iops_max require corresponding bps/iops values");
    } else if (l->max && l->max < l->avg) {
        error_setg(errp, "bps_max/iops_max cannot be lower than bps/iops");
    } else {
        return true;
    }
    return false;
}

bool throttle_config_check(const ThrottleConfig *c, Error **errp)
{
    if (totals_conflict(c, THROTTLE_BPS_TOTAL) || totals_conflict(c, THROTTLE_OPS_TOTAL)) {
        error_setg(errp, "bps/iops/max total values and read/write values cannot be used at the same time");
        return false;
    }
    if (c->op_size && !c->limit[THROTTLE_OPS_TOTAL].avg && !c->limit[THROTTLE_OPS_READ].avg &&
        !c->limit[THROTTLE_OPS_WRITE].avg) {
        error_setg(errp, "iops size requires an iops value to be set");
        return false;
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (!limit_check(&c->limit[i], errp)) {
            return false;
        }
    }
    return true;
}

/* Where the property `key` ("bps-total-max-length", "iops-size") is kept; NULL: no such property. */
static uint64_t *config_field(ThrottleConfig *c, const char *key)
{
    const char *rest;

    if (!strcmp(key, "iops-size")) {
        return &c->op_size;
    }
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (str_has_prefix(key, bucket_names[i], &rest)) {
            return !*rest ? &c->limit[i].avg : !strcmp(rest, "-max") ? &c->limit[i].max
                 : !strcmp(rest, "-max-length") ? &c->limit[i].burst_length : NULL;
        }
    }
    return NULL;
}

static bool take_prop(ThrottleConfig *c, const char *shown, const char *key, const QObject *value, Error **errp)
{
    uint64_t *field = config_field(c, key);
    const char *text = qobject_get_str(value);
    int64_t v;

    if (!field) {
        error_setg(errp, "Parameter '%s' is unexpected", shown);
    } else if (text ? parse_i64(text, 0, &v) < 0 : !qobject_get_int(value, &v)) {
        error_setg(errp, "Parameter '%s' expects integer", shown);
    } else if (v < 0 && g_str_has_prefix(shown, "x-")) {
        error_setg(errp, "Property values cannot be negative");
    } else if (g_str_has_suffix(key, "-length") && v > UINT32_MAX) {
        error_setg(errp, "%s value must be in therange [0, %u]", shown, UINT32_MAX);      /* the peer's words */
    } else {
        *field = v;
        return true;
    }
    return false;
}

/* As stock: the x- forms first, then "limits" on top of them. */
static bool take_props(ThrottleConfig *c, const QDict *props, bool limits, Error **errp)
{
    for (size_t i = 0; i < qdict_size(props); i++) {
        const char *key = qdict_key_at(props, i), *rest;
        bool is_limit = str_has_prefix(key, "limits.", &rest);

        if (is_limit != limits) {
            continue;
        }
        if (!is_limit && !str_has_prefix(key, "x-", &rest)) {
            error_setg(errp, "Parameter '%s' is unexpected", key);
            return false;
        }
        if (!take_prop(c, key, rest, qdict_value_at(props, i), errp)) {
            return false;
        }
    }
    return true;
}

bool throttle_config_from_props(ThrottleConfig *c, QDict *props, Error **errp)
{
    bool ok;

    qdict_flatten(props);
    ok = take_props(c, props, false, errp) && take_props(c, props, true, errp);
    while (qdict_size(props)) {
        g_autofree char *key = g_strdup(qdict_key_at(props, 0));

        qdict_del(props, key);
    }
    return ok && throttle_config_check(c, errp);
}

QDict *throttle_config_to_props(const ThrottleConfig *c)
{
    QDict *d = qdict_new();

    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        g_autofree char *max = g_strdup_printf("%s-max", bucket_names[i]);
        g_autofree char *length = g_strdup_printf("%s-max-length", bucket_names[i]);

        qdict_put_uint(d, bucket_names[i], c->limit[i].avg);
        qdict_put_uint(d, max, c->limit[i].max);
        qdict_put_uint(d, length, c->limit[i].burst_length);
    }
    qdict_put_uint(d, "iops-size", c->op_size);
    return d;
}

ThrottleGroup *throttle_group_find(const char *name)
{
    for (ThrottleGroup *g = groups; g; g = g->next) {
        if (!strcmp(g->name, name)) {
            return g;
        }
    }
    return NULL;
}

ThrottleGroup *throttle_group_new(const char *name, bool explicit_object, Error **errp)
{
    ThrottleGroup *g = throttle_group_find(name);
    ThrottleConfig c;

    if (g && explicit_object) {
        error_setg(errp, "A group with this name already exists");
        return NULL;
    }
    if (g) {
        g->refs++;
        return g;
    }
    g = g_new0(ThrottleGroup, 1);
    g->name = g_strdup(name);
    g->refs = 1;
    pthread_mutex_init(&g->turns_lock, NULL);
    for (int i = 0; i < 2; i++) {
        g->turns[i].end = &g->turns[i].first;
    }
    co_mutex_init(&g->lock);
    throttle_config_init(&c);
    throttle_group_set(g, &c);
    g->next = groups;
    groups = g;
    return g;
}

void throttle_group_unref(ThrottleGroup *g)
{
    ThrottleGroup **p;

    if (--g->refs) {
        return;
    }
    for (p = &groups; *p != g; p = &(*p)->next) {
    }
    *p = g->next;
    g_free(g->name);
    pthread_mutex_destroy(&g->turns_lock);
    g_free(g);
}

bool throttle_group_in_use(const ThrottleGroup *g)
{
    return g->refs > 1;
}

const char *throttle_group_name(const ThrottleGroup *g)
{
    return g->name;
}

typedef struct ConfigCall {
    ThrottleGroup *group;
    const ThrottleConfig *set;
    ThrottleConfig *get;
} ConfigCall;

static void coroutine_fn config_entry(void *opaque)
{
    ConfigCall *call = opaque;
    ThrottleGroup *g = call->group;

    CO_SCOPED_LOCK(&g->lock);
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        if (call->set) {
            g->bucket[i] = (Bucket){ .limit = call->set->limit[i] };
        } else {
            call->get->limit[i] = g->bucket[i].limit;
        }
    }
    if (call->set) {
        g->op_size = call->set->op_size;
        g->last_leak_ns = aio_clock_ns(AIO_CLOCK_REALTIME);
    } else {
        call->get->op_size = g->op_size;
    }
}

void throttle_group_set(ThrottleGroup *g, const ThrottleConfig *c)
{
    ConfigCall call = { .group = g, .set = c };

    co_run_sync(config_entry, &call);
}

void throttle_group_get(ThrottleGroup *g, ThrottleConfig *c)
{
    ConfigCall call = { .group = g, .get = c };

    co_run_sync(config_entry, &call);
}

ThrottleMember *throttle_member_new(ThrottleGroup *g)
{
    ThrottleMember *m = g_new0(ThrottleMember, 1);

    g->refs++;
    m->group = g;
    return m;
}

void throttle_member_free(ThrottleMember *m)
{
    if (m) {
        throttle_group_unref(m->group);
        g_free(m);
    }
}

ThrottleGroup *throttle_member_group(const ThrottleMember *m)
{
    return m->group;
}

static bool is_disabled(ThrottleMember *m)
{
    return __atomic_load_n(&m->disabled, __ATOMIC_SEQ_CST) > 0;
}

/* Takes the waiters of m (NULL: the first one, whoever it is) out of the queue.  Under turns_lock. */
static Waiter *take_out(Turns *t, const ThrottleMember *m)
{
    Waiter *out = NULL, **out_end = &out;

    for (Waiter **at = &t->first; *at && (m || !out);) {
        Waiter *w = *at;

        if (m && w->member != m) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *out_end = w;
        out_end = &w->next;
    }
    for (t->end = &t->first; *t->end; t->end = &(*t->end)->next) {
    }
    return out;
}

static void wake_all(Waiter *w)
{
    for (Waiter *next; w; w = next) {
        next = w->next;                    /* its coroutine may end at once */
        aio_co_wake(w->co);
    }
}

/* False: the member is disabled, so no turn is needed (nor taken). */
static bool coroutine_fn take_turn(ThrottleMember *m, bool is_write)
{
    ThrottleGroup *g = m->group;
    Turns *t = &g->turns[is_write];
    Waiter w = { .member = m, .co = coroutine_self() };
    bool wait = false;

    pthread_mutex_lock(&g->turns_lock);
    if (!t->taken) {
        t->taken = w.turn = true;
    } else if (!is_disabled(m)) {
        wait = true;
        *t->end = &w;
        t->end = &w.next;
    }
    pthread_mutex_unlock(&g->turns_lock);
    if (wait) {
        coroutine_yield();
    }
    return w.turn;
}

static void give_turn(ThrottleGroup *g, bool is_write)
{
    Turns *t = &g->turns[is_write];
    Waiter *w;

    pthread_mutex_lock(&g->turns_lock);
    w = take_out(t, NULL);
    if (w) {
        w->turn = true;
    } else {
        t->taken = false;
    }
    pthread_mutex_unlock(&g->turns_lock);
    wake_all(w);
}

void throttle_member_disable(ThrottleMember *m)
{
    ThrottleGroup *g = m->group;
    Waiter *out[2];

    __atomic_fetch_add(&m->disabled, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&g->turns_lock);
    for (int i = 0; i < 2; i++) {
        out[i] = take_out(&g->turns[i], m);
    }
    pthread_mutex_unlock(&g->turns_lock);
    wake_all(out[0]);
    wake_all(out[1]);
}

void throttle_member_enable(ThrottleMember *m)
{
    __atomic_fetch_sub(&m->disabled, 1, __ATOMIC_SEQ_CST);
}

void throttle_member_replace(ThrottleMember *m, ThrottleMember *old)
{
    m->disabled = old->disabled;
    throttle_member_free(old);
}

static void leak(ThrottleGroup *g)
{
    int64_t now = aio_clock_ns(AIO_CLOCK_REALTIME);
    double seconds = (now - g->last_leak_ns) / NS_PER_SECOND;

    g->last_leak_ns = now;
    for (int i = 0; i < THROTTLE_BUCKETS; i++) {
        Bucket *b = &g->bucket[i];

        b->level = MAX(b->level - seconds * b->limit.avg, 0);
        b->burst_level = MAX(b->burst_level - seconds * b->limit.max, 0);
    }
}

/* Nanoseconds until the bucket lets a request through. */
static int64_t bucket_wait(const Bucket *b)
{
    double capacity = b->limit.max ? (double)b->limit.max * b->limit.burst_length : b->limit.avg / 10.0;
    double wait = 0;

    if (!b->limit.avg) {
        return 0;
    }
    if (b->level > capacity) {
        wait = (b->level - capacity) / b->limit.avg;
    }
    if (b->limit.burst_length > 1 && b->burst_level > b->limit.max / 10.0) {
        wait = MAX(wait, (b->burst_level - b->limit.max / 10.0) / b->limit.max);
    }
    return (int64_t)MIN(wait * NS_PER_SECOND, (double)INT64_MAX / 2);
}

/* 0: the request is accounted for and may go; else how long to wait. */
static int64_t coroutine_fn try_pass(ThrottleGroup *g, int64_t bytes, bool is_write, bool force)
{
    double operations;
    int64_t wait = 0;

    CO_SCOPED_LOCK(&g->lock);
    leak(g);
    for (int i = 0; i < 4; i++) {
        wait = MAX(wait, bucket_wait(&g->bucket[pays[is_write][i]]));
    }
    if (wait > 0 && !force) {
        return wait;
    }
    operations = g->op_size && bytes > (int64_t)g->op_size ? (double)bytes / g->op_size : 1;
    for (int i = 0; i < 4; i++) {
        Bucket *b = &g->bucket[pays[is_write][i]];
        double cost = pays[is_write][i] >= THROTTLE_OPS_TOTAL ? operations : bytes;

        b->level += cost;
        b->burst_level += cost;
    }
    return 0;
}

void coroutine_fn throttle_co_request(ThrottleMember *m, int64_t bytes, bool is_write)
{
    ThrottleGroup *g = m->group;
    int64_t wait;

    if (is_disabled(m) || !take_turn(m, is_write)) {
        try_pass(g, bytes, is_write, true);
        return;
    }
    while ((wait = try_pass(g, bytes, is_write, is_disabled(m))) > 0) {
        co_sleep_ns(MIN(wait, SLICE_NS));
    }
    give_turn(g, is_write);
}
