/*
 * qemu-nbd: offer one image over NBD.
 *
 *   parse -> open the image (offset, snapshot) -> listen -> export -> serve until the last client left
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "block/export.h"
#include "img/commands.h"
#include "io/socket.h"
#include "io/tls.h"
#include "nbd/client.h"
#include "nbd/kernel-device.h"
#include "qom/object.h"
#include "util/aio.h"
#include "util/pidfile.h"
#include "util/trace.h"

#define DEFAULT_PORT "10809"
#define DEFAULT_BIND "0.0.0.0"

/* What img/ expects of its program; this one has no sub-commands. */
const char img_version_text[] = "qemu-nbd 7.2.50 (Stillframe)\n";
const ImgCommand img_commands[] = { { NULL } };

typedef struct NbdOptions {
    const char *filename;
    const char *bind, *port, *socket, *export_name, *description, *format, *tls_creds, *tls_authz, *tls_hostname, *pid_file;
    const char *cache, *aio, *discard, *detect_zeroes, *snapshot_text;
    const char *device;                /* of the kernel, to be connected to what is served */
    GPtrArray *bitmaps;
    ImgSnapshotParam snapshot;
    int flags;                         /* BDRV_O_* */
    bool writethrough;
    uint64_t offset;
    uint32_t shared;                   /* 0: no limit */
    bool persistent, read_only, temporary, list, fork, image_opts, depth, verbose, disconnect;
} NbdOptions;

static bool finished;

/* --- options ------------------------------------------------------------------------ */

static void usage(void)
{
    printf("Usage: qemu-nbd [OPTIONS] FILE\n"
           "  or:  qemu-nbd -L [OPTIONS]\n"
           "Offer a disk image over the network block device protocol\n"
           "\n"
           "  -h, --help                print this text and exit\n"
           "  -V, --version             print the version and exit\n"
           "\n"
           "Connection properties:\n"
           "  -p, --port=PORT           port to listen on (default `" DEFAULT_PORT "')\n"
           "  -b, --bind=IFACE          address to listen on (default `" DEFAULT_BIND "')\n"
           "  -k, --socket=PATH         unix socket to listen on\n"
           "  -e, --shared=NUM          clients at a time (default '1', 0: any number)\n"
           "  -t, --persistent          go on after the last client left\n"
           "  -v, --verbose             tell more\n"
           "  -x, --export-name=NAME    name of the export (default: the empty name)\n"
           "  -D, --description=TEXT    what the export is, for people\n"
           "\n"
           "Exposing part of the image:\n"
           "  -o, --offset=OFFSET       start at this byte of the image\n"
           "  -A, --allocation-depth    tell which layer of a chain holds what\n"
           "  -B, --bitmap=NAME         offer a persistent dirty bitmap\n"
           "\n"
           "General purpose options:\n"
           "  -L, --list                list the exports of another server\n"
           "  --object type,id=ID,...   define an object such as 'secret'\n"
           "  --tls-creds=ID            credentials for TLS\n"
           "  --tls-authz=ID            who is allowed in over TLS\n"
           "  --tls-hostname=NAME       with --list: whom the server's certificate is for\n"
           "  -c, --connect=DEV         connect a network block device of the kernel (/dev/nbd0)\n"
           "  -d, --disconnect          let FILE go, which is such a device\n"
           "  -T, --trace [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
           "                            what to trace\n"
           "  --fork                    serve in the background once all is ready\n"
           "  --pid-file=PATH           write the server's process id here\n"
           "\n"
           "Block device options:\n"
           "  -f, --format=FORMAT       format of the image (raw, qcow2, ...)\n"
           "  -r, --read-only           no writes\n"
           "  -s, --snapshot            keep writes in a temporary overlay\n"
           "  -l, --load-snapshot=SNAPSHOT_PARAM\n"
           "                            offer an internal snapshot, read-only:\n"
           "                            'snapshot.id=[ID],snapshot.name=[NAME]', or\n"
           "                            '[ID_OR_NAME]'\n"
           "  -n, --nocache             go around the host's cache\n"
           "      --cache=MODE          none, writeback (default), writethrough, directsync, unsafe\n"
           "      --aio=MODE            native, io_uring or threads\n"
           "      --discard=MODE        ignore, unmap\n"
           "      --detect-zeroes=MODE  off, on, unmap\n"
           "      --image-opts          FILE is a set of image options\n");
}

