/*
 * A parallel port of the host: claimed while open; bytes written go out in compatibility mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ppdev.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "char-int.h"

static bool parallel_parse(const QDict *options, QDict *data, Error **errp)
{
    if (!qdict_get_str(options, "path")) {
        error_setg(errp, "chardev: parallel: no device path given");
        return false;
    }
    opt_copy_str(options, data, "path", "device");
    return true;
}

static bool parallel_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    int fd = fd_chr_open(qdict_get_str(data, "device"), O_RDWR, errp);

    if (fd < 0) {
        return false;
    }
    if (ioctl(fd, PPCLAIM) < 0) {
        error_setg_errno(errp, errno, "not a parallel port");
        close(fd);
        return false;
    }
    fd_chr_setup((FdChardev *)chr, -1, fd);
    return true;
}

static void parallel_close(Chardev *chr)
{
    FdChardev *f = (FdChardev *)chr;

    if (f->out) {
        ioctl(io_channel_fd(f->out, IO_WRITE), PPRELEASE);
    }
    fd_chr_close(chr);
}

const ChardevClass chr_class_parallel = {
    .kind = "parallel", .alias = "parport", .size = sizeof(FdChardev), .parse = parallel_parse,
    .open = parallel_open, .close = parallel_close, .write = fd_chr_write,
};
