/*
 * What the kinds of character devices implement, and what the core gives them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef CHARDEV_CHAR_INT_H
#define CHARDEV_CHAR_INT_H

#include <pthread.h>
#include "chardev/char.h"
#include "io/channel.h"

typedef struct ChardevClass {
    const char *kind;              /* as in QMP and after -chardev */
    const char *alias;             /* deprecated second name on the command line */
    size_t size;                   /* of the object that begins with Chardev */
    bool hidden;                   /* not for -chardev */
    /* Command-line options -> members of "data". NULL: only the common members. */
    bool (*parse)(const QDict *options, QDict *data, Error **errp);
    /* *be_opened starts as true: set it to false when OPENED comes later. */
    bool (*open)(Chardev *chr, const QDict *data, bool *be_opened, Error **errp);
    int (*write)(Chardev *chr, const uint8_t *buf, int len);      /* under write_lock; -1 with errno */
    void (*update_read)(Chardev *chr);                             /* handlers or context changed */
    void (*accept_input)(Chardev *chr);
    void (*watch_writable)(Chardev *chr, bool on);                 /* NULL: always writable */
    void (*wait_writable)(Chardev *chr);
    void (*set_echo)(Chardev *chr, bool echo);
    void (*set_fe_open)(Chardev *chr, bool open);
    void (*be_event)(Chardev *chr, ChrEvent event);                /* mux: spread it */
    int (*get_msgfds)(Chardev *chr, int *fds, int max);
    int (*set_msgfds)(Chardev *chr, const int *fds, int n);
    bool (*add_client)(Chardev *chr, int fd);
    void (*disconnect)(Chardev *chr);
    int (*ioctl)(Chardev *chr, int cmd, void *arg);
    QDict *(*address)(const Chardev *chr);
    void (*close)(Chardev *chr);
} ChardevClass;

struct Chardev {
    const ChardevClass *cls;
    pthread_mutex_t write_lock;    /* bytes of one write stay together */
    char *label, *filename;
    CharBackend *be;               /* the user; NULL none (mux keeps its own) */
    AioContext *ctx;               /* where handlers run */
    int log_fd;                    /* -1 none */
    bool be_open;                  /* a peer is there */
    bool from_options;             /* made by the command line: its options occupy the id */
};

extern const ChardevClass chr_class_file, chr_class_mux, chr_class_null, chr_class_parallel, chr_class_pipe,
    chr_class_pty, chr_class_ringbuf, chr_class_memory, chr_class_serial, chr_class_socket, chr_class_stdio,
    chr_class_udp;

/* From kinds to the user. */
int chr_can_read(Chardev *chr);
void chr_deliver(Chardev *chr, const uint8_t *buf, int len);
void chr_event(Chardev *chr, ChrEvent event);
void chr_set_filename(Chardev *chr, char *filename);     /* takes it */
AioContext *chr_context(const Chardev *chr);
/* Write to log and device; all: until done. */
int chr_write(Chardev *chr, const uint8_t *buf, int len, bool all);
/* The fe side's "now writable". */
void chr_notify_writable(Chardev *chr);
Chardev *chr_create(const ChardevClass *cls, const char *label, const QDict *data, Error **errp);
void chr_destroy(Chardev *chr);

/* Reading options of the command line (strings) into data. */
bool opt_copy_bool(const QDict *options, QDict *data, const char *from, const char *to, Error **errp);
void opt_copy_str(const QDict *options, QDict *data, const char *from, const char *to);
bool opt_copy_number(const QDict *options, QDict *data, const char *from, const char *to, bool size, Error **errp);

/* Mux, as char.c and the front end need it. */
bool mux_attach(Chardev *chr, CharBackend *be, Error **errp);
void mux_detach(Chardev *chr, CharBackend *be);
void mux_focus(Chardev *chr, int tag);
bool mux_is_busy(const Chardev *chr);
bool mux_has_open_frontend(const Chardev *chr);
void mux_handlers_changed(Chardev *chr, CharBackend *be);
void mux_machine_ready(Chardev *chr);

/* Two channels (or one) with one reader: base of file, pipe, stdio, pty, serial. Begins with a Chardev. */
typedef struct FdChardev {
    Chardev chr;
    IOChannel *in, *out;           /* may be the same; NULL none */
    bool watching;
    void (*on_eof)(struct FdChardev *f);   /* default: CLOSED and no more reading */
} FdChardev;
void fd_chr_setup(FdChardev *f, int read_fd, int write_fd);
int fd_chr_write(Chardev *chr, const uint8_t *buf, int len);
void fd_chr_update_read(Chardev *chr);
void fd_chr_accept_input(Chardev *chr);
void fd_chr_watch_writable(Chardev *chr, bool on);
void fd_chr_wait_writable(Chardev *chr);
void fd_chr_close(Chardev *chr);
#define FD_CHR_METHODS \
    .write = fd_chr_write, .update_read = fd_chr_update_read, .accept_input = fd_chr_accept_input, \
    .watch_writable = fd_chr_watch_writable, .wait_writable = fd_chr_wait_writable
/* Open with retry on EINTR and close-on-exec; mode 0666; "/dev/fdset/N" goes to the hook. -1 with errp. */
int fd_chr_open(const char *path, int flags, Error **errp);

#endif
