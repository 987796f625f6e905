/*
 * Run states: start, stop, shutdown, reset; and the main loop that carries out requests.
 *
 * Transitions: any state may become any other, but `cont` refuses what its caller checks (qmp_cont).
 * A stop drains and flushes all disks before STOP is sent, so a manager that saw STOP finds stable images.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "machine/runstate.h"
#include "util/aio.h"

struct VmListener {
    VmChangeFn *fn;
    void *opaque;
};

typedef struct ResetEntry {
    VmResetFn *fn;
    void *opaque;
} ResetEntry;

/* Written by signal handlers and other threads, read by the main loop. */
static struct {
    int shutdown, shutdown_signal, shutdown_pid, exit_code;
    int reset, powerdown, suspend, wakeup, stop, stop_prepared;
    bool announced;             /* SHUTDOWN was sent with the request */
} requests = { .stop = VM_STATE_MAX };

static VmState state = VM_PRELAUNCH;
static GPtrArray *listeners, *resets;
static void (*powerdown_fn)(void *opaque);
static void *powerdown_opaque;
VmActions vm_actions = { VM_REBOOT_RESET, VM_SHUTDOWN_POWEROFF, VM_PANIC_SHUTDOWN, VM_WATCHDOG_RESET };
bool vm_autostart = true, vm_single_step;
VmEvents vm_events;
static int (*flush_hook)(void);

static const char *const state_names[] = {
    "debug", "inmigrate", "internal-error", "io-error", "paused", "postmigrate", "prelaunch", "finish-migrate",
    "restore-vm", "running", "save-vm", "shutdown", "suspended", "watchdog", "guest-panicked", "colo",
};

VmState vm_state(void) { return state; }
const char *vm_state_name(VmState s) { return state_names[s]; }
bool vm_running(void) { return state == VM_RUNNING; }
void vm_state_set(VmState s) { state = s; }

VmListener *vm_listener_add(VmChangeFn *fn, void *opaque)
{
    VmListener *l = g_new0(VmListener, 1);

    l->fn = fn;
    l->opaque = opaque;
    if (!listeners) {
        listeners = g_ptr_array_new();
    }
    g_ptr_array_add(listeners, l);
    return l;
}

void vm_listener_remove(VmListener *l)
{
    if (l) {
        g_ptr_array_remove(listeners, l);
        g_free(l);
    }
}

static void tell_listeners(bool running)
{
    g_autoptr(GPtrArray) copy = listeners ? g_ptr_array_copy(listeners, NULL, NULL) : g_ptr_array_new();

    for (guint i = 0; i < copy->len; i++) {
        VmListener *l = g_ptr_array_index(copy, running ? i : copy->len - 1 - i);

        l->fn(l->opaque, running, state);
    }
}

/* --- the virtual clock of a machine without qtest: it stands while the machine does ------------------ */

static bool clock_runs;        /* atomic, as is the next; read in any thread */
static int64_t clock_base;     /* running: what to take from the real time; standing: what it shows */

static int64_t read_clock(void)
{
    int64_t base = __atomic_load_n(&clock_base, __ATOMIC_SEQ_CST);

    return __atomic_load_n(&clock_runs, __ATOMIC_SEQ_CST) ? aio_clock_ns(AIO_CLOCK_REALTIME) - base : base;
}

static void (*clock_setter)(int64_t ns);    /* of qtest, whose clock stands always */

static void clock_run(bool run)
{
    if (run != clock_runs) {
        int64_t base = aio_clock_ns(AIO_CLOCK_REALTIME) - clock_base;

        __atomic_store_n(&clock_base, base, __ATOMIC_SEQ_CST);
        __atomic_store_n(&clock_runs, run, __ATOMIC_SEQ_CST);
        aio_clock_set_standing(AIO_CLOCK_VIRTUAL, !run || clock_setter);
        aio_clock_moved(aio_main_context(), AIO_CLOCK_VIRTUAL);
    }
}

void vm_clock_set_hook(void (*set)(int64_t ns)) { clock_setter = set; }

