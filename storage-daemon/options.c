/*
 * The command line of the storage daemon.  Options are done in the order in which they stand, so that each finds
 * what the ones before it made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <getopt.h>
#include <stdlib.h>
#include "block/blockdev.h"
#include "block/export.h"
#include "chardev/char.h"
#include "daemon.h"
#include "io/address.h"
#include "monitor/monitor.h"
#include "qapi/types-block-core.h"
#include "qapi/types-block-export.h"
#include "qapi/types-control.h"
#include "qapi/types-qom.h"
#include "qom/object.h"
#include "util/trace.h"

enum {
    OPT_BLOCKDEV = 256, OPT_CHARDEV, OPT_DAEMONIZE, OPT_EXPORT, OPT_MONITOR, OPT_NBD_SERVER, OPT_OBJECT, OPT_PIDFILE,
};

static const struct option longs[] = {
    { "blockdev", required_argument, NULL, OPT_BLOCKDEV }, { "chardev", required_argument, NULL, OPT_CHARDEV },
    { "daemonize", no_argument, NULL, OPT_DAEMONIZE }, { "export", required_argument, NULL, OPT_EXPORT },
    { "help", no_argument, NULL, 'h' }, { "monitor", required_argument, NULL, OPT_MONITOR },
    { "nbd-server", required_argument, NULL, OPT_NBD_SERVER }, { "object", required_argument, NULL, OPT_OBJECT },
    { "pidfile", required_argument, NULL, OPT_PIDFILE }, { "trace", required_argument, NULL, 'T' },
    { "version", no_argument, NULL, 'V' }, { NULL },
};

bool options_want_daemon(int argc, char **argv)
{
    bool wanted = false;
    int c;

    while ((c = getopt_long(argc, argv, "-hT:V", longs, NULL)) != -1) {
        if (c == '?') {
            exit(EXIT_FAILURE);
        }
        wanted |= c == OPT_DAEMONIZE;
    }
    return wanted;
}

/* --- single options ------------------------------------------------------------------- */

static void add_node(const char *arg)
{
    blockdev_add_node(qapi_parse_arg(&qapi_type_BlockdevOptions, arg, "driver", &error_fatal), &error_fatal);
}

/* Unlike the emulator's, a device keeps nothing of the option that made it. */
static void add_chardev(const char *arg)
{
    bool help = false;
    g_autoptr(QObject) opts = chr_options_from_text(arg, &help, &error_fatal), typed = NULL;

    if (help) {
        exit(EXIT_SUCCESS);
    }
    typed = chr_check_new(opts, &error_fatal);
    chr_new_from_checked(typed, &error_fatal);
}

static void add_object(const char *arg)
{
    g_autoptr(QObject) opts = NULL;

    if (user_object_help(arg)) {
        exit(EXIT_SUCCESS);
    }
    opts = qapi_parse_arg(&qapi_type_ObjectOptions, arg, "qom-type", &error_fatal);
    user_object_add_dict(opts, &error_fatal);
}

static void add_export(const char *arg)
{
    g_autoptr(QObject) dict = qapi_parse_arg(&qapi_type_BlockExportOptions, arg, "type", &error_fatal);
    g_autoptr(BlockExportOptions) opts = BlockExportOptions_from_qobject(dict, &error_fatal);

    blk_exp_add(opts, &error_fatal);
}

static void add_monitor(const char *arg)
{
    g_autoptr(QObject) dict = qapi_parse_arg(&qapi_type_QapiMonitorOptions, arg, "chardev", &error_fatal);
    g_autoptr(QapiMonitorOptions) opts = QapiMonitorOptions_from_qobject(dict, &error_fatal);
    MonitorOptions o = { .chardev = opts->chardev, .mode = MONITOR_MODE_CONTROL, .has_pretty = opts->has_pretty,
                         .pretty = opts->pretty };

    if (opts->has_mode && opts->mode == QAPI_MONITOR_MODE_READLINE && chr_find(opts->chardev)) {
        error_report("Only QMP is supported");
        exit(EXIT_FAILURE);
    }
    monitor_init(&o, &error_fatal);
}

static void start_nbd_server(const char *arg)
{
    g_autoptr(QObject) dict = qapi_parse_arg(&qapi_type_NbdServerOptions, arg, NULL, &error_fatal);
    g_autoptr(NbdServerOptions) opts = NbdServerOptions_from_qobject(dict, &error_fatal);
    g_autoptr(IOAddress) addr = io_address_from_qdict(qdict_get_dict(dict, "addr"), &error_fatal);

    nbd_server_start(addr, opts->tls_creds, opts->tls_authz, opts->has_max_connections ? opts->max_connections : 0,
                     &error_fatal);
}

static void process_option(int c, const char *arg, const char **pidfile)
{
    switch (c) {
    case OPT_BLOCKDEV: add_node(arg); break;
    case OPT_CHARDEV: add_chardev(arg); break;
    case OPT_DAEMONIZE: break;
    case OPT_EXPORT: add_export(arg); break;
    case OPT_MONITOR: add_monitor(arg); break;
    case OPT_NBD_SERVER: start_nbd_server(arg); break;
    case OPT_OBJECT: add_object(arg); break;
    case OPT_PIDFILE: *pidfile = arg; break;
    case 'T': trace_configure(arg, &error_fatal); break;
    case 'h': print_help(); exit(EXIT_SUCCESS);
    case 'V': print_version(); exit(EXIT_SUCCESS);
    case 1:
        error_report("Unexpected argument");
        /* fall through */
    default:
        exit(EXIT_FAILURE);
    }
}

/* The words of the option that was read last. */
static char *location(char **argv, int from, int to)
{
    GString *text = g_string_new(argv[from]);

    for (int i = from + 1; i < to; i++) {
        g_string_append_printf(text, " %s", argv[i]);
    }
    return g_string_free(text, FALSE);
}

const char *options_process(int argc, char **argv)
{
    const char *pidfile = NULL;
    int c, from;

    optind = 1;
    for (from = 1; (c = getopt_long(argc, argv, "-hT:V", longs, NULL)) != -1; from = optind) {
        g_autofree char *where = location(argv, from, optind);

        error_set_location(where);
        process_option(c, optarg, &pidfile);
        error_set_location(NULL);
    }
    return pidfile;
}
