/*
 * HMP: character devices and descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "chardev/char.h"
#include "hmp-int.h"
#include "qapi/commands-misc.h"
#include "util/options.h"

#pragma weak qmp_getfd
#pragma weak qmp_closefd

static bool print_chardev(Chardev *chr, void *opaque)
{
    monitor_printf(opaque, "%s: filename=%s\n", chr_label(chr), chr_filename(chr));
    return true;
}

void hmp_info_chardev(Monitor *mon, const QDict *args) { chr_foreach(print_chardev, mon); }

/* Checked options, or NULL after the reason was reported. */
static QDict *parse_options(const char *text, bool new, Error **errp)
{
    g_autoptr(QObject) options = NULL;
    QDict *typed = NULL;
    Error *err = NULL;

    options = opts_parse_list_noisy(text, "backend", NULL, &err);
    if (options) {
        typed = new ? chr_check_new(options, &err) : chr_check_options(options, &err);
    }
    if (!typed) {
        error_report_err(err);
        error_setg(errp, "Parsing chardev args failed");
    }
    return typed;
}

void hmp_chardev_add(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    g_autoptr(QObject) options = parse_options(qdict_get_str(args, "args"), true, &err);

    if (options) {
        chr_new_from_checked(options, &err);
    }
    hmp_error(mon, err);
}

void hmp_chardev_change(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    g_autoptr(QObject) options = parse_options(qdict_get_str(args, "args"), false, &err), backend = NULL;

    if (options && qdict_has(options, "id")) {
        error_setg(&err, "Unexpected 'id' parameter");
    } else if (options) {
        backend = chr_backend_from_options(options, &err);
    }
    if (backend) {
        chr_change(qdict_get_str(args, "id"), backend, &err);
    }
    hmp_error(mon, err);
}

void hmp_chardev_remove(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    chr_remove(qdict_get_str(args, "id"), &err);
    hmp_error(mon, err);
}

void hmp_chardev_send_break(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    chr_send_break(qdict_get_str(args, "id"), &err);
    hmp_error(mon, err);
}

void hmp_ringbuf_write(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    chr_ringbuf_write(qdict_get_str(args, "device"), qdict_get_str(args, "data"), false, &err);
    hmp_error(mon, err);
}

/* What could be taken for terminal commands is shown by its number. */
void hmp_ringbuf_read(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    int64_t size = qdict_get_int(args, "size", 0);
    g_autofree char *data = chr_ringbuf_read(qdict_get_str(args, "device"), size, false, &err);

    if (hmp_error(mon, err)) {
        return;
    }
    for (const uint8_t *p = (const uint8_t *)data; *p; p++) {
        if (*p == '\\') {
            monitor_printf(mon, "\\\\");
        } else if ((*p < 0x20 && *p != '\n') || *p == 0x7f) {
            monitor_printf(mon, "\\u%04X", *p);
        } else {
            monitor_printf(mon, "%c", *p);
        }
    }
    monitor_printf(mon, "\n");
}

void hmp_getfd(Monitor *mon, const QDict *args)
{
    GetfdArgs a = { (char *)qdict_get_str(args, "fdname") };
    Error *err = NULL;

    qmp_getfd(&a, &err);
    hmp_error(mon, err);
}

void hmp_closefd(Monitor *mon, const QDict *args)
{
    ClosefdArgs a = { (char *)qdict_get_str(args, "fdname") };
    Error *err = NULL;

    qmp_closefd(&a, &err);
    hmp_error(mon, err);
}
