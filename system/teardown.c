/*
 * -async-teardown, -run-with async-teardown=on: whoever waits for the emulator's end need not wait for its memory to
 * be given back.
 *
 * A second process shares the memory and nothing else. When the emulator's main thread ends, the kernel tells it, and
 * it ends too; only then the memory goes. It runs on a stack of its own and must not touch what the two share (errno,
 * locks): it makes a few system calls that cannot fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "system/system.h"

#define STACK_BYTES 65536

typedef struct Shared { pid_t parent; char name[16]; } Shared;

static int wait_for_end(void *opaque)
{
    const Shared *s = opaque;
    sigset_t hup;

    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    prctl(PR_SET_NAME, (unsigned long)s->name);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    syscall(SYS_close_range, 0, ~0U, 0);
    while (getppid() == s->parent) {
        syscall(SYS_rt_sigtimedwait, &hup, NULL, NULL, 8);       /* the kernel's set is 8 bytes */
    }
    syscall(SYS_exit_group, 0);
    return 0;
}

void process_teardown_later(void)
{
    static Shared shared;
    sigset_t all, old;
    uint8_t *stack;
    int pid;

    if (!emu.async_teardown) {
        return;
    }
    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    shared.parent = getpid();
    snprintf(shared.name, sizeof(shared.name), "cleanup/%d", getpid());
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &old);                        /* inherited: it listens to nothing else */
    pid = stack == MAP_FAILED ? -1 : clone(wait_for_end, stack + STACK_BYTES, CLONE_VM, &shared);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (pid < 0) {
        error_report("async-teardown: %s", strerror(errno));
        exit(1);
    }
}
