/*
 * -sandbox: filters of system calls (seccomp), on all threads that there are and those to come.
 *
 * What is not named is allowed.  `on` alone denies what no emulator needs; the options add sets.
 * A denied call ends the process, but for those whose callers expect to be refused (clone3, scheduling).
 * The first filter is there before anything that others made is read (images, peers, a user's JSON): objects, disks and
 * monitors are opened under it.  What the start itself still has to do (another user, the helper that frees memory)
 * is denied by a second one, just before the machine runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "block/export.h"
#include "system/system.h"
#include "options.h"
#include "util/options.h"

#define CALL(name) SCMP_SYS(name)

/* The whole system's business. */
static const int always[] = {
    CALL(reboot), CALL(swapon), CALL(swapoff), CALL(syslog), CALL(mount), CALL(umount2), CALL(pivot_root),
    CALL(kexec_load),
    CALL(kexec_file_load), CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(acct), CALL(quotactl),
    CALL(settimeofday),
    CALL(clock_settime), CALL(adjtimex), CALL(clock_adjtime), CALL(sethostname), CALL(setdomainname), CALL(ptrace),
    CALL(process_vm_writev), CALL(vhangup), CALL(nfsservctl), CALL(bpf), CALL(perf_event_open), CALL(userfaultfd),
    CALL(getpmsg), CALL(putpmsg), CALL(afs_syscall), CALL(tuxcall), CALL(security), CALL(vserver),
    CALL(open_tree), CALL(move_mount), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(mount_setattr),
};
static const int obsolete[] = {
    CALL(_sysctl), CALL(create_module), CALL(get_kernel_syms), CALL(query_module), CALL(sysfs), CALL(uselib),
    CALL(ustat),
};
static const int privileges[] = {
    CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid), CALL(setfsuid),
    CALL(setfsgid),
    CALL(setgroups), CALL(setpgid), CALL(setsid), CALL(capset),
};
static const int spawning[] = { CALL(fork), CALL(vfork), CALL(execve), CALL(execveat), CALL(unshare), CALL(setns) };
static const int resources[] = {
    CALL(setpriority), CALL(sched_setparam), CALL(sched_setaffinity), CALL(sched_setscheduler), CALL(sched_setattr),
    CALL(ioprio_set),
    CALL(setrlimit), CALL(mbind), CALL(set_mempolicy), CALL(migrate_pages), CALL(move_pages),
};

static void deny(scmp_filter_ctx f, const int *calls, size_t n, uint32_t action)
{
    for (size_t i = 0; i < n; i++) {
        /* Negative: this machine has no such call. */
        if (calls[i] >= 0 && seccomp_rule_add(f, action, calls[i], 0) < 0) {
            error_report("failed to install seccomp syscall filter in the kernel: %s", "a rule was refused");
            exit(1);
        }
    }
}

/* Threads stay possible, processes do not. */
static void deny_processes(scmp_filter_ctx f)
{
    deny(f, spawning, G_N_ELEMENTS(spawning), SCMP_ACT_KILL_PROCESS);
    seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    /* its flags cannot be seen: the library falls back */
    seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
}

/* Limits may be asked for: the call that sets them does that, too. */
static void deny_resources(scmp_filter_ctx f)
{
    deny(f, resources, G_N_ELEMENTS(resources), SCMP_ACT_ERRNO(EPERM));
    seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), CALL(prlimit64), 1, SCMP_A2(SCMP_CMP_NE, 0));
}

/* allow: false, deny: true, not given: usual; others end the program. */
static bool denied(const char *option, const char *third, bool usual)
{
    const char *value = qdict_get_str(emu.sandbox, option);

    if (!value) {
        return usual;
    }
    if (!strcmp(value, "allow")) {
        return false;
    }
    if (strcmp(value, "deny") && g_strcmp0(value, third)) {
        g_autofree char *loc = g_strdup_printf("-sandbox %s", emu.sandbox_text);

        error_set_location(loc);
        error_report("invalid argument for %s", option);
        exit(1);
    }
    return !strcmp(value, "deny");
}

typedef struct Wishes { bool on, obsolete, privileges, children, spawn, resources; } Wishes;

/* When it is off, nothing else of it is looked at. */
static Wishes wishes(void)
{
    const char *enable = emu.sandbox ? qdict_get_str(emu.sandbox, "enable") : NULL, *elevate;
    bool on = false;

    if (enable) {
        opt_parse_bool("enable", enable, &on, &error_fatal);
    }
    if (!on) {
        return (Wishes){ false };
    }
    elevate = qdict_get_str(emu.sandbox, "elevateprivileges");
    return (Wishes){ on, denied("obsolete", NULL, true), denied("elevateprivileges", "children", false),
                     g_strcmp0(elevate, "children") == 0, denied("spawn", NULL, false),
                         denied("resourcecontrol", NULL, false) };
}

static void check(int ret)
{
    if (ret < 0) {
        error_report("failed to install seccomp syscall filter in the kernel");
        exit(1);
    }
}

static void install(Wishes w)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

    check(f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) : -1);
    if (w.on) {
        deny(f, always, G_N_ELEMENTS(always), SCMP_ACT_KILL_PROCESS);
    }
    if (w.obsolete) {
        deny(f, obsolete, G_N_ELEMENTS(obsolete), SCMP_ACT_KILL_PROCESS);
    }
    if (w.privileges || w.children) {
        deny(f, privileges, G_N_ELEMENTS(privileges), SCMP_ACT_KILL_PROCESS);
    }
    if (w.spawn) {
        deny_processes(f);
    }
    if (w.resources) {
        deny_resources(f);
    }
    check(seccomp_load(f));
    seccomp_release(f);
}

/* What the start does after the first filter is in place. */
static bool later_user(void) { return emu.runas; }
static bool later_process(void) { return emu.async_teardown; }

void sandbox_check(void)
{
    wishes();
}

void sandbox_enter_early(void)
{
    Wishes w = wishes();

    if (!w.on) {
        return;
    }
    if (w.children && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_report("failed to set no_new_privs aborting");
        exit(1);
    }
    w.privileges = w.privileges && !later_user();
    w.children = w.children && !later_user();
    w.spawn = w.spawn && !later_process();
    install(w);
    blk_exp_deny_mounts();
}

void sandbox_enter(void)
{
    Wishes w = wishes();
    Wishes rest = { .privileges = w.privileges && later_user(), .children = w.children && later_user(),
                    .spawn = w.spawn && later_process() };

    if (w.on && (rest.privileges || rest.children || rest.spawn)) {
        install(rest);
    }
}
