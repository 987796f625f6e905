/*
 * A process as a daemon, and its pidfile.
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
static char *pidfile;

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

/* --- pidfile --------------------------------------------------------------------------------- */

static bool write_pid(int fd)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", getpid());

    return ftruncate(fd, 0) == 0 && write(fd, text, len) == len;
}

void pidfile_write(const char *path)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char *real;
    int fd;

    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_report("cannot create PID file: Could not create '%s': %s", path, strerror(errno));
        exit(1);
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_report("cannot create PID file: Cannot lock pid file: %s", strerror(errno));
        exit(1);
    }
    if (!write_pid(fd)) {
        error_report("cannot create PID file: Failed to write pid file: %s", strerror(errno));
        exit(1);
    }
    real = realpath(path, NULL);        /* a daemon changes its folder; the descriptor holds the lock */
    pidfile = g_strdup(real ? real : path);
    free(real);
}

void pidfile_remove(void)
{
    if (pidfile) {
        unlink(pidfile);
        g_clear_pointer(&pidfile, g_free);
    }
}
