/*
 * The registry of character devices: making, finding, removing them, and their logs.
 *
 * The table owns each device.  It is hashed by label; its iteration order is what `info chardev` and
 * query-chardev print, as the peer's table of the same kind gives it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "char-int.h"
#include "util/cutils.h"
#include "util/fdset.h"

static GHashTable *devices;        /* label (owned by the device) -> Chardev */
void (*chr_mux_quit)(void);

static const ChardevClass *const classes[] = {
    &chr_class_stdio, &chr_class_ringbuf, &chr_class_mux, &chr_class_pipe, &chr_class_null, &chr_class_socket,
    &chr_class_parallel, &chr_class_udp, &chr_class_memory, &chr_class_file, &chr_class_serial, &chr_class_pty,
};

static GHashTable *table(void)
{
    if (!devices) {
        devices = g_hash_table_new(g_str_hash, g_str_equal);
    }
    return devices;
}

/* --- asking -------------------------------------------------------------------------- */

Chardev *chr_find(const char *label) { return label ? g_hash_table_lookup(table(), label) : NULL; }
const char *chr_label(const Chardev *chr) { return chr->label; }
const char *chr_filename(const Chardev *chr) { return chr->filename; }
const char *chr_kind(const Chardev *chr) { return chr->cls->kind; }
bool chr_is_connected(const Chardev *chr) { return chr->be_open; }
AioContext *chr_context(const Chardev *chr) { return chr->ctx ? chr->ctx : aio_main_context(); }

bool chr_is_busy(const Chardev *chr)
{
    return chr->cls == &chr_class_mux ? mux_is_busy(chr) : chr->be != NULL;
}

bool chr_has_open_frontend(const Chardev *chr)
{
    return chr->cls == &chr_class_mux ? mux_has_open_frontend(chr) : chr->be && chr->be->fe_open;
}

/* From the end of the table: the peer's lists are built by putting each before those found so far. */
void chr_foreach(bool (*fn)(Chardev *chr, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    GHashTableIter iter;
    void *chr;

    g_hash_table_iter_init(&iter, table());
    while (g_hash_table_iter_next(&iter, NULL, &chr)) {
        g_ptr_array_add(all, chr);
    }
    for (guint i = all->len; i-- > 0 && fn(all->pdata[i], opaque); ) {
    }
}

const char *const *chr_kinds(void)
{
    static const char *kinds[G_N_ELEMENTS(classes) + 1];

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        kinds[i] = classes[i]->kind;
    }
    return kinds;
}

static const ChardevClass *find_class(const char *kind)
{
    for (size_t i = 0; kind && i < G_N_ELEMENTS(classes); i++) {
        if (!strcmp(classes[i]->kind, kind)) {
            return classes[i];
        }
    }
    return NULL;
}

/* --- making -------------------------------------------------------------------------- */

static bool open_log(Chardev *chr, const QDict *data, Error **errp)
{
    const char *path = qdict_get_str(data, "logfile");
    int flags = O_WRONLY | O_CREAT | (qdict_get_bool(data, "logappend", false) ? O_APPEND : O_TRUNC);

    Error *err = NULL;

    if (path) {
        chr->log_fd = fdset_open(path, flags, 0666, &err);
    }
    if (path && chr->log_fd < 0 && !err) {
        error_setg_errno(&err, errno, "Could not create '%s'", path);
    }
    error_propagate(errp, err);
    return !err;
}

void chr_destroy(Chardev *chr)
{
    if (chr->be) {
        chr->be->chr = NULL;
    }
    if (chr->cls->close) {
        chr->cls->close(chr);
    }
    if (chr->log_fd >= 0) {
        fdset_close(chr->log_fd);
    }
    pthread_mutex_destroy(&chr->write_lock);
    g_free(chr->label);
    g_free(chr->filename);
    g_free(chr);
}

