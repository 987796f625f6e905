/*
 * The side of a character device that its user sees.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "char-int.h"

bool chr_fe_init(CharBackend *be, Chardev *chr, Error **errp)
{
    memset(be, 0, sizeof(*be));
    if (chr && chr->cls == &chr_class_mux) {
        if (!mux_attach(chr, be, errp)) {
            return false;
        }
    } else if (chr && chr->be) {
        error_setg(errp, "Device '%s' is in use", chr->label);
        return false;
    } else if (chr) {
        chr->be = be;
    }
    be->chr = chr;
    return true;
}

void chr_fe_deinit(CharBackend *be, bool del)
{
    Chardev *chr = be->chr;

    if (!chr) {
        return;
    }
    chr_fe_watch_writable(be, NULL, NULL);
    chr_fe_set_handlers(be, NULL, NULL, NULL, NULL, NULL, NULL, true);
    if (chr->cls == &chr_class_mux) {
        mux_detach(chr, be);
    }
    if (chr->be == be) {
        chr->be = NULL;
    }
    be->chr = NULL;
    if (del) {
        chr_delete(chr);
    }
}

void chr_fe_set_handlers(CharBackend *be, ChrCanRead *can_read, ChrRead *read, ChrEventFn *event, ChrChange *change,
                         void *opaque, AioContext *ctx, bool set_open)
{
    Chardev *chr = be->chr;
    bool any = can_read || read || event;

    be->can_read = can_read;
    be->read = read;
    be->event = event;
    be->change = change;
    be->opaque = opaque;
    if (!chr) {
        return;
    }
    chr->ctx = ctx;
    if (chr->cls->update_read) {
        chr->cls->update_read(chr);
    }
    if (chr->cls == &chr_class_mux) {
        mux_handlers_changed(chr, be);
    }
    if (set_open) {
        chr_fe_set_open(be, any);
    }
    if (any) {
        chr_fe_take_focus(be);
        if (chr->be_open && event) {
            event(opaque, CHR_EVENT_OPENED);
        }
    }
}

int chr_fe_write(CharBackend *be, const uint8_t *buf, int len)
{
    return be->chr ? chr_write(be->chr, buf, len, false) : 0;
}

int chr_fe_write_all(CharBackend *be, const uint8_t *buf, int len)
{
    return be->chr ? chr_write(be->chr, buf, len, true) : 0;
}

void chr_fe_printf(CharBackend *be, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    chr_fe_write_all(be, (const uint8_t *)text, strlen(text));
}

bool chr_fe_watch_writable(CharBackend *be, AioFdHandler *fn, void *opaque)
{
    Chardev *chr = be->chr;

    be->writable = fn;
    be->writable_opaque = opaque;
    if (!chr || !chr->cls->watch_writable) {
        return false;
    }
    chr->cls->watch_writable(chr, fn != NULL);
    return true;
}

void chr_fe_accept_input(CharBackend *be)
{
    if (be->chr && be->chr->cls->accept_input) {
        be->chr->cls->accept_input(be->chr);
    }
}

void chr_fe_set_open(CharBackend *be, bool open)
{
    if (be->chr && be->fe_open != open) {
        be->fe_open = open;
        if (be->chr->cls->set_fe_open) {
            be->chr->cls->set_fe_open(be->chr, open);
        }
    }
}

void chr_fe_set_echo(CharBackend *be, bool echo)
{
    if (be->chr && be->chr->cls->set_echo) {
        be->chr->cls->set_echo(be->chr, echo);
    }
}

void chr_fe_disconnect(CharBackend *be)
{
    if (be->chr && be->chr->cls->disconnect) {
        be->chr->cls->disconnect(be->chr);
    }
}

void chr_fe_take_focus(CharBackend *be)
{
    if (be->chr && be->chr->cls == &chr_class_mux) {
        mux_focus(be->chr, be->tag);
    }
}

int chr_fe_get_msgfds(CharBackend *be, int *fds, int max)
{
    return be->chr && be->chr->cls->get_msgfds ? be->chr->cls->get_msgfds(be->chr, fds, max) : -1;
}

int chr_fe_get_msgfd(CharBackend *be)
{
    int fd;

    return chr_fe_get_msgfds(be, &fd, 1) == 1 ? fd : -1;
}

int chr_fe_set_msgfds(CharBackend *be, const int *fds, int n)
{
    return be->chr && be->chr->cls->set_msgfds ? be->chr->cls->set_msgfds(be->chr, fds, n) : -1;
}

int chr_fe_ioctl(CharBackend *be, int cmd, void *arg)
{
    return be->chr && be->chr->cls->ioctl ? be->chr->cls->ioctl(be->chr, cmd, arg) : -ENOTSUP;
}

bool chr_fe_backend_connected(const CharBackend *be) { return be->chr != NULL; }
bool chr_fe_backend_open(const CharBackend *be) { return be->chr && be->chr->be_open; }
