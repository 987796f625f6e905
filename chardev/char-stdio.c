/*
 * Standard input and output, with the terminal in raw mode while in use.
 *
 * The terminal's settings and the descriptors' flags are put back when the device goes and at exit;
 * after a stop and continue (SIGCONT) raw mode is set again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include "char-int.h"
#include "util/daemon.h"

static struct {
    bool in_use, signals, have_tty;
    volatile bool echo_off;
    struct termios tty;
    int flags[2];
} term;

static void apply_mode(bool echo)
{
    struct termios tty = term.tty;

    if (!term.have_tty) {
        return;
    }
    if (!echo) {
        tty.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        tty.c_oflag |= OPOST;
        tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
        tty.c_cflag &= ~(CSIZE | PARENB);
        tty.c_cflag |= CS8;
        tty.c_cc[VMIN] = 1;
        tty.c_cc[VTIME] = 0;
    }
    if (!term.signals) {
        tty.c_lflag &= ~ISIG;
    }
    tcsetattr(0, TCSANOW, &tty);
}

static void restore(void)
{
    if (term.in_use) {
        if (term.have_tty) {
            tcsetattr(0, TCSANOW, &term.tty);
        }
        fcntl(0, F_SETFL, term.flags[0]);
        fcntl(1, F_SETFL, term.flags[1]);
    }
}

static void on_continue(int sig) { apply_mode(!term.echo_off); }

static void stdio_set_echo(Chardev *chr, bool echo)
{
    term.echo_off = !echo;
    apply_mode(echo);
}

static bool stdio_parse(const QDict *options, QDict *data, Error **errp)
{
    return opt_copy_bool(options, data, "signal", "signal", errp);
}

static bool stdio_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    static bool at_exit;
    struct sigaction act = { .sa_handler = on_continue, .sa_flags = SA_RESTART };

    if (daemon_started()) {
        error_setg(errp, "cannot use stdio with -daemonize");
        return false;
    }
    if (term.in_use) {
        error_setg(errp, "cannot use stdio by multiple character devices");
        return false;
    }
    term.flags[0] = fcntl(0, F_GETFL);
    term.flags[1] = fcntl(1, F_GETFL);
    term.have_tty = tcgetattr(0, &term.tty) == 0;
    term.in_use = true;
    term.signals = qdict_get_bool(data, "signal", true);
    if (!at_exit) {
        at_exit = true;
        atexit(restore);
    }
    sigaction(SIGCONT, &act, NULL);
    fd_chr_setup((FdChardev *)chr, fcntl(0, F_DUPFD_CLOEXEC, 3), fcntl(1, F_DUPFD_CLOEXEC, 3));
    stdio_set_echo(chr, false);
    return true;
}

static void stdio_close(Chardev *chr)
{
    FdChardev *f = (FdChardev *)chr;

    if (f->in || f->out) {
        restore();
        term.in_use = false;
    }
    fd_chr_close(chr);
}

const ChardevClass chr_class_stdio = {
    .kind = "stdio", .size = sizeof(FdChardev), .parse = stdio_parse, .open = stdio_open, .close = stdio_close,
    .set_echo = stdio_set_echo, FD_CHR_METHODS,
};
