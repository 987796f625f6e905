/*
 * The file that tells a program's process id; locked while the program lives, so that two do not share it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "util/error.h"
#include "util/leftovers.h"
#include "util/pidfile.h"

static char *pidfile;

static int fill(int fd, Error **errp)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%d\n", getpid());

    if (ftruncate(fd, 0) < 0) {
        error_setg_errno(errp, errno, "Failed to truncate pid file");
        return -errno;
    }
    if (write(fd, text, len) != len) {
        error_setg_errno(errp, errno, "Failed to write pid file");
        return -EIO;
    }
    return 0;
}

static bool create(const char *path, Error **errp)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    char *real;

    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not create '%s'", path);
        return false;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_setg_errno(errp, errno, "Cannot lock pid file");
        close(fd);
        return false;
    }
    if (fill(fd, errp) < 0) {
        close(fd);
        return false;
    }
    real = realpath(path, NULL);        /* a daemon changes its folder; the descriptor stays open and holds the lock */
    pidfile = g_strdup(real ? real : path);
    leftovers_add(pidfile);
    free(real);
    return true;
}

/* No signal ends the program between making the file and noting it. */
bool pidfile_try_write(const char *path, Error **errp)
{
    sigset_t all, before;
    bool ok;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    ok = create(path, errp);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

void pidfile_write(const char *path, const char *prefix)
{
    Error *err = NULL;

    if (!pidfile_try_write(path, &err)) {
        error_reportf_err(err, "%s", prefix);
        exit(EXIT_FAILURE);
    }
}

void pidfile_remove(void)
{
    if (pidfile) {
        unlink(pidfile);
        leftovers_forget(pidfile);
        g_clear_pointer(&pidfile, g_free);
    }
}
