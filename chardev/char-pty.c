/*
 * A pseudo terminal.  The kernel does not tell when somebody opens the other side: a timer looks for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>
#include "char-int.h"

#define LOOK_NS 1000000000LL

typedef struct PtyChardev { FdChardev f; AioTimer *timer; bool connected; } PtyChardev;

static void look(PtyChardev *p);

static void pty_gone(FdChardev *f)
{
    PtyChardev *p = (PtyChardev *)f;

    p->connected = false;
    chr_event(&f->chr, CHR_EVENT_CLOSED);
    aio_timer_mod_ns(p->timer, aio_clock_ns(AIO_CLOCK_REALTIME) + LOOK_NS);
}

/* POLLHUP says that the other side is closed. */
static void look(PtyChardev *p)
{
    struct pollfd fd = { .fd = io_channel_fd(p->f.in, IO_READ), .events = POLLOUT };

    if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP)) {
        if (p->connected) {
            p->connected = false;
            chr_event(&p->f.chr, CHR_EVENT_CLOSED);
        }
    } else if (!p->connected) {
        p->connected = true;
        chr_event(&p->f.chr, CHR_EVENT_OPENED);
        fd_chr_update_read(&p->f.chr);
    }
    if (!p->connected) {
        aio_timer_mod_ns(p->timer, aio_clock_ns(AIO_CLOCK_REALTIME) + LOOK_NS);
    }
}

static void on_timer(void *opaque) { look(opaque); }

static void pty_update_read(Chardev *chr)
{
    PtyChardev *p = (PtyChardev *)chr;

    if (!p->timer) {
        p->timer = aio_timer_new(chr_context(chr), AIO_CLOCK_REALTIME, on_timer, p);
    }
    if (p->connected) {
        fd_chr_update_read(chr);
    }
    look(p);
}

static int pty_write(Chardev *chr, const uint8_t *buf, int len)
{
    return ((PtyChardev *)chr)->connected ? fd_chr_write(chr, buf, len) : len;
}

static bool pty_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    PtyChardev *p = (PtyChardev *)chr;
    char name[128];
    int master, slave;
    struct termios tty;

    if (openpty(&master, &slave, name, NULL, NULL) < 0) {
        error_setg_errno(errp, errno, "Failed to create PTY");
        return false;
    }
    tcgetattr(slave, &tty);
    cfmakeraw(&tty);
    tcsetattr(slave, TCSAFLUSH, &tty);
    close(slave);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    chr_set_filename(chr, g_strdup_printf("pty:%s", name));
    out_printf("char device redirected to %s (label %s)\n", name, chr->label);
    fflush(stdout);
    fd_chr_setup(&p->f, master, master);
    p->f.on_eof = pty_gone;
    *be_opened = false;
    return true;
}

static void pty_close(Chardev *chr)
{
    PtyChardev *p = (PtyChardev *)chr;

    if (p->timer) {
        aio_timer_free(p->timer);
    }
    fd_chr_close(chr);
}

const ChardevClass chr_class_pty = {
    .kind = "pty", .size = sizeof(PtyChardev), .open = pty_open, .close = pty_close, .write = pty_write,
    .update_read = pty_update_read, .accept_input = fd_chr_accept_input, .watch_writable = fd_chr_watch_writable,
    .wait_writable = fd_chr_wait_writable,
};
