/*
 * What the command line asks for, made in the order that lets each thing find those it names:
 * objects, character devices, block nodes and drives, monitors, devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "accel/qtest.h"
#include "chardev/char.h"
#include "hw/machine.h"
#include "hw/pc-chips.h"
#include "qom/object.h"
#include "system/options-int.h"
#include "machine/runstate.h"
#include "system/system.h"
#include "util/cutils.h"
#include "util/log.h"
#include "util/options.h"

const char *guest_name(void) { return emu.name ? qdict_get_str(emu.name, "guest") : NULL; }
const char *guest_uuid(void) { return emu.uuid ? emu.uuid : "00000000-0000-0000-0000-000000000000"; }

/* --- settings without objects ------------------------------------------------------------------ */

static void fail(const char *text)
{
    error_report("%s", text);
    exit(1);
}

static bool get_flag(const QDict *opts, const char *key)
{
    bool on = false;

    return opts && qdict_get_str(opts, key) && opt_parse_bool(key, qdict_get_str(opts, key), &on, NULL) && on;
}

/* base: NULL or "utc" now, "localtime" now as clocks on the wall show it, or a date. */
static void set_rtc_start(const char *base, bool virtual_clock)
{
    struct tm tm = { 0 };
    time_t now = time(NULL);

    if (base && !strcmp(base, "localtime")) {
        localtime_r(&now, &tm);
        now = timegm(&tm);
    } else if (base && strcmp(base, "utc")
               && (sscanf(base, "%d-%d-%dT%d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                          &tm.tm_sec) == 6
                   || sscanf(base, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) == 3)) {
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        now = timegm(&tm);
    }
    rtc_set_base(now, virtual_clock);
}

static void check_rtc(void)
{
    const char *base = qdict_get_str(emu.rtc, "base"), *clock = qdict_get_str(emu.rtc, "clock");
    const char *fix = qdict_get_str(emu.rtc, "driftfix");
    int y, mo, d, h, mi, s;

    if (base && strcmp(base, "utc") && strcmp(base, "localtime")
        && sscanf(base, "%d-%d-%dT%d:%d:%d", &y, &mo, &d, &h, &mi, &s) != 6
            && sscanf(base, "%d-%d-%d", &y, &mo, &d) != 3) {
        error_report("invalid datetime format");
        fprintf(stderr, "valid formats: '2006-06-17T16:01:21' or '2006-06-17'\n");
        exit(1);
    }
    if (clock && strcmp(clock, "host") && strcmp(clock, "rt") && strcmp(clock, "vm")) {
        error_report("invalid option value '%s'", clock);
        exit(1);
    }
    set_rtc_start(base, clock && !strcmp(clock, "vm"));
    if (fix && strcmp(fix, "none") && strcmp(fix, "slew")) {
        error_report("invalid option value '%s'", fix);
        exit(1);
    }
}

static void add_fds(void)
{
    for (guint i = 0; emu.addfds && i < emu.addfds->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.addfds, i);
        const char *fd_text = qdict_get_str(e->opts, "fd"), *set_text = qdict_get_str(e->opts, "set");
        uint64_t fd, set;

        error_set_location(e->loc);
        if (!fd_text || parse_u64(fd_text, 0, &fd) < 0 || fd > INT32_MAX) {
            fail("fd option is required and must be non-negative");
        }
        if (fd <= 2) {
            fail("fd cannot be a standard I/O stream");
        }
        if (fcntl(fd, F_GETFD) < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC)) {
            fail("fd is not valid or already in use");
        }
        if (!set_text || parse_u64(set_text, 0, &set) < 0) {
            fail("set option is required and must be non-negative");
        }
        setup_add_fd(fd, set, qdict_get_str(e->opts, "opaque"));
        error_set_location(NULL);
    }
}

/* What -nographic puts on standard input and output unless the user has put it elsewhere. */
static bool something_goes_to_stdio(void)
{
    const char *type = emu.machine ? qdict_get_str(emu.machine, "type") : NULL;
    bool has_ports = g_strcmp0(type, "none") != 0;

    return !emu.nodefaults && (!emu.monitor_given || (has_ports && (!emu.serial_given || !emu.parallel_given)));
}

static bool machine_is_none(void)
{
    return emu.machine && !g_strcmp0(qdict_get_str(emu.machine, "type"), "none");
}

/* What needs a processor or the machine's saved state: refused where going on would not be what was asked for, else
   told. */
static void check_without_effect(void)
{
    const struct { const char *option; bool given; } told[] = {
        { "-kernel", emu.kernel }, { "-icount", emu.icount && !machine_is_none() },
    };

    if (emu.incoming) {
        error_report("-incoming: this program cannot take over the state of a machine yet");
        exit(1);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(told); i++) {
        if (told[i].given) {
            warn_report("%s has no effect: there is no processor yet", told[i].option);
        }
    }
}

