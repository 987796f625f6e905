/*
 * Proves that sizes, numbers and option lists are read, and refused, as the stock tools do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "util/cutils.h"
#include "util/options.h"

static void swallow(void *opaque, const char *line)
{
    pstrcpy(opaque, 200, line);
}

/* Values printed by the stock `qemu-img create`. */
static void test_sizes(void)
{
    static const struct { const char *text; uint64_t value; } good[] = {
        { "1", 1 }, { "1.0", 1 }, { "1.b", 1 }, { " 1", 1 }, { "+1", 1 }, { "010", 10 }, { "0x10", 16 }, { "1.5k", 1536 },
        { "1.k", 1024 }, { "7.99E", 9211842821808707328 }, { "1.99E", 2294313794167625472 },
        { "1.3T", 1429365116109 }, { "0.1k", 102 }, { "1.9999999k", 2048 }, { "1.0005k", 1025 }, { "0.0001k", 0 },
        { "1.99999999999999999999999k", 1024 }, { "12345.678G", 13256070814237 }, { "18446744073709551615", UINT64_MAX },
        { "7.00000000000000001E", 8070450532247928844 }, { "1p", 1ULL << 50 },
    };
    static const char *const bad[] = { "", "abc", "1Q", "1.5", "1e3", ".5k", "-1", "1 ", "1KiB", "0x", "0x1p3", "0x1.8k",
                                       "inf", "1.5e3k", "1..k", "1.-k", "0.5B" };
    char seen[200] = "";
    uint64_t v;
    const char *end;

    error_set_sink(swallow, seen);
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_cmpint(parse_size(good[i].text, NULL, 'B', &v), ==, 0);
        g_assert_cmpuint(v, ==, good[i].value);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(parse_size(bad[i], NULL, 'B', &v), ==, -EINVAL);
    }
    g_assert_cmpint(parse_size("16E", NULL, 'B', &v), ==, -ERANGE);
    g_assert_cmpint(parse_size("18446744073709551616", NULL, 'B', &v), ==, -ERANGE);
    g_assert_cmpint(parse_size("3", NULL, 'M', &v), ==, 0);
    g_assert_cmpuint(v, ==, 3 * MiB);
    g_assert_cmpint(parse_size("4k,x", &end, 'B', &v), ==, 0);
    g_assert_cmpstr(end, ==, ",x");
    g_assert_cmpint(parse_size("0x10k", NULL, 'B', &v), ==, 0);
    g_assert_cmpstr(seen, ==, "warning: Using a multiplier suffix on hex numbers is deprecated: 0x10k");
    error_set_sink(NULL, NULL);
}

