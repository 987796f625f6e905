/*
 * An HMP monitor on a character device: line editing, prompt, suspension.
 *
 * Bytes are taken one at a time, and none while any monitor runs a command: a command may poll, and
 * the next line has to wait for its turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "hmp-int.h"
#include "monitor-int.h"
#include "util/version.h"

typedef struct MonitorHMP {
    Monitor common;
    Readline *rl;                  /* NULL: plain lines, no echo */
    GString *line;                 /* then: what came so far */
    GString *screen;               /* readline's output on its way */
    bool mux_out;                  /* another user of the mux has the focus: output is held */
    bool greeted;                  /* a peer was here */
    int suspended;                 /* no input is taken while above 0 */
} MonitorHMP;

/* --- running -------------------------------------------------------------------------------- */

static void report_to_monitor(void *opaque, const char *line) { monitor_printf(opaque, "%s\n", line); }

static void print_to_monitor(void *opaque, const char *text) { monitor_puts(opaque, text); }

void monitor_hmp_run(Monitor *mon, const char *line)
{
    error_set_sink(report_to_monitor, mon);
    out_set_sink(print_to_monitor, mon);
    hmp_run_line(mon, line);
    error_set_sink(NULL, NULL);
    out_set_sink(NULL, NULL);
}

static void rl_flush(void *opaque);

static void run_typed(MonitorHMP *hmp, const char *line)
{
    Monitor *previous = monitor_command_begin(&hmp->common);

    rl_flush(hmp);
    hmp->suspended++;
    monitor_hmp_run(&hmp->common, line);
    hmp->suspended--;
    monitor_command_end(previous);
    if (hmp->rl && !hmp->suspended) {
        readline_show_prompt(hmp->rl);
    }
}

/* --- readline's window ----------------------------------------------------------------------- */

/* Collected, so that a key's answer is one write. */
static void rl_puts(void *opaque, const char *text) { g_string_append(((MonitorHMP *)opaque)->screen, text); }

static void rl_flush(void *opaque)
{
    MonitorHMP *hmp = opaque;

    if (hmp->screen->len) {
        g_autofree char *text = g_strdup(hmp->screen->str);

        g_string_truncate(hmp->screen, 0);
        monitor_puts(&hmp->common, text);
    }
}

static void rl_complete(void *opaque, const char *line) { hmp_complete_line(((MonitorHMP *)opaque)->rl, line); }
static void rl_done(void *opaque, const char *line) { run_typed(opaque, line); }

static const ReadlineOps rl_ops = { .puts = rl_puts, .flush = rl_flush, .complete = rl_complete };

void hmp_info_history(Monitor *mon, const QDict *args)
{
    Readline *rl = mon->buffer ? NULL : ((MonitorHMP *)mon)->rl;
    const char *line;

    for (int i = 0; rl && (line = readline_history(rl, i)) != NULL; i++) {
        monitor_printf(mon, "%d: '%s'\n", i, line);
    }
}

/* --- input ----------------------------------------------------------------------------------- */

static int on_can_read(void *opaque)
{
    MonitorHMP *hmp = opaque;

    return !hmp->suspended && !monitor_command_runs();
}

static void plain_byte(MonitorHMP *hmp, uint8_t c)
{
    if (c == '\n' || c == '\r' || c == 0) {
        g_autofree char *line = g_strdup(hmp->line->str);

        g_string_truncate(hmp->line, 0);
        run_typed(hmp, line);
    } else if (hmp->line->len < READLINE_LINE_MAX) {
        g_string_append_c(hmp->line, c);
    }
}

static void on_read(void *opaque, const uint8_t *buf, int size)
{
    MonitorHMP *hmp = opaque;

    monitor_keep_msgfds(&hmp->common);
    for (int i = 0; i < size; i++) {
        Monitor *previous = monitor_set_cur(&hmp->common);

        if (hmp->rl) {
            readline_feed(hmp->rl, buf[i]);
        } else {
            plain_byte(hmp, buf[i]);
        }
        monitor_set_cur(previous);
    }
}

static void kick(Monitor *mon)
{
    if (!((MonitorHMP *)mon)->suspended) {
        chr_fe_accept_input(&mon->chr);
    }
}

void monitor_suspend(Monitor *mon)
{
    if (!mon->buffer) {
        ((MonitorHMP *)mon)->suspended++;
    }
}

void monitor_resume(Monitor *mon)
{
    MonitorHMP *hmp = (MonitorHMP *)mon;

    if (!mon->buffer && --hmp->suspended == 0) {
        if (hmp->rl) {
            readline_show_prompt(hmp->rl);
        }
        kick(mon);
    }
}

bool hmp_is_current_cpu(Monitor *mon, const char *path, size_t index)
{
    return mon->cpu_path ? g_str_equal(mon->cpu_path, path) : index == 0;
}

/* --- the peer comes and goes ----------------------------------------------------------------- */

static void start_line(MonitorHMP *hmp)
{
    if (hmp->rl) {
        readline_restart(hmp->rl);
        readline_show_prompt(hmp->rl);
    }
}

static void on_opened(MonitorHMP *hmp)
{
    if (!hmp->common.open) {
        monitor_set_peer(&hmp->common, true);
    }
    if (hmp->rl) {
        monitor_printf(&hmp->common, "QEMU %s monitor - type 'help' for more information\n", PEER_VERSION);
    }
    if (!hmp->mux_out) {
        start_line(hmp);
    }
    hmp->greeted = true;
}

static void on_focus(MonitorHMP *hmp)
{
    hmp->mux_out = false;
    monitor_hold(&hmp->common, false);
    if (hmp->greeted) {
        hmp->suspended -= hmp->suspended > 0;
        if (!hmp->suspended) {
            start_line(hmp);
            kick(&hmp->common);
        }
    } else {
        hmp->suspended = 0;
    }
}

static void on_focus_lost(MonitorHMP *hmp)
{
    if (hmp->greeted && !hmp->suspended) {
        monitor_printf(&hmp->common, "\n");
    }
    monitor_flush(&hmp->common);
    hmp->suspended++;
    hmp->mux_out = true;
    monitor_hold(&hmp->common, true);
}

static void on_event(void *opaque, ChrEvent event)
{
    MonitorHMP *hmp = opaque;

    switch (event) {
    case CHR_EVENT_OPENED:
        on_opened(hmp);
        break;
    case CHR_EVENT_CLOSED:
        monitor_set_peer(&hmp->common, false);
        break;
    case CHR_EVENT_MUX_IN:
        on_focus(hmp);
        break;
    case CHR_EVENT_MUX_OUT:
        on_focus_lost(hmp);
        break;
    case CHR_EVENT_BREAK:
        break;
    }
}

int monitor_init_hmp(Chardev *chr, bool use_readline, Error **errp)
{
    MonitorHMP *hmp = g_new0(MonitorHMP, 1);

    if (!monitor_setup(&hmp->common, chr, aio_main_context(), false, errp)) {
        g_free(hmp);
        return -EBUSY;
    }
    hmp->line = g_string_new(NULL);
    hmp->screen = g_string_new(NULL);
    hmp->common.kick = kick;
    if (use_readline) {
        hmp->rl = readline_new(&rl_ops, hmp);
        readline_start(hmp->rl, "(qemu) ", false, rl_done, hmp);
    }
    monitor_list_add(&hmp->common);
    chr_fe_set_handlers(&hmp->common.chr, on_can_read, on_read, on_event, NULL, hmp, NULL, true);
    return 0;
}
