/*
 * Files: output to one, input optionally from another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <unistd.h>
#include "char-int.h"

static bool file_parse(const QDict *options, QDict *data, Error **errp)
{
    if (!qdict_get_str(options, "path")) {
        error_setg(errp, "chardev: file: no filename given");
        return false;
    }
    opt_copy_str(options, data, "path", "out");
    return opt_copy_bool(options, data, "append", "append", errp);
}

static bool file_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    int flags = O_WRONLY | O_CREAT | (qdict_get_bool(data, "append", false) ? O_APPEND : O_TRUNC);
    const char *in = qdict_get_str(data, "in");
    int out_fd = fd_chr_open(qdict_get_str(data, "out"), flags, errp), in_fd = -1;

    if (out_fd < 0) {
        return false;
    }
    if (in) {
        in_fd = fd_chr_open(in, O_RDONLY, errp);
        if (in_fd < 0) {
            close(out_fd);
            return false;
        }
    }
    fd_chr_setup((FdChardev *)chr, in_fd, out_fd);
    return true;
}

const ChardevClass chr_class_file = {
    .kind = "file", .size = sizeof(FdChardev), .parse = file_parse, .open = file_open, .close = fd_chr_close,
    FD_CHR_METHODS,
};
