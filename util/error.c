/*
 * Errors as values, and the printing of messages for people.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/error.h"
#include "util/text.h"

struct Error {
    char *msg;
    GString *hint;
    ErrorClass cls;
};

Error *error_abort;
Error *error_fatal;

static const char *progname = "";
static bool with_timestamp;
static char *guest_name;
static __thread const char *location;
static __thread void (*sink)(void *opaque, const char *line);
static __thread void *sink_opaque;

const char *error_class_name(ErrorClass cls)
{
    static const char *const names[] = {
        [ERROR_CLASS_GENERIC_ERROR] = "GenericError",
        [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
    };

    return names[cls];
}

/* The two special slots end the program here. */
static void error_deliver(Error **errp, Error *err)
{
    if (errp == &error_abort) {
        fprintf(stderr, "%s: unexpected error: %s\n", progname, err->msg);
        abort();
    }
    if (errp == &error_fatal) {
        error_report_err(err);
        exit(1);
    }
    if (!errp || *errp) {
        error_free(err);
        return;
    }
    *errp = err;
}

G_GNUC_PRINTF(4, 0)
static void error_setv(Error **errp, ErrorClass cls, int os_errno, const char *fmt, va_list ap)
{
    Error *err;

    if (!errp) {
        return;
    }
    err = g_new0(Error, 1);
    err->cls = cls;
    err->msg = text_vformat(fmt, ap);
    if (os_errno) {
        g_autofree char *text = err->msg;

        err->msg = text_format("%s: %s", text, strerror(os_errno));
    }
    error_deliver(errp, err);
}

void error_setg(Error **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, ERROR_CLASS_GENERIC_ERROR, 0, fmt, ap);
    va_end(ap);
}

void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, ERROR_CLASS_GENERIC_ERROR, os_errno, fmt, ap);
    va_end(ap);
}

void error_set(Error **errp, ErrorClass cls, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_setv(errp, cls, 0, fmt, ap);
    va_end(ap);
}

G_GNUC_PRINTF(2, 0)
static void error_vprepend(Error *err, const char *fmt, va_list ap)
{
    g_autofree char *old = err->msg;
    g_autofree char *text = text_vformat(fmt, ap);

    err->msg = text_format("%s%s", text, old);
}

void error_prepend(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    if (!errp || !*errp) {
        return;
    }
    va_start(ap, fmt);
    error_vprepend(*errp, fmt, ap);
    va_end(ap);
}

void error_append_hint(Error *const *errp, const char *fmt, ...)
{
    va_list ap;

    if (!errp || !*errp) {
        return;
    }
    if (!(*errp)->hint) {
        (*errp)->hint = g_string_new(NULL);
    }
    va_start(ap, fmt);
    g_string_append_vprintf((*errp)->hint, fmt, ap);
    va_end(ap);
}

void error_propagate(Error **errp, Error *err)
{
    if (err) {
        error_deliver(errp, err);
    }
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);

    copy->msg = text_format("%s", err->msg);
    copy->cls = err->cls;
    if (err->hint) {
        copy->hint = g_string_new_len(err->hint->str, err->hint->len);
    }
    return copy;
}

void error_free(Error *err)
{
    if (!err) {
        return;
    }
    g_free(err->msg);
    if (err->hint) {
        g_string_free(err->hint, TRUE);
    }
    g_free(err);
}

const char *error_get_pretty(const Error *err)
{
    return err->msg;
}

char *error_take_text(Error *err)
{
    char *text = g_steal_pointer(&err->msg);

    error_free(err);
    return text;
}

const char *error_get_hint(const Error *err)
{
    return err->hint ? err->hint->str : NULL;
}

ErrorClass error_get_class(const Error *err)
{
    return err->cls;
}

void error_init(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');

    progname = slash ? slash + 1 : argv0;
}

const char *error_progname(void)
{
    return progname;
}

void error_set_location(const char *text)
{
    location = text;
}

void error_set_prefix(bool timestamp, const char *guest)
{
    with_timestamp = timestamp;
    g_free(guest_name);
    guest_name = g_strdup(guest);
}

static __thread bool without_name;

void error_set_nameless(bool on)
{
    without_name = on;
}

void error_set_sink(void (*fn)(void *opaque, const char *line), void *opaque)
{
    sink = fn;
    sink_opaque = opaque;
}

static __thread void (*text_sink)(void *opaque, const char *text);
static __thread void *text_opaque;

void out_set_sink(void (*fn)(void *opaque, const char *text), void *opaque)
{
    text_sink = fn;
    text_opaque = opaque;
}

void out_printf(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = text_vformat(fmt, ap);
    va_end(ap);
    if (text_sink) {
        text_sink(text_opaque, text);
    } else {
        fputs(text, stdout);
    }
}

/* One message: a sink gets it without the program's name, as the monitor of the peer shows it. */
static void report_text(const char *kind, const char *msg)
{
    g_autofree char *line = text_format("%s%s%s%s", location ? location : "", location ? ": " : "", kind, msg);
    bool in_file = location && *location == ':';

    if (sink) {
        sink(sink_opaque, line);
        return;
    }
    if (with_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

        fprintf(stderr, "%s.%06dZ ", text, g_date_time_get_microsecond(now));
    }
    if (without_name && !in_file) {
        fprintf(stderr, "%s%s%s\n", guest_name ? guest_name : "", guest_name ? " " : "", line);
        return;
    }
    fprintf(stderr, "%s%s%s%s%s\n", guest_name ? guest_name : "", guest_name ? " " : "", progname, in_file ? "" : ": ",
            line);
}

static void report_hint(const Error *err)
{
    const char *line = error_get_hint(err);

    if (!line) {
        return;
    }
    if (!sink) {
        fputs(line, stderr);
        return;
    }
    while (*line) {
        size_t len = strcspn(line, "\n");
        g_autofree char *one = g_strndup(line, len);

        sink(sink_opaque, one);
        line += len + (line[len] == '\n');
    }
}

void error_report_err(Error *err)
{
    report_text("", err->msg);
    report_hint(err);
    error_free(err);
}

void warn_report_err(Error *err)
{
    report_text("warning: ", err->msg);
    report_hint(err);
    error_free(err);
}

void error_reportf_err(Error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vprepend(err, fmt, ap);
    va_end(ap);
    error_report_err(err);
}

void error_vreport(const char *fmt, va_list ap)
{
    g_autofree char *msg = text_vformat(fmt, ap);

    report_text("", msg);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    error_vreport(fmt, ap);
    va_end(ap);
}

void warn_report(const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = text_vformat(fmt, ap);
    va_end(ap);
    report_text("warning: ", msg);
}

void info_report(const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    va_start(ap, fmt);
    msg = text_vformat(fmt, ap);
    va_end(ap);
    report_text("info: ", msg);
}
