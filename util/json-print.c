/*
 * Values to JSON text, byte for byte as the stock programs write it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "json-order.h"
#include "util/qobject.h"
#include "util/text.h"

typedef struct Writer {
    Text *out;              /* a failure is found at the end */
    bool pretty;
    int depth;
} Writer;

static void write_value(Writer *w, const QObject *o);

static void write_codepoint(Text *out, gunichar cp)
{
    if (cp > 0xffff) {
        cp -= 0x10000;
        text_addf(out, "\\u%04X\\u%04X", 0xd800 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
    } else {
        text_addf(out, "\\u%04X", cp);
    }
}

/* C0 80 stands for U+0000 (see json-parse.c). */
static const char *write_char(Text *out, const char *s)
{
    gunichar cp;

    if (strncmp(s, "\xc0\x80", 2) == 0) {
        write_codepoint(out, 0);
        return s + 2;
    }
    cp = g_utf8_get_char_validated(s, -1);
    if (cp == (gunichar)-1 || cp == (gunichar)-2) {
        write_codepoint(out, 0xfffd);
        return s + 1;
    }
    if (cp < 0x20 || cp >= 0x7f) {
        write_codepoint(out, cp);
    } else {
        text_add_c(out, cp);
    }
    return g_utf8_next_char(s);
}

static void write_string(Text *out, const char *s)
{
    static const char special[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";

    text_add_c(out, '"');
    while (*s) {
        const char *at = strchr(special, *s);

        if (at) {
            text_add_c(out, '\\');
            text_add_c(out, letter[at - special]);
            s++;
        } else {
            s = write_char(out, s);
        }
    }
    text_add_c(out, '"');
}

static void write_newline(Writer *w)
{
    if (w->pretty) {
        text_addf(w->out, "\n%*s", w->depth * 4, "");
    }
}

static void write_open(Writer *w, char c)
{
    text_add_c(w->out, c);
    w->depth++;
}

/* Before member number i. */
static void write_separator(Writer *w, size_t i)
{
    if (i) {
        text_add_str(w->out, w->pretty ? "," : ", ");
    }
    write_newline(w);
}

static void write_close(Writer *w, char c)
{
    w->depth--;
    write_newline(w);
    text_add_c(w->out, c);
}

static void write_list(Writer *w, const QList *l)
{
    size_t n = qlist_size(l);

    write_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        write_separator(w, i);
        write_value(w, qlist_get(l, i));
    }
    write_close(w, ']');
}

static void write_dict(Writer *w, const QDict *d)
{
    size_t n = qdict_size(d);
    g_autofree size_t *order = json_order_members(d);

    if (!order) {
        w->out->failed = true;
        return;
    }
    write_open(w, '{');
    for (size_t i = 0; i < n; i++) {
        write_separator(w, i);
        write_string(w->out, qdict_key_at(d, order[i]));
        text_add_str(w->out, ": ");
        write_value(w, qdict_value_at(d, order[i]));
    }
    write_close(w, '}');
}

static void write_double(Text *out, const QObject *o)
{
    char buf[64];
    double v = 0;

    qobject_get_double(o, &v);
    text_add_str(out, g_ascii_formatd(buf, sizeof(buf), "%.17g", v));
}

static void write_value(Writer *w, const QObject *o)
{
    int64_t i = 0;
    uint64_t u = 0;
    bool b = false;

    switch (qobject_type(o)) {
    case QTYPE_NULL:
        text_add_str(w->out, "null");
        break;
    case QTYPE_BOOL:
        qobject_get_bool(o, &b);
        text_add_str(w->out, b ? "true" : "false");
        break;
    case QTYPE_INT:
        qobject_get_int(o, &i);
        text_addf(w->out, "%" G_GINT64_FORMAT, i);
        break;
    case QTYPE_UINT:
        qobject_get_uint(o, &u);
        text_addf(w->out, "%" G_GUINT64_FORMAT, u);
        break;
    case QTYPE_DOUBLE:
        write_double(w->out, o);
        break;
    case QTYPE_STRING:
        write_string(w->out, qobject_get_str(o));
        break;
    case QTYPE_LIST:
        write_list(w, o);
        break;
    case QTYPE_DICT:
        write_dict(w, o);
        break;
    }
}

char *json_try_print(const QObject *o, bool pretty)
{
    Text out = { 0 };
    Writer w = { &out, pretty, 0 };

    write_value(&w, o);
    return text_take(&out);
}

char *json_print(const QObject *o, bool pretty)
{
    char *text = json_try_print(o, pretty);

    if (!text) {
        g_error("no memory to print a value");
    }
    return text;
}
