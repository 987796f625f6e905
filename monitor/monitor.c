/*
 * The list of monitors, their output, and who may run a command when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "monitor-int.h"
#include "util/text.h"

pthread_mutex_t monitors_lock = PTHREAD_MUTEX_INITIALIZER;
GList *monitors;
char *(*monitor_cpu_path)(int64_t index);
bool monitor_hmp_preconfig;

static __thread Monitor *current;
static bool command_runs, held;         /* main thread */

Monitor *monitor_cur(void)
{
    return current;
}

Monitor *monitor_set_cur(Monitor *mon)
{
    Monitor *previous = current;

    current = mon;
    return previous;
}

bool monitor_is_qmp(const Monitor *mon)
{
    return mon->qmp;
}

bool monitor_cur_is_qmp(void)
{
    return current && current->qmp;
}

/* --- output ---------------------------------------------------------------------------------- */

/* What the device takes now leaves; for the rest the watch is set up in the device's context. */
static void flush_locked(Monitor *mon)
{
    const char *bytes;
    size_t len;
    int n;

    if (mon->buffer || mon->held || mon->watching) {
        return;
    }
    while (bytes = output_front(&mon->out, &len), len) {
        n = chr_fe_write(&mon->chr, (const uint8_t *)bytes, len);
        if (n < 0 && errno != EAGAIN) {
            output_clear(&mon->out);
            return;
        }
        output_sent(&mon->out, MAX(n, 0));
        if (n < (int)len) {
            mon->watching = true;
            aio_bh_schedule(mon->watch_bh);
            return;
        }
    }
}

static void on_writable(void *opaque)
{
    Monitor *mon = opaque;
    bool drained;

    pthread_mutex_lock(&mon->lock);
    mon->watching = false;
    flush_locked(mon);
    drained = !mon->watching;
    pthread_mutex_unlock(&mon->lock);
    if (drained) {
        chr_fe_watch_writable(&mon->chr, NULL, NULL);
    }
    if (mon->output_drained && monitor_backlog(mon) <= MONITOR_OUTPUT_HIGH) {
        mon->output_drained(mon);
    }
}

static void watch_bh(void *opaque)
{
    Monitor *mon = opaque;

    if (!chr_fe_watch_writable(&mon->chr, on_writable, mon)) {
        on_writable(mon);
    }
}

bool monitor_write(Monitor *mon, const char *text, bool line, bool force)
{
    bool ok;

    pthread_mutex_lock(&mon->lock);
    ok = (mon->buffer || mon->open) && (force || mon->out.len + strlen(text) <= MONITOR_OUTPUT_MAX);
    if (ok) {
        output_add_text(&mon->out, text);
        output_add_text(&mon->out, line ? "\n" : "");
        flush_locked(mon);
    }
    pthread_mutex_unlock(&mon->lock);
    return ok;
}

void monitor_flush(Monitor *mon)
{
    pthread_mutex_lock(&mon->lock);
    flush_locked(mon);
    pthread_mutex_unlock(&mon->lock);
}

void monitor_hold(Monitor *mon, bool held)
{
    pthread_mutex_lock(&mon->lock);
    mon->held = held;
    flush_locked(mon);
    pthread_mutex_unlock(&mon->lock);
}

size_t monitor_backlog(Monitor *mon)
{
    size_t len;

    pthread_mutex_lock(&mon->lock);
    len = mon->out.len;
    pthread_mutex_unlock(&mon->lock);
    return len;
}

int monitor_puts(Monitor *mon, const char *text)
{
    if (!mon || mon->qmp) {
        return -1;
    }
    monitor_write(mon, text, false, false);
    return strlen(text);
}

int monitor_vprintf(Monitor *mon, const char *fmt, va_list ap)
{
    g_autofree char *text = NULL;

    if (!mon || mon->qmp) {
        return -1;
    }
    text = text_vformat(fmt, ap);
    return monitor_puts(mon, text);
}

int monitor_printf(Monitor *mon, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = monitor_vprintf(mon, fmt, ap);
    va_end(ap);
    return n;
}

/* --- peers ----------------------------------------------------------------------------------- */

static void close_msgfds_locked(Monitor *mon)
{
    while (mon->n_msgfds) {
        close(mon->msgfds[--mon->n_msgfds]);
    }
}

void monitor_set_peer(Monitor *mon, bool open)
{
    pthread_mutex_lock(&mon->lock);
    mon->open = open;
    mon->watching = false;
    output_clear(&mon->out);
    close_msgfds_locked(mon);
    pthread_mutex_unlock(&mon->lock);
}

void monitor_keep_msgfds(Monitor *mon)
{
    int fds[G_N_ELEMENTS(mon->msgfds)];
    int n = chr_fe_get_msgfds(&mon->chr, fds, G_N_ELEMENTS(fds));

    if (n > 0) {
        pthread_mutex_lock(&mon->lock);
        close_msgfds_locked(mon);
        memcpy(mon->msgfds, fds, n * sizeof(fds[0]));
        mon->n_msgfds = n;
        pthread_mutex_unlock(&mon->lock);
    }
}

int monitor_take_msgfd(Monitor *mon)
{
    int fd = -1;

    pthread_mutex_lock(&mon->lock);
    if (mon->n_msgfds) {
        fd = mon->msgfds[0];
        memmove(mon->msgfds, mon->msgfds + 1, --mon->n_msgfds * sizeof(mon->msgfds[0]));
        close_msgfds_locked(mon);
    }
    pthread_mutex_unlock(&mon->lock);
    return fd;
}

/* --- one command at a time --------------------------------------------------------------------- */