Chardev *chr_create(const ChardevClass *cls, const char *label, const QDict *data, Error **errp)
{
    Chardev *chr = g_malloc0(cls->size);
    pthread_mutexattr_t attr;
    bool be_opened = true;

    chr->cls = cls;
    chr->log_fd = -1;
    chr->label = g_strdup(label);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&chr->write_lock, &attr);
    pthread_mutexattr_destroy(&attr);
    if (!open_log(chr, data, errp) || (cls->open && !cls->open(chr, data, &be_opened, errp))) {
        chr_destroy(chr);
        return NULL;
    }
    if (!chr->filename) {
        chr->filename = g_strdup(cls->kind);
    }
    if (be_opened) {
        chr_event(chr, CHR_EVENT_OPENED);
    }
    return chr;
}

static void (*on_added)(Chardev *chr), (*on_removed)(Chardev *chr);

void chr_set_listener(void (*added)(Chardev *chr), void (*removed)(Chardev *chr))
{
    on_added = added;
    on_removed = removed;
}

QDict *chr_address(const Chardev *chr) { return chr->cls->address ? chr->cls->address(chr) : NULL; }

static void adopt(Chardev *chr)
{
    g_hash_table_insert(table(), chr->label, chr);
    if (on_added) {
        on_added(chr);
    }
}

Chardev *chr_new(const char *label, const QDict *backend, Error **errp)
{
    g_autofree char *made_up = label ? NULL : id_generate("chr");
    g_autoptr(QObject) empty = qdict_new();
    const char *kind = qdict_get_str(backend, "type");
    const ChardevClass *cls = find_class(kind);
    const QDict *data = qdict_get_dict(backend, "data");
    Chardev *chr;

    if (!cls) {
        error_setg(errp, "'%s' is not a valid char driver name", kind ? kind : "");
        return NULL;
    }
    if (chr_find(label)) {
        error_setg(errp, "Chardev with id '%s' already exists", label);
        return NULL;
    }
    chr = chr_create(cls, label ? label : made_up, data ? data : empty, errp);
    if (chr) {
        adopt(chr);
    }
    return chr;
}

/* --- removing -------------------------------------------------------------------------- */

void chr_delete(Chardev *chr)
{
    if (chr_find(chr->label) == chr) {
        if (on_removed) {
            on_removed(chr);
        }
        g_hash_table_remove(table(), chr->label);
    }
    chr_destroy(chr);
}

bool chr_remove(const char *label, Error **errp)
{
    Chardev *chr = chr_find(label);

    if (!chr) {
        error_setg(errp, "Chardev '%s' not found", label);
        return false;
    }
    if (chr_is_busy(chr)) {
        error_setg(errp, "Chardev '%s' is busy", label);
        return false;
    }
    chr_delete(chr);
    return true;
}

/* Exchange the device behind a user that can follow. */
/* Put next in the place of chr; its context's thread is stopped. */
static bool exchange(Chardev *chr, Chardev *next, Error **errp)
{
    CharBackend *be = chr->be;
    bool closed = chr->be_open && !next->be_open;

    if (!be) {
        return true;
    }
    chr->be = NULL;
    be->chr = next;
    next->be = be;
    if (closed && be->event) {
        be->event(be->opaque, CHR_EVENT_CLOSED);
    }
    if (be->change(be->opaque) < 0) {
        error_setg(errp, "Chardev '%s' change failed", chr->label);
        next->be = NULL;
        be->chr = chr;
        chr->be = be;
        return false;
    }
    return true;
}

bool chr_change(const char *label, const QDict *backend, Error **errp)
{
    Chardev *chr = chr_find(label), *next;
    const ChardevClass *cls = find_class(qdict_get_str(backend, "type"));
    g_autoptr(QObject) empty = qdict_new();
    const QDict *data = qdict_get_dict(backend, "data");
    CharBackend *be;
    AioPause *pause;
    bool done;

    if (!chr) {
        error_setg(errp, "Chardev '%s' does not exist", label);
        return false;
    }
    if (chr->cls == &chr_class_mux) {
        error_setg(errp, "Mux device hotswap not supported yet");
        return false;
    }
    if (!cls) {
        error_setg(errp, "'%s' is not a valid char driver name", qdict_get_str(backend, "type"));
        return false;
    }
    be = chr->be;
    if (be && !be->change) {
        error_setg(errp, "Chardev user does not support chardev hotswap");
        return false;
    }
    next = chr_create(cls, label, data ? data : empty, errp);
    if (!next) {
        return false;
    }
    pause = aio_context_pause(chr_context(chr));
    done = exchange(chr, next, errp);
    if (done) {
        chr_delete(chr);
        adopt(next);
    } else {
        chr_destroy(next);
    }
    aio_context_resume(pause);
    return done;
}

