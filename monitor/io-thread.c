/*
 * The thread in which QMP sessions read: so a request to run out of band is heard whatever the main
 * thread is doing.  Started with the first session; ends with the program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor-int.h"

static AioContext *context;
static pthread_t thread;
static bool stop;                   /* set by a bottom half of the context */

static void *run(void *opaque)
{
    aio_context_bind_thread(context);
    while (!stop) {
        aio_poll(context, true);
    }
    return NULL;
}

AioContext *monitor_io_context(Error **errp)
{
    if (context) {
        return context;
    }
    context = aio_context_new(errp);
    if (context && pthread_create(&thread, NULL, run, NULL) != 0) {
        error_setg(errp, "Failed to start the monitors' thread");
        aio_context_unref(context);
        context = NULL;
    }
    return context;
}

static void stop_bh(void *opaque)
{
    stop = true;
}

void monitor_io_stop(void)
{
    if (context && !stop) {
        aio_bh_oneshot(context, stop_bh, NULL);
        pthread_join(thread, NULL);
    }
}