G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN
static void die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
    exit(EXIT_FAILURE);
}

enum { OPT_CACHE = 256, OPT_AIO, OPT_DISCARD, OPT_DETECT, OPT_OBJECT, OPT_TLS_CREDS, OPT_TLS_AUTHZ, OPT_TLS_HOSTNAME, OPT_IMAGE_OPTS, OPT_FORK,
       OPT_PID_FILE, OPT_SELINUX };

static const struct option longs[] = {
    { "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { "bind", required_argument, NULL, 'b' },
    { "port", required_argument, NULL, 'p' }, { "socket", required_argument, NULL, 'k' },
    { "offset", required_argument, NULL, 'o' }, { "read-only", no_argument, NULL, 'r' },
    { "allocation-depth", no_argument, NULL, 'A' }, { "bitmap", required_argument, NULL, 'B' },
    { "connect", required_argument, NULL, 'c' }, { "disconnect", no_argument, NULL, 'd' }, { "list", no_argument, NULL, 'L' },
    { "snapshot", no_argument, NULL, 's' }, { "load-snapshot", required_argument, NULL, 'l' },
    { "nocache", no_argument, NULL, 'n' }, { "cache", required_argument, NULL, OPT_CACHE },
    { "aio", required_argument, NULL, OPT_AIO }, { "discard", required_argument, NULL, OPT_DISCARD },
    { "detect-zeroes", required_argument, NULL, OPT_DETECT }, { "shared", required_argument, NULL, 'e' },
    { "format", required_argument, NULL, 'f' }, { "persistent", no_argument, NULL, 't' },
    { "verbose", no_argument, NULL, 'v' }, { "object", required_argument, NULL, OPT_OBJECT },
    { "export-name", required_argument, NULL, 'x' }, { "description", required_argument, NULL, 'D' },
    { "tls-creds", required_argument, NULL, OPT_TLS_CREDS }, { "tls-authz", required_argument, NULL, OPT_TLS_AUTHZ },
    { "tls-hostname", required_argument, NULL, OPT_TLS_HOSTNAME }, { "image-opts", no_argument, NULL, OPT_IMAGE_OPTS }, { "trace", required_argument, NULL, 'T' },
    { "fork", no_argument, NULL, OPT_FORK }, { "pid-file", required_argument, NULL, OPT_PID_FILE },
    { "selinux-label", required_argument, NULL, OPT_SELINUX }, { NULL },
};

static void set_once(const char **slot, const char *value, const char *what)
{
    if (*slot) {
        die("%s can only be specified once", what);
    }
    *slot = value;
}

static void set_shared(NbdOptions *o, const char *text)
{
    uint64_t n;
    Error *err = NULL;

    if (!opt_parse_number("shared", text, &n, &err) || n > INT32_MAX) {
        error_free(err);
        die("Invalid shared device number '%s'", text);
    }
    o->shared = n;
}

static void set_offset(NbdOptions *o, const char *text)
{
    if (parse_u64(text, 0, &o->offset) < 0) {
        die("Invalid offset '%s'", text);
    }
}

static void set_cache(NbdOptions *o, const char *word)
{
    set_once(&o->cache, word, "-n and --cache");
    if (bdrv_parse_cache_mode(word, &o->flags, &o->writethrough) < 0) {
        die("Invalid cache mode `%s'", word);
    }
}

static void set_aio(NbdOptions *o, const char *word)
{
    set_once(&o->aio, word, "--aio");
    if (bdrv_parse_aio(word, &o->flags) < 0) {
        die("Invalid aio mode '%s'", word);
    }
}

static void set_discard(NbdOptions *o, const char *word)
{
    set_once(&o->discard, word, "--discard");
    if (bdrv_parse_discard_flags(word, &o->flags) < 0) {
        die("Invalid discard mode `%s'", word);
    }
}

static void set_detect_zeroes(NbdOptions *o, const char *word)
{
    if (strcmp(word, "off") && strcmp(word, "on") && strcmp(word, "unmap")) {
        die("Failed to parse detect_zeroes mode: invalid parameter value: %s", word);
    }
    if (!strcmp(word, "unmap") && !(o->flags & BDRV_O_UNMAP)) {
        die("setting detect-zeroes to unmap is not allowed without setting discard operation to unmap");
    }
    o->detect_zeroes = word;
}

static void set_snapshot(NbdOptions *o, const char *text)
{
    img_snapshot_param_clear(&o->snapshot);
    if (!img_snapshot_param_quoted(text, '`', &o->snapshot)) {
        exit(EXIT_FAILURE);
    }
    o->snapshot_text = text;
}

static void set_name(const char **slot, const char *text, const char *what)
{
    if (strlen(text) > NBD_MAX_STRING) {
        die("export %s '%s' too long", what, text);
    }
    *slot = text;
}

static void take_option(NbdOptions *o, int c, char **argv)
{
    Error *err = NULL;

    switch (c) {
    case 'h':
        usage();
        exit(EXIT_SUCCESS);
    case 'V':
        fputs(img_version_text, stdout);
        exit(EXIT_SUCCESS);
    case 'b': o->bind = optarg; break;
    case 'p': o->port = optarg; break;
    case 'k':
        if (*optarg != '/') {
            die("socket path must be absolute");
        }
        o->socket = optarg;
        break;
    case 'o': set_offset(o, optarg); break;
    case 'r': o->read_only = true; break;
    case 'A': o->depth = true; break;
    case 'B': g_ptr_array_add(o->bitmaps, optarg); break;
    case 'L': o->list = true; break;
    case 's': o->temporary = true; break;
    case 'l': set_snapshot(o, optarg); break;
    case 'n':
    case OPT_CACHE: set_cache(o, c == 'n' ? "none" : optarg); break;
    case OPT_AIO: set_aio(o, optarg); break;
    case OPT_DISCARD: set_discard(o, optarg); break;
    case OPT_DETECT: set_detect_zeroes(o, optarg); break;
    case 'e': set_shared(o, optarg); break;
    case 'f': o->format = optarg; break;
    case 't': o->persistent = true; break;
    case 'v': o->verbose = true; break;
    case 'x': set_name(&o->export_name, optarg, "name"); break;
    case 'D': set_name(&o->description, optarg, "description"); break;
    case OPT_OBJECT:
        if (!img_object_create(optarg, &err)) {
            error_report_err(err);
            exit(EXIT_FAILURE);
        }
        break;
    case OPT_TLS_CREDS: o->tls_creds = optarg; break;
    case OPT_TLS_AUTHZ: o->tls_authz = optarg; break;
    case OPT_TLS_HOSTNAME: o->tls_hostname = optarg; break;
    case OPT_IMAGE_OPTS: o->image_opts = true; break;
    case 'T': trace_configure(optarg, &error_fatal); break;
    case OPT_FORK: o->fork = true; break;
    case OPT_PID_FILE: o->pid_file = optarg; break;
    case 'c': o->device = optarg; break;
    case 'd': o->disconnect = true; break;
    case OPT_SELINUX:
        die("SELinux label cannot be set, no support for SELinux");
    default:
        die("Try `%s --help' for more information.", argv[0]);
    }
}

static void parse_options(NbdOptions *o, int argc, char **argv)
{
    int c;

    *o = (NbdOptions){ .shared = 1, .bitmaps = g_ptr_array_new(), .writethrough = false };
    while ((c = getopt_long(argc, argv, "hVb:o:p:rsnc:dvk:e:f:tl:x:T:D:AB:L", longs, NULL)) != -1) {
        take_option(o, c, argv);
    }
    if (o->list) {
        if (argc != optind) {
            die("List mode is incompatible with a file name");
        }
        if (o->export_name || o->description || o->offset || o->bitmaps->len || o->depth || o->snapshot_text || o->device ||
            o->disconnect) {
            die("List mode is incompatible with per-device settings");
        }
    } else if (argc - optind != 1) {
        error_report("Invalid number of arguments");
        fprintf(stderr, "Try `%s --help' for more information.\n", argv[0]);
        exit(EXIT_FAILURE);
    } else {
        o->filename = argv[optind];
    }
    if (o->image_opts && o->format) {
        die("--image-opts and -f are mutually exclusive");
    }
}

/* --- the image ------------------------------------------------------------------------- */

static QDict *image_options(const NbdOptions *o)
{
    QDict *options = qdict_new();

    if (o->image_opts) {
        qobject_unref(options);
        options = opts_parse_list_noisy(o->filename, "file", NULL, &error_fatal);
        if (!options) {
            exit(EXIT_FAILURE);
        }
    } else if (o->format) {
        qdict_put_str(options, "driver", o->format);
    }
    if (o->detect_zeroes) {
        qdict_put_str(options, "detect-zeroes", o->detect_zeroes);
    }
    return options;
}

static BlockBackend *open_image(const NbdOptions *o)
{
    int flags = o->flags | (o->read_only || o->snapshot_text ? 0 : BDRV_O_RDWR) | (o->temporary ? BDRV_O_SNAPSHOT : 0);
    Error *err = NULL;
    BlockBackend *blk = blk_open(o->image_opts ? NULL : o->filename, NULL, image_options(o), flags, &err);

    if (!blk) {
        error_reportf_err(err, "Failed to blk_new_open '%s': ", o->filename);
        exit(EXIT_FAILURE);
    }
    blk_set_enable_write_cache(blk, !o->writethrough);
    return blk;
}

/* An error after the image was opened: it is closed first, since bitmaps are marked as in use while it is open. */
static G_GNUC_NORETURN void leave_early(BlockBackend *blk)
{
    blk_unref(blk);
    bdrv_close_all();
    exit(EXIT_FAILURE);
}

static void load_snapshot(const NbdOptions *o, BlockBackend *blk)
{
    Error *err = NULL;

    if (!o->snapshot_text) {
        return;
    }
    if (o->temporary) {
        error_setg(&err, "Can't find snapshot");          /* the overlay has none */
    } else if (img_snapshot_load(blk_bs(blk), &o->snapshot, &err)) {
        return;
    }
    error_reportf_err(err, "Failed to load snapshot: ");
    leave_early(blk);
}

/* The node that is exported: the image, or a window of it (referenced). */
static BlockDriverState *exported_node(const NbdOptions *o, BlockBackend *blk, Error **errp)
{
    BlockDriverState *bs = blk_bs(blk);
    QDict *options;

    if (!o->offset) {
        bdrv_ref(bs);
        return bs;
    }
    options = qdict_new();
    qdict_put_str(options, "driver", "raw");
    qdict_put_str(options, "file", bdrv_get_node_name(bs));
    qdict_put_int(options, "offset", o->offset);          /* one above 2^63 is negative to the driver */
    return bdrv_open(NULL, NULL, options, bs->read_only ? 0 : BDRV_O_RDWR, errp);
}

/* --- serving ---------------------------------------------------------------------------- */

static IOAddress *listen_address(const NbdOptions *o)
{
    IOAddress *a = io_address_new(o->socket ? IO_ADDR_UNIX : IO_ADDR_INET);

    if (o->socket) {
        a->path = g_strdup(o->socket);
    } else {
        a->host = g_strdup(o->bind ? o->bind : DEFAULT_BIND);
        a->port = g_strdup(o->port ? o->port : DEFAULT_PORT);
    }
    return a;
}

static bool add_export(const NbdOptions *o, BlockDriverState *bs)
{
    g_autoptr(BlockExportOptions) opts = BlockExportOptions_new();
    Error *err = NULL;

    opts->type = BLOCK_EXPORT_TYPE_NBD;
    opts->id = g_strdup("qemu-nbd-export");
    opts->node_name = g_strdup(bdrv_get_node_name(bs));
    opts->has_writable = true;
    opts->writable = !bs->read_only && !o->read_only;
    opts->u.nbd.name = g_strdup(o->export_name ? o->export_name : "");
    opts->u.nbd.description = g_strdup(o->description);
    opts->u.nbd.has_allocation_depth = true;
    opts->u.nbd.allocation_depth = o->depth;
    if (o->bitmaps->len) {
        opts->u.nbd.bitmaps = BlockDirtyBitmapOrStrList_new();
    }
    for (guint i = o->bitmaps->len; i-- > 0;) {              /* the one named last is listed first */
        BlockDirtyBitmapOrStr *which = g_new0(BlockDirtyBitmapOrStr, 1);

        which->type = QTYPE_STRING;
        which->u.local = g_strdup(o->bitmaps->pdata[i]);
        BlockDirtyBitmapOrStrList_append(opts->u.nbd.bitmaps, which);
    }
    if (!blk_exp_add(opts, &err)) {
        error_report_err(err);
        return false;
    }
    return true;
}

static void client_gone(uint32_t connections)
{
    finished |= !connections;
}

static void on_signal(void *opaque)
{
    finished = true;
}

/* SIGTERM, SIGINT and SIGHUP end the program in order. */
static void watch_signals(void)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        die("Cannot watch signals: %s", strerror(errno));
    }
    aio_set_fd_handler(aio_main_context(), fd, on_signal, NULL, NULL);
}

