/*
 * What the sub-commands of qemu-img share: options, opening images, progress, names of snapshots.
 *
 * Everything here runs in the main thread, outside coroutines unless marked.  Functions that say
 * "exits" print to stderr and end the program; the others report and return.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_COMMON_H
#define IMG_COMMON_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "block/backend.h"
#include "block/graph.h"
#include "block/snapshot.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/options.h"
#include "util/qobject.h"

/* Sub-commands: argv[0] is the command's name; the result is the exit status. */
typedef int ImgCommandFn(int argc, char **argv);
ImgCommandFn img_amend, img_bench, img_bitmap, img_check, img_commit, img_compare, img_convert, img_create, img_dd,
    img_info, img_map, img_measure, img_rebase, img_resize, img_snapshot;

/* Print the help text and exit 0. */
void img_help(void) G_GNUC_NORETURN;

/* ---- options.c: one table per sub-command ---- */
typedef enum ImgOptKind {
    IMG_OPT_FLAG,      /* bool *: set true */
    IMG_OPT_STR,       /* const char **: the argument, last one wins */
    IMG_OPT_SIZE,      /* int64_t *: a size; what is wrong with one is told as it is met, and exits 1 */
    IMG_OPT_LIST,      /* char **: `-o` lists joined with commas; g_free it */
    IMG_OPT_OBJECT,    /* an --object definition, created at once; no target */
    IMG_OPT_SEQ_FLAG,  /* GArray *: ImgOptSeen appended, for options whose order matters */
    IMG_OPT_SEQ_STR,   /* the same, with an argument */
} ImgOptKind;

typedef struct ImgOpt {
    char letter;            /* 0: none */
    const char *name;       /* long name, NULL: none */
    ImgOptKind kind;
    void *target;
    bool (*check)(const char *arg);     /* of IMG_OPT_STR, as it is met: reports and returns false, which exits 1; or NULL */
    const char *what;                   /* of IMG_OPT_SIZE, in messages */
    int64_t max;                        /* of IMG_OPT_SIZE, 0: INT64_MAX */
    bool (*accept)(int64_t value);      /* of IMG_OPT_SIZE: a rule of its own, as check; or NULL */
} ImgOpt;

/* One element of a sequence; arg is NULL for SEQ_FLAG. */
typedef struct ImgOptSeen { const struct ImgOpt *opt; const char *arg; } ImgOptSeen;

#define IMG_OPTS_END { 0, NULL, IMG_OPT_FLAG, NULL }

/*
 * Read argv by the table; -h/--help prints help and exits.  Exits 1 on an unknown option or a
 * missing argument.  Returns the index of the first operand.
 */
int img_parse(int argc, char **argv, const ImgOpt *opts);
/* As img_parse; a bad --object exits with object_exit. */
int img_parse_exit(int argc, char **argv, const ImgOpt *opts, int object_exit);
/* "TEXT\nTry 'qemu-img --help' ..."; exits 1. */
void img_usage_error(const char *fmt, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
/* --output=human|json; NULL is human.  Exits 1 on another word. */
bool img_output_is_json(const char *word);
/* A size on the command line: what names it in messages.  -1 after reporting. */
int64_t img_size_arg(const char *what, const char *text);
int64_t img_size_arg_range(const char *what, const char *text, int64_t min, int64_t max);
/* A file name operand and nothing else; exits with "Expecting one image file name". */
const char *img_one_filename(int argc, char **argv, int index);
/* -f together with --image-opts: reports and returns false. */
bool img_format_conflict(bool image_opts, const char *fmt);
/* Print `-o help`; fmt may be NULL (raw).  filename NULL: format options only. Exit status. */
int img_print_create_options(const char *filename, const char *fmt);
/* Does an option list ask for help ("help" or "?")? */
bool img_wants_option_help(const char *list);

/* ---- object.c ---- */
/* Create what --object describes.  "help" prints the list and exits 0. */
bool img_object_create(const char *text, Error **errp);
/* Set by a program with a tree of objects: what is checked goes there. */
extern bool (*img_object_make)(const char *type, const char *id, const QDict *props, Error **errp);

/* ---- open.c ---- */
typedef struct ImgOpen {
    bool image_opts;        /* filename is an option string */
    const char *fmt;        /* NULL: probe */
    bool force_share;
    bool quiet;
    int flags;              /* BDRV_O_* */
    bool writethrough;
    const QDict *extra;     /* further options of an image opened by name, or NULL */
    char **why;             /* takes the error's text when opening fails, beside what is printed; or NULL */
} ImgOpen;
/* NULL after reporting "Could not open 'NAME': ...". */
BlockBackend *img_open(const char *filename, const ImgOpen *how);
/* The node below top that name means: as written in an overlay, as opened, or as seen from the overlay.  NULL: none. */
BlockDriverState *img_find_in_chain(BlockDriverState *top, const char *name);
/* A cache mode word into how->flags and how->writethrough; false when unknown (nothing printed). */
bool img_cache_mode(const char *word, ImgOpen *how);
/* A -l snapshot parameter of convert and measure: "snapshot.id=..,snapshot.name=.." or an id or name. */
typedef struct ImgSnapshotParam { char *id, *name, *either; } ImgSnapshotParam;
bool img_snapshot_param(const char *text, ImgSnapshotParam *out);
/* The same; the message about a bad one opens its quotation with that character. */
bool img_snapshot_param_quoted(const char *text, char open, ImgSnapshotParam *out);
void img_snapshot_param_clear(ImgSnapshotParam *p);
/* After an error about a snapshot that is not there: the name that may have been meant, if one is near. */
void img_snapshot_hint(BlockDriverState *bs, const char *wanted);
/* Make bs show that snapshot; true at once when none was named. */
bool img_snapshot_load(BlockDriverState *bs, const ImgSnapshotParam *p, Error **errp);

static inline void img_blk_cleanup(BlockBackend **blk) { if (*blk) { blk_unref(*blk); } }
#define AUTO_BLK __attribute__((cleanup(img_blk_cleanup))) BlockBackend *

/* ---- progress.c ---- */
/* SIGUSR1 (SIGINFO where there is one) prints the state when enabled is false. */
void img_progress_init(bool enabled, double step_percent);
/* All of the work is total units; may be called again when the total changes. */
void img_progress_total(uint64_t total);
void img_progress_add(uint64_t units);
void img_progress_set(uint64_t done);
/* Show 100 % (when shown at all) and end the line. */
void img_progress_finish(bool ok);

/* ---- output.c ---- */
/* "required size" style output is spelled by each command; this is qprintf: silent when quiet. */
void img_say(bool quiet, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Print a JSON value and a newline on standard output. */
void img_print_json(const QObject *value);

#endif
