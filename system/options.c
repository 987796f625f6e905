/*
 * Reading the command line into `emu`.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "qapi/compat.h"
#include "qom/object.h"
#include "system/options-int.h"
#include "machine/runstate.h"
#include "util/cutils.h"
#include "util/options.h"
#include "util/trace.h"

EmuOptions emu;
static QDict *object_ids;      /* of -object so far */

void options_print_help(void)
{
    printf("Stillframe emulator version 7.2.50\n"
           "usage: %s [options] [disk_image]\n\n'disk_image' is a raw hard disk image for IDE hard disk 0\n\n",
           error_progname());
    for (const OptName *o = option_names; o->name || o->help; o++) {
        printf("%s", o->help ? o->help : "");
    }
    printf("\nWhen using -nographic, press 'ctrl-a h' to get some help.\n");
}

static const OptName *find_option(const char *name)
{
    for (const OptName *o = option_names; o->name || o->help; o++) {
        if (o->name && !strcmp(o->name, name)) {
            return o;
        }
    }
    return NULL;
}

OptEntry *option_entry_new(const char *loc, const char *text, QDict *opts)
{
    OptEntry *e = g_new0(OptEntry, 1);

    e->loc = g_strdup(loc);
    e->text = g_strdup(text);
    e->opts = opts;
    return e;
}

static void push(GPtrArray **list, OptEntry *e)
{
    if (!*list) {
        *list = g_ptr_array_new();
    }
    g_ptr_array_add(*list, e);
}

/* --- key=value groups ---------------------------------------------------------------------- */

static const OptDesc name_desc[] = {
    { "guest", OPT_STRING }, { "process", OPT_STRING }, { "debug-threads", OPT_BOOL }, { NULL }
};
static const OptDesc msg_desc[] = { { "timestamp", OPT_BOOL }, { "guest-name", OPT_BOOL }, { NULL } };
static const OptDesc rtc_desc[] = {
    { "base", OPT_STRING }, { "clock", OPT_STRING }, { "driftfix", OPT_STRING }, { NULL }
};
static const OptDesc overcommit_desc[] = { { "mem-lock", OPT_BOOL }, { "cpu-pm", OPT_BOOL }, { NULL } };
static const OptDesc memory_desc[] = {
    { "size", OPT_SIZE }, { "slots", OPT_NUMBER }, { "maxmem", OPT_SIZE }, { NULL }
};
static const OptDesc sandbox_desc[] = {
    { "enable", OPT_BOOL }, { "obsolete", OPT_STRING }, { "elevateprivileges", OPT_STRING },
    { "spawn", OPT_STRING }, { "resourcecontrol", OPT_STRING }, { NULL }
};
static const OptDesc addfd_desc[] = { { "fd", OPT_NUMBER }, { "set", OPT_NUMBER }, { "opaque", OPT_STRING }, { NULL } };
static const OptDesc action_desc[] = { { "reboot", OPT_STRING }, { "shutdown", OPT_STRING }, { "panic", OPT_STRING },
                                       { "watchdog", OPT_STRING }, { NULL } };
static const OptDesc global_desc[] = {
    { "driver", OPT_STRING }, { "property", OPT_STRING }, { "value", OPT_STRING }, { NULL }
};
static const OptDesc fw_cfg_desc[] = { { "name", OPT_STRING }, { "file", OPT_STRING }, { "string", OPT_STRING },
                                       { "gen_id", OPT_STRING }, { NULL } };
static const OptDesc icount_desc[] = {
    { "shift", OPT_STRING }, { "align", OPT_BOOL }, { "sleep", OPT_BOOL }, { "rr", OPT_STRING },
    { "rrfile", OPT_STRING }, { "rrsnapshot", OPT_STRING }, { NULL }
};

/* Does the list keep to the table?  Values stay text in e->opts. */
static bool check_table(const QDict *opts, const OptDesc *descs, Error **errp)
{
    g_autoptr(QObject) copy = qobject_clone(opts), typed = NULL;

    qdict_del(copy, "id");
    typed = opts_check_all(copy, descs, errp);
    return typed != NULL;
}

static const OptDesc run_with_desc[] = {
    { "async-teardown", OPT_BOOL }, { "chroot", OPT_STRING }, { "user", OPT_STRING }, { NULL }
};

