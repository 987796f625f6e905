/*
 * A process as a daemon.
 *
 * A daemon's first parent waits for one byte: 0 once everything listens and the pidfile is written; if
 * the pipe closes instead, starting failed and the text was on stderr.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/daemon.h"
#include "util/error.h"

static int ready_pipe = -1;
static bool started;

static void wait_for_child(int fd)
{
    uint8_t status;
    ssize_t n;

    do {
        n = read(fd, &status, 1);
    } while (n < 0 && errno == EINTR);
    _exit(n == 1 && status == 0 ? 0 : 1);
}

void daemon_start(void)
{
    int fds[2];
    pid_t pid;

    started = true;
    if (pipe(fds) < 0) {
        exit(1);
    }
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    pid = fork();
    if (pid > 0) {
        close(fds[1]);
        wait_for_child(fds[0]);
    } else if (pid < 0) {
        exit(1);
    }
    close(fds[0]);
    ready_pipe = fds[1];
    setsid();
    pid = fork();
    if (pid > 0) {
        _exit(0);
    } else if (pid < 0) {
        exit(1);
    }
    umask(027);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
}

void daemon_ready(bool keep_stderr)
{
    uint8_t status = 0;
    int null;

    if (ready_pipe < 0) {
        return;
    }
    if (chdir("/") < 0) {
        error_report("not able to chdir to /: %s", strerror(errno));
        exit(1);
    }
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    if (!keep_stderr) {
        dup2(null, 2);
    }
    close(null);
    while (write(ready_pipe, &status, 1) < 0 && errno == EINTR) {
    }
    close(ready_pipe);
    ready_pipe = -1;
}

bool daemon_started(void)
{
    return started;
}
