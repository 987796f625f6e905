/*
 * The steps of starting the emulator, each in a file of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include "chardev/char.h"
#include "system/options.h"

/* process.c: this process as a daemon, its pidfile, signals, user and root folder */
void process_daemonize(void);
void process_write_pidfile(const char *path);
void process_take_signals(void);
/* Is there such a user?  Early: a message, and the end, if not. */
void process_check_rights(void);
void process_drop_rights(void);
/* teardown.c: after the rights are dropped, or the kernel would not let the helper hear of the end */
void process_teardown_later(void);
/* All is set up: the parent of a daemon may report success. */
void process_ready(void);

/* accel.c: which of the accelerators drives the board; none: exits */
void accel_choose(void);

/* setup.c: things that -object, -chardev, -blockdev, -drive, -mon, -device, -serial make */
void setup_early_options(void);
void setup_machine(void);
void setup_objects(bool early);
void setup_numa(void);
void setup_smbios(void);
void setup_description(void);         /* SMBIOS, once all devices are there */
void setup_chardevs(void);
void setup_block(void);
void setup_close_block(void);
/* -sandbox (sandbox.c): are its words right (else exit 1); filter what the start does not need; filter the rest. */
void sandbox_check(void);
void sandbox_enter_early(void);
void sandbox_enter(void);
void setup_close_exports(void);
/* Drives that no device took, though one should have, end the program. */
void setup_check_drives(void);
void setup_qtest(void);
void setup_monitors(void);
/* -preconfig: let managers talk before there is a board, until x-exit-preconfig (preconfig.c); quit exits. */
void setup_preconfig(void);
void setup_serials(void);
void setup_devices(void);
/* -fw_cfg (setup-fwcfg.c) */
void setup_fw_cfg(void);
/* -device help; true when there was something to print. */
bool setup_device_help(void);
void setup_globals(void);
/* -loadvm; what streams of state call the machine. */
void setup_saved_state(void);
/* Adds an HMP monitor to a mux ("mon:" devices). */
void setup_mux_monitor(Chardev *chr);
/* A descriptor of -add-fd joins a set. */
void setup_add_fd(int fd, int64_t set, const char *opaque);
/* Chardev behind serial port n, NULL when there is none; label "serialN". */
Chardev *setup_serial_chardev(int n);

/* events.c */
void events_init(void);

/* What -name and -uuid said. */
const char *guest_name(void);
const char *guest_uuid(void);

#endif