void vm_clock_set(int64_t ns)
{
    if (clock_setter) {
        clock_setter(ns);
    } else {
        __atomic_store_n(&clock_base, clock_runs ? aio_clock_ns(AIO_CLOCK_REALTIME) - ns : ns, __ATOMIC_SEQ_CST);
    }
    aio_clock_moved(aio_main_context(), AIO_CLOCK_VIRTUAL);
}

void vm_clock_init(void)
{
    aio_clock_set_source(AIO_CLOCK_VIRTUAL, read_clock);
    aio_clock_set_standing(AIO_CLOCK_VIRTUAL, true);
}

void vm_start(void)
{
    if (vm_running()) {
        return;
    }
    requests.stop = VM_STATE_MAX;
    state = VM_RUNNING;
    clock_run(true);
    if (vm_events.resume) {
        vm_events.resume();
    }
    tell_listeners(true);
}

static int flush_all(void) { return flush_hook ? flush_hook() : 0; }
void vm_set_flush_hook(int (*drain_and_flush)(void)) { flush_hook = drain_and_flush; }

int vm_stop(VmState new_state)
{
    int ret = 0;

    if (vm_running()) {
        state = new_state;
        clock_run(false);
        tell_listeners(false);
        ret = flush_all();
        if (vm_events.stop) {
            vm_events.stop();
        }
        return ret;
    }
    return flush_all();
}

int vm_stop_force_state(VmState new_state)
{
    if (vm_running()) {
        return vm_stop(new_state);
    }
    state = new_state;
    return flush_all();
}

void vm_stop_request_prepare(void) { __atomic_store_n(&requests.stop_prepared, 1, __ATOMIC_SEQ_CST); }

void vm_stop_request(VmState s)
{
    __atomic_store_n(&requests.stop, s, __ATOMIC_SEQ_CST);
    __atomic_store_n(&requests.stop_prepared, 0, __ATOMIC_SEQ_CST);
    aio_notify(aio_main_context());
}

/* --- requests -------------------------------------------------------------------------------- */

void vm_shutdown_request_with_code(VmCause cause, int exit_code)
{
    requests.exit_code = exit_code;
    vm_shutdown_request(cause);
}

void vm_shutdown_request(VmCause cause)
{
    __atomic_store_n(&requests.shutdown, cause, __ATOMIC_SEQ_CST);
    aio_notify(aio_main_context());
}

bool vm_shutdown_requested(void) { return __atomic_load_n(&requests.shutdown, __ATOMIC_SEQ_CST) != VM_CAUSE_NONE; }

void vm_quit(void)
{
    if (vm_events.shutdown && !requests.announced) {
        vm_events.shutdown(false, VM_CAUSE_HOST_QMP_QUIT);
        requests.announced = true;
    }
    vm_shutdown_request(VM_CAUSE_HOST_QMP_QUIT);
}

void vm_reset_request(VmCause cause)
{
    if (vm_actions.reboot == VM_REBOOT_SHUTDOWN && cause != VM_CAUSE_SUBSYSTEM_RESET) {
        vm_shutdown_request(cause);
        return;
    }
    __atomic_store_n(&requests.reset, cause, __ATOMIC_SEQ_CST);
    aio_notify(aio_main_context());
}

void vm_powerdown_request(void)
{
    __atomic_store_n(&requests.powerdown, 1, __ATOMIC_SEQ_CST);
    aio_notify(aio_main_context());
}

void vm_suspend_request(void)
{
    if (state == VM_RUNNING) {
        __atomic_store_n(&requests.suspend, 1, __ATOMIC_SEQ_CST);
        aio_notify(aio_main_context());
    }
}

void vm_suspend_disk_request(void)
{
    if (vm_events.suspend_disk) {
        vm_events.suspend_disk();
    }
    vm_shutdown_request(VM_CAUSE_GUEST_SHUTDOWN);
}

static void (*wakeup_fn)(void *opaque, VmWakeup reason);
static void *wakeup_opaque;

void vm_wakeup_listener(void (*fn)(void *opaque, VmWakeup reason), void *opaque)
{
    wakeup_fn = fn;
    wakeup_opaque = opaque;
}

bool vm_wakeup_supported(void) { return wakeup_fn != NULL; }

