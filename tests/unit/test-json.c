/*
 * Proves that values, JSON text in and out, and dotted names behave as the stock programs do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/qobject.h"
#include "util/text.h"

static void check_error(const char *text, const char *expected)
{
    Error *err = NULL;

    g_assert_null(json_parse(text, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, expected);
    error_free(err);
}

static void check_round(const char *in, const char *out)
{
    g_autoptr(QObject) o = json_parse(in, &error_abort);
    g_autofree char *text = json_print(o, false);

    g_assert_cmpstr(text, ==, out ? out : in);
}

/* Each line was read off the stock `qemu-img info json:TEXT`. */
static void test_errors(void)
{
    static const char *const cases[][2] = {
        { "", "Expecting a JSON value" }, { " \n", "Expecting a JSON value" },
        { "{", "JSON parse error, premature EOI" }, { "}", "JSON parse error, expecting value" },
        { "{} {}", "Expecting at most one JSON value" }, { "{}x", "Expecting at most one JSON value" },
        { "0x10", "Expecting at most one JSON value" }, { "foo $", "JSON parse error, invalid keyword 'foo'" },
        { "{\"a\"}", "JSON parse error, missing : in object pair" },
        { "{\"a\":}", "JSON parse error, expecting value" }, { "{\"a\"", "JSON parse error, premature EOI" },
        { "{\"a\":1,}", "JSON parse error, expecting value" },
        { "{\"a\":1 \"b\":2}", "JSON parse error, expected separator in dict" },
        { "{\"a\":1]", "JSON parse error, expected separator in dict" },
        { "[1}", "JSON parse error, expected separator in list" },
        { "{1:1}", "JSON parse error, key is not a string in object" },
        { "{a:1}", "JSON parse error, invalid keyword 'a'" }, { "{foo", "JSON parse error, invalid keyword 'foo'" },
        { "tRue", "JSON parse error, invalid keyword 't'" }, { "T", "JSON parse error, stray 'T'" },
        { "{foo:1, \"a\":$}", "JSON parse error, stray '$'" }, { "%d", "JSON parse error, stray '%'" },
        { "{\"a\":1,\"a\":2}", "JSON parse error, duplicate key" },
        { "{\"a\":01}", "JSON parse error, stray '01'" }, { "[1.]", "JSON parse error, stray '1.]'" },
        { "[1e+]", "JSON parse error, stray '1e+]'" }, { "[-]", "JSON parse error, stray '-]'" },
        { "\"x", "JSON parse error, stray '\"x'" }, { "\"x\ty\"", "JSON parse error, stray '\"x\t'" },
        { "\"\xfe\"", "JSON parse error, stray '\"\xfe'" },
        { "\"\xc3\"", "JSON parse error, invalid UTF-8 sequence in string" },
        { "\"\xed\xa0\x80\"", "JSON parse error, invalid UTF-8 sequence in string" },
        { "\"\xef\xbf\xbf\"", "JSON parse error, invalid UTF-8 sequence in string" },
        { "\"\xf4\x90\x80\x80\"", "JSON parse error, invalid UTF-8 sequence in string" },
        { "\"\\x\"", "JSON parse error, invalid escape sequence in string" },
        { "\"\\u12\"", "JSON parse error, \\u12\" is not a valid Unicode character" },
        { "\"\\u000\"", "JSON parse error, \\u000\" is not a valid Unicode character" },
        { "\"\\ud83d\\u12\"", "JSON parse error, \\ud83d is not a valid Unicode character" },
        { "\"\\uDBFF\\uDFFF\"", "JSON parse error, \\uDBFF\\uDFFF is not a valid Unicode character" },
        { "\"\\uFFFF\"", "JSON parse error, \\uFFFF is not a valid Unicode character" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_error(cases[i][0], cases[i][1]);
    }
}

static void test_depth(void)
{
    g_autofree char *deep = g_strnfill(1024, '[');
    g_autofree char *deeper = g_strnfill(1025, '[');
    g_autofree char *ends = g_strnfill(1024, ']');
    g_autofree char *whole = g_strconcat(deep, ends, NULL);
    g_autoptr(QObject) o = json_parse(whole, &error_abort);

    g_assert_nonnull(o);
    check_error(deep, "JSON parse error, premature EOI");
    check_error(deeper, "JSON nesting depth limit exceeded");
}

static void test_print(void)
{
    check_round("[1, -9223372036854775808, 18446744073709551615]", NULL);
    check_round("[0.1, 1e3, -0.0, 1e22, 12345678901234567890123, 100000000000000000.0]",
                "[0.10000000000000001, 1000, -0, 1e+22, 1.2345678901234568e+22, 1e+17]");
    check_round("['it\\'s', \"\\u00e9\\u0000\\u001f\\u007f\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\\\"]",
                "[\"it's\", \"\\u00E9\\u0000\\u001F\\u007F\\uD83D\\uDE00/\\b\\f\\n\\r\\t\\\\\"]");
    check_round("[[], {}, null, true, false]", NULL);
    check_round("{'filename': 'x', 'virtual-size': 1, 'own name': 2, 'dirty-flag': false, 'cluster-size': 4, 'my own': 5}",
                "{\"own name\": 2, \"my own\": 5, \"virtual-size\": 1, \"filename\": \"x\", \"cluster-size\": 4, "
                "\"dirty-flag\": false}");
}

static void test_pretty(void)
{
    g_autoptr(QObject) o = json_parse("{'own': [1, {}, []]}", &error_abort);
    g_autofree char *text = json_print(o, true);

    g_assert_cmpstr(text, ==, "{\n    \"own\": [\n        1,\n        {\n        },\n        [\n        ]\n    ]\n}");
}

static void count_emits(void *opaque, QObject *value, Error *err)
{
    g_string_append(opaque, err ? error_get_pretty(err) : "value");
    g_string_append_c(opaque, '|');
    qobject_unref(value);
    error_free(err);
}

/* A monitor's input: errors do not spoil what follows. */
static void test_stream(void)
{
    static const char text[] = "{'a':T} {'b'\n:1}\"\x01 x{}\xff{\"a";
    GString *seen = g_string_new(NULL);
    JsonParser *p = json_parser_new(count_emits, seen);

    for (size_t i = 0; i < strlen(text); i++) {
        json_parser_feed(p, text + i, 1);
    }
    json_parser_flush(p);
    json_parser_free(p);
    g_assert_cmpstr(seen->str, ==, "JSON parse error, stray 'T'|JSON parse error, expecting value|value|"
                    "JSON parse error, stray '\"\x01'|value|JSON parse error, stray '\xff'|"
                    "JSON parse error, stray '\"a'|");
    g_string_free(seen, TRUE);
}

static void test_dict(void)
{
    g_autoptr(QObject) d = qdict_new();

    for (int i = 0; i < 100; i++) {
        g_autofree char *key = g_strdup_printf("k%d", i);

        qdict_put_int(d, key, i);
    }
    qdict_put_int(d, "k5", 500);
    for (int i = 0; i < 100; i += 2) {
        g_autofree char *key = g_strdup_printf("k%d", i);

        qdict_del(d, key);
        g_assert_false(qdict_has(d, key));
    }
    g_assert_cmpuint(qdict_size(d), ==, 50);
    g_assert_cmpstr(qdict_key_at(d, 2), ==, "k5");
    g_assert_cmpint(qdict_get_int(d, "k5", 0), ==, 500);
    g_assert_cmpint(qdict_get_int(d, "k99", 0), ==, 99);
    qdict_del(d, "none");
    g_assert_null(qdict_get_str(d, "k5"));
}

static void check_crumple_error(const char *flat, const char *expected)
{
    g_autoptr(QObject) d = json_parse(flat, &error_abort);
    Error *err = NULL;

    g_assert_null(qdict_crumple(d, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, expected);
    error_free(err);
}

/* Containers that grow in pieces, and the index of a dictionary. */
static void test_many(void)
{
    g_autoptr(QObject) dict = qdict_new(), list = qlist_new(), copy = NULL;
    size_t n = 20000;

    for (size_t i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("key%zu", i);

        qdict_put_int(dict, key, i);
        qlist_append(list, qint_new(i));
    }
    copy = qobject_clone(dict);
    g_assert_true(qobject_equal(copy, dict));
    for (size_t i = 0; i < n; i += 7) {
        g_autofree char *key = g_strdup_printf("key%zu", i);

        g_assert_cmpint(qdict_get_int(dict, key, -1), ==, i);
        qdict_del(dict, key);
        g_assert_false(qdict_has(dict, key));
    }
    g_assert_cmpuint(qdict_size(dict), ==, n - (n + 6) / 7);
    for (size_t i = 0; i < qdict_size(dict); i++) {
        int64_t v = qdict_get_int(dict, qdict_key_at(dict, i), -1);

        g_assert_cmpint(v, ==, i + i / 6 + 1);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t v = -1;

        g_assert_true(qobject_get_int(qlist_get(list, i), &v) && v == (int64_t)i);
    }
    while (qdict_size(dict)) {
        qdict_del(dict, qdict_key_at(dict, qdict_size(dict) - 1));
    }
    qdict_put_str(dict, "a", "b");
    g_assert_cmpstr(qdict_get_str(dict, "a"), ==, "b");
}

static void test_text(void)
{
    Text t = { 0 };
    size_t len = 0;
    g_autofree char *all = NULL, *coded = NULL, *none = text_take(&t);
    g_autofree uint8_t *bytes = NULL;

    g_assert_cmpstr(none, ==, "");
    for (int i = 0; i < 30000; i++) {
        text_add_c(&t, 'x');
        text_addf(&t, "%d", i % 10);
    }
    g_assert_cmpuint(t.len, ==, 60000);
    all = text_take(&t);
    g_assert_cmpuint(strlen(all), ==, 60000);
    coded = text_base64(all, 60000);
    bytes = text_unbase64(coded, strlen(coded), &len);
    g_assert_cmpmem(bytes, len, all, 60000);
    t.failed = true;
    text_add_str(&t, "lost");
    g_assert_null(text_take(&t));
    text_add_str(&t, "new");
    g_assert_cmpstr(t.s, ==, "new");
    text_free(&t);
}

static void test_dotted(void)
{
    g_autoptr(QObject) nested = json_parse("{'a': {'b': 1, 'c': [2, {'d': 3}]}, 'e': [], 'f': {'g': {}}}", &error_abort);
    g_autoptr(QObject) flat = qobject_clone(nested);
    g_autoptr(QObject) back = NULL;
    g_autoptr(QObject) sub = NULL;
    g_autoptr(QObject) dots = json_parse("{'x..y.z': 1}", &error_abort);
    g_autoptr(QObject) crumpled = qdict_crumple(dots, &error_abort);
    g_autofree char *text = NULL;

    qdict_flatten(flat);
    g_assert_cmpint(qdict_get_int(flat, "a.c.1.d", 0), ==, 3);
    g_assert_cmpuint(qdict_size(flat), ==, 5);
    back = qdict_crumple(flat, &error_abort);
    g_assert_true(qobject_equal(back, nested));
    g_assert_true(qdict_has_prefix(flat, "a."));
    sub = qdict_extract_subdict(flat, "a.");
    g_assert_cmpint(qdict_get_int(sub, "c.0", 0), ==, 2);
    g_assert_false(qdict_has_prefix(flat, "a."));
    g_assert_cmpint(qdict_get_int(qdict_get_dict(crumpled, "x.y"), "z", 0), ==, 1);

    check_crumple_error("{'s.a.b': 1, 's.a': 2}", "Cannot mix scalar and non-scalar keys");
    check_crumple_error("{'s.0': 1, 's.t': 2}", "Cannot mix list and non-list keys");
    check_crumple_error("{'s.0': 1, 's.2': 2}",
                        "List indices are not contiguous, saw 2 elements but 2 largest index");
    check_crumple_error("{'s.00': 1}", "Missing list index 0");
    check_crumple_error("{'s.-1': 1}", "List indices are not contiguous, saw 1 elements but -1 largest index");
}

static void test_equal(void)
{
    g_autoptr(QObject) a = json_parse("{'x': 1, 'y': [1.0, true]}", &error_abort);
    g_autoptr(QObject) b = json_parse("{'y': [1, true], 'x': 1}", &error_abort);
    g_autoptr(QObject) c = json_parse("{'y': [1, 1], 'x': 1}", &error_abort);

    g_assert_true(qobject_equal(a, b));
    g_assert_false(qobject_equal(a, c));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/errors", test_errors);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/print", test_print);
    g_test_add_func("/json/pretty", test_pretty);
    g_test_add_func("/json/stream", test_stream);
    g_test_add_func("/dict/basic", test_dict);
    g_test_add_func("/dict/many", test_many);
    g_test_add_func("/text/grows", test_text);
    g_test_add_func("/dict/dotted", test_dotted);
    g_test_add_func("/dict/equal", test_equal);
    return g_test_run();
}
