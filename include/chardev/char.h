/*
 * Character devices: a byte stream with one user (or several, through a mux).
 *
 * A Chardev is the outer end (socket, terminal, file, ...), found by its label.  Who uses it holds
 * a CharBackend: attach with chr_fe_init, then set handlers.  Events and bytes arrive in the
 * context given to chr_fe_set_handlers.  Writing is allowed from any thread; all else from the
 * main thread, or from the context of the handlers.
 *
 * Bytes come only while can_read says how many; when that was 0, the user calls
 * chr_fe_accept_input as soon as there is room again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include <stdbool.h>
#include <stdint.h>
#include "util/aio.h"
#include "util/error.h"
#include "util/qobject.h"

typedef struct Chardev Chardev;
typedef struct CharBackend CharBackend;

typedef enum ChrEvent {
    CHR_EVENT_BREAK,      /* serial line break */
    CHR_EVENT_OPENED,     /* a peer is there */
    CHR_EVENT_MUX_IN,     /* this user of a mux has the focus now */
    CHR_EVENT_MUX_OUT,    /* ... has lost it */
    CHR_EVENT_CLOSED,     /* the peer is gone */
} ChrEvent;

typedef int ChrCanRead(void *opaque);
typedef void ChrRead(void *opaque, const uint8_t *buf, int size);
typedef void ChrEventFn(void *opaque, ChrEvent event);
typedef int ChrChange(void *opaque);       /* the device behind was exchanged: set handlers again; 0 or -errno */

struct CharBackend {
    Chardev *chr;
    ChrCanRead *can_read;
    ChrRead *read;
    ChrEventFn *event;
    ChrChange *change;
    void *opaque;
    AioFdHandler *writable;                /* see chr_fe_watch_writable */
    void *writable_opaque;
    int tag;                               /* index in a mux */
    bool fe_open;
};

/* --- devices ------------------------------------------------------------------------- */

Chardev *chr_find(const char *label);      /* borrowed, NULL if there is none */
/* All devices, in the order of `info chardev`; fn returns false to stop. */
void chr_foreach(bool (*fn)(Chardev *chr, void *opaque), void *opaque);
const char *chr_label(const Chardev *chr);
const char *chr_filename(const Chardev *chr);      /* "pty:/dev/pts/3", "disconnected:unix:/a,server=on", ... */
const char *chr_kind(const Chardev *chr);          /* "socket", "mux", ... */
bool chr_is_busy(const Chardev *chr);
bool chr_has_open_frontend(const Chardev *chr);    /* query-chardev's frontend-open */
bool chr_is_connected(const Chardev *chr);
/* Where it listens or is to connect, as QMP's SocketAddress; NULL: it is no socket. */
QDict *chr_address(const Chardev *chr);
/* Called when a device joins the registry and before it leaves it. */
void chr_set_listener(void (*added)(Chardev *chr), void (*removed)(Chardev *chr));
/* Names of kinds, in the order of `-chardev help`; NULL ends. */
const char *const *chr_kinds(void);

/* backend as in chardev-add: {"type": "socket", "data": {...}}.  label NULL makes one up. */
Chardev *chr_new(const char *label, const QDict *backend, Error **errp);
/* Text of -chardev ("socket,id=a,path=..."); *help when a list was asked for and printed. */
Chardev *chr_new_from_text(const char *text, bool *help, Error **errp);
/* The first half of that: the split text of -chardev.  NULL when *help (a list was printed) or with errp. */
QDict *chr_options_from_text(const char *text, bool *help, Error **errp);
/* Options already split (-readconfig, JSON): keys as in the text, with "backend" and "id". */
Chardev *chr_new_from_options(const QDict *options, Error **errp);
/* The same in two steps: keys, types and id are checked first. */
QDict *chr_check_new(const QDict *options, Error **errp);
Chardev *chr_new_from_checked(const QDict *typed, Error **errp);
/* {"type":..., "data":...} of such options. */
QDict *chr_backend_from_options(const QDict *options, Error **errp);
/* Known keys with values of the right type?  The typed copy, or NULL. */
QDict *chr_check_options(const QDict *options, Error **errp);
/* Short form -> options with id=label; NULL after a report (who asked adds his own, "parse error: TEXT"). */
QDict *chr_options_from_short(const char *label, const char *text, bool permit_mux_mon);
/*
 * The short forms of -monitor, -qmp, -serial: "stdio", "unix:/a,server=on", "chardev:id", "mon:...".
 * with_monitor is called for "mon:" once the mux exists (adds an HMP monitor to it).  "none" and failures:
 * NULL; failures were reported.
 */
