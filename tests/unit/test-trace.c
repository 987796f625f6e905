/*
 * Proves that trace patterns switch the named events, and only those, on and off.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "util/trace.h"

TRACE_EVENT(apple_red)
TRACE_EVENT(apple_green)
TRACE_EVENT(pear)

static void fire_all(void)
{
    TRACE(apple_red, "n %d", 1);
    TRACE(apple_green, "n %d", 2);
    TRACE(pear, "n %d", 3);
}

static void collect(void *opaque, const char *line)
{
    g_string_append_printf(opaque, "%s|", line);
}

static void test_patterns(void)
{
    g_autofree char *dir = g_dir_make_tmp("trace-XXXXXX", NULL);
    g_autofree char *list = g_build_filename(dir, "list", NULL);
    g_autofree char *out = g_build_filename(dir, "out", NULL);
    g_autofree char *arg = g_strdup_printf("events=%s,file=%s", list, out);
    g_autofree char *expected = g_strdup_printf(":%s:4: warning: trace event 'plum' does not exist|", list);
    g_autofree char *content = NULL;
    GString *warned = g_string_new(NULL);

    g_assert_true(g_file_set_contents(list, "apple*\n# pear\n-apple_green\nplum\n", -1, NULL));
    error_set_sink(collect, warned);
    trace_configure(arg, &error_abort);
    fire_all();
    trace_configure("pear", &error_abort);
    fire_all();
    error_set_sink(NULL, NULL);
    g_assert_true(g_file_get_contents(out, &content, NULL, NULL));
    g_assert_cmpstr(content, ==, "apple_red n 1\napple_red n 1\npear n 3\n");
    g_assert_cmpstr(warned->str, ==, expected);
    g_string_free(warned, TRUE);
    unlink(list);
    unlink(out);
    rmdir(dir);
}

static void test_bad_option(void)
{
    Error *err = NULL;

    g_assert_false(trace_configure("enable=pear,colour=red", &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Invalid parameter 'colour'");
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace/patterns", test_patterns);
    g_test_add_func("/trace/bad-option", test_bad_option);
    return g_test_run();
}