bool chr_send_break(const char *label, Error **errp)
{
    Chardev *chr = chr_find(label);

    if (!chr) {
        error_setg(errp, "Chardev '%s' not found", label);
        return false;
    }
    chr_event(chr, CHR_EVENT_BREAK);
    return true;
}

static bool one_not_used_by_mux(Chardev *chr, void *opaque)
{
    Chardev **found = opaque;

    if (!*found || chr->cls == &chr_class_mux) {
        *found = chr;
    }
    return (*found)->cls != &chr_class_mux;
}

/* Muxes first: they hold what is below them. */
void chr_cleanup(void)
{
    for (;;) {
        Chardev *chr = NULL;

        chr_foreach(one_not_used_by_mux, &chr);
        if (!chr) {
            return;
        }
        chr_delete(chr);
    }
}

bool chr_add_client(Chardev *chr, int fd) { return chr->cls->add_client && chr->cls->add_client(chr, fd); }

static bool ready_one(Chardev *chr, void *opaque)
{
    if (chr->cls == &chr_class_mux) {
        mux_machine_ready(chr);
    }
    return true;
}

void chr_machine_ready(void) { chr_foreach(ready_one, NULL); }

/* --- between kinds and users -------------------------------------------------------------- */

void chr_set_filename(Chardev *chr, char *filename)
{
    g_free(chr->filename);
    chr->filename = filename;
}

int chr_can_read(Chardev *chr)
{
    CharBackend *be = chr->be;

    return be && be->can_read ? be->can_read(be->opaque) : 0;
}

void chr_deliver(Chardev *chr, const uint8_t *buf, int len)
{
    CharBackend *be = chr->be;

    if (be && be->read && len > 0) {
        be->read(be->opaque, buf, len);
    }
}

void chr_event(Chardev *chr, ChrEvent event)
{
    CharBackend *be = chr->be;

    if (event == CHR_EVENT_OPENED) {
        chr->be_open = true;
    } else if (event == CHR_EVENT_CLOSED) {
        chr->be_open = false;
    }
    if (chr->cls->be_event) {
        chr->cls->be_event(chr, event);
    } else if (be && be->event) {
        be->event(be->opaque, event);
    }
}

void chr_notify_writable(Chardev *chr)
{
    if (chr->be && chr->be->writable) {
        chr->be->writable(chr->be->writable_opaque);
    }
}

static void write_log(Chardev *chr, const uint8_t *buf, int len)
{
    while (chr->log_fd >= 0 && len > 0) {
        ssize_t n = write(chr->log_fd, buf, len);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        buf += n;
        len -= n;
    }
}

int chr_write(Chardev *chr, const uint8_t *buf, int len, bool all)
{
    int done = 0, ret = 0;

    pthread_mutex_lock(&chr->write_lock);
    while (done < len) {
        ret = chr->cls->write ? chr->cls->write(chr, buf + done, len - done) : len - done;
        if (ret < 0 && errno == EAGAIN && all) {
            if (chr->cls->wait_writable) {
                chr->cls->wait_writable(chr);
            } else {
                g_usleep(100);
            }
            continue;
        }
        if (ret <= 0) {
            break;
        }
        write_log(chr, buf + done, ret);
        done += ret;
        if (!all) {
            break;
        }
    }
    ret = done ? done : ret;
    pthread_mutex_unlock(&chr->write_lock);
    return ret;
}