/* The parent waits for one byte (ready) or the end of the pipe (what went wrong is on stderr already). */
static int fork_server(void)
{
    int fds[2], status = EXIT_FAILURE;
    char byte;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        die("Failed to fork: %s", strerror(errno));
    }
    if (pid == 0) {
        close(fds[0]);
        setsid();
        return fds[1];
    }
    close(fds[1]);
    if (read(fds[0], &byte, 1) == 1) {
        status = EXIT_SUCCESS;
    }
    exit(status);
}

static void tell_ready(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        return;
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    if (write(fd, "", 1) != 1) {
        die("Failed to tell the parent: %s", strerror(errno));
    }
    dup2(null, STDERR_FILENO);
    close(fd);
    close(null);
}

/* --- a device of the kernel that is connected to what is served --------------------------- */

typedef struct Device {
    const NbdOptions *o;
    const IOAddress *addr;
    int ready;                         /* for tell_ready */
    bool failed;
    pthread_t thread;
} Device;

static void device_connected(void *opaque)
{
    Device *d = opaque;

    if (d->o->verbose && !d->o->fork) {
        fprintf(stderr, "NBD device %s is now connected to %s\n", d->o->device, d->o->filename);
    }
    tell_ready(d->ready);
}

static void *feed_device(void *opaque)
{
    Device *d = opaque;
    Error *err = NULL;

    d->failed = !nbd_kernel_serve(d->o->device, d->addr, device_connected, d, &err);
    if (d->failed) {
        error_report_err(err);
    }
    kill(getpid(), SIGTERM);
    return NULL;
}