const GroupDesc option_groups[] = {
    { "drive", &emu.drives, NULL, NULL, NULL }, { "chardev", &emu.chardevs, "backend", NULL, NULL },
    { "device", &emu.devices, "driver", NULL, NULL }, { "netdev", &emu.netdevs, "type", NULL, NULL },
    { "net", &emu.nets, "type", NULL, NULL }, { "mon", &emu.mons, "chardev", NULL, NULL },
    { "object", &emu.objects, "qom-type", NULL, NULL }, { "global", &emu.globals, NULL, global_desc, NULL },
    { "accel", &emu.accels, "accel", NULL, NULL }, { "add-fd", &emu.addfds, NULL, addfd_desc, NULL },
    { "action", &emu.actions, NULL, action_desc, NULL }, { "trace", &emu.traces, "enable", NULL, NULL },
    { "smbios", &emu.smbios, NULL, NULL, NULL }, { "fw_cfg", &emu.fwcfgs, "name", fw_cfg_desc, NULL },
    { "machine", NULL, "type", NULL, &emu.machine }, { "smp-opts", NULL, "cpus", NULL, &emu.smp },
    { "memory", NULL, "size", memory_desc, &emu.memory }, { "boot-opts", NULL, "order", NULL, &emu.boot },
    { "name", NULL, "guest", name_desc, &emu.name }, { "rtc", NULL, NULL, rtc_desc, &emu.rtc },
    { "msg", NULL, NULL, msg_desc, &emu.msg }, { "overcommit", NULL, NULL, overcommit_desc, &emu.overcommit },
    { "sandbox", NULL, "enable", sandbox_desc, &emu.sandbox }, { "numa", &emu.numas, "type", NULL, NULL },
    { "icount", NULL, "shift", icount_desc, &emu.icount },
    { "compat", NULL, NULL, NULL, &emu.compat }, { NULL, NULL, NULL, NULL, NULL },
};

const GroupDesc *option_group(const char *name)
{
    for (const GroupDesc *g = option_groups; g->name; g++) {
        if (!strcmp(g->name, name)) {
            return g;
        }
    }
    return NULL;
}

void option_group_add(const GroupDesc *g, const char *loc, const char *text, QDict *opts, Error **errp)
{
    if (opts && g->descs && !check_table(opts, g->descs, errp)) {
        qobject_unref(opts);
        return;
    }
    if (g->merged) {
        if (!*g->merged) {
            *g->merged = qdict_new();
        }
        qdict_join(*g->merged, opts, false);
        qobject_unref(opts);
        return;
    }
    push(g->list, option_entry_new(loc, text, opts));
}

/* -device, -machine and the like: text of one use.  strict: the newer grammar without bare flags. */
static void add_keyval(const char *group, const char *loc, const char *arg, bool noisy)
{
    const GroupDesc *g = option_group(group);
    QDict *opts = NULL;
    bool help = false;

    if (*arg != '{' || g->merged) {
        opts = noisy ? opts_parse_list_noisy(arg, g->implied, &help, &error_fatal)
                     : opts_parse_list(arg, g->implied, &help, &error_fatal);
        if (help) {
            qdict_put_str(opts, "help", "on");
        }
    }
    option_group_add(g, loc, arg, opts, &error_fatal);
}

/* -machine, -smp, -boot: keys may be dotted, values are required. */
static void add_strict(const char *group, const char *loc, const char *arg)
{
    const GroupDesc *g = option_group(group);
    bool help = false;
    QDict *opts = opts_parse_keyval(arg, g->implied, &help, &error_fatal);

    if (help) {
        qdict_put_str(opts, "help", "on");
    }
    option_group_add(g, loc, arg, opts, &error_fatal);
}

QDict *option_dict(const OptEntry *e, const char *implied_key, Error **errp)
{
    if (e->opts) {
        return qobject_clone(e->opts);
    }
    return *e->text == '{' ? json_parse(e->text, errp) : opts_parse_list(e->text, implied_key, NULL, errp);
}

/* --- single options --------------------------------------------------------------------------- */

static OptEntry *find_by_id(GPtrArray *list, const char *id)
{
    for (guint i = 0; list && i < list->len; i++) {
        OptEntry *e = g_ptr_array_index(list, i);

        if (e->opts && !g_strcmp0(qdict_get_str(e->opts, "id"), id)) {
            return e;
        }
    }
    return NULL;
}

/* Each use adds to the ones before; what it names again counts. */
static void do_run_with(const char *loc, const char *arg)
{
    bool help = false;
    g_autoptr(QObject) opts = opts_parse_list_noisy(arg, NULL, &help, &error_fatal);
    QDict *typed = opts_check_all(opts, run_with_desc, &error_fatal);          /* kept: the strings are used */

    emu.async_teardown = qdict_get_bool(typed, "async-teardown", emu.async_teardown);
    if (qdict_get_str(typed, "chroot")) {
        emu.chroot_dir = qdict_get_str(typed, "chroot");
    }
    if (qdict_get_str(typed, "user")) {
        emu.runas = qdict_get_str(typed, "user");
        emu.runas_loc = loc;
    }
}

