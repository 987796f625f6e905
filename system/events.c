/*
 * Events of the machine, as the schema spells them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/backend.h"
#include "hw/device.h"
#include "hw/pc-chips.h"
#include "qapi/events-misc-target.h"
#include "qapi/events-qdev.h"
#include "qapi/events-run-state.h"
#include "machine/runstate.h"
#include "system/system.h"

static void send_stop(void) { qapi_event_send_STOP(); }
static void send_resume(void) { qapi_event_send_RESUME(); }
static void send_powerdown(void) { qapi_event_send_POWERDOWN(); }
static void send_wakeup(void) { qapi_event_send_WAKEUP(); }

static void send_suspend(void) { qapi_event_send_SUSPEND(); }
static void send_suspend_disk(void) { qapi_event_send_SUSPEND_DISK(); }

static void send_watchdog(int action)
{
    WatchdogEvent data = { .action = (WatchdogAction)action };

    qapi_event_send_WATCHDOG(&data);
}

static void send_guest_panicked(const char *action)
{
    GuestPanickedEvent data = { 0 };

    GuestPanicAction_parse(action, &data.action);
    qapi_event_send_GUEST_PANICKED(&data);
}

static void send_guest_crashloaded(void)
{
    GuestCrashloadedEvent data = { .action = GUEST_PANIC_ACTION_RUN };

    qapi_event_send_GUEST_CRASHLOADED(&data);
}

static void send_shutdown(bool guest, VmCause cause)
{
    ShutdownEvent data = { .guest = guest, .reason = (ShutdownCause)cause };

    qapi_event_send_SHUTDOWN(&data);
}

static void send_reset(bool guest, VmCause cause)
{
    ResetEvent data = { .guest = guest, .reason = (ShutdownCause)cause };

    qapi_event_send_RESET(&data);
}

static void send_deleted(const char *id, const char *path)
{
    DeviceDeletedEvent data = { .device = (char *)id, .path = (char *)path };

    qapi_event_send_DEVICE_DELETED(&data);
}

/* A disk with policy "stop" had an error: from any thread. */
static void stop_for_io_error(void) { vm_stop_request(VM_IO_ERROR); }

static bool device_exists(const char *id) { return device_resolve(id) != NULL; }

static void send_rtc_change(int64_t offset, const char *path)
{
    RtcChangeEvent data = { .offset = offset, .qom_path = (char *)path };

    qapi_event_send_RTC_CHANGE(&data);
}

void events_init(void)
{
    rtc_changed_hook = send_rtc_change;
    vm_events = (VmEvents) { send_stop, send_resume, send_shutdown, send_reset, send_powerdown, send_wakeup,
                             send_suspend, send_suspend_disk, send_watchdog, send_guest_panicked,
                                 send_guest_crashloaded };
    device_event_deleted = send_deleted;
    blk_set_vm_stop_hook(vm_stop_request_prepare, stop_for_io_error);
    blk_set_device_exists_hook(device_exists);
}