static void start_device(Device *d)
{
    int ret = pthread_create(&d->thread, NULL, feed_device, d);

    if (ret) {
        die("Failed to create client thread: %s", strerror(ret));
    }
}

/* The image, opened and offered; ends the program on an error. */
static void offer(const NbdOptions *o)
{
    BlockBackend *blk = open_image(o);
    BlockDriverState *bs;
    Error *err = NULL;

    load_snapshot(o, blk);
    bs = exported_node(o, blk, &err);
    if (!bs) {
        error_report_err(err);
        leave_early(blk);
    }
    if (!add_export(o, bs)) {
        bdrv_unref(bs);
        leave_early(blk);
    }
    blk_unref(blk);
    bdrv_unref(bs);
    if (o->pid_file && !pidfile_try_write(o->pid_file, &err)) {
        error_report_err(err);
        blk_exp_close_all_type(BLOCK_EXPORT_TYPE_NBD);
        bdrv_close_all();
        exit(EXIT_FAILURE);
    }
}

static int serve(const NbdOptions *o)
{
    g_autoptr(IOAddress) addr = listen_address(o);
    Device device = { .o = o, .addr = addr, .ready = o->fork ? fork_server() : -1 };
    Error *err = NULL;

    aio_init_main();
    bdrv_init();
    watch_signals();
    nbd_server_hold(true);
    nbd_server_start(addr, o->tls_creds, o->tls_authz, o->shared, &err);
    if (err) {
        error_report_err(err);
        exit(EXIT_FAILURE);
    }
    offer(o);
    nbd_server_hold(false);
    if (!o->persistent) {
        nbd_server_set_gone_hook(client_gone);
    }
    if (o->device) {
        start_device(&device);
    } else {
        tell_ready(device.ready);
    }
    while (!finished) {
        aio_poll(aio_main_context(), true);
    }
    nbd_server_stop();
    bdrv_close_all();
    if (o->device) {
        pthread_join(device.thread, NULL);
    }
    pidfile_remove();
    return device.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- listing another server's exports ------------------------------------------------------ */

static void print_flags(uint16_t flags)
{
    static const char *const names[] = { "readonly", "flush", "fua", "rotational", "trim", "zeroes", "df", "multi", "resize",
                                         "cache", "fast-zero" };

    printf("  flags: 0x%x (", flags);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (flags & (NBD_FLAG_READ_ONLY << i)) {
            printf(" %s", names[i]);
        }
    }
    printf(" )\n");
}

