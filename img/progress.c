/*
 * The progress line of `-p`, and the same line on SIGUSR1 without it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include "img/common.h"


static struct {
    bool enabled;
    double step;                       /* the line is printed again when the share has grown by more than this */
    bool was_used;                     /* init was called: finish may print */
    uint64_t done, total;
    double shown;                      /* percent printed last; negative: nothing yet */
    volatile sig_atomic_t asked;       /* set by the signal handler only */
} progress;

static double percent(void)
{
    return progress.total ? 100.0 * progress.done / progress.total : 0;
}

static void on_signal(int sig)
{
    progress.asked = 1;
}

void img_progress_init(bool enabled, double step_percent)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    progress.enabled = enabled;
    progress.was_used = true;
    progress.done = progress.total = 0;
    progress.step = step_percent;
    progress.shown = -1;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGUSR1, &sa, NULL);
    sigaddset(&sa.sa_mask, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &sa.sa_mask, NULL);       /* the event loop has no use for it */
#if defined(SIGINFO) && SIGINFO != SIGPWR
    sigaction(SIGINFO, &sa, NULL);
#endif
}

static void show(void)
{
    double now = percent();

    /* Both ends are shown each time that they are told. */
    if (progress.enabled && (now > progress.shown + progress.step || now == 0 || now == 100)) {
        printf("    (%3.2f/100%%)\r", now);
        fflush(stdout);
        progress.shown = now;
    } else if (progress.asked) {
        fprintf(stderr, "    (%3.2f/100%%)\n", now);
    }
    progress.asked = 0;
}

void img_progress_total(uint64_t total)
{
    progress.total = total;
    if (progress.shown < 0) {
        show();
    }
}

void img_progress_set(uint64_t done)
{
    progress.done = MIN(done, progress.total);
    show();
}

void img_progress_add(uint64_t units)
{
    img_progress_set(progress.done + units);
}

void img_progress_finish(bool ok)
{
    if (!progress.was_used) {
        return;
    }
    if (ok) {
        progress.total = MAX(progress.total, 1);
        progress.done = progress.total;
        show();
    }
    if (progress.enabled) {
        printf("\n");
        fflush(stdout);
    }
    progress.was_used = false;
}
