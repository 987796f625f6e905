/*
 * Switching stacks: the machine part of coroutines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_COROUTINE_SWITCH_H
#define UTIL_COROUTINE_SWITCH_H

#include <stddef.h>

/* A suspended flow of control; sp points to its saved registers. */
typedef struct CoContext {
    void *sp;
    void *ucontext;            /* only where there is no assembly */
} CoContext;

/* Make ctx start entry(arg) on the stack [base, base + size) when first switched to.  entry must not return. */
void co_context_init(CoContext *ctx, void *base, size_t size, void (*entry)(void *arg), void *arg);
void co_context_destroy(CoContext *ctx);
/* Save the caller's state in from and continue to. */
void co_context_switch(CoContext *from, CoContext *to);

#endif
