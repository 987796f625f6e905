/*
 * blkdebug's rules at work.
 *
 * An event runs all its rules in the state that held when it came: errors come into force (the first one at an
 * event puts those of earlier events out of force), the state changes, the request stops at breakpoints.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "blkdebug.h"

static const char *const event_names[] = {
    "l1_update", "l1_grow_alloc_table", "l1_grow_write_table", "l1_grow_activate_table", "l2_load", "l2_update",
    "l2_update_compressed", "l2_alloc_cow_read", "l2_alloc_write", "read_aio", "read_backing_aio", "read_compressed",
    "write_aio", "write_compressed", "vmstate_load", "vmstate_save", "cow_read", "cow_write", "reftable_load",
    "reftable_grow", "reftable_update", "refblock_load", "refblock_update", "refblock_update_part", "refblock_alloc",
    "refblock_alloc_hookup", "refblock_alloc_write", "refblock_alloc_write_blocks", "refblock_alloc_write_table",
    "refblock_alloc_switch_table", "cluster_alloc", "cluster_alloc_bytes", "cluster_free", "flush_to_os",
    "flush_to_disk", "pwritev_rmw_head", "pwritev_rmw_after_head", "pwritev_rmw_tail", "pwritev_rmw_after_tail",
    "pwritev", "pwritev_zero", "pwritev_done", "empty_image_prepare", "l1_shrink_write_table",
    "l1_shrink_free_l2_clusters", "cor_write", "cluster_alloc_space", "none",
};

int blkdebug_event_by_name(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(event_names); i++) {
        if (!strcmp(event_names[i], name)) {
            return i;
        }
    }
    return -1;
}

void blkdebug_add_rule(Blkdebug *s, const Rule *rule)
{
    Rule *r = g_memdup2(rule, sizeof(*rule));

    r->next = s->rules;
    s->rules = r;
}

/* lock held; the rule leaves all lists. */
static void rule_remove(Blkdebug *s, Rule *rule)
{
    Rule **p = &s->rules;

    while (*p != rule) {
        p = &(*p)->next;
    }
    *p = rule->next;
    g_ptr_array_remove(s->active, rule);
    g_free(rule->tag);
    g_free(rule);
}

void blkdebug_rules_free(Blkdebug *s)
{
    while (s->rules) {
        rule_remove(s, s->rules);
    }
}

int coroutine_fn blkdebug_check(BlockDriverState *bs, int64_t offset, int64_t bytes, BlkdebugIo type)
{
    Blkdebug *s = bs->opaque;
    bool immediately = false;
    int error = 0;

    g_mutex_lock(&s->lock);
    for (guint i = 0; i < s->active->len; i++) {
        Rule *r = g_ptr_array_index(s->active, i);

        if (!(r->iotype & type) ||
            (r->offset != -1 && !(bytes > 0 && r->offset >= offset && r->offset - offset < bytes))) {
            continue;
        }
        error = r->error;
        immediately = r->immediately;
        if (r->once && error) {
            rule_remove(s, r);
        }
        break;
    }
    g_mutex_unlock(&s->lock);
    if (error && !immediately) {
        aio_co_schedule(aio_current_context(), coroutine_self());
        coroutine_yield();
    }
    return -error;
}

/* lock held.  Returns how often the request has to stop. */
static int run_rules(Blkdebug *s, int event)
{
    int64_t new_state = s->state;
    bool injected = false;
    int stops = 0;
    Rule *next;

    for (Rule *r = s->rules; r; r = next) {
        next = r->next;
        if (r->event != event || (r->state && r->state != s->state)) {
            continue;
        }
        if (r->action == RULE_SET_STATE) {
            new_state = r->new_state;
        } else if (r->action == RULE_INJECT_ERROR) {
            if (!injected) {
                g_ptr_array_set_size(s->active, 0);
                injected = true;
            }
            g_ptr_array_insert(s->active, 0, r);
        } else if (in_coroutine()) {
            Suspended *stop = g_new0(Suspended, 1);

            *stop = (Suspended) { coroutine_self(), g_strdup(r->tag), s->suspended };
            s->suspended = stop;
            printf("blkdebug: Suspended request '%s'\n", stop->tag);
            rule_remove(s, r);
            stops++;
        }
    }
    s->state = new_state;
    return stops;
}

void blkdebug_event(BlockDriverState *bs, const char *name)
{
    Blkdebug *s = bs->opaque;
    int event = blkdebug_event_by_name(name);
    int stops;

    if (event < 0) {
        return;
    }
    g_mutex_lock(&s->lock);
    stops = run_rules(s, event);
    g_mutex_unlock(&s->lock);
    for (; stops > 0; stops--) {
        coroutine_yield();
    }
}

int blkdebug_breakpoint(BlockDriverState *bs, const char *event, const char *tag)
{
    Blkdebug *s = bs->opaque;
    Rule r = { .action = RULE_SUSPEND, .event = blkdebug_event_by_name(event), .offset = -1 };

    if (r.event < 0) {
        return -ENOENT;
    }
    r.tag = g_strdup(tag);
    g_mutex_lock(&s->lock);
    blkdebug_add_rule(s, &r);
    g_mutex_unlock(&s->lock);
    return 0;
}

/* One stopped request with this tag goes on. */
static bool resume_one(Blkdebug *s, const char *tag)
{
    Suspended *stop = NULL;

    g_mutex_lock(&s->lock);
    for (Suspended **p = &s->suspended; *p; p = &(*p)->next) {
        if (!strcmp((*p)->tag, tag)) {
            stop = *p;
            *p = stop->next;
            break;
        }
    }
    g_mutex_unlock(&s->lock);
    if (!stop) {
        return false;
    }
    printf("blkdebug: Resuming request '%s'\n", stop->tag);
    aio_co_wake(stop->co);
    g_free(stop->tag);
    g_free(stop);
    return true;
}

int blkdebug_resume(BlockDriverState *bs, const char *tag)
{
    return resume_one(bs->opaque, tag) ? 0 : -ENOENT;
}

int blkdebug_remove_breakpoint(BlockDriverState *bs, const char *tag)
{
    Blkdebug *s = bs->opaque;
    int ret = -ENOENT;
    Rule *next;

    g_mutex_lock(&s->lock);
    for (Rule *r = s->rules; r; r = next) {
        next = r->next;
        if (r->action == RULE_SUSPEND && !strcmp(r->tag, tag)) {
            rule_remove(s, r);
            ret = 0;
        }
    }
    g_mutex_unlock(&s->lock);
    while (resume_one(s, tag)) {
        continue;
    }
    return ret;
}

bool blkdebug_is_suspended(BlockDriverState *bs, const char *tag)
{
    Blkdebug *s = bs->opaque;
    bool found = false;

    g_mutex_lock(&s->lock);
    for (Suspended *stop = s->suspended; stop && !found; stop = stop->next) {
        found = !strcmp(stop->tag, tag);
    }
    g_mutex_unlock(&s->lock);
    return found;
}
