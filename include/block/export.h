/*
 * Exports: a node offered to other programs.  Main thread unless marked.
 *
 * An export holds a backend on its node.  References: one for its owner (the monitor; dropped by
 * block-export-del and at exit), one per client.  With the last one it is deleted and
 * BLOCK_EXPORT_DELETED is sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_EXPORT_H
#define BLOCK_EXPORT_H

#include "block/backend.h"
#include "qapi/types-block-export.h"

typedef struct BlockExport BlockExport;

typedef struct BlockExportDriver {
    BlockExportType type;
    size_t instance_size;
    /* exp->blk is there; perm and shared of it may be narrowed.  0 or -errno. */
    int (*create)(BlockExport *exp, const BlockExportOptions *opts, Error **errp);
    /* Let clients go and take no more; drops references of its own.  May be called twice. */
    void (*request_shutdown)(BlockExport *exp);
    /* The last reference is gone. */
    void (*delete)(BlockExport *exp);
} BlockExportDriver;

struct BlockExport {
    const BlockExportDriver *driver;
    char *id;
    int refs;                          /* atomic */
    bool user_owned;                   /* the owner's reference is still there */
    bool shutting_down;
    bool writable;
    BlockBackend *blk;
    AioContext *ctx;                   /* where its clients are served */
    void *thread;                      /* use of an iothread; NULL: the main loop */
    BlockExport *next;
};

/* A reference for the caller beside the owner's?  No: the export belongs to the list; NULL with errp. */
BlockExport *blk_exp_add(const BlockExportOptions *opts, Error **errp);
BlockExport *blk_exp_find(const char *id);
void blk_exp_ref(BlockExport *exp);
void blk_exp_unref(BlockExport *exp);                      /* any thread; deletion happens in the main one */
/* Ask it to end; done when the event comes. */
void blk_exp_request_shutdown(BlockExport *exp);
/* End all of a type (or all: BLOCK_EXPORT_TYPE__MAX) and wait until they are gone. */
void blk_exp_close_all_type(BlockExportType type);

/*
 * How "iothread" names are resolved (objects live above).  take: a use of the thread of that name and its
 * context, or NULL; release gives the use back.
 */
typedef struct BlockExportThreads {
    void *(*take)(const char *id, AioContext **ctx);
    void (*release)(void *thread);
} BlockExportThreads;
void blk_exp_set_threads(const BlockExportThreads *threads);

/* From now on this program may not mount and would be ended if it tried (a sandbox): exports that need it fail. */
void blk_exp_deny_mounts(void);
bool blk_exp_mounts_denied(void);

/* The NBD server of this program (nbd-server-start); tls_creds and tls_authz may be NULL, max_connections 0 is no limit. */
struct IOAddress;
void nbd_server_start(const struct IOAddress *addr, const char *tls_creds, const char *tls_authz, uint32_t max_connections,
                      Error **errp);
bool nbd_server_is_running(void);
/* Let clients wait in the backlog (true) until all is ready (false). */
void nbd_server_hold(bool on);
/* Called after a client that had been served left, with how many there are still (a program that ends with its last one). */
void nbd_server_set_gone_hook(void (*fn)(uint32_t connections));
void nbd_server_stop(void);

#endif