static void print_export(const NbdClientExport *e, bool facts)
{
    printf(" export: '%s'\n", e->name);
    if (e->description && *e->description) {
        printf("  description: %s\n", e->description);
    }
    if (facts) {
        printf("  size:  %" PRIu64 "\n", e->size);
        print_flags(e->flags);
    }
    if (e->min_block) {
        printf("  min block: %u\n  opt block: %u\n  max block: %u\n", e->min_block, e->preferred_block, e->max_block);
    }
    if (e->contexts->len) {
        printf("  available meta contexts: %u\n", e->contexts->len);
        for (guint i = 0; i < e->contexts->len; i++) {
            printf("   %s\n", (char *)e->contexts->pdata[i]);
        }
    }
}

/* What the server tells about one export; facts says whether it tells any. */
static int ask_export(NbdClient *n, NbdClientExport *e, bool *facts, Error **errp)
{
    ERRP_GUARD();
    int ret = nbd_client_info(n, e, errp);

    *facts = ret == 0 && (e->flags & NBD_FLAG_HAS_FLAGS);
    if (ret == -ENOTSUP) {             /* a server may know no INFO: then its name is all there is */
        error_free(*errp);
        *errp = NULL;
        return 0;
    }
    return ret == 0 && n->structured ? nbd_client_list_contexts(n, e, errp) : ret;
}