Chardev *chr_new_short(const char *label, const char *text, bool permit_mux_mon, void (*with_monitor)(Chardev *));
/* Not of the mux's or the user's making: remove by label (chardev-remove). */
bool chr_remove(const char *label, Error **errp);
bool chr_change(const char *label, const QDict *backend, Error **errp);
bool chr_send_break(const char *label, Error **errp);
/* Drop one reference of the registry; used where the device was only a helper. */
void chr_delete(Chardev *chr);
/* At exit: restore the terminal, unlink sockets, close logs. */
void chr_cleanup(void);
/* A socket that a client handed over becomes the device's connection (add_client). False when it takes none. */
bool chr_add_client(Chardev *chr, int fd);
/* The machine is up: muxes send their pending "opened". */
void chr_machine_ready(void);
/* Leave Ctrl-A alone or change it (-echr). */
extern int chr_mux_escape;
/* Does what "Ctrl-A x" asks for; NULL: exit(0). */
extern void (*chr_mux_quit)(void);
/* Does what "Ctrl-A s" asks for (commit all disks); NULL: nothing. */
extern void (*chr_mux_commit)(void);

/* --- the user's side ----------------------------------------------------------------- */

/* Attach; fails when the device has a user already (a mux takes several). chr may be NULL: no device. */
bool chr_fe_init(CharBackend *be, Chardev *chr, Error **errp);
/* Detach; del also deletes the device. */
void chr_fe_deinit(CharBackend *be, bool del);
/* NULL handlers stop.  ctx NULL: the main context.  Sends OPENED at once when a peer is there and set_open. */
void chr_fe_set_handlers(CharBackend *be, ChrCanRead *can_read, ChrRead *read, ChrEventFn *event, ChrChange *change,
                         void *opaque, AioContext *ctx, bool set_open);
/* Bytes taken, fewer (or -1 with errno EAGAIN) when the peer does not keep up; see chr_fe_watch_writable. */
int chr_fe_write(CharBackend *be, const uint8_t *buf, int len);
/* Waits until all is written (or the peer is gone). */
int chr_fe_write_all(CharBackend *be, const uint8_t *buf, int len);
void chr_fe_printf(CharBackend *be, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Call fn each time that the device can take bytes, until called with NULL. False when it always can. */
bool chr_fe_watch_writable(CharBackend *be, AioFdHandler *fn, void *opaque);
void chr_fe_accept_input(CharBackend *be);
void chr_fe_set_open(CharBackend *be, bool open);
void chr_fe_set_echo(CharBackend *be, bool echo);
void chr_fe_disconnect(CharBackend *be);
void chr_fe_take_focus(CharBackend *be);
/* Descriptors that came with the last read; the caller owns what it gets. Number, or -1. */
int chr_fe_get_msgfds(CharBackend *be, int *fds, int max);
int chr_fe_get_msgfd(CharBackend *be);
/* To go with the next write. */
int chr_fe_set_msgfds(CharBackend *be, const int *fds, int n);
bool chr_fe_backend_connected(const CharBackend *be);
bool chr_fe_backend_open(const CharBackend *be);
/* Serial line parameters and modem lines where the device has them; -ENOTSUP elsewhere. */
typedef enum ChrIoctl { CHR_IOCTL_SERIAL_SET_PARAMS = 1, CHR_IOCTL_SERIAL_SET_BREAK = 2, CHR_IOCTL_SERIAL_SET_TIOCM = 13,
                        CHR_IOCTL_SERIAL_GET_TIOCM = 14 } ChrIoctl;
typedef struct ChrSerialParams { int speed, parity, data_bits, stop_bits; } ChrSerialParams;
int chr_fe_ioctl(CharBackend *be, int cmd, void *arg);

/* --- ring buffers ----------------------------------------------------------------------- */

bool chr_ringbuf_write(const char *label, const char *data, bool base64, Error **errp);
/* g_free the result. */
char *chr_ringbuf_read(const char *label, int64_t size, bool base64, Error **errp);

#endif