/* -set GROUP.ID.KEY=VALUE */
static void do_set(const char *arg)
{
    char group[64] = "", id[64] = "", key[64] = "";
    const GroupDesc *g;
    OptEntry *e;
    int at = 0;

    if (sscanf(arg, "%63[^.].%63[^.].%63[^=]%n", group, id, key, &at) < 3 || arg[at] != '=') {
        error_report("can't parse: \"%s\"", arg);
        exit(1);
    }
    g = option_group(group);
    if (!g) {
        error_report("There is no option group '%s'", group);
        exit(1);
    }
    e = g->list ? find_by_id(*g->list, id) : NULL;
    if (!e) {
        error_report("there is no %s \"%s\" defined", group, id);
        exit(1);
    }
    qdict_put_str(e->opts, key, arg + at + 1);
}

/* -global DRIVER.PROPERTY=VALUE, or the long form. */
static void do_global(const char *loc, const char *arg)
{
    char driver[64] = "", property[64] = "";
    QDict *opts;
    int at = 0;

    if (sscanf(arg, "%63[^.=].%63[^=]%n", driver, property, &at) == 2 && arg[at] == '=') {
        opts = qdict_new();
        qdict_put_str(opts, "driver", driver);
        qdict_put_str(opts, "property", property);
        qdict_put_str(opts, "value", arg + at + 1);
    } else {
        opts = opts_parse_list_noisy(arg, NULL, NULL, &error_fatal);
    }
    option_group_add(option_group("global"), loc, arg, opts, &error_fatal);
    if (!qdict_has(opts, "driver") || !qdict_has(opts, "property") || !qdict_has(opts, "value")) {
        error_report("options 'driver', 'property', and 'value' are required");
        exit(1);
    }
}

static void set_action(const char *action, const char *value)
{
    if (!vm_action_set(action, value)) {
        error_report("Parameter '%s' does not accept value '%s'", action, value);
        exit(1);
    }
}

static void do_action(const char *loc, const char *arg)
{
    QDict *opts = opts_parse_list_noisy(arg, NULL, NULL, &error_fatal);

    option_group_add(option_group("action"), loc, arg, opts, &error_fatal);
    for (size_t i = 0; i < qdict_size(opts); i++) {
        set_action(qdict_key_at(opts, i), qobject_get_str(qdict_value_at(opts, i)));
    }
}

/* -hda FILE and the like: a drive with index and medium. */
static void add_drive_alias(const char *loc, const char *file, const char *iface, int index, const char *media)
{
    QDict *opts = qdict_new();

    qdict_put_str(opts, "file", file);
    if (iface) {
        qdict_put_str(opts, "if", iface);
    }
    if (index >= 0) {
        g_autofree char *text = g_strdup_printf("%d", index);

        qdict_put_str(opts, "index", text);
    }
    if (media) {
        qdict_put_str(opts, "media", media);
    }
    push(&emu.drives, option_entry_new(loc, NULL, opts));
}

static void do_m(const char *loc, const char *arg)
{
    QDict *opts = opts_parse_list_noisy(arg, "size", NULL, &error_fatal);
    const char *size = qdict_get_str(opts, "size");

    emu.memory_entry = option_entry_new(loc, arg, NULL);
    /* a bare number means MiB here */
    if (size && *size && isdigit((unsigned char)size[strlen(size) - 1])) {
        g_autofree char *text = g_strconcat(size, "M", NULL);

        qdict_put_str(opts, "size", text);
    }
    option_group_add(option_group("memory"), loc, arg, opts, &error_fatal);
}

/* -qmp DEV and friends make a chardev and a monitor later, in the order of the monitors. */
static void add_monitor_dev(const char *loc, const char *arg, const char *mode, bool pretty)
{
    QDict *opts = qdict_new();

    qdict_put_str(opts, "mode", mode);
    qdict_put_str(opts, "short", arg);
    if (pretty) {
        qdict_put_str(opts, "pretty", "on");
    }
    emu.monitor_given = true;
    push(&emu.mons, option_entry_new(loc, arg, opts));
}

static void do_echr(const char *arg)
{
    char *end;

    option_echr = strtol(arg, &end, 0);
    if (end == arg) {
        printf("Bad argument to echr\n");
    }
}

static char *refused;          /* the first option that nothing here can act upon */

static void refuse(const char *loc)
{
    refused = refused ? refused : g_strdup(loc);
}