static void setup_log(void)
{
    if (emu.log_items && !log_set_items(emu.log_items)) {
        g_autofree char *text = log_items_text();

        printf("Log items (comma separated):\n%s\nUse \"-d trace:help\" to get a list of trace events.\n\n", text);
        exit(1);
    }
    if (emu.log_file) {
        log_set_file(emu.log_file, &error_fatal);
    }
}

/* Of the drivers for sound only those that make none are there: nothing here plays. */
static void check_audiodevs(void)
{
    static const char *const drivers[] = {
        "none", "alsa", "dbus", "jack", "oss", "pa", "sdl", "spice", "wav", "pipewire", NULL,
    };

    for (guint i = 0; emu.audiodevs && i < emu.audiodevs->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.audiodevs, i);
        g_autoptr(QObject) opts = NULL;
        const char *driver;

        error_set_location(e->loc);
        opts = *e->text == '{' ? json_parse(e->text, &error_fatal)
               : opts_parse_keyval(e->text, "driver", NULL, &error_fatal);
        driver = qdict_get_str(opts, "driver");
        if (!qdict_get_str(opts, "id")) {
            fail("Parameter 'id' is missing");
        }
        if (!driver || !g_strv_contains(drivers, driver)) {
            error_report(driver ? "Parameter 'driver' does not accept value '%s'" : "Parameter 'driver' is missing",
                         driver);
            exit(1);
        }
        if (strcmp(driver, "none") && strcmp(driver, "wav")) {
            warn_report("audio driver '%s' has no effect: there are no sound devices", driver);
        }
        error_set_location(NULL);
    }
}

/* How a deterministic processor counts; checked, as the counting itself waits for the processor. */
static void check_icount(void)
{
    const char *shift = qdict_get_str(emu.icount, "shift"), *rr = qdict_get_str(emu.icount, "rr");
    bool align = get_flag(emu.icount, "align"), sleep = !qdict_has(emu.icount, "sleep")
                 || get_flag(emu.icount, "sleep");
    uint64_t n;

    if (rr && strcmp(rr, "record") && strcmp(rr, "replay")) {
        error_report("Invalid icount rr option: %s", rr);
        exit(1);
    }
    if (rr && !qdict_get_str(emu.icount, "rrfile")) {
        fail("File name not specified for replay");
    }
    if (!shift) {
        if (align) {
            fail("Please specify shift option when using align");
        }
        return;
    }
    if (align && !sleep) {
        fail("align=on and sleep=off are incompatible");
    }
    if (strcmp(shift, "auto")) {
        if (parse_u64(shift, 0, &n) < 0 || n > 10) {
            fail("icount: Invalid shift value");
        }
    } else if (align || !sleep) {
        fail(align ? "shift=auto and align=on are incompatible" : "shift=auto and sleep=off are incompatible");
    }
}

static void check_kernel_options(void)
{
    if (emu.kernel) {
        return;
    }
    if (emu.initrd) {
        fail("-initrd only allowed with -kernel option");
    }
    if (emu.append) {
        fail("-append only allowed with -kernel option");
    }
}

void setup_early_options(void)
{
    check_without_effect();
    setup_log();
    check_audiodevs();
    if (emu.icount) {
        error_set_location(emu.icount_loc);
        check_icount();
        error_set_location(NULL);
    }
    if (emu.msg) {
        error_set_prefix(get_flag(emu.msg, "timestamp"), get_flag(emu.msg, "guest-name") ? guest_name() : NULL);
    }
    if (emu.rtc) {
        check_rtc();
    }
    if (emu.daemonize && emu.nographic && something_goes_to_stdio()) {
        fail("-nographic cannot be used with -daemonize");
    }
    if (get_flag(emu.overcommit, "mem-lock") && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        error_report("mlockall: %s", strerror(errno));
        error_report("locking memory failed");
        exit(1);
    }
    if (emu.vga && strcmp(emu.vga, "none")) {
        static const char *const types[] = { "std", "cirrus", "vmware", "qxl", "virtio", "xenfb", "tcx", "cg3" };
        bool known = false;

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
            known |= !strcmp(types[i], emu.vga);
        }
        error_report(known ? "video card '%s' is not available, please use -vga none" : "unknown vga type: %s",
                     emu.vga);
        exit(1);
    }
    chr_mux_escape = option_echr;
    add_fds();
}