static void test_size_text(void)
{
    static const struct { uint64_t bytes; const char *text; } cases[] = {
        { 0, "0 B" }, { 512, "512 B" }, { 1024, "1 KiB" }, { 1022976, "999 KiB" }, { 1023488, "1e+03 KiB" },
        { 1024000, "0.977 MiB" }, { 1048576000, "0.977 GiB" }, { 5000000000000, "4.55 TiB" }, { 1ULL << 60, "1 EiB" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = size_to_str(cases[i].bytes);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static const OptDesc descs[] = {
    { "size", OPT_SIZE, "how big", "64k" },
    { "count", OPT_NUMBER, "how many" },
    { "lazy", OPT_BOOL, "do it later" },
    { "name", OPT_STRING, NULL },
    { NULL }
};

static void check_list(const char *list, const char *expected)
{
    g_autoptr(QObject) in = opts_parse_list(list, NULL, NULL, &error_abort);
    Error *err = NULL;
    g_autoptr(QObject) out = opts_check_all(in, descs, &err);
    g_autofree char *text = out ? json_print(out, false) : g_strdup(error_get_pretty(err));

    g_assert_cmpstr(text, ==, expected);
    error_free(err);
}

static void test_tables(void)
{
    check_list("count=0x10,lazy", "{\"count\": 16, \"size\": 65536, \"lazy\": true}");
    check_list("nolazy,size=1,size=2M,name=a,,b", "{\"name\": \"a,b\", \"size\": 2097152, \"lazy\": false}");
    check_list("count=-1", "{\"count\": 18446744073709551615, \"size\": 65536}");
    check_list("foo=1", "Invalid parameter 'foo'");
    check_list("=a", "Invalid parameter ''");
    check_list("size=abc", "Parameter 'size' expects a non-negative number below 2^64");
    check_list("size=99999999999999999999", "Value '99999999999999999999' is out of range for parameter 'size'");
    check_list("count=1k", "Parameter 'count' expects a number");
    check_list("count=99999999999999999999", "Value '99999999999999999999' is too large for parameter 'count'");
    check_list("lazy=ON", "Parameter 'lazy' expects 'on' or 'off'");
}

static void test_absorb(void)
{
    g_autoptr(QObject) in = json_parse("{'size': '1k', 'count': 7, 'lazy': 'n', 'name': {}, 'other': 1}", &error_abort);
    g_autoptr(QObject) out = opts_absorb(in, descs, &error_abort);

    g_assert_cmpuint(opt_get_size(out, "size", 0), ==, 1024);
    g_assert_cmpuint(opt_get_number(out, "count", 0), ==, 7);
    g_assert_false(opt_get_bool(out, "lazy", true));
    g_assert_null(opt_get_str(out, "name"));
    g_assert_cmpuint(qdict_size(in), ==, 2);
}

static void test_cmdline(void)
{
    bool help = false;
    g_autoptr(QObject) a = opts_parse_cmdline("node,,1,id=x,cache.direct=on", "file", NULL, &error_abort);
    g_autoptr(QObject) b = opts_parse_list("size=1,help", NULL, &help, &error_abort);
    Error *err = NULL;

    g_assert_cmpstr(qdict_get_str(a, "file"), ==, "node,1");
    g_assert_false(qdict_has(a, "id"));
    g_assert_true(help);
    g_assert_null(opts_parse_cmdline("id=1", NULL, NULL, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Parameter 'id' expects an identifier");
    error_free(err);
}

static void check_keyval(const char *text, const char *expected)
{
    bool help = false;
    Error *err = NULL;
    g_autoptr(QObject) out = opts_parse_keyval(text, "type", &help, &err);
    g_autofree char *shown = out ? json_print(out, false) : g_strdup(error_get_pretty(err));

    g_assert_cmpstr(shown, ==, expected);
    error_free(err);
}

static void test_keyval(void)
{
    check_keyval("", "{}");
    check_keyval("secret,", "{\"type\": \"secret\"}");
    check_keyval("a,own.b=1,own.l.0=x,own.l.1=y,,z", "{\"own\": {\"b\": \"1\", \"l\": [\"x\", \"y,z\"]}, \"type\": \"a\"}");
    check_keyval(",", "Invalid parameter ''");
    check_keyval("a,,b", "Invalid parameter ''");
    check_keyval("a,id", "Expected '=' after parameter 'id'");
    check_keyval("a,d.x=1,d=2", "Parameters 'd.*' used inconsistently");
    check_keyval("a,d=2,d.x=1", "Parameters 'd.*' used inconsistently");
    check_keyval("a,x.0=1,x.y=1", "Parameters 'x.*' used inconsistently");
    check_keyval("a,x.0=1,x.2=1", "Parameter 'x.1' missing");
    check_keyval("a,x.0.y=1,x.0=1", "Parameters 'x.0.*' used inconsistently");
    check_keyval("a,.x=1", "Invalid parameter '.x'");
    check_keyval("a,x.=1", "Invalid parameter 'x.'");
    check_keyval("a,x..y=1", "Invalid parameter 'x..y'");
    check_keyval("a,0=1", "Invalid parameter '0'");
    check_keyval("a,x y=1", "Invalid parameter 'x y'");
    check_keyval("a,x.-1=1", "Invalid parameter 'x.-1'");
}

static void test_help(void)
{
    const OptDesc *tables[] = { descs, NULL };
    g_autofree char *text = opts_format_help(tables, "Supported options:");

    g_assert_cmpstr(text, ==, "Supported options:\n  count=<num>            - how many\n"
                    "  lazy=<bool (on/off)>   - do it later\n"
                    "  size=<size>            - how big\n");
}

static void test_ids(void)
{
    g_autofree char *id = id_generate("block");

    g_assert_true(g_str_has_prefix(id, "#block"));
    g_assert_true(id_wellformed("a-b.c_1"));
    g_assert_false(id_wellformed(""));
    g_assert_false(id_wellformed("1a"));
    g_assert_false(id_wellformed("a b"));
    g_assert_cmpint(edit_distance("kitten", "sitting", 10), ==, 3);
    g_assert_cmpint(edit_distance("kitten", "sitting", 2), ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/size/parse", test_sizes);
    g_test_add_func("/size/print", test_size_text);
    g_test_add_func("/options/tables", test_tables);
    g_test_add_func("/options/absorb", test_absorb);
    g_test_add_func("/options/cmdline", test_cmdline);
    g_test_add_func("/options/keyval", test_keyval);
    g_test_add_func("/options/help", test_help);
    g_test_add_func("/ids", test_ids);
    return g_test_run();
}