static int list_from(NbdClient *n, Error **errp)
{
    Chunks list = { .item = sizeof(NbdClientExport *) };
    bool facts[NBD_CLIENT_MAX_EXPORTS] = { false };
    int ret = nbd_client_list_exports(n, &list, errp);

    for (size_t i = 0; i < list.len && ret == 0; i++) {
        ret = ask_export(n, *(NbdClientExport **)chunks_at(&list, i), &facts[i], errp);
    }
    if (ret == 0) {
        printf("exports available: %zu\n", list.len);
    }
    for (size_t i = 0; i < list.len; i++) {
        NbdClientExport *e = *(NbdClientExport **)chunks_at(&list, i);

        if (ret == 0) {
            print_export(e, facts[i]);
        }
        nbd_client_export_free(e);
    }
    chunks_free(&list);
    return ret;
}

/* The server's certificate is for the name that it was called by, or for --tls-hostname. */
static IOChannel *go_on_in_tls(const NbdOptions *o, NbdClient *n, IOChannel *c, Error **errp)
{
    const char *name = o->tls_hostname ? o->tls_hostname : o->socket ? NULL : o->bind ? o->bind : DEFAULT_BIND;
    TlsCreds *creds = tls_creds_lookup(o->tls_creds, false, errp);
    IOChannel *tls = NULL;

    if (creds && nbd_client_starttls(n, errp) == 0) {
        tls = io_channel_tls_new(io_channel_ref(c), creds, name, NULL, NULL, errp);
    }
    tls_creds_unref(creds);
    if (tls && io_channel_tls_handshake(tls, errp) < 0) {
        io_channel_unref(tls);
        return NULL;
    }
    return tls;
}

