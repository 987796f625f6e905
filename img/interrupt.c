/*
 * SIGINT, SIGTERM and SIGHUP in qemu-img and qemu-io: what was written is put in order, then the signal ends the program.
 *
 *   first signal   handler -> bottom half: requests in flight end, no new ones start, long steps stop (util/stop.h), images are
 *                  flushed and given up
 *   second signal, or PATIENCE seconds later: the end at once (an image survives that as it survives a power cut)
 *
 * The exit status is that of a program that knows nothing of the signal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "block/backend.h"
#include "img/interrupt.h"
#include "util/aio.h"
#include "util/stop.h"

#define PATIENCE 5

static volatile sig_atomic_t received;
static void (*before_end)(void);
static AioBh *bh;

static void end_by(int sig)
{
    sigset_t set;

    if (before_end) {
        before_end();
    }
    signal(sig, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, sig);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(sig);
    _exit(128 + sig);                  /* only if somebody blocks it */
}

static void on_late(int sig)
{
    end_by(received);
}

static void on_signal(int sig)
{
    if (received) {
        end_by(sig);
    }
    received = sig;
    stop_ask();
    alarm(PATIENCE);
    aio_bh_schedule(bh);
}

static void put_in_order(void *opaque)
{
    for (BlockBackend *blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        blk_set_force_allow_inactivate(blk);
    }
    bdrv_drain_all_begin();            /* for good */
    bdrv_inactivate_all();
    end_by(received);
}

void interrupt_init(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction old, act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigset_t late;

    bh = aio_bh_new(aio_main_context(), put_in_order, NULL);
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) {   /* nohup stays */
            sigaction(signals[i], &act, NULL);
        }
    }
    act.sa_handler = on_late;
    sigaction(SIGALRM, &act, NULL);
    sigemptyset(&late);
    sigaddset(&late, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &late, NULL);
}

void interrupt_set_hook(void (*fn)(void))
{
    before_end = fn;
}

void interrupt_finish(void)
{
    if (received) {
        end_by(received);
    }
}