/* Of a file of options. */
static char *opts_to_text(const QDict *opts)
{
    GString *s = g_string_new(NULL);

    for (size_t i = 0; i < qdict_size(opts); i++) {
        const char *value = qobject_get_str(qdict_value_at(opts, i));

        g_string_append_printf(s, "%s%s=%s", i ? "," : "", qdict_key_at(opts, i), value ? value : "");
    }
    return g_string_free(s, FALSE);
}

/* --- the machine ----------------------------------------------------------------------------------- */

/* Firmware: as named, in the folders of -L, or where it is usually installed. */
static char *find_file(const char *name)
{
    static const char *const usual[] = { "/usr/share/seabios", "/usr/share/qemu" };
    g_autofree char *path = NULL;

    if (g_file_test(name, G_FILE_TEST_EXISTS)) {
        return g_strdup(name);
    }
    for (guint i = 0; i < (emu.data_dirs ? emu.data_dirs->len : 0) + G_N_ELEMENTS(usual); i++) {
        guint given = emu.data_dirs ? emu.data_dirs->len : 0;
        const char *folder = i < given ? ((OptEntry *)g_ptr_array_index(emu.data_dirs, i))->text : usual[i - given];

        g_free(path);
        path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            return g_steal_pointer(&path);
        }
    }
    return NULL;
}

void setup_machine(void)
{
    const char *name = emu.machine ? qdict_get_str(emu.machine, "type") : NULL;
    const TypeInfo *type = name ? machine_find(name) : machine_default();
    g_autofree char *cpu = NULL;
    Machine *m;

    if ((name && !strcmp(name, "help")) || (emu.machine && qdict_has(emu.machine, "help") && !name)) {
        machine_print_list();
        exit(0);
    }
    if (emu.cpu && (!strcmp(emu.cpu->text, "help") || !strcmp(emu.cpu->text, "?"))) {
        cpu_models_print();
        exit(0);
    }
    if (!type) {
        error_report("unsupported machine type");
        fprintf(stderr, "Use -machine help to list supported machines\n");
        exit(1);
    }
    machine_create(type, emu.machine, &error_fatal);
    m = machine_current();
    check_kernel_options();
    if (emu.no_acpi) {
        object_set_str(&m->obj, "acpi", "off", &error_fatal);
    }
    if (emu.no_hpet) {
        object_set_str(&m->obj, "hpet", "off", &error_fatal);
    }
    const struct { const char *name, *value; } strings[] = {
        { "kernel", emu.kernel }, { "initrd", emu.initrd }, { "append", emu.append }, { "dtb", emu.dtb },
        { "firmware", emu.bios },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        if (strings[i].value) {
            object_set_str(&m->obj, strings[i].name, strings[i].value, &error_fatal);
        }
    }
    if (emu.smp) {
        machine_set_smp(m, emu.smp, &error_fatal);
    }
    if (emu.memory) {
        error_set_location(emu.memory_entry ? emu.memory_entry->loc : NULL);
        error_set_location(NULL);
        machine_set_memory(m, emu.memory, &error_fatal);
    }
    if (emu.mem_path && m->memdev) {
        fail("'-mem-path' can't be used together with'-machine memory-backend'");
    }
    machine_find_file = find_file;
    m->mem_path = emu.mem_path;
    m->mem_prealloc = emu.mem_prealloc;
    m->no_fd_bootchk = emu.no_fd_bootchk;
    machine_set_boot(m, emu.boot, true, &error_fatal);
    cpu = emu.cpu ? cpu_type_from_option(emu.cpu->text, &error_fatal) : g_strdup(machine_class(m)->default_cpu_type);
    m->cpu_type = g_steal_pointer(&cpu);
    if (!g_strcmp0(m->cpu_type, "host-x86_64-cpu") && machine_class(m)->default_cpu_type) {
        fail("CPU model 'host' requires KVM or HVF");
    }
    if (!strcmp(machine_class(m)->name, "none") && (emu.kernel || emu.initrd)) {
        error_report("The -%s parameter is not supported (use the generic 'loader' device instead).",
                     emu.kernel ? "kernel" : "initrd");
        exit(1);
    }
}

/* --- objects, character devices ---------------------------------------------------------------------- */

/* Objects that name a chardev or block node come after those. */
static bool is_early(const char *type)
{
    return !type || (strcmp(type, "rng-egd") && strcmp(type, "qtest") && !g_str_has_prefix(type, "filter-")
                     && strcmp(type, "colo-compare") && strcmp(type, "x-remote-object"));
}

void setup_numa(void)
{
    for (guint i = 0; emu.numas && i < emu.numas->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.numas, i);
        g_autofree char *text = e->opts ? opts_to_text(e->opts) : g_strdup(e->text);

        error_set_location(e->loc);
        numa_set_text(machine_current(), text, &error_fatal);
        error_set_location(NULL);
    }
}

