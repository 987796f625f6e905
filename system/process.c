/*
 * The process: daemon, pidfile, signals, rights.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "crypto/tls-lib.h"
#include "machine/runstate.h"
#include "system/system.h"
#include "util/cutils.h"
#include "util/daemon.h"
#include "util/pidfile.h"

void process_daemonize(void)
{
    if (emu.daemonize) {
        daemon_start();
    }
}

void process_write_pidfile(const char *path)
{
    if (path) {
        pidfile_write(path, "cannot create PID file: ");
    }
}

void process_ready(void) { daemon_ready(emu.log_file != NULL); }

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

/* Who the process becomes; found out before the root folder changes and the names cannot be read. */
static struct { const char *name; uint64_t uid, gid; bool named; } future;

void process_check_rights(void)
{
    struct passwd *pw = emu.runas ? getpwnam(emu.runas) : NULL;
    g_autofree char *loc = NULL;

    future.name = emu.runas;
    future.named = pw;
    if (pw) {
        future.uid = pw->pw_uid;
        future.gid = pw->pw_gid;
    } else if (emu.runas && !parse_ids(emu.runas, &future.uid, &future.gid)) {
        loc = g_strdup_printf("-runas %s", emu.runas);
        error_set_location(emu.runas_loc ? emu.runas_loc : loc);
        error_report("User \"%s\" doesn't exist (and is not <uid>:<gid>)", emu.runas);
        exit(1);
    }
}

static void change_user(void)
{
    if (future.named && initgroups(future.name, future.gid) < 0) {
        error_report("Failed to initgroups(\"%s\", %d): %s", future.name, (int)future.gid, strerror(errno));
        exit(1);
    }
    if (!future.named && setgroups(0, NULL) < 0) {
        error_report("Failed to setgroups(0, NULL): %s", strerror(errno));
        exit(1);
    }
    if (setgid(future.gid) < 0 || setuid(future.uid) < 0) {
        error_report("Failed to change to user %s: %s", future.name, strerror(errno));
        exit(1);
    }
}

void process_drop_rights(void)
{
    if (emu.chroot_dir) {
        tls_lib_load(NULL);              /* not to be found from inside; credentials may come later */
    }
    if (emu.chroot_dir && (chroot(emu.chroot_dir) < 0 || chdir("/") < 0)) {
        error_report("chroot failed");
        exit(1);
    }
    if (emu.runas) {
        change_user();
    }
}
