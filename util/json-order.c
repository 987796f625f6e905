/*
 * The order in which the stock programs write the members of a JSON object.
 *
 * They keep members in 512 buckets by the string hash that gdbm and tdb use, so their order is the same
 * everywhere but not alphabetical, and scripts compare such text.  That this is the hash was seen from
 * their output: the names of all members in the monitor's schema, of `qemu-img --output=json` and of
 * block options, some 3,000, were sent to the stock monitor as members of a command's "id", which it
 * echoes in its own order.  Of names in one bucket the one put in last is written first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "json-order.h"

#define BUCKETS 512

typedef struct Member {
    size_t index;           /* in the dictionary */
    uint32_t place;
} Member;

static uint32_t bucket_of(const char *name)
{
    size_t n = strlen(name);
    uint32_t sum = 0x238f13afu * (uint32_t)n;

    for (size_t i = 0; i < n; i++) {
        sum += (uint32_t)(uint8_t)name[i] << (i * 5 % 24);
    }
    return (sum * 1103515243u + 12345u) % BUCKETS;
}

static int compare_members(const void *a, const void *b)
{
    const Member *ma = a, *mb = b;

    if (ma->place != mb->place) {
        return ma->place < mb->place ? -1 : 1;
    }
    return ma->index > mb->index ? -1 : 1;
}

size_t *json_order_members(const QDict *d)
{
    size_t n = qdict_size(d);
    g_autofree Member *members = g_try_new(Member, n + 1);
    size_t *order = g_try_new(size_t, n + 1);

    if (!members || !order) {
        g_free(order);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        members[i] = (Member){ i, bucket_of(qdict_key_at(d, i)) };
    }
    if (n > 1) {
        qsort(members, n, sizeof(*members), compare_members);
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = members[i].index;
    }
    return order;
}

const char *qdict_first_key(const QDict *d)
{
    size_t first = 0;

    for (size_t i = 1; i < qdict_size(d); i++) {
        /* The later one of a bucket comes first. */
        if (bucket_of(qdict_key_at(d, i)) <= bucket_of(qdict_key_at(d, first))) {
            first = i;
        }
    }
    return qdict_size(d) ? qdict_key_at(d, first) : NULL;
}