/* Options that only set a flag. */
static bool take_flag(OptId id)
{
    bool *flag = id == O_S ? &emu.freeze : id == O_daemonize ? &emu.daemonize : id == O_nographic ? &emu.nographic
        : id == O_nodefaults ? &emu.nodefaults : id == O_nouserconfig ? &emu.no_user_config
        : id == O_snapshot ? &emu.snapshot : id == O_noacpi ? &emu.no_acpi : id == O_nohpet ? &emu.no_hpet
        : id == O_nofdbootchk ? &emu.no_fd_bootchk : id == O_memprealloc ? &emu.mem_prealloc
        : id == O_preconfig ? &emu.preconfig : id == O_enablekvm ? &emu.enable_kvm
        : id == O_onlymigratable ? &emu.only_migratable : id == O_usb ? &emu.usb : NULL;

    if (flag) {
        *flag = true;
    }
    if (id == O_noreboot) {
        vm_actions.reboot = VM_REBOOT_SHUTDOWN;
    } else if (id == O_noshutdown) {
        vm_actions.shutdown = VM_SHUTDOWN_PAUSE;
    }
    return flag || id == O_noreboot || id == O_noshutdown || id == O_singlestep || id == O_accepted;
}

/* Options whose argument is kept as it is. */
static bool take_text(OptId id, const char *arg)
{
    const char **slot = id == O_pidfile ? &emu.pidfile : id == O_kernel ? &emu.kernel : id == O_initrd ? &emu.initrd
        : id == O_append ? &emu.append : id == O_dtb ? &emu.dtb : id == O_bios ? &emu.bios
        : id == O_chroot ? &emu.chroot_dir : id == O_runas ? &emu.runas : id == O_mempath ? &emu.mem_path
        : id == O_vga ? &emu.vga : id == O_D ? &emu.log_file : id == O_d ? &emu.log_items : id == O_qtestlog
            ? &emu.qtest_log : NULL;

    if (slot) {
        *slot = arg;
    }
    if (id == O_runas) {
        emu.runas_loc = NULL;
    }
    if (id == O_L) {
        push(&emu.data_dirs, option_entry_new(NULL, arg, NULL));
    }
    return slot || id == O_k || id == O_L;
}

static void check_display(const char *arg)
{
    static const char *const types[] = {
        "gtk", "sdl", "vnc", "curses", "egl-headless", "dbus", "spice-app", "cocoa", "default",
    };
    g_autofree char *type = g_strndup(arg, strcspn(arg, ","));

    emu.display_given = true;
    if (!strcmp(type, "none")) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (!strcmp(type, types[i])) {
            error_report("Display '%s' is not available, please use -display none", type);
            exit(1);
        }
    }
    error_report("Parameter 'type' does not accept value '%s'", type);
    exit(1);
}

static void check_seed(const char *arg)
{
    uint64_t n;

    if (parse_u64(arg, 0, &n) < 0) {
        error_report("Invalid seed number: %s", arg);
        exit(1);
    }
}

static void check_uuid(const char *arg)
{
    static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    bool ok = strlen(arg) == strlen(pattern);

    for (size_t i = 0; ok && arg[i]; i++) {
        ok = pattern[i] == '-' ? arg[i] == '-' : g_ascii_isxdigit(arg[i]);
    }
    if (!ok) {
        error_report("failed to parse UUID string: wrong format");
        exit(1);
    }
    emu.uuid = arg;
}

static void check_only_none(const OptName *o, const char *arg)
{
    g_autofree char *type = g_strndup(arg, strcspn(arg, ","));

    emu.net_given = true;
    if (strcmp(type, "none")) {
        error_report("there are no network devices in this program");
        exit(1);
    }
}

