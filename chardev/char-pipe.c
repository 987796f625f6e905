/*
 * Named pipes: PATH.in and PATH.out when both exist, else PATH for both directions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <unistd.h>
#include "char-int.h"

static bool pipe_parse(const QDict *options, QDict *data, Error **errp)
{
    if (!qdict_get_str(options, "path")) {
        error_setg(errp, "chardev: pipe: no device path given");
        return false;
    }
    opt_copy_str(options, data, "path", "device");
    return true;
}

static bool pipe_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    const char *path = qdict_get_str(data, "device");
    g_autofree char *in_path = g_strdup_printf("%s.in", path), *out_path = g_strdup_printf("%s.out", path);
    int in = fd_chr_open(in_path, O_RDWR, NULL), out = fd_chr_open(out_path, O_RDWR, NULL);

    if (in < 0 || out < 0) {
        if (in >= 0) {
            close(in);
        }
        if (out >= 0) {
            close(out);
        }
        in = out = fd_chr_open(path, O_RDWR, errp);
        if (in < 0) {
            return false;
        }
    }
    fd_chr_setup((FdChardev *)chr, in, out);
    return true;
}

const ChardevClass chr_class_pipe = {
    .kind = "pipe", .size = sizeof(FdChardev), .parse = pipe_parse, .open = pipe_open, .close = fd_chr_close,
    FD_CHR_METHODS,
};
