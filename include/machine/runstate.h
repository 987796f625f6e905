/*
 * Whether the machine runs, why it does not, and the requests to change that.
 *
 * Requests (shutdown, reset, powerdown) may be made from any thread or, for shutdown by signal, from a
 * signal handler; the main loop carries them out.  Everything else: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MACHINE_RUNSTATE_H
#define MACHINE_RUNSTATE_H

#include <stdbool.h>
#include "util/error.h"

/* In the order of the schema's RunState. */
typedef enum VmState {
    VM_DEBUG, VM_INMIGRATE, VM_INTERNAL_ERROR, VM_IO_ERROR, VM_PAUSED, VM_POSTMIGRATE, VM_PRELAUNCH,
    VM_FINISH_MIGRATE, VM_RESTORE_VM, VM_RUNNING, VM_SAVE_VM, VM_SHUTDOWN, VM_SUSPENDED, VM_WATCHDOG,
    VM_GUEST_PANICKED, VM_COLO, VM_STATE_MAX
} VmState;

/* In the order of the schema's ShutdownCause. */
typedef enum VmCause {
    VM_CAUSE_NONE, VM_CAUSE_HOST_ERROR, VM_CAUSE_HOST_QMP_QUIT, VM_CAUSE_HOST_QMP_SYSTEM_RESET, VM_CAUSE_HOST_SIGNAL,
    VM_CAUSE_HOST_UI, VM_CAUSE_GUEST_SHUTDOWN, VM_CAUSE_GUEST_RESET, VM_CAUSE_GUEST_PANIC, VM_CAUSE_SUBSYSTEM_RESET,
    VM_CAUSE_SNAPSHOT_LOAD
} VmCause;

VmState vm_state(void);
const char *vm_state_name(VmState s);
bool vm_running(void);
void vm_state_set(VmState s);

/* Told after each change of `running`; state is the new one. Stopped machines tell in reverse order. */
typedef void VmChangeFn(void *opaque, bool running, VmState state);
typedef struct VmListener VmListener;
VmListener *vm_listener_add(VmChangeFn *fn, void *opaque);
void vm_listener_remove(VmListener *l);

/* Run; sends RESUME.  A machine that was never stopped by hand may be started again after any reason but shutdown. */
void vm_start(void);
/* What makes disks quiet and stable when the machine stops: 0 or -errno. */
void vm_set_flush_hook(int (*drain_and_flush)(void));
/* Stop, drain and flush all disks; sends STOP if it ran.  Returns the result of the flush. */
int vm_stop(VmState state);
/* From any thread: stop as soon as the main loop gets to it (I/O errors). */
void vm_stop_request(VmState state);
void vm_stop_request_prepare(void);
/* Stop, but with state whatever was before when it did not run. */
int vm_stop_force_state(VmState state);

void vm_shutdown_request(VmCause cause);
bool vm_shutdown_requested(void);                /* and not yet carried out */
/* The command `quit`: SHUTDOWN is sent before its reply, as clients of the stock program see it. */
void vm_quit(void);
void vm_shutdown_request_with_code(VmCause cause, int exit_code);
void vm_reset_request(VmCause cause);
void vm_powerdown_request(void);
/* The guest goes to sleep (nothing unless it runs); then only a wake-up or a reset helps. */
void vm_suspend_request(void);
/* The guest saves itself to disk and ends the machine. */
void vm_suspend_disk_request(void);
typedef enum VmWakeup { VM_WAKEUP_RTC = 1, VM_WAKEUP_TIMER, VM_WAKEUP_OTHER } VmWakeup;
/* From devices: ignored when not asleep.  The machine is reset and runs. */
void vm_wakeup(VmWakeup reason);
/* A board that can sleep: fn is told of wake-ups, before the reset. */
void vm_wakeup_listener(void (*fn)(void *opaque, VmWakeup reason), void *opaque);
bool vm_wakeup_supported(void);
/* The command: errors when there is nothing to wake. */
void vm_wakeup_request(Error **errp);
/* A watchdog bit, or the guest told that it crashed (or that its crash kernel took over): do what the actions say. */
void vm_watchdog_expired(void);
void vm_guest_panicked(void);
void vm_guest_crashloaded(void);
void vm_killed(int signal, int pid);             /* async-signal-safe */
/* Event POWERDOWN aside: what the board does when the power button is pressed. */
void vm_powerdown_listener(void (*fn)(void *opaque), void *opaque);

/* Resets run in the order of registration. */
typedef void VmResetFn(void *opaque);
void vm_reset_add(VmResetFn *fn, void *opaque);
void vm_reset_remove(VmResetFn *fn, void *opaque);
void vm_system_reset(VmCause cause);

/* What shutdown, reset, panic and watchdog do (-action, -no-shutdown, set-action). */
typedef enum VmRebootAction { VM_REBOOT_RESET, VM_REBOOT_SHUTDOWN } VmRebootAction;
typedef enum VmShutdownAction { VM_SHUTDOWN_POWEROFF, VM_SHUTDOWN_PAUSE } VmShutdownAction;
typedef enum VmPanicAction { VM_PANIC_PAUSE, VM_PANIC_SHUTDOWN, VM_PANIC_EXIT_FAILURE, VM_PANIC_NONE } VmPanicAction;
typedef enum VmWatchdogAction {
    VM_WATCHDOG_RESET, VM_WATCHDOG_SHUTDOWN, VM_WATCHDOG_POWEROFF, VM_WATCHDOG_PAUSE, VM_WATCHDOG_DEBUG,
    VM_WATCHDOG_NONE, VM_WATCHDOG_INJECT_NMI
} VmWatchdogAction;
typedef struct VmActions {
    int reboot, shutdown, panic, watchdog;
} VmActions;
extern VmActions vm_actions;
/* Set one by its names; false when either is unknown. */
bool vm_action_set(const char *action, const char *value);

/* The virtual clock runs with the machine (without this call: as accel/qtest or the real time has it). */
void vm_clock_init(void);
/* Saved state was loaded: the clock shows its time.  hook: for who serves the clock otherwise. */
void vm_clock_set(int64_t ns);
void vm_clock_set_hook(void (*set)(int64_t ns));
/* HMP `singlestep`, as query-status tells it. */
extern bool vm_single_step;
/* `cont` without a start before: -S and preconfig. */
extern bool vm_autostart;
/* The main loop: returns the exit status when the machine is to end. */
int vm_main_loop(void);
/* One turn of it without waiting: requests are carried out.  True: the program is to end with *status. */
bool vm_should_end(int *status);

/* How events are sent; set by the monitor side so that this room does not know QAPI types. */
typedef struct VmEvents {
    void (*stop)(void);
    void (*resume)(void);
    void (*shutdown)(bool guest, VmCause cause);
    void (*reset)(bool guest, VmCause cause);
    void (*powerdown)(void);
    void (*wakeup)(void);
    void (*suspend)(void);
    void (*suspend_disk)(void);
    void (*watchdog)(int action);                     /* VmWatchdogAction */
    void (*guest_panicked)(const char *action);       /* "pause", "poweroff", "run" */
    void (*guest_crashloaded)(void);
} VmEvents;
extern VmEvents vm_events;

#endif
