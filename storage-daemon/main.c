/*
 * The storage daemon: block nodes, jobs and exports under a monitor, without a machine.
 *
 *   look at options -> daemon -> do what they say in order -> pidfile -> main loop until quit or a signal -> close
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include "block/backend.h"
#include "block/blockdev.h"
#include "block/export.h"
#include "chardev/char.h"
#include "daemon.h"
#include "monitor/monitor.h"
#include "objects/for-exports.h"
#include "qom/object.h"
#include "util/aio.h"
#include "util/daemon.h"
#include "util/pidfile.h"

static bool exiting;
static int signal_fd;

void request_exit(void)
{
    exiting = true;
}

static void on_signal(void *opaque)
{
    struct signalfd_siginfo info;

    if (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
        request_exit();
    }
}

/* Before threads are made, so that they inherit the mask. */
static void watch_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    aio_set_fd_handler(aio_main_context(), signal_fd, on_signal, NULL, NULL);
}

void close_block(void)
{
    nbd_server_stop();
    blk_exp_close_all_type(BLOCK_EXPORT_TYPE__MAX);
    blk_drain_all();
    blockdev_close_all();
}

int main(int argc, char **argv)
{
    const char *pidfile;

    error_init(argv[0]);
    if (options_want_daemon(argc, argv)) {
        daemon_start();
    }
    aio_init_main();
    bdrv_init();
    watch_signals();
    commands_init();
    block_serve_objects();
    pidfile = options_process(argc, argv);
    if (pidfile) {
        pidfile_write(pidfile, "cannot create PID file: ");
        atexit(pidfile_remove);
    }
    daemon_ready(false);
    while (!exiting) {
        aio_poll(aio_main_context(), true);
    }
    close_block();
    monitor_cleanup();
    chr_cleanup();
    user_objects_cleanup();
    return EXIT_SUCCESS;
}
