/*
 * Devices over plain descriptors: the common part of file, pipe, stdio, pty and serial.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "char-int.h"
#include "util/cutils.h"
#include "util/fdset.h"

#define READ_SIZE 4096

int fd_chr_open(const char *path, int flags, Error **errp)
{
    int fd;

    do {
        fd = fdset_open(path, flags, 0666, NULL);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", path);
    }
    return fd;
}

void fd_chr_setup(FdChardev *f, int read_fd, int write_fd)
{
    if (read_fd >= 0 && read_fd == write_fd) {
        f->in = io_channel_fd_new(read_fd, write_fd);
        f->out = io_channel_ref(f->in);
        return;
    }
    f->in = read_fd >= 0 ? io_channel_fd_new(read_fd, -1) : NULL;
    f->out = write_fd >= 0 ? io_channel_fd_new(-1, write_fd) : NULL;
}

int fd_chr_write(Chardev *chr, const uint8_t *buf, int len)
{
    FdChardev *f = (FdChardev *)chr;
    ssize_t n;

    if (!f->out) {
        return len;
    }
    n = io_channel_write(f->out, buf, len, NULL);
    if (n < 0) {
        errno = -n;
        return -1;
    }
    return n;
}

static void on_input(void *opaque)
{
    FdChardev *f = opaque;
    uint8_t buf[READ_SIZE];
    int room = chr_can_read(&f->chr);
    ssize_t n;

    if (room <= 0) {
        fd_chr_update_read(&f->chr);
        return;
    }
    n = io_channel_read(f->in, buf, MIN(room, READ_SIZE), NULL);
    if (n > 0) {
        chr_deliver(&f->chr, buf, n);
    } else if (n != -EAGAIN) {
        io_channel_watch(f->in, IO_READ, f->in->ctx, NULL, NULL);
        f->watching = false;
        if (f->on_eof) {
            f->on_eof(f);
        } else {
            chr_event(&f->chr, CHR_EVENT_CLOSED);
        }
    }
}

void fd_chr_update_read(Chardev *chr)
{
    FdChardev *f = (FdChardev *)chr;
    bool wanted = f->in && chr_can_read(chr) > 0;

    if (f->in && f->watching && (!wanted || f->in->ctx != chr_context(chr))) {
        io_channel_watch(f->in, IO_READ, f->in->ctx, NULL, NULL);
    }
    if (wanted) {
        io_channel_watch(f->in, IO_READ, chr_context(chr), on_input, f);
    }
    f->watching = wanted;
}

void fd_chr_accept_input(Chardev *chr)
{
    if (!((FdChardev *)chr)->watching) {
        fd_chr_update_read(chr);
    }
}

static void on_writable(void *opaque) { chr_notify_writable(opaque); }

void fd_chr_watch_writable(Chardev *chr, bool on)
{
    FdChardev *f = (FdChardev *)chr;

    if (f->out) {
        io_channel_watch(f->out, IO_WRITE, chr_context(chr), on ? on_writable : NULL, chr);
    }
}

void fd_chr_wait_writable(Chardev *chr)
{
    FdChardev *f = (FdChardev *)chr;

    if (f->out) {
        io_channel_poll(f->out, IO_WRITE);
    }
}

void fd_chr_close(Chardev *chr)
{
    FdChardev *f = (FdChardev *)chr;

    io_channel_unref(f->in);
    io_channel_unref(f->out);
    f->in = f->out = NULL;
}
