/*
 * The arguments of an HMP command: text -> QDict, as the command's list of types says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "hmp-int.h"
#include "util/cutils.h"
#include "util/options.h"

static void skip_space(const char **at)
{
    while (g_ascii_isspace(**at)) {
        (*at)++;
    }
}

/* --- words ----------------------------------------------------------------------------- */

static int get_quoted(const char **at, GString *word)
{
    const char *p = *at + 1;

    for (; *p && *p != '"'; p++) {
        if (*p == '\\') {
            static const char from[] = "nr\\'\"", to[] = "\n\r\\'\"";
            const char *hit = p[1] ? strchr(from, p[1]) : NULL;

            if (!hit) {
                printf("unsupported escape code: '\\%c'\n", p[1]);
                return -1;
            }
            g_string_append_c(word, to[hit - from]);
            p++;
        } else {
            g_string_append_c(word, *p);
        }
    }
    if (*p != '"') {
        printf("unterminated string\n");
        return -1;
    }
    *at = p + 1;
    return 0;
}

int hmp_get_word(const char **at, GString *word)
{
    g_string_truncate(word, 0);
    skip_space(at);
    if (!**at) {
        return -1;
    }
    if (**at == '"') {
        return get_quoted(at, word);
    }
    while (**at && !g_ascii_isspace(**at)) {
        g_string_append_c(word, *(*at)++);
    }
    return 0;
}

int hmp_split(const char *line, char **words, int max)
{
    g_autoptr(GString) word = g_string_new(NULL);
    int n = 0;

    for (;;) {
        skip_space(&line);
        if (!*line || n >= max) {
            return n;
        }
        if (hmp_get_word(&line, word) < 0) {
            while (n > 0) {
                g_free(words[--n]);
            }
            return -1;
        }
        words[n++] = g_strdup(word->str);
    }
}

/* --- one argument each ------------------------------------------------------------------- */

typedef struct Parse {
    Monitor *mon;
    const HmpCommand *cmd;
    const char *at;                /* in the text */
    const char *types;             /* what follows in the list of types */
    QDict *out;
} Parse;

static bool get_string(Parse *p, const char *name, char type, bool optional)
{
    g_autoptr(GString) word = g_string_new(NULL);

    skip_space(&p->at);
    if (optional && !*p->at) {
        return true;
    }
    if (hmp_get_word(&p->at, word) < 0) {
        monitor_printf(p->mon, "%s: %s expected\n", p->cmd->name,
                       type == 'F' ? "filename" : type == 'B' ? "block device name" : "string");
        return false;
    }
    qdict_put_str(p->out, name, word->str);
    return true;
}

static bool get_rest(Parse *p, const char *name, bool optional)
{
    size_t len;

    skip_space(&p->at);
    if (!*p->at) {
        if (!optional) {
            monitor_printf(p->mon, "%s: string expected\n", p->cmd->name);
        }
        return optional;
    }
    len = strlen(p->at);
    while (len > 1 && g_ascii_isspace(p->at[len - 1])) {
        len--;
    }
    qdict_put(p->out, name, qstring_new_take(g_strndup(p->at, len)));
    p->at += strlen(p->at);
    return true;
}

/* Number, "0x..", or expression; i must fit 32 bits, M counts MiB. */
static bool get_number(Parse *p, const char *name, char type, bool optional)
{
    int64_t value;

    skip_space(&p->at);
    if (optional && !*p->at) {
        return true;
    }
    if (!hmp_get_expression(p->mon, &p->at, &value)) {
        return false;
    }
    if (type == 'i' && ((value >> 32) & 0xffffffff)) {
        monitor_printf(p->mon, "\'%s\' has failed: integer is for 32-bit values\n", p->cmd->name);
        return false;
    }
    if (type == 'M') {
        if (value < 0) {
            monitor_printf(p->mon, "enter a positive value\n");
            return false;
        }
        value = (int64_t)((uint64_t)value << 20);
    }
    qdict_put_int(p->out, name, value);
    return true;
}

/* A size with a unit, MiB when it has none. */
static bool get_size(Parse *p, const char *name, bool optional)
{
    const char *end;
    uint64_t value;

    skip_space(&p->at);
    if (optional && !*p->at) {
        return true;
    }
    if (parse_size(p->at, &end, 'M', &value) < 0 || value > INT64_MAX) {
        monitor_printf(p->mon, "invalid size\n");
        return false;
    }
    qdict_put_int(p->out, name, value);
    p->at = end;
    return true;
}

static bool get_bool(Parse *p, const char *name, bool optional)
{
    const char *from;

    skip_space(&p->at);
    if (optional && !*p->at) {
        return true;
    }
    from = p->at;
    while (g_ascii_isgraph(*p->at)) {
        p->at++;
    }
    if (p->at - from == 2 && !memcmp(from, "on", 2)) {
        qdict_put_bool(p->out, name, true);
    } else if (p->at - from == 3 && !memcmp(from, "off", 3)) {
        qdict_put_bool(p->out, name, false);
    } else {
        monitor_printf(p->mon, "Expected 'on' or 'off'\n");
        return false;
    }
    return true;
}

