/*
 * blkdebug: what its files share.  Rules say what happens at a named event or to a kind of request.
 *
 *   blkdebug.c         the driver: options, limits, permissions, requests
 *   blkdebug-config.c  configuration file and options into rules
 *   blkdebug-rules.c   rules at work: events, states, injected errors, breakpoints
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_FILTER_BLKDEBUG_H
#define BLOCK_FILTER_BLKDEBUG_H

#include "block/driver.h"

typedef enum BlkdebugIo {
    BLKDEBUG_READ = 1, BLKDEBUG_WRITE = 2, BLKDEBUG_WRITE_ZEROES = 4, BLKDEBUG_DISCARD = 8, BLKDEBUG_FLUSH = 16,
    BLKDEBUG_BLOCK_STATUS = 32,
    BLKDEBUG_IO_DEFAULT = 31,          /* what an error hits when its rule does not say */
} BlkdebugIo;

typedef enum RuleAction { RULE_INJECT_ERROR, RULE_SET_STATE, RULE_SUSPEND } RuleAction;

typedef struct Rule {
    RuleAction action;
    int event;                         /* index into the table of names */
    int64_t state;                     /* only in this state; 0: in any */
    int64_t new_state;                 /* SET_STATE */
    int error;                         /* INJECT_ERROR: positive errno, 0: none */
    int64_t offset;                    /* bytes; -1: wherever */
    unsigned iotype;
    bool once, immediately;
    char *tag;                         /* SUSPEND */
    struct Rule *next;                 /* of the same list, newest first */
} Rule;

typedef struct Suspended {
    Coroutine *co;
    char *tag;
    struct Suspended *next;
} Suspended;

typedef struct Blkdebug {
    uint64_t align, max_transfer, opt_write_zero, max_write_zero, opt_discard, max_discard;
    uint64_t take_perms, unshare_perms;
    char *config;                      /* file name, NULL for none */
    GMutex lock;                       /* guards what follows */
    int64_t state;
    Rule *rules;
    GPtrArray *active;                 /* borrowed rules: errors in force, newest first */
    Suspended *suspended;
} Blkdebug;

/* -1 when there is no such event. */
int blkdebug_event_by_name(const char *name);
void blkdebug_add_rule(Blkdebug *s, const Rule *rule);        /* copies; tag is taken over */
void blkdebug_rules_free(Blkdebug *s);
/* 0, or -errno that a rule wants for this request. */
int coroutine_fn blkdebug_check(BlockDriverState *bs, int64_t offset, int64_t bytes, BlkdebugIo type);
void blkdebug_event(BlockDriverState *bs, const char *event);
int blkdebug_breakpoint(BlockDriverState *bs, const char *event, const char *tag);
int blkdebug_remove_breakpoint(BlockDriverState *bs, const char *tag);
int blkdebug_resume(BlockDriverState *bs, const char *tag);
bool blkdebug_is_suspended(BlockDriverState *bs, const char *tag);
/* Rules from the file (may be NULL) and from options "inject-error.*" and "set-state.*", which are removed. */
int blkdebug_read_config(Blkdebug *s, const char *file, QDict *options, Error **errp);

#endif