void vm_wakeup(VmWakeup reason)
{
    if (state == VM_SUSPENDED) {
        state = VM_RUNNING;
        __atomic_store_n(&requests.wakeup, reason, __ATOMIC_SEQ_CST);
        aio_notify(aio_main_context());
    }
}

void vm_wakeup_request(Error **errp)
{
    if (!vm_wakeup_supported()) {
        error_setg(errp, "wake-up from suspend is not supported by this guest");
    } else if (state != VM_SUSPENDED) {
        error_setg(errp, "Unable to wake up: guest is not in suspended state");
    } else {
        vm_wakeup(VM_WAKEUP_OTHER);
    }
}

void vm_watchdog_expired(void)
{
    int action = vm_actions.watchdog;

    if (vm_events.watchdog) {
        vm_events.watchdog(action);
    }
    switch (action) {
    case VM_WATCHDOG_RESET: vm_reset_request(VM_CAUSE_GUEST_RESET); break;
    case VM_WATCHDOG_SHUTDOWN: vm_powerdown_request(); break;
    case VM_WATCHDOG_POWEROFF:                       /* ends at once: nothing more is told */
        requests.announced = true;
        vm_actions.shutdown = VM_SHUTDOWN_POWEROFF;
        vm_shutdown_request(VM_CAUSE_GUEST_SHUTDOWN);
        break;
    case VM_WATCHDOG_PAUSE: vm_stop_request(VM_WATCHDOG); break;
    case VM_WATCHDOG_DEBUG: fprintf(stderr, "watchdog: timer fired\n"); break;
    default: break;                                  /* an NMI has no processor to go to */
    }
}

void vm_guest_panicked(void)
{
    bool pause = vm_actions.panic == VM_PANIC_PAUSE
        || (vm_actions.panic == VM_PANIC_SHUTDOWN && vm_actions.shutdown == VM_SHUTDOWN_PAUSE);
    const char *action = pause ? "pause" : vm_actions.panic == VM_PANIC_NONE ? "run" : "poweroff";

    if (vm_events.guest_panicked) {
        vm_events.guest_panicked(action);
    }
    if (pause || vm_actions.panic != VM_PANIC_NONE) {
        vm_stop(VM_GUEST_PANICKED);
    }
    if (!pause && vm_actions.panic != VM_PANIC_NONE) {
        vm_shutdown_request_with_code(VM_CAUSE_GUEST_PANIC, vm_actions.panic == VM_PANIC_EXIT_FAILURE);
    }
}

void vm_guest_crashloaded(void)
{
    if (vm_events.guest_crashloaded) {
        vm_events.guest_crashloaded();
    }
}

void vm_killed(int sig, int pid)
{
    requests.shutdown_signal = sig;
    requests.shutdown_pid = pid;
    vm_actions.shutdown = VM_SHUTDOWN_POWEROFF;      /* -no-shutdown does not hold off a kill */
    vm_shutdown_request(VM_CAUSE_HOST_SIGNAL);
}

void vm_powerdown_listener(void (*fn)(void *opaque), void *opaque)
{
    powerdown_fn = fn;
    powerdown_opaque = opaque;
}

