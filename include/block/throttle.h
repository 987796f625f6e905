/*
 * I/O limits: groups of members that share buckets of bytes and operations a second.
 *
 * Threads: throttle_co_request may run in any event-loop thread; all else in the main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include "util/coroutine.h"
#include "util/error.h"
#include "util/qobject.h"

typedef enum ThrottleBucketType {
    THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_BPS_WRITE,
    THROTTLE_OPS_TOTAL, THROTTLE_OPS_READ, THROTTLE_OPS_WRITE, THROTTLE_BUCKETS
} ThrottleBucketType;

typedef struct ThrottleLimit {
    uint64_t avg;              /* units (bytes or operations) a second, 0: no limit */
    uint64_t max;              /* burst rate, 0: none */
    uint64_t burst_length;     /* seconds that a burst may last, >= 1 */
} ThrottleLimit;

typedef struct ThrottleConfig {
    ThrottleLimit limit[THROTTLE_BUCKETS];
    uint64_t op_size;          /* a request counts as one operation for each op_size bytes; 0: always one */
} ThrottleConfig;

typedef struct ThrottleGroup ThrottleGroup;
typedef struct ThrottleMember ThrottleMember;

void throttle_config_init(ThrottleConfig *c);
/* Are the limits sensible together?  The peer's texts. */
bool throttle_config_check(const ThrottleConfig *c, Error **errp);
bool throttle_config_enabled(const ThrottleConfig *c);
/* Properties of a throttle-group object ("x-bps-total", "limits.bps-total", nested "limits") into c.  props is emptied. */
bool throttle_config_from_props(ThrottleConfig *c, QDict *props, Error **errp);
/* ThrottleLimits as QMP shows them ("bps-total", "bps-total-max", ...). */
QDict *throttle_config_to_props(const ThrottleConfig *c);

/* Referenced; a group lives while it has references.  explicit_object: made by -object, must not exist yet. */
ThrottleGroup *throttle_group_new(const char *name, bool explicit_object, Error **errp);
ThrottleGroup *throttle_group_find(const char *name);          /* borrowed, NULL if none */
void throttle_group_unref(ThrottleGroup *g);
/* Does somebody use it besides the one who asks? */
bool throttle_group_in_use(const ThrottleGroup *g);
const char *throttle_group_name(const ThrottleGroup *g);
void throttle_group_set(ThrottleGroup *g, const ThrottleConfig *c);
void throttle_group_get(ThrottleGroup *g, ThrottleConfig *c);

/* A user of a group; holds a reference on it. */
ThrottleMember *throttle_member_new(ThrottleGroup *g);
void throttle_member_free(ThrottleMember *m);                  /* no request may be waiting */
ThrottleGroup *throttle_member_group(const ThrottleMember *m);
/* Wait for this request's turn and account for it. */
void coroutine_fn throttle_co_request(ThrottleMember *m, int64_t bytes, bool is_write);
/* While disabled (may nest), requests pass at once: for drained sections. */
void throttle_member_disable(ThrottleMember *m);
void throttle_member_enable(ThrottleMember *m);
/* m takes the place of old, as disabled as it is; old is freed. */
void throttle_member_replace(ThrottleMember *m, ThrottleMember *old);

#endif
