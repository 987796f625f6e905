/*
 * Errors as values.
 *
 * A function that can fail for a reason worth telling takes a last parameter
 * `Error **errp` and also returns a sign of failure (negative errno, false or
 * NULL).  On failure it stores exactly one Error there; on success it leaves
 * the slot alone.  errp may be NULL (the reason is not wanted), &error_abort
 * (failure is a bug) or &error_fatal (print and exit 1; programs only).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <glib.h>

typedef struct Error Error;

/* Classes that QMP puts on the wire; nearly all errors are GenericError. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
} ErrorClass;

/* "GenericError", "CommandNotFound", ...: the spelling used by QMP. */
const char *error_class_name(ErrorClass cls);

extern Error *error_abort;
extern Error *error_fatal;

/* Store a new error in *errp.  The text has no trailing newline or period. */
void error_setg(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* As error_setg, with ": strerror(os_errno)" appended.  os_errno is positive. */
void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...) G_GNUC_PRINTF(3, 4);
void error_set(Error **errp, ErrorClass cls, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* Put text before the message of *errp.  Safe when errp or *errp is NULL. */
void error_prepend(Error *const *errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Add a hint: printed on lines of its own after the message, never sent over QMP. End with '\n'. */
void error_append_hint(Error *const *errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Hand err (owned by the caller) over to errp; frees it when errp is NULL or already filled. */
void error_propagate(Error **errp, Error *err);
Error *error_copy(const Error *err);
void error_free(Error *err);
const char *error_get_pretty(const Error *err);
/* The message, to be freed by g_free; err is gone. */
char *error_take_text(Error *err);
const char *error_get_hint(const Error *err);      /* NULL when there is none */
ErrorClass error_get_class(const Error *err);

/* Print to stderr as "PROGRAM: [LOCATION: ]MESSAGE\n" plus hint, and free. */
void error_report_err(Error *err);
/* The same with text put before the message. */
void error_reportf_err(Error *err, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void error_vreport(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);
void warn_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);   /* "PROGRAM: warning: ..." */
void warn_report_err(Error *err);
void info_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);   /* "PROGRAM: info: ..." */

/* argv[0]'s last component; set once at start, used as the message prefix. */
void error_init(const char *argv0);
const char *error_progname(void);
/*
 * Where later messages point, e.g. "-o size=x", or ":FILE:LINE" (printed right behind the program's name);
 * NULL for nowhere.  Borrowed, per thread.
 */
void error_set_location(const char *text);
/* -msg: put the time, and a guest's name (NULL: none), before each line. */
void error_set_prefix(bool timestamp, const char *guest);
/* The program's name is left out: what is said belongs to a command that a manager sent. Per thread. */
void error_set_nameless(bool on);
/* While non-NULL, error_report and friends go to fn (a monitor) instead of stderr. Per thread. */
void error_set_sink(void (*fn)(void *opaque, const char *line), void *opaque);

/* What a person asked to see (help): to stdout, or to the monitor that he typed at. The sink is per thread. */
void out_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void out_set_sink(void (*fn)(void *opaque, const char *text), void *opaque);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

/*
 * To read the reason inside the function that was given errp:
 * ERRP_GUARD() makes sure errp can be dereferenced until return.
 */
typedef struct ErrorGuard { Error *local; Error **caller; } ErrorGuard;
static inline void error_guard_end(ErrorGuard *g) { if (g->local) error_propagate(g->caller, g->local); }
/* Where to store, so that it can be read: not at a caller who wants no reason, or would end the program before this function is done. */
static inline Error **error_guard_slot(ErrorGuard *g) { return !g->caller || g->caller == &error_fatal ? &g->local : g->caller; }
#define ERRP_GUARD()                                                            \
    __attribute__((cleanup(error_guard_end))) ErrorGuard errp_guard_ = { NULL, errp }; \
    do { errp = error_guard_slot(&errp_guard_); } while (0)

#endif