void setup_objects(bool early)
{
    for (guint i = 0; emu.objects && i < emu.objects->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.objects, i);
        g_autofree char *type = e->text ? user_object_arg_type(e->text) : NULL;

        if (is_early(type) != early) {
            continue;
        }
        if (e->text) {
            user_object_add_arg(e->text, &error_fatal);
        } else {
            g_autoptr(QObject) props = qobject_clone(e->opts);

            qdict_del(props, "qom-type");
            qdict_del(props, "id");
            user_object_add(qdict_get_str(e->opts, "qom-type"), qdict_get_str(e->opts, "id"), props, true,
                            &error_fatal);
        }
    }
}

void setup_chardevs(void)
{
    for (guint i = 0; emu.chardevs && i < emu.chardevs->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.chardevs, i);
        bool help = false;
        Error *err = NULL;

        error_set_location(e->loc);
        if (e->opts && !qdict_has(e->opts, "help") && g_strcmp0(qdict_get_str(e->opts, "backend"), "help")
            && g_strcmp0(qdict_get_str(e->opts, "backend"), "?")) {
            chr_new_from_options(e->opts, &err);
        } else {
            chr_new_from_text(e->text, &help, &err);
        }
        if (help) {
            exit(0);
        }
        if (err) {
            error_report_err(err);
            exit(1);
        }
        error_set_location(NULL);
    }
}

/* --- serial ports, qtest ------------------------------------------------------------------------------ */

static GPtrArray *serial_chardevs;

static void add_serial(const char *loc, const char *text)
{
    g_autofree char *label = NULL;
    Chardev *chr;

    if (!serial_chardevs) {
        serial_chardevs = g_ptr_array_new();
    }
    label = g_strdup_printf("serial%u", serial_chardevs->len);
    if (!strcmp(text, "none")) {
        g_ptr_array_add(serial_chardevs, NULL);
        return;
    }
    error_set_location(loc);
    chr = chr_new_short(label, text, true, setup_mux_monitor);
    if (!chr) {
        error_report("could not connect serial device to character backend '%s'", text);
        exit(1);
    }
    error_set_location(NULL);
    g_ptr_array_add(serial_chardevs, chr);
}

static char *serial_label(int n)
{
    Chardev *chr = setup_serial_chardev(n);

    return chr ? g_strdup(chr_label(chr)) : NULL;
}

void setup_serials(void)
{
    pc_serial_label = serial_label;
    if (emu.nographic && !emu.serial_given && !emu.daemonize && !emu.nodefaults) {
        add_serial("-nographic", emu.monitor_given ? "stdio" : "mon:stdio");
    }
    for (guint i = 0; emu.serials && i < emu.serials->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.serials, i);

        add_serial(e->loc, e->text);
    }
}

Chardev *setup_serial_chardev(int n)
{
    return serial_chardevs && n < (int)serial_chardevs->len ? g_ptr_array_index(serial_chardevs, n) : NULL;
}

void setup_qtest(void)
{
    Chardev *chr;

    if (!emu.qtest) {
        return;
    }
    error_set_location(emu.qtest->loc);
    chr = chr_new_short("qtest", emu.qtest->text, true, NULL);
    if (!chr) {
        error_report("Failed to initialize device for qtest: \"%s\"", emu.qtest->text);
        exit(1);
    }
    qtest_server_init(chr, emu.qtest_log, &error_fatal);
    error_set_location(NULL);
}

/* --- devices -------------------------------------------------------------------------------------------- */

void setup_devices(void)
{
    for (guint i = 0; emu.devices && i < emu.devices->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.devices, i);
        g_autoptr(QObject) opts = NULL;

        error_set_location(e->loc);
        opts = option_dict(e, "driver", &error_fatal);
        if (qobject_type(opts) != QTYPE_DICT) {
            fail("Invalid parameter type, expected: dict");
        }
        device_add_opts(opts, e->opts != NULL, false, &error_fatal);
        error_set_location(NULL);
    }
}

bool setup_device_help(void)
{
    for (guint i = 0; emu.devices && i < emu.devices->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.devices, i);

        error_set_location(e->loc);
        if (e->opts && device_help(e->opts)) {
            return true;
        }
        error_set_location(NULL);
    }
    return false;
}

void setup_globals(void)
{
    for (guint i = 0; emu.globals && i < emu.globals->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.globals, i);

        device_add_global(qdict_get_str(e->opts, "driver"), qdict_get_str(e->opts, "property"),
                          qdict_get_str(e->opts, "value"));
    }
}