static int list_exports(const NbdOptions *o)
{
    g_autoptr(IOAddress) addr = listen_address(o);
    g_autoptr(IOChannel) c = NULL, tls = NULL;
    Error *err = NULL;
    NbdClient n;
    int ret = -1;

    aio_init_main();
    c = io_socket_connect(addr, &err);
    if (c) {
        ret = nbd_client_greet(&n, c, false, &err);
    }
    if (ret == 0 && o->tls_creds) {
        n.channel = tls = go_on_in_tls(o, &n, c, &err);
        ret = tls ? 0 : -EINVAL;
    }
    if (ret == 0) {
        ret = nbd_client_structured(&n, &err);
    }
    if (ret == 0) {
        ret = list_from(&n, &err);
    }
    if (ret < 0) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    nbd_client_bye(&n);
    return EXIT_SUCCESS;
}

/* Is what was said about TLS complete, and are the credentials there for our end? */
static void check_tls(const NbdOptions *o)
{
    Error *err = NULL;
    TlsCreds *creds;

    if (!o->tls_creds) {
        if (o->tls_hostname) {
            die("--tls-hostname is not permitted without --tls-creds");
        }
        if (o->tls_authz) {
            die("--tls-authz is not permitted without --tls-creds");
        }
        return;
    }
    if (o->list && o->tls_authz) {
        die("TLS authorization is incompatible with export list");
    }
    if (!o->list && o->tls_hostname) {
        die("TLS hostname is only supported with export list");
    }
    creds = tls_creds_lookup(o->tls_creds, !o->list, &err);
    if (!creds) {
        error_reportf_err(err, "Failed to get TLS creds: ");
        exit(EXIT_FAILURE);
    }
    tls_creds_unref(creds);
}

/* Objects live in the tree, where the server finds who is let in. */
static bool make_object(const char *type, const char *id, const QDict *props, Error **errp)
{
    return user_object_add(type, id, props, true, errp) != NULL;
}

static int let_go(const NbdOptions *o)
{
    Error *err = NULL;

    if (!nbd_kernel_disconnect(o->filename, &err)) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

/* A device is fed through a socket of its own, in the background unless a person watches. */
static void prepare_device(NbdOptions *o)
{
    g_autofree char *base = o->device ? g_path_get_basename(o->device) : NULL;

    if (base && !o->socket) {
        o->socket = g_strdup_printf("/var/lock/qemu-nbd-%s", base);
    }
    o->fork |= o->device && !o->verbose;
}

int main(int argc, char **argv)
{
    NbdOptions o;

    signal(SIGPIPE, SIG_IGN);
    error_init(argv[0]);
    /* As in qemu-img: buffers of requests come and go. */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
    img_object_make = make_object;
    parse_options(&o, argc, argv);
    if (o.disconnect) {
        return let_go(&o);
    }
    check_tls(&o);
    prepare_device(&o);
    return o.list ? list_exports(&o) : serve(&o);
}
