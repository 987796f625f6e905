/*
 * Monitors: where a manager (QMP) or a person (HMP) talks to a running program.
 *
 * Any number of them, each on a character device of its own.  Commands run in the main thread one at
 * a time, whatever monitor they come from; those sent out of band run in the monitors' thread at once.
 * Output may come from any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "util/qobject.h"

typedef struct Monitor Monitor;

typedef enum MonitorMode { MONITOR_MODE_READLINE, MONITOR_MODE_CONTROL } MonitorMode;

typedef struct MonitorOptions {
    const char *chardev;        /* label */
    MonitorMode mode;
    bool pretty;                /* QMP only */
    bool has_pretty;
} MonitorOptions;

/* A new monitor on a device that exists.  0 or -errno.  Main thread. */
int monitor_init(const MonitorOptions *options, Error **errp);
/* The same from the options of -mon: chardev, mode, pretty (strings, as written by the user), id. */
int monitor_init_from_options(const QDict *options, Error **errp);
/* At exit: send what can be sent, let go of the devices. */
void monitor_cleanup(void);

/* The monitor whose command runs in this thread; NULL: none. */
Monitor *monitor_cur(void);
/* Sets it, returns what it was. */
Monitor *monitor_set_cur(Monitor *mon);
bool monitor_cur_is_qmp(void);
bool monitor_is_qmp(const Monitor *mon);

/* Text to a person; "\n" goes out as "\r\n".  Nothing happens when mon is NULL or speaks QMP; returns -1 then. */
int monitor_printf(Monitor *mon, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
int monitor_vprintf(Monitor *mon, const char *fmt, va_list ap) G_GNUC_PRINTF(2, 0);
int monitor_puts(Monitor *mon, const char *text);
void monitor_flush(Monitor *mon);

/*
 * Descriptors that clients hand over.  By a name given with getfd, taken once; or all digits: that
 * descriptor of this process.  The caller owns the result; -1 with errp.  mon NULL: numbers only.
 */
int monitor_get_fd(Monitor *mon, const char *name, Error **errp);
/* As above for text that may come from the command line: a name needs a current monitor. */
int monitor_fd_param(Monitor *mon, const char *text, Error **errp);

/* The QOM path of a processor, NULL if there is none of this number: set by programs that have some. */
extern char *(*monitor_cpu_path)(int64_t index);
/* There is no board yet: HMP runs only what needs none. */
extern bool monitor_hmp_preconfig;

/* Main thread: commands wait from hold (which a command may call: those after it) to release, while the program itself polls. */
void monitors_hold(void);
void monitors_release(void);

#endif
