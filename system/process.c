/*
 * The process: daemon, pidfile, signals, rights.
 *
 * A daemon's first parent waits for one byte: 0 once everything listens and the pidfile is written; if
 * the pipe closes instead, starting failed and the text was on stderr.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "machine/runstate.h"
#include "system/system.h"
#include "util/cutils.h"

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

void process_daemonize(void)
{
    int fds[2];
    pid_t pid;

    if (!emu.daemonize) {
        return;
    }
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

void process_ready(void)
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
    if (!emu.log_file) {
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

void process_write_pidfile(const char *path)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    char *real;
    int fd;

    if (!path) {
        return;
    }
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

void process_cleanup(void)
{
    if (pidfile) {
        unlink(pidfile);
        g_clear_pointer(&pidfile, g_free);
    }
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(int sig, siginfo_t *info, void *context) { vm_killed(sig, info->si_pid); }

void process_take_signals(void)
{
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

    sigaction(SIGINT, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* --- rights --------------------------------------------------------------------------------------- */

static bool parse_ids(const char *text, uint64_t *uid, uint64_t *gid)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);

    return parts[0] && parts[1] && parse_u64(parts[0], 10, uid) == 0 && parse_u64(parts[1], 10, gid) == 0;
}

static void change_user(const char *name)
{
    struct passwd *pw = getpwnam(name);
    uint64_t uid, gid;

    if (pw) {
        uid = pw->pw_uid;
        gid = pw->pw_gid;
        if (initgroups(name, gid) < 0) {
            error_report("Failed to initgroups(\"%s\", %d): %s", name, (int)gid, strerror(errno));
            exit(1);
        }
    } else if (parse_ids(name, &uid, &gid)) {
        if (setgroups(0, NULL) < 0) {
            error_report("Failed to setgroups(0, NULL): %s", strerror(errno));
            exit(1);
        }
    } else {
        g_autofree char *loc = g_strdup_printf("-runas %s", name);

        error_set_location(loc);
        error_report("User \"%s\" doesn't exist (and is not <uid>:<gid>)", name);
        exit(1);
    }
    if (setgid(gid) < 0 || setuid(uid) < 0) {
        error_report("Failed to change to user %s: %s", name, strerror(errno));
        exit(1);
    }
}

void process_drop_rights(void)
{
    if (emu.chroot_dir && (chroot(emu.chroot_dir) < 0 || chdir("/") < 0)) {
        error_report("chroot failed");
        exit(1);
    }
    if (emu.runas) {
        change_user(emu.runas);
    }
}
