/*
 * Proves that errors are delivered, prefixed, copied and propagated as util/error.h says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "util/error.h"

static void fail_guarded(Error **errp)
{
    ERRP_GUARD();
    error_setg(errp, "inner");
    g_assert_nonnull(*errp);
    error_prepend(errp, "outer: ");
    error_append_hint(errp, "try %s\n", "harder");
}

static void test_text(void)
{
    Error *err = NULL;

    fail_guarded(&err);
    g_assert_cmpstr(error_get_pretty(err), ==, "outer: inner");
    g_assert_cmpstr(error_get_hint(err), ==, "try harder\n");
    error_free(err);

    err = NULL;
    error_setg_errno(&err, ENOENT, "Could not open '%s'", "x");
    g_assert_cmpstr(error_get_pretty(err), ==, "Could not open 'x': No such file or directory");
    error_free(err);
    fail_guarded(NULL);
}

static void test_propagate(void)
{
    Error *first = NULL, *second = NULL, *slot = NULL;

    error_set(&first, ERROR_CLASS_DEVICE_NOT_FOUND, "one");
    error_setg(&second, "two");
    error_propagate(&slot, first);
    error_propagate(&slot, second);     /* the first reason stays */
    g_assert_cmpstr(error_get_pretty(slot), ==, "one");
    g_assert_cmpstr(error_class_name(error_get_class(slot)), ==, "DeviceNotFound");
    first = error_copy(slot);
    error_free(slot);
    g_assert_cmpstr(error_get_pretty(first), ==, "one");
    error_free(first);
    error_propagate(&slot, NULL);
}

static void collect(void *opaque, const char *line)
{
    g_string_append_printf(opaque, "%s|", line);
}

static void test_sink(void)
{
    GString *lines = g_string_new(NULL);
    Error *err = NULL;

    error_set_sink(collect, lines);
    error_report("plain %d", 1);
    warn_report("careful");
    error_set_location("-o a=b");
    error_setg(&err, "bad");
    error_append_hint(&err, "one\ntwo\n");
    error_reportf_err(err, "so: ");
    error_set_location(NULL);
    error_set_sink(NULL, NULL);
    g_assert_cmpstr(lines->str, ==, "plain 1|warning: careful|-o a=b: so: bad|one|two|");
    g_string_free(lines, TRUE);
}

static void test_fatal(void)
{
    if (g_test_subprocess()) {
        error_init("/usr/bin/prog");
        error_setg(&error_fatal, "the end");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*prog: the end\n*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/text", test_text);
    g_test_add_func("/error/propagate", test_propagate);
    g_test_add_func("/error/sink", test_sink);
    g_test_add_func("/error/fatal", test_fatal);
    return g_test_run();
}
