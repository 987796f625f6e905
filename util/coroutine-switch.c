/*
 * Switching stacks in assembly on x86-64 and aarch64, by ucontext elsewhere.
 *
 * Only what the C calling convention makes the callee keep is saved: a switch is an ordinary
 * function call to the compiler.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <string.h>
#include <glib.h>
#include "coroutine-switch.h"

#if defined(__x86_64__)

/* co_swap(void **save_sp in rdi, void *load_sp in rsi) */
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".type co_swap, @function\n"
    "co_swap:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    ret\n"
    ".size co_swap, .-co_swap\n"
    ".p2align 4\n"
    ".type co_begin, @function\n"
    "co_begin:\n"                  /* first entry: rbx = function, r12 = argument */
    "    movq %r12, %rdi\n"
    "    xorl %ebp, %ebp\n"
    "    callq *%rbx\n"
    "    ud2\n"
    ".size co_begin, .-co_begin\n");

void co_swap(void **save_sp, void *load_sp);
void co_begin(void);

void co_context_init(CoContext *ctx, void *base, size_t size, void (*entry)(void *arg), void *arg)
{
    uint64_t *sp = (uint64_t *)(((uintptr_t)base + size) & ~(uintptr_t)15);

    *--sp = 0;
    *--sp = 0;                     /* 16-byte alignment at the call in co_begin */
    *--sp = (uintptr_t)co_begin;   /* return address of co_swap */
    *--sp = 0;                     /* rbp */
    *--sp = (uintptr_t)entry;      /* rbx */
    *--sp = (uintptr_t)arg;        /* r12 */
    *--sp = 0;                     /* r13 */
    *--sp = 0;                     /* r14 */
    *--sp = 0;                     /* r15 */
    ctx->sp = sp;
}

void co_context_destroy(CoContext *ctx)
{
    ctx->sp = NULL;
}

void co_context_switch(CoContext *from, CoContext *to)
{
    co_swap(&from->sp, to->sp);
}

#elif defined(__aarch64__)

/* co_swap(void **save_sp in x0, void *load_sp in x1): x19-x30 and d8-d15 */
__asm__(
    ".text\n"
    ".p2align 4\n"
    ".type co_swap, %function\n"
    "co_swap:\n"
    "    sub sp, sp, #160\n"
    "    stp x19, x20, [sp, #0]\n"
    "    stp x21, x22, [sp, #16]\n"
    "    stp x23, x24, [sp, #32]\n"
    "    stp x25, x26, [sp, #48]\n"
    "    stp x27, x28, [sp, #64]\n"
    "    stp x29, x30, [sp, #80]\n"
    "    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n"
    "    stp d14, d15, [sp, #144]\n"
    "    mov x9, sp\n"
    "    str x9, [x0]\n"
    "    mov sp, x1\n"
    "    ldp x19, x20, [sp, #0]\n"
    "    ldp x21, x22, [sp, #16]\n"
    "    ldp x23, x24, [sp, #32]\n"
    "    ldp x25, x26, [sp, #48]\n"
    "    ldp x27, x28, [sp, #64]\n"
    "    ldp x29, x30, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    add sp, sp, #160\n"
    "    ret\n"
    ".size co_swap, .-co_swap\n"
    ".p2align 4\n"
    ".type co_begin, %function\n"
    "co_begin:\n"                  /* first entry: x19 = function, x20 = argument */
    "    mov x0, x20\n"
    "    mov x29, #0\n"
    "    blr x19\n"
    "    brk #0\n"
    ".size co_begin, .-co_begin\n");

void co_swap(void **save_sp, void *load_sp);
void co_begin(void);

void co_context_init(CoContext *ctx, void *base, size_t size, void (*entry)(void *arg), void *arg)
{
    uint64_t *sp = (uint64_t *)(((uintptr_t)base + size) & ~(uintptr_t)15) - 20;

    memset(sp, 0, 160);
    sp[0] = (uintptr_t)entry;      /* x19 */
    sp[1] = (uintptr_t)arg;        /* x20 */
    sp[11] = (uintptr_t)co_begin;  /* x30 */
    ctx->sp = sp;
}

void co_context_destroy(CoContext *ctx)
{
    ctx->sp = NULL;
}

void co_context_switch(CoContext *from, CoContext *to)
{
    co_swap(&from->sp, to->sp);
}

#else

#include <ucontext.h>

typedef struct Start { void (*entry)(void *arg); void *arg; } Start;

/* makecontext passes ints only: a pointer travels in two halves. */
static void start_halves(unsigned hi, unsigned lo)
{
    Start *s = (Start *)(((uintptr_t)hi << 16 << 16) | lo);

    s->entry(s->arg);
}

void co_context_init(CoContext *ctx, void *base, size_t size, void (*entry)(void *arg), void *arg)
{
    ucontext_t *uc = g_new0(ucontext_t, 1);
    Start *s = base;

    *s = (Start){ entry, arg };
    getcontext(uc);
    uc->uc_stack.ss_sp = (char *)base + sizeof(Start);
    uc->uc_stack.ss_size = size - sizeof(Start);
    uc->uc_link = NULL;
    makecontext(uc, (void (*)(void))start_halves, 2, (unsigned)((uintptr_t)s >> 16 >> 16), (unsigned)(uintptr_t)s);
    ctx->ucontext = uc;
}

void co_context_destroy(CoContext *ctx)
{
    g_free(ctx->ucontext);
    ctx->ucontext = NULL;
}

void co_context_switch(CoContext *from, CoContext *to)
{
    if (!from->ucontext) {
        from->ucontext = g_new0(ucontext_t, 1);
    }
    swapcontext(from->ucontext, to->ucontext);
}

#endif
