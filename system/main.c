/*
 * The emulator: reads its command line, builds the machine, runs the main loop, closes everything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include "accel/qtest.h"
#include "block/backend.h"
#include "chardev/char.h"
#include "hw/machine.h"
#include "machine/runstate.h"
#include "monitor/monitor.h"
#include "objects/for-exports.h"
#include "system/system.h"
#include "util/aio.h"
#include "util/leftovers.h"
#include "util/pidfile.h"

/* Everything that lives for the length of the program, in the order in which the parts name each other. */
static void build(void)
{
    setup_machine();
    setup_globals();
    setup_objects(true);
    setup_chardevs();
    block_serve_objects();
    setup_block();
    accel_choose();
    setup_numa();
    setup_smbios();
    if (!emu.preconfig) {
        machine_init_memory(machine_current(), &error_fatal);
    }
    setup_qtest();
    setup_objects(false);
    setup_monitors();
    setup_serials();
    if (emu.preconfig) {
        setup_preconfig();
        machine_init_memory(machine_current(), &error_fatal);
    }
    monitors_hold();                   /* what follows polls, and the machine is not whole yet */
    machine_init_board(machine_current(), &error_fatal);
    setup_fw_cfg();
    setup_devices();
    setup_description();
    setup_check_drives();
    device_check_globals();
}

static void start(void)
{
    vm_reset_add(devices_reset, NULL);
    vm_system_reset(VM_CAUSE_NONE);
    device_set_machine_ready();
    process_drop_rights();
    process_teardown_later();
    process_take_signals();
    chr_machine_ready();
    vm_autostart = !emu.freeze;
    setup_saved_state();
    if (vm_autostart) {
        vm_start();
    }
    sandbox_enter();
    process_ready();
    monitors_release();
}

static void finish(void)
{
    monitors_hold();                   /* no command meets what is half closed */
    vm_events = (VmEvents) { 0 };
    vm_stop_force_state(VM_SHUTDOWN);
    setup_close_exports();
    setup_close_block();
    monitor_cleanup();                 /* its thread reads from the devices */
    chr_cleanup();
    pidfile_remove();
}

int main(int argc, char **argv)
{
    int status;

    error_init(argv[0]);
    options_parse(argc, argv);
    if (setup_device_help()) {
        return 0;
    }
    aio_init_main();
    bdrv_init();
    setup_early_options();
    sandbox_check();
    process_check_rights();
    if (emu.preconfig && emu.daemonize) {
        error_report("'preconfig' and 'daemonize' options are mutually exclusive");
        return 1;
    }
    process_daemonize();
    leftovers_remove_on_signal();
    process_write_pidfile(emu.pidfile);
    atexit(pidfile_remove);
    sandbox_enter_early();
    events_init();
    build();
    start();
    qtest_server_start();
    status = vm_main_loop();
    finish();
    return status;
}