/* Also while somebody polls in the middle of work of his own: a job's end, a drain. */
bool monitor_command_runs(void)
{
    return command_runs || held || aio_poll_nested();
}

Monitor *monitor_command_begin(Monitor *mon)
{
    command_runs = true;
    return monitor_set_cur(mon);
}

static void kick_all(void *opaque)
{
    GList *copy;

    pthread_mutex_lock(&monitors_lock);
    copy = g_list_copy(monitors);
    pthread_mutex_unlock(&monitors_lock);
    for (GList *l = copy; l; l = l->next) {
        Monitor *mon = l->data;

        if (mon->kick && !command_runs && !held) {
            mon->kick(mon);
        }
    }
    g_list_free(copy);
}

static void on_unnested(void)
{
    if (!command_runs && !held) {
        aio_bh_oneshot(aio_main_context(), kick_all, NULL);
    }
}

void monitor_command_end(Monitor *previous)
{
    monitor_set_cur(previous);
    command_runs = false;
    aio_bh_oneshot(aio_main_context(), kick_all, NULL);
}

void monitors_hold(void) { held = true; }

void monitors_release(void)
{
    held = false;
    monitor_command_end(monitor_set_cur(NULL));
}

/* --- beginning and end ------------------------------------------------------------------------- */

bool monitor_setup(Monitor *mon, Chardev *chr, AioContext *ctx, bool qmp, Error **errp)
{
    if (chr && !chr_fe_init(&mon->chr, chr, errp)) {
        return false;
    }
    mon->ctx = ctx;
    mon->qmp = qmp;
    mon->buffer = !chr;
    pthread_mutex_init(&mon->lock, NULL);
    aio_add_unnest_hook(on_unnested);
    mon->watch_bh = aio_bh_new(mon->ctx, watch_bh, mon);
    return true;
}

void monitor_teardown(Monitor *mon)
{
    monitor_set_peer(mon, false);
    if (!mon->buffer) {
        chr_fe_deinit(&mon->chr, false);
    }
    aio_bh_delete(mon->watch_bh);
    g_free(mon->cpu_path);
    pthread_mutex_destroy(&mon->lock);
}

void monitor_list_add(Monitor *mon)
{
    pthread_mutex_lock(&monitors_lock);
    monitors = g_list_prepend(monitors, mon);
    pthread_mutex_unlock(&monitors_lock);
}

void monitor_cleanup(void)
{
    monitor_io_stop();
    for (GList *l = monitors; l; l = l->next) {
        Monitor *mon = l->data;

        monitor_flush(mon);
        chr_fe_set_handlers(&mon->chr, NULL, NULL, NULL, NULL, NULL, NULL, true);
        chr_fe_deinit(&mon->chr, false);
        mon->open = false;
    }
}

char *monitor_hmp_capture(const char *line, const char *cpu_path, Error **errp)
{
    Monitor mon = { .qmp = false };
    char *text;

    monitor_setup(&mon, NULL, aio_main_context(), false, &error_abort);
    mon.cpu_path = g_strdup(cpu_path);
    if (monitor_hmp_run) {
        Monitor *previous = monitor_set_cur(&mon);

        monitor_hmp_run(&mon, line);
        monitor_set_cur(previous);
    }
    text = output_join(&mon.out);
    if (!text) {
        error_setg_errno(errp, ENOMEM, "Output of %zu bytes", mon.out.len);
    }
    monitor_teardown(&mon);
    return text;
}

int monitor_init(const MonitorOptions *o, Error **errp)
{
    Chardev *chr = chr_find(o->chardev);

    if (!chr) {
        error_setg(errp, "chardev \"%s\" not found", o->chardev);
        return -ENODEV;
    }
    if (o->mode == MONITOR_MODE_CONTROL) {
        return monitor_init_qmp(chr, o->pretty, errp);
    }
    if (o->has_pretty) {
        error_setg(errp, "'pretty' is not compatible with HMP monitors");
        return -EINVAL;
    }
    if (!monitor_init_hmp) {
        error_setg(errp, "HMP is not part of this program");
        return -ENOTSUP;
    }
    return monitor_init_hmp(chr, true, errp);
}

static bool parse_mode(const char *text, MonitorMode *mode, Error **errp)
{
    *mode = text && strcmp(text, "control") == 0 ? MONITOR_MODE_CONTROL : MONITOR_MODE_READLINE;
    if (text && *mode == MONITOR_MODE_READLINE && strcmp(text, "readline") != 0) {
        error_setg(errp, "Parameter 'mode' does not accept value '%s'", text);
        return false;
    }
    return true;
}

int monitor_init_from_options(const QDict *options, Error **errp)
{
    const char *pretty = qdict_get_str(options, "pretty");
    MonitorOptions o = { .chardev = qdict_get_str(options, "chardev"), .has_pretty = pretty != NULL };

    for (size_t i = 0; i < qdict_size(options); i++) {
        const char *key = qdict_key_at(options, i);

        if (strcmp(key, "chardev") != 0 && strcmp(key, "mode") != 0 && strcmp(key, "pretty") != 0 &&
            strcmp(key, "id") != 0) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return -EINVAL;
        }
    }
    if (pretty && strcmp(pretty, "on") != 0 && strcmp(pretty, "off") != 0) {
        error_setg(errp, "Parameter 'pretty' expects 'on' or 'off'");
        return -EINVAL;
    }
    o.pretty = pretty && strcmp(pretty, "on") == 0;
    if (!parse_mode(qdict_get_str(options, "mode"), &o.mode, errp)) {
        return -EINVAL;
    }
    if (!o.chardev) {
        error_setg(errp, "Parameter 'chardev' is missing");
        return -EINVAL;
    }
    return monitor_init(&o, errp);
}