void vm_reset_add(VmResetFn *fn, void *opaque)
{
    ResetEntry *e = g_new0(ResetEntry, 1);

    e->fn = fn;
    e->opaque = opaque;
    if (!resets) {
        resets = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(resets, e);
}

void vm_reset_remove(VmResetFn *fn, void *opaque)
{
    for (guint i = 0; resets && i < resets->len; i++) {
        ResetEntry *e = g_ptr_array_index(resets, i);

        if (e->fn == fn && e->opaque == opaque) {
            g_ptr_array_remove_index(resets, i);
            return;
        }
    }
}

static bool caused_by_guest(VmCause cause)
{
    return cause >= VM_CAUSE_GUEST_SHUTDOWN && cause <= VM_CAUSE_GUEST_PANIC;
}

void vm_system_reset(VmCause cause)
{
    for (guint i = 0; resets && i < resets->len; i++) {
        ResetEntry *e = g_ptr_array_index(resets, i);

        e->fn(e->opaque);
    }
    if (cause != VM_CAUSE_NONE && cause != VM_CAUSE_SUBSYSTEM_RESET && vm_events.reset) {
        vm_events.reset(caused_by_guest(cause), cause);
    }
}

static int find_name(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return -1;
}

bool vm_action_set(const char *action, const char *value)
{
    static const char *const reboot[] = { "reset", "shutdown", NULL },
        *const shutdown[] = { "poweroff", "pause", NULL };
    static const char *const panic[] = { "pause", "shutdown", "exit-failure", "none", NULL };
    static const char *const watchdog[] = {
        "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi", NULL,
    };
    const struct { const char *name; const char *const *values; int *slot; } table[] = {
        { "reboot", reboot, &vm_actions.reboot }, { "shutdown", shutdown, &vm_actions.shutdown },
        { "panic", panic, &vm_actions.panic }, { "watchdog", watchdog, &vm_actions.watchdog },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (!strcmp(table[i].name, action) && find_name(table[i].values, value) >= 0) {
            *table[i].slot = find_name(table[i].values, value);
            return true;
        }
    }
    return false;
}

/* --- the loop ------------------------------------------------------------------------------------ */

static void report_signal(void)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", requests.shutdown_pid);
    g_autofree char *name = NULL;

    if (!requests.shutdown_pid) {
        error_report("terminating on signal %d", requests.shutdown_signal);
        return;
    }
    if (!g_file_get_contents(path, &name, NULL, NULL) || !*name) {
        g_free(name);
        name = g_strdup("<unknown process>");
    }
    error_report("terminating on signal %d from pid %d (%s)", requests.shutdown_signal, requests.shutdown_pid, name);
}

/* The machine is asked to end: true when the program should. */
static bool do_shutdown(VmCause cause)
{
    if (requests.shutdown_signal) {
        report_signal();
        requests.shutdown_signal = 0;
    }
    if (vm_events.shutdown && !requests.announced) {
        vm_events.shutdown(caused_by_guest(cause), cause);
    }
    if (vm_actions.shutdown == VM_SHUTDOWN_PAUSE && cause != VM_CAUSE_HOST_QMP_QUIT) {
        vm_stop(VM_SHUTDOWN);
        return false;
    }
    return true;
}

static void do_reset(VmCause cause)
{
    bool was_running = vm_running();

    vm_system_reset(cause);
    if (!was_running && state != VM_INMIGRATE && state != VM_FINISH_MIGRATE) {
        state = VM_PRELAUNCH;
    }
}

static bool take_requests(void)
{
    int cause;

    if (__atomic_load_n(&requests.stop, __ATOMIC_SEQ_CST) != VM_STATE_MAX) {
        vm_stop(__atomic_exchange_n(&requests.stop, VM_STATE_MAX, __ATOMIC_SEQ_CST));
    }
    if (__atomic_exchange_n(&requests.suspend, 0, __ATOMIC_SEQ_CST) && vm_running()) {
        state = VM_SUSPENDED;
        if (vm_events.suspend) {
            vm_events.suspend();
        }
    }
    cause = __atomic_exchange_n(&requests.shutdown, VM_CAUSE_NONE, __ATOMIC_SEQ_CST);
    if (cause && do_shutdown(cause)) {
        return true;
    }
    cause = __atomic_exchange_n(&requests.reset, VM_CAUSE_NONE, __ATOMIC_SEQ_CST);
    if (cause) {
        do_reset(cause);
    }
    cause = __atomic_exchange_n(&requests.wakeup, 0, __ATOMIC_SEQ_CST);
    if (cause) {
        if (wakeup_fn) {
            wakeup_fn(wakeup_opaque, cause);
        }
        vm_system_reset(VM_CAUSE_NONE);
        if (vm_events.wakeup) {
            vm_events.wakeup();
        }
    }
    if (__atomic_exchange_n(&requests.powerdown, 0, __ATOMIC_SEQ_CST)) {
        if (vm_events.powerdown) {
            vm_events.powerdown();
        }
        if (powerdown_fn) {
            powerdown_fn(powerdown_opaque);
        }
    }
    return false;
}

bool vm_should_end(int *status)
{
    bool end = take_requests();

    *status = requests.exit_code;
    return end;
}

int vm_main_loop(void)
{
    while (!take_requests()) {
        aio_poll(aio_main_context(), true);
    }
    return requests.exit_code;
}
