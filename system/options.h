/*
 * The command line of the emulator, parsed and kept until main() works it off in its own order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_OPTIONS_H
#define SYSTEM_OPTIONS_H

#include "util/error.h"
#include "util/qobject.h"

/* One use of an option: where messages point, the text, and, for `key=value` options, what it says. */
typedef struct OptEntry {
    char *loc;             /* "-device virtio-blk-pci,drive=a" */
    char *text;            /* NULL when it came from a file */
    QDict *opts;           /* strings; NULL for JSON and for plain text */
} OptEntry;

/* What main() wants to know; lists hold OptEntry * in the order of the command line. */
typedef struct EmuOptions {
    GPtrArray *accels, *addfds, *blockdevs, *chardevs, *devices, *drives, *globals, *mons, *objects, *serials, *parallels,
        *traces, *debugcons, *audiodevs, *netdevs, *nets, *smbios, *actions, *fwcfgs, *numas, *data_dirs;
    QDict *machine, *smp, *memory, *boot, *name, *rtc, *msg, *overcommit, *sandbox, *icount, *compat;   /* merged; NULL: not given */
    const char *sandbox_text;      /* as given, for messages */
    OptEntry *incoming, *loadvm, *cpu, *qtest, *smp_entry, *memory_entry, *rtc_entry;
    const char *qtest_log, *pidfile, *kernel, *initrd, *append, *dtb, *bios, *uuid, *chroot_dir, *runas, *runas_loc, *mem_path, *vga, *log_file, *log_items, *icount_loc;
    bool freeze, daemonize, async_teardown, nographic, nodefaults, no_user_config, snapshot, no_acpi, no_hpet, no_fd_bootchk, mem_prealloc,
        preconfig, display_given, enable_kvm, only_migratable, usb, serial_given, parallel_given, monitor_given, net_given;
} EmuOptions;

extern EmuOptions emu;

/* Reads argv into emu; prints and exits for -h, -version and wrong usage. */
void options_parse(int argc, char **argv);
/* A parsed form of a key=value entry, with what -set added; new reference, NULL + errp. */
QDict *option_dict(const OptEntry *e, const char *implied_key, Error **errp);
void options_print_help(void);

/* The table of names (options-table.c). */
typedef enum OptId {
    O_help, O_version, O_machine, O_cpu, O_accel, O_smp, O_numa, O_addfd, O_set, O_global, O_boot, O_m, O_mempath,
    O_memprealloc, O_device, O_name, O_uuid, O_fda, O_fdb, O_hda, O_hdb, O_hdc, O_hdd, O_cdrom, O_blockdev, O_drive,
    O_snapshot, O_usb, O_display, O_nographic, O_vga, O_nofdbootchk, O_noacpi, O_nohpet, O_netdev, O_nic, O_net, O_chardev,
    O_bios, O_kernel, O_append, O_initrd, O_dtb, O_compat, O_fwcfg, O_serial, O_parallel, O_monitor, O_qmp, O_qmppretty,
    O_mon, O_debugcon, O_pidfile, O_preconfig, O_S, O_overcommit, O_d, O_D, O_seed, O_L, O_enablekvm, O_noreboot,
    O_noshutdown, O_action, O_loadvm, O_daemonize, O_rtc, O_icount, O_watchdogaction, O_echr, O_incoming, O_onlymigratable,
    O_nodefaults, O_chroot, O_runas, O_runwith, O_asyncteardown, O_sandbox, O_readconfig, O_nouserconfig, O_trace, O_msg, O_object, O_qtest, O_qtestlog,
    O_smbios, O_k, O_singlestep, O_audiodev, O_accepted, O_refused,
} OptId;

typedef struct OptName {
    const char *name;
    bool has_arg;
    OptId id;
    const char *help;      /* lines of -h that begin with this option; NULL: none of its own */
} OptName;

/* The options in the order of -h; a NULL name with help is a heading; ends with both NULL. */
extern const OptName option_names[];

#endif
