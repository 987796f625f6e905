/*
 * A mux: up to four users share one device.  One has the focus and gets what is typed; all may write.
 * The escape character (Ctrl-A) followed by a letter does what the help lists.
 *
 * A user without room keeps up to MUX_BUFFER bytes waiting here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "char-int.h"

#define MAX_USERS 4
#define MUX_BUFFER 32

typedef struct MuxChardev {
    Chardev chr;
    CharBackend below;
    CharBackend *users[MAX_USERS];
    int n, focus;                  /* focus: a tag, -1 before the first user listens */
    uint8_t buffer[MAX_USERS][MUX_BUFFER];
    unsigned produced[MAX_USERS], consumed[MAX_USERS];
    bool escaped, timestamps, line_start;
    int64_t started_ms;            /* -1: not yet */
} MuxChardev;

int chr_mux_escape = 0x01;
void (*chr_mux_commit)(void);
static bool machine_ready;

/* --- output ------------------------------------------------------------------------------ */

static int put_timestamp(MuxChardev *m)
{
    int64_t ms = aio_clock_ns(AIO_CLOCK_REALTIME) / 1000000;
    char text[64];

    if (m->started_ms < 0) {
        m->started_ms = ms;
    }
    ms -= m->started_ms;
    snprintf(text, sizeof(text), "[%02d:%02d:%02d.%03d] ", (int)(ms / 3600000), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), (int)(ms % 1000));
    return chr_fe_write_all(&m->below, (const uint8_t *)text, strlen(text));
}

static int mux_write(Chardev *chr, const uint8_t *buf, int len)
{
    MuxChardev *m = (MuxChardev *)chr;

    if (!m->timestamps) {
        return chr_fe_write(&m->below, buf, len);
    }
    for (int i = 0; i < len; i++) {
        if (m->line_start) {
            put_timestamp(m);
            m->line_start = false;
        }
        chr_fe_write_all(&m->below, buf + i, 1);
        m->line_start = buf[i] == '\n';
    }
    return len;
}

/* --- the escape commands --------------------------------------------------------------------- */

static void print_help(MuxChardev *m)
{
    static const char *const lines[] = {
        "% h    print this help\n\r", "% x    exit emulator\n\r",
        "% s    save disk data back to file (if -snapshot)\n\r", "% t    toggle console timestamps\n\r",
        "% b    send break (magic sysrq)\n\r", "% c    switch between console and monitor\n\r", "% %  sends %\n\r",
    };
    char key[16];

    snprintf(key, sizeof(key), chr_mux_escape > 0 && chr_mux_escape < 26 ? "C-%c" : "<0x%02x>",
             chr_mux_escape > 0 && chr_mux_escape < 26 ? chr_mux_escape - 1 + 'a' : chr_mux_escape);
    chr_fe_printf(&m->below, "\n\r");
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_auto(GStrv) parts = g_strsplit(lines[i], "%", -1);
        g_autofree char *line = g_strjoinv(key, parts);

        chr_fe_write_all(&m->below, (const uint8_t *)line, strlen(line));
    }
}

static void send_event(MuxChardev *m, int user, ChrEvent event)
{
    if (m->users[user] && m->users[user]->event) {
        m->users[user]->event(m->users[user]->opaque, event);
    }
}

static void do_escape(MuxChardev *m, uint8_t c)
{
    switch (c) {
    case '?':
    case 'h':
        print_help(m);
        break;
    case 'x':
        chr_fe_printf(&m->below, "QEMU: Terminated\n\r");
        if (chr_mux_quit) {
            chr_mux_quit();
        } else {
            exit(0);
        }
        break;
    case 's':
        if (chr_mux_commit) {
            chr_mux_commit();
        }
        break;
    case 'b':
        if (m->focus >= 0) {
            send_event(m, m->focus, CHR_EVENT_BREAK);
        }
        break;
    case 'c':
        if (m->n) {
            mux_focus(&m->chr, (m->focus + 1) % m->n);
        }
        break;
    case 't':
        m->timestamps = !m->timestamps;
        m->started_ms = -1;
        m->line_start = false;
        break;
    }
}

/* Is c for the user with the focus? */
static bool filter_byte(MuxChardev *m, uint8_t c)
{
    if (m->escaped) {
        m->escaped = false;
        if (c == chr_mux_escape) {
            return true;
        }
        do_escape(m, c);
        return false;
    }
    m->escaped = c == chr_mux_escape;
    return !m->escaped;
}

/* --- input --------------------------------------------------------------------------------------- */

static int user_room(MuxChardev *m, int i)
{
    CharBackend *be = i >= 0 ? m->users[i] : NULL;

    return be && be->can_read ? be->can_read(be->opaque) : 0;
}

static void drain_buffer(MuxChardev *m)
{
    int i = m->focus;

    while (i >= 0 && m->users[i] && m->produced[i] != m->consumed[i] && user_room(m, i) > 0) {
        uint8_t c = m->buffer[i][m->consumed[i]++ % MUX_BUFFER];

        m->users[i]->read(m->users[i]->opaque, &c, 1);
    }
}

/* What any user could still keep, whoever gets the focus in the middle. */
static int mux_can_read(void *opaque)
{
    MuxChardev *m = opaque;
    unsigned used = 0;

    for (int i = 0; i < MAX_USERS; i++) {
        used = MAX(used, m->produced[i] - m->consumed[i]);
    }
    return used < MUX_BUFFER ? (int)(MUX_BUFFER - used) : user_room(m, m->focus) > 0;
}