/* Is -c a flag that comes later in the list? */
static bool later_flag(const char *types, char c)
{
    for (; *types; types++) {
        if (types[0] == ':' && types[1] == '-' && types[2] == c) {
            return true;
        }
    }
    return false;
}

static bool get_flag(Parse *p, const char *name, const char *type)
{
    const char *mark;

    skip_space(&p->at);
    mark = p->at;
    if (*p->at != '-') {
        return true;
    }
    if (p->at[1] != type[1]) {
        if (!later_flag(p->types, p->at[1])) {
            monitor_printf(p->mon, "%s: unsupported option -%c\n", p->cmd->name, p->at[1]);
            return false;
        }
        p->at = mark;
        return true;
    }
    p->at += 2;
    if (type[2] == 's') {
        return get_string(p, name, 's', false);
    }
    qdict_put_bool(p->out, name, true);
    return true;
}

static bool get_options(Parse *p, const char *name)
{
    g_autoptr(GString) word = g_string_new(NULL);
    Error *err = NULL;
    QDict *options;
    const char *implied = !strcmp(p->cmd->name, "device_add") ? "driver" : "type";

    if (hmp_get_word(&p->at, word) < 0) {
        return true;
    }
    options = opts_parse_list(word->str, implied, NULL, &err);
    if (!options) {
        error_free(err);
        return false;
    }
    qdict_join(p->out, options, true);
    qobject_unref(options);
    return true;
}

/* --- display formats: /16xb --------------------------------------------------------------- */

static struct { int format, size; } last_format = { 'x', 4 };

static bool get_format_letters(Parse *p, int *format, int *size)
{
    while (g_ascii_isdigit(*p->at)) {
        p->at++;
    }
    for (; *p->at && !g_ascii_isspace(*p->at); p->at++) {
        switch (*p->at) {
        case 'o':
        case 'd':
        case 'u':
        case 'x':
        case 'i':
        case 'c':
            *format = *p->at;
            break;
        case 'b':
            *size = 1;
            break;
        case 'h':
            *size = 2;
            break;
        case 'w':
            *size = 4;
            break;
        case 'g':
        case 'L':
            *size = 8;
            break;
        default:
            monitor_printf(p->mon, "invalid char in format: '%c'\n", *p->at);
            return false;
        }
    }
    return true;
}

static bool get_format(Parse *p, const char *name)
{
    int count = 1, format = -1, size = -1;
    bool print = !strncmp(p->cmd->name, "print", 5);

    skip_space(&p->at);
    if (*p->at == '/') {
        p->at++;
        if (g_ascii_isdigit(*p->at)) {
            count = MIN(g_ascii_strtoull(p->at, NULL, 10), 1 << 20);
        }
        if (!get_format_letters(p, &format, &size)) {
            return false;
        }
    }
    format = format < 0 ? last_format.format : format;
    if (format != 'i') {
        size = size < 0 ? last_format.size : size;
        last_format.size = size;
    }
    last_format.format = format;
    qdict_put_int(p->out, "count", count);
    qdict_put_int(p->out, "format", format);
    qdict_put_int(p->out, "size", print ? 8 : size);
    return true;
}

/* --- all of them ---------------------------------------------------------------------------- */

static bool get_argument(Parse *p, const char *name, const char *type)
{
    bool optional = type[1] == '?';

    switch (*type) {
    case 'F':
    case 'B':
    case 's':
        return get_string(p, name, *type, optional);
    case 'S':
        return get_rest(p, name, optional);
    case 'i':
    case 'l':
    case 'M':
        return get_number(p, name, *type, optional);
    case 'o':
        return get_size(p, name, optional);
    case 'b':
        return get_bool(p, name, optional);
    case '-':
        return get_flag(p, name, type);
    case '/':
        return get_format(p, name);
    case 'O':
        return get_options(p, name);
    case '.':                      /* index:i. as in "port.index" */
    default:
        monitor_printf(p->mon, "%s: unknown type '%c'\n", p->cmd->name, *type);
        return false;
    }
}

QDict *hmp_parse_args(Monitor *mon, const HmpCommand *cmd, const char *text)
{
    g_autoptr(QObject) out = qdict_new();
    Parse p = { mon, cmd, text, cmd->args, out };

    while (*p.types) {
        const char *colon = strchr(p.types, ':'), *end = colon + strcspn(colon, ",");
        g_autofree char *name = g_strndup(p.types, colon - p.types);

        p.types = *end ? end + 1 : end;
        if (!get_argument(&p, name, colon + 1)) {
            return NULL;
        }
    }
    skip_space(&p.at);
    if (*p.at) {
        monitor_printf(mon, "%s: extraneous characters at the end of line\n", cmd->name);
        return NULL;
    }
    return g_steal_pointer(&out);
}
