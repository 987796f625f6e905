/*
 * -sandbox: a filter of system calls (seccomp), put on all threads just before the machine runs.
 *
 * What is not named is allowed.  `on` alone denies what no emulator needs; the options add sets.
 * A denied call ends the process, but for those whose callers expect to be refused (clone3, scheduling).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include "system/system.h"
#include "options.h"
#include "util/options.h"

#define CALL(name) SCMP_SYS(name)

/* The whole system's business. */
static const int always[] = {
    CALL(reboot), CALL(swapon), CALL(swapoff), CALL(syslog), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(kexec_load),
    CALL(kexec_file_load), CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(acct), CALL(quotactl), CALL(settimeofday),
    CALL(clock_settime), CALL(adjtimex), CALL(clock_adjtime), CALL(sethostname), CALL(setdomainname), CALL(ptrace),
    CALL(process_vm_writev), CALL(vhangup), CALL(nfsservctl), CALL(bpf), CALL(perf_event_open), CALL(userfaultfd),
};
static const int obsolete[] = {
    CALL(_sysctl), CALL(create_module), CALL(get_kernel_syms), CALL(query_module), CALL(sysfs), CALL(uselib), CALL(ustat),
};
static const int privileges[] = {
    CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid), CALL(setfsuid), CALL(setfsgid),
    CALL(setgroups), CALL(setpgid), CALL(setsid), CALL(capset),
};
static const int spawning[] = { CALL(fork), CALL(vfork), CALL(execve), CALL(execveat) };
static const int resources[] = {
    CALL(setpriority), CALL(sched_setparam), CALL(sched_setaffinity), CALL(sched_setscheduler), CALL(sched_setattr), CALL(ioprio_set),
    CALL(setrlimit), CALL(prlimit64), CALL(mbind), CALL(set_mempolicy), CALL(migrate_pages), CALL(move_pages),
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
    seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);      /* its flags cannot be seen: the library falls back */
}

/* allow (or not given): false, deny: true; others end the program. */
static bool denied(const char *option, const char *third)
{
    const char *value = qdict_get_str(emu.sandbox, option);

    if (!value || !strcmp(value, "allow")) {
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

static Wishes wishes(void)
{
    const char *elevate = qdict_get_str(emu.sandbox, "elevateprivileges");
    bool on = false;

    opt_parse_bool("enable", qdict_get_str(emu.sandbox, "enable"), &on, &error_fatal);
    return (Wishes){ on, denied("obsolete", NULL), denied("elevateprivileges", "children"), g_strcmp0(elevate, "children") == 0,
                     denied("spawn", NULL), denied("resourcecontrol", NULL) };
}

void sandbox_check(void)
{
    if (emu.sandbox) {
        wishes();
    }
}

void sandbox_enter(void)
{
    Wishes w = emu.sandbox ? wishes() : (Wishes){ false };
    scmp_filter_ctx f;

    if (!w.on) {
        return;
    }
    if (w.children && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_report("failed to set no_new_privs aborting");
        exit(1);
    }
    f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f || seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) < 0) {
        error_report("failed to install seccomp syscall filter in the kernel");
        exit(1);
    }
    deny(f, always, G_N_ELEMENTS(always), SCMP_ACT_KILL_PROCESS);
    if (w.obsolete) {
        deny(f, obsolete, G_N_ELEMENTS(obsolete), SCMP_ACT_KILL_PROCESS);
    }
    if (w.privileges) {
        deny(f, privileges, G_N_ELEMENTS(privileges), SCMP_ACT_KILL_PROCESS);
    }
    if (w.spawn) {
        deny_processes(f);
    }
    if (w.resources) {
        deny(f, resources, G_N_ELEMENTS(resources), SCMP_ACT_ERRNO(EPERM));
    }
    if (seccomp_load(f) < 0) {
        error_report("failed to install seccomp syscall filter in the kernel");
        exit(1);
    }
    seccomp_release(f);
}
