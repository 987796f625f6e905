/*
 * What QMP and HMP monitors share.
 *
 * Locks: Monitor.lock guards the output; MonitorQMP has one for its requests; `monitors_lock` guards
 * the list.  Order: monitors_lock, then the requests' lock, then the output's lock.  Nothing that can
 * wait is called with any of them held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_MONITOR_INT_H
#define MONITOR_MONITOR_INT_H

#include <pthread.h>
#include "chardev/char.h"
#include "monitor/monitor.h"
#include "output.h"
#include "util/aio.h"

/* A peer that does not read gets no more than this kept for it. */
#define MONITOR_OUTPUT_HIGH (1u << 20)     /* above: no more requests are taken from it */
#define MONITOR_OUTPUT_MAX (16u << 20)     /* above: events are dropped, a person's text too */

struct Monitor {
    CharBackend chr;
    AioContext *ctx;                /* where the device's handlers run */
    bool qmp;
    bool buffer;                    /* no device: output is collected (human-monitor-command) */
    pthread_mutex_t lock;
    MonitorOutput out;              /* what the device did not take yet */
    bool open;                      /* a peer is there */
    bool held;                      /* output is kept: another user of the mux has the focus */
    bool watching;                  /* told to call on_writable */
    AioBh *watch_bh;
    void (*output_drained)(Monitor *mon);   /* in ctx, without locks; may be NULL */
    /* Input may be wanted again: a command has ended.  Main thread.  May be NULL. */
    void (*kick)(Monitor *mon);
    GList *fds;                     /* MonitorFd, newest first; main thread */
    /* Descriptors that came with the last input and were not taken; under lock. */
    int msgfds[16], n_msgfds;
    char *cpu_path;                 /* HMP's `cpu`; NULL: none chosen */
};

extern pthread_mutex_t monitors_lock;
extern GList *monitors;

/* The thread that reads for QMP sessions: monitor/io-thread.c.  NULL with errp when it cannot be had. */
AioContext *monitor_io_context(Error **errp);
/* Its end: from then on the main thread may do what it did. */
void monitor_io_stop(void);

/* Prepare a zeroed object; chr NULL: a buffer.  ctx: where the device's handlers are to run. */
bool monitor_setup(Monitor *mon, Chardev *chr, AioContext *ctx, bool qmp, Error **errp);
void monitor_teardown(Monitor *mon);
void monitor_list_add(Monitor *mon);

/* Text out, with CR before each LF; line: ended by one.  Returns false when the peer is gone or too far behind (force: kept even so). */
bool monitor_write(Monitor *mon, const char *text, bool line, bool force);
void monitor_hold(Monitor *mon, bool held);
size_t monitor_backlog(Monitor *mon);
/* The device has a new peer, or lost it: forget what was on its way. */
void monitor_set_peer(Monitor *mon, bool open);
/* Take over the descriptors that came with the input that was read now. */
void monitor_keep_msgfds(Monitor *mon);
/* The first of them, or -1; the rest are closed. */
int monitor_take_msgfd(Monitor *mon);

/*
 * A command begins and ends in the main thread.  Bodies may poll, which may bring more input: whoever
 * wants to run a command asks first, and is called by `kick` when the one that runs has ended.
 */
bool monitor_command_runs(void);
Monitor *monitor_command_begin(Monitor *mon);
void monitor_command_end(Monitor *previous);

/* QMP: monitor/qmp.c. */
int monitor_init_qmp(Chardev *chr, bool pretty, Error **errp);
/* HMP: monitor/hmp.c. */
int monitor_init_hmp(Chardev *chr, bool use_readline, Error **errp) __attribute__((weak));
/* Run one line as if typed at mon; output goes to mon. */
void monitor_hmp_run(Monitor *mon, const char *line) __attribute__((weak));

/* Run a line of HMP and return what it printed; g_free.  NULL: no memory. */
char *monitor_hmp_capture(const char *line, const char *cpu_path, Error **errp);

#endif