static void take_option(const OptName *o, const char *loc, const char *arg)
{
    switch (o->id) {
    case O_help: options_print_help(); exit(0);
    case O_version:
        printf("Stillframe emulator version 7.2.50\n");
        exit(0);
    case O_machine: add_strict("machine", loc, arg); break;
    case O_smp: emu.smp_entry = option_entry_new(loc, arg, NULL); add_strict("smp-opts", loc, arg); break;
    case O_boot: add_strict("boot-opts", loc, arg); break;
    case O_cpu: emu.cpu = option_entry_new(loc, arg, NULL); break;
    case O_accel: add_keyval("accel", loc, arg, true); break;
    case O_numa: option_group_add(option_group("numa"), loc, arg, NULL, &error_fatal); break;
    case O_addfd: add_keyval("add-fd", loc, arg, true); break;
    case O_set: do_set(arg); break;
    case O_global: do_global(loc, arg); break;
    case O_m: do_m(loc, arg); break;
    case O_device: add_keyval("device", loc, arg, false); break;
    case O_name: add_keyval("name", loc, arg, false); break;
    case O_uuid: check_uuid(arg); break;
    case O_fda: case O_fdb: add_drive_alias(loc, arg, "floppy", o->id - O_fda, NULL); break;
    case O_hda: case O_hdb: case O_hdc: case O_hdd: add_drive_alias(loc, arg, NULL, o->id - O_hda, "disk"); break;
    case O_cdrom: add_drive_alias(loc, arg, NULL, 2, "cdrom"); break;
    case O_blockdev: push(&emu.blockdevs, option_entry_new(loc, arg, NULL)); break;
    case O_drive: add_keyval("drive", loc, arg, true); break;
    case O_display: check_display(arg); break;
    case O_chardev: add_keyval("chardev", loc, arg, true); break;
    case O_serial: emu.serial_given = true; push(&emu.serials, option_entry_new(loc, arg, NULL)); break;
    case O_parallel: emu.parallel_given = true; push(&emu.parallels, option_entry_new(loc, arg, NULL)); break;
    case O_debugcon: push(&emu.debugcons, option_entry_new(loc, arg, NULL)); break;
    case O_monitor: emu.monitor_given =
    true; if (strcmp(arg, "none")) { add_monitor_dev(loc, arg, "readline", false); } break;
    case O_qmp: add_monitor_dev(loc, arg, "control", false); break;
    case O_qmppretty: add_monitor_dev(loc, arg, "control", true); break;
    case O_mon: emu.monitor_given = true; add_keyval("mon", loc, arg, true); break;
    case O_overcommit: add_keyval("overcommit", loc, arg, false); break;
    case O_action: do_action(loc, arg); break;
    case O_watchdogaction: set_action("watchdog", arg); break;
    case O_loadvm: emu.loadvm = option_entry_new(loc, arg, NULL); break;
    case O_incoming: emu.incoming = option_entry_new(loc, arg, NULL); break;
    case O_rtc: emu.rtc_entry = option_entry_new(loc, arg, NULL); add_keyval("rtc", loc, arg, false); break;
    case O_runwith: do_run_with(loc, arg); break;
    case O_asyncteardown: emu.async_teardown = true; break;
    case O_icount: emu.icount_loc = loc; add_keyval("icount", loc, arg, true); break;
    case O_echr: do_echr(arg); break;
    case O_sandbox: add_keyval("sandbox", loc, arg, true); emu.sandbox_text = arg; break;
    case O_readconfig: option_read_config(arg, &error_fatal); break;
    case O_trace: trace_configure(arg, &error_fatal); break;
    case O_msg: add_keyval("msg", loc, arg, true); break;
    case O_object:
        object_ids = object_ids ? object_ids : qdict_new();
        user_object_check_arg(arg, object_ids, &error_fatal);
        push(&emu.objects, option_entry_new(loc, arg, NULL)); break;
    case O_qtest: emu.qtest = option_entry_new(loc, arg, NULL); break;
    case O_audiodev: push(&emu.audiodevs, option_entry_new(loc, arg, NULL)); break;
    case O_compat: add_strict("compat", loc, arg); compat_set(emu.compat, &error_fatal); break;
    case O_seed: check_seed(arg); break;
    case O_smbios: push(&emu.smbios, option_entry_new(loc, arg, NULL)); break;
    case O_fwcfg: add_keyval("fw_cfg", loc, arg, true); break;
    case O_netdev: case O_nic: case O_net: check_only_none(o, arg); break;
    case O_refused: refuse(loc); break;
    default:
        if (!take_flag(o->id)) {
            take_text(o->id, arg);
        }
    }
}

/* Entries and late messages point to places on the command line: these stay until the end. */
static GPtrArray *places;

void options_parse(int argc, char **argv)
{
    places = g_ptr_array_new();
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const OptName *o;
        char *loc;

        if (name[0] != '-') {
            add_drive_alias(name, name, NULL, 0, "disk");
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        o = find_option(name);
        error_set_location(argv[i]);
        if (!o) {
            error_report("invalid option");
            exit(1);
        }
        if (o->has_arg && i + 1 >= argc) {
            error_report("requires an argument");
            exit(1);
        }
        loc = o->has_arg ? g_strdup_printf("%s %s", argv[i], argv[i + 1]) : g_strdup(argv[i]);
        g_ptr_array_add(places, loc);
        error_set_location(loc);
        take_option(o, loc, o->has_arg ? argv[i + 1] : NULL);
        error_set_location(NULL);
        i += o->has_arg;
    }
    if (refused) {
        error_set_location(refused);
        error_report("this option is not available: no such device or display is in this program");
        exit(1);
    }
}