static void mux_read(void *opaque, const uint8_t *buf, int size)
{
    MuxChardev *m = opaque;

    drain_buffer(m);
    for (int i = 0; i < size; i++) {
        int f;

        if (!filter_byte(m, buf[i])) {
            continue;
        }
        f = m->focus;
        if (f < 0) {
            continue;
        }
        if (m->produced[f] == m->consumed[f] && user_room(m, f) > 0 && m->users[f]->read) {
            m->users[f]->read(m->users[f]->opaque, &buf[i], 1);
        } else if (m->produced[f] - m->consumed[f] < MUX_BUFFER) {
            m->buffer[f][m->produced[f]++ % MUX_BUFFER] = buf[i];
        }
    }
}

static void mux_event_from_below(void *opaque, ChrEvent event)
{
    MuxChardev *m = opaque;

    if (machine_ready || event != CHR_EVENT_OPENED) {
        chr_event(&m->chr, event);
    }
}

static void mux_be_event(Chardev *chr, ChrEvent event)
{
    MuxChardev *m = (MuxChardev *)chr;

    if (!machine_ready && event == CHR_EVENT_OPENED) {
        return;
    }
    for (int i = 0; i < MAX_USERS; i++) {
        send_event(m, i, event);
    }
}

static void mux_accept_input(Chardev *chr)
{
    MuxChardev *m = (MuxChardev *)chr;

    drain_buffer(m);
    chr_fe_accept_input(&m->below);
}

static void mux_update_read(Chardev *chr)
{
    MuxChardev *m = (MuxChardev *)chr;

    chr_fe_set_handlers(&m->below, mux_can_read, mux_read, mux_event_from_below, NULL, m, chr->ctx, false);
}

static void on_writable(void *opaque)
{
    MuxChardev *m = opaque;

    for (int i = 0; i < MAX_USERS; i++) {
        if (m->users[i] && m->users[i]->writable) {
            m->users[i]->writable(m->users[i]->writable_opaque);
        }
    }
}

static void mux_watch_writable(Chardev *chr, bool on)
{
    MuxChardev *m = (MuxChardev *)chr;

    for (int i = 0; i < MAX_USERS; i++) {
        on = on || (m->users[i] && m->users[i]->writable);
    }
    chr_fe_watch_writable(&m->below, on ? on_writable : NULL, m);
}

static void mux_wait_writable(Chardev *chr)
{
    Chardev *below = ((MuxChardev *)chr)->below.chr;

    if (below && below->cls->wait_writable) {
        below->cls->wait_writable(below);
    } else {
        g_usleep(100);
    }
}

/* --- users ------------------------------------------------------------------------------------------ */

bool mux_attach(Chardev *chr, CharBackend *be, Error **errp)
{
    MuxChardev *m = (MuxChardev *)chr;

    if (m->n >= MAX_USERS) {
        error_setg(errp, "Device '%s' is in use", chr->label);
        return false;
    }
    for (be->tag = 0; m->users[be->tag]; be->tag++) {
    }
    m->users[be->tag] = be;
    m->n++;
    return true;
}

void mux_detach(Chardev *chr, CharBackend *be)
{
    MuxChardev *m = (MuxChardev *)chr;

    if (m->users[be->tag] == be) {
        m->users[be->tag] = NULL;
    }
}

void mux_focus(Chardev *chr, int tag)
{
    MuxChardev *m = (MuxChardev *)chr;

    if (m->focus >= 0) {
        send_event(m, m->focus, CHR_EVENT_MUX_OUT);
    }
    m->focus = tag;
    send_event(m, tag, CHR_EVENT_MUX_IN);
}

void mux_handlers_changed(Chardev *chr, CharBackend *be) {}

/* Once made, a mux stays, as with the peer: what switches through it may come and go unseen. */
bool mux_is_busy(const Chardev *chr) { return true; }

bool mux_has_open_frontend(const Chardev *chr)
{
    const MuxChardev *m = (const MuxChardev *)chr;

    return m->focus >= 0 && m->users[m->focus] && m->users[m->focus]->fe_open;
}

void mux_machine_ready(Chardev *chr)
{
    machine_ready = true;
    chr_event(chr, CHR_EVENT_OPENED);
}

/* --- making ------------------------------------------------------------------------------------------- */

static bool mux_parse(const QDict *options, QDict *data, Error **errp)
{
    if (!qdict_get_str(options, "chardev")) {
        error_setg(errp, "chardev: mux: no chardev given");
        return false;
    }
    opt_copy_str(options, data, "chardev", "chardev");
    return true;
}

static bool mux_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    MuxChardev *m = (MuxChardev *)chr;
    const char *name = qdict_get_str(data, "chardev");
    Chardev *below = chr_find(name);

    if (!below) {
        error_setg(errp, "mux: base chardev %s not found", name);
        return false;
    }
    m->focus = -1;
    m->started_ms = -1;
    *be_opened = machine_ready;
    return chr_fe_init(&m->below, below, errp);
}

static void mux_close(Chardev *chr)
{
    MuxChardev *m = (MuxChardev *)chr;

    for (int i = 0; i < MAX_USERS; i++) {
        if (m->users[i]) {
            m->users[i]->chr = NULL;
        }
    }
    chr_fe_deinit(&m->below, false);
}

const ChardevClass chr_class_mux = {
    .kind = "mux", .size = sizeof(MuxChardev), .parse = mux_parse, .open = mux_open, .close = mux_close,
    .write = mux_write, .be_event = mux_be_event, .accept_input = mux_accept_input, .update_read = mux_update_read,
    .watch_writable = mux_watch_writable, .wait_writable = mux_wait_writable,
};
