/*
 * JSON text to values.  Tokens are gathered until brackets balance, then parsed in one go, so
 * a monitor can feed input as it comes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "json-lex.h"
#include "util/chunks.h"
#include "util/cutils.h"
#include "util/qobject.h"

#define NESTING_MAX 1024
#define TOKENS_MAX (2u << 20)
#define TOTAL_SIZE_MAX (64u << 20)
#define LONG_TEXT 4096

typedef struct JsonToken {
    JsonTokenType type;
    char *text;             /* NULL for punctuation */
} JsonToken;

struct JsonParser {
    JsonLexer lexer;
    Chunks tokens;          /* JsonToken */
    size_t tokens_size;     /* bytes of text in them */
    int braces, brackets;   /* open ones */
    JsonEmit *emit;
    void *opaque;
};

/* Position in one complete group of tokens. */
typedef struct Cursor {
    const Chunks *tokens;
    size_t pos;
} Cursor;

static QObject *parse_value(Cursor *c, Error **errp);

#define parse_error(errp, ...) error_setg(errp, "JSON parse error, " __VA_ARGS__)

/* NULL at the end. */
static JsonToken *cursor_peek(const Cursor *c)
{
    return c->pos < c->tokens->len ? chunks_at(c->tokens, c->pos) : NULL;
}

static JsonToken *cursor_next(Cursor *c)
{
    JsonToken *t = cursor_peek(c);

    c->pos += t != NULL;
    return t;
}

/* Unicode's non-characters and lone surrogates are refused. */
static bool is_valid_codepoint(unsigned cp)
{
    return cp <= 0x10ffff && !(cp >= 0xd800 && cp <= 0xdfff) && !(cp >= 0xfdd0 && cp <= 0xfdef) &&
           (cp & 0xfffe) != 0xfffe;
}

/* U+0000 becomes the two bytes C0 80, so that strings stay NUL-terminated.  Returns the end. */
static char *put_utf8(char *out, unsigned cp)
{
    if (cp == 0) {
        memcpy(out, "\xc0\x80", 2);
        return out + 2;
    }
    return out + g_unichar_to_utf8(cp, out);
}

/* Decode one character of at most 4 bytes at s; its length, or 0 if it is malformed. */
static int decode_utf8(const char *s, unsigned *cp)
{
    const uint8_t *p = (const uint8_t *)s;
    static const unsigned least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    int len = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;

    if (!len) {
        return 0;
    }
    *cp = len == 1 ? p[0] : p[0] & (0x7f >> len);
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        *cp = *cp << 6 | (p[i] & 0x3f);
    }
    if (*cp < least[len] && !(len == 2 && *cp == 0)) {
        return 0;
    }
    return is_valid_codepoint(*cp) ? len : 0;
}

/* Four hex digits at s, or -1. */
static int parse_hex4(const char *s)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        if (!g_ascii_isxdigit(s[i])) {
            return -1;
        }
        v = v << 4 | g_ascii_xdigit_value(s[i]);
    }
    return v;
}

/* s points behind "\u"; returns what follows the escape, NULL on failure.  *out moves behind what it stands for. */
static const char *parse_unicode_escape(const char *s, char **out, Error **errp)
{
    const char *escape = s - 2;
    int cp = parse_hex4(s);
    int shown = 6;

    if (cp >= 0xd800 && cp <= 0xdbff && s[4] == '\\' && s[5] == 'u') {
        int low = parse_hex4(s + 6);

        if (low >= 0xdc00 && low <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
            shown = 12;
        }
    }
    if (cp < 0 || !is_valid_codepoint(cp)) {
        parse_error(errp, "%.*s is not a valid Unicode character", shown, escape);
        return NULL;
    }
    *out = put_utf8(*out, cp);
    return escape + shown;
}

static const char *parse_escape(const char *s, char **out, Error **errp)
{
    static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
    const char *at;

    if (*s == 'u') {
        return parse_unicode_escape(s + 1, out, errp);
    }
    at = strchr(from, *s);
    if (!at || !*at) {
        parse_error(errp, "invalid escape sequence in string");
        return NULL;
    }
    *(*out)++ = to[at - from];
    return s + 1;
}

/* Quoted text becomes what it stands for, in place: no character is longer than its escape.  False on failure. */
static bool unquote(char *text, Error **errp)
{
    const char *s = text + 1;
    char quote = *text, *out = text;

    while (*s != quote) {
        unsigned cp;
        int len;

        if (*s == '\\') {
            s = parse_escape(s + 1, &out, errp);
            if (!s) {
                return false;
            }
            continue;
        }
        len = decode_utf8(s, &cp);
        if (!len) {
            parse_error(errp, "invalid UTF-8 sequence in string");
            return false;
        }
        memmove(out, s, len);
        out += len;
        s += len;
    }
    *out = 0;
    return true;
}

/* Integers that fit in 64 bits stay exact; larger ones become doubles. */
static QObject *parse_integer(const char *text)
{
    int64_t i;
    uint64_t u;

    if (parse_i64(text, 10, &i) == 0) {
        return qint_new(i);
    }
    if (*text != '-' && parse_u64(text, 10, &u) == 0) {
        return quint_new(u);
    }
    return qdouble_new(g_ascii_strtod(text, NULL));
}

static QObject *parse_keyword(const char *text, Error **errp)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return qbool_new(*text == 't');
    }
    if (strcmp(text, "null") == 0) {
        return qnull_new();
    }
    parse_error(errp, "invalid keyword '%s'", text);
    return NULL;
}

/* A key as it is meant; NULL on failure. */
static char *parse_key(Cursor *c, Error **errp)
{
    JsonToken *t = cursor_peek(c);
    g_autoptr(QObject) other = NULL;

    if (t && t->type == JSON_STRING) {
        c->pos++;
        return unquote(t->text, errp) ? g_steal_pointer(&t->text) : NULL;
    }
    other = parse_value(c, errp);          /* what is wrong in it is told first */
    if (other) {
        parse_error(errp, "key is not a string in object");
    }
    return NULL;
}

static bool parse_pair(Cursor *c, QDict *dict, Error **errp)
{
    g_autofree char *key = parse_key(c, errp);
    g_autoptr(QObject) value = NULL;
    const JsonToken *t;

    if (!key) {
        return false;
    }
    t = cursor_next(c);
    if (!t || t->type != JSON_COLON) {
        parse_error(errp, "%s", t ? "missing : in object pair" : "premature EOI");
        return false;
    }
    value = parse_value(c, errp);
    if (!value) {
        return false;
    }
    if (qdict_has(dict, key)) {
        parse_error(errp, "duplicate key");
        return false;
    }
    qdict_put_take(dict, g_steal_pointer(&key), g_steal_pointer(&value));
    return true;
}

/* Members of a container whose opening bracket was read: 1 more to come, 0 at its end, -1 failed. */
static int parse_separator(Cursor *c, JsonTokenType close, const char *where, Error **errp)
{
    const JsonToken *t = cursor_next(c);

    if (t && (t->type == close || t->type == JSON_COMMA)) {
        return t->type == JSON_COMMA;
    }
    if (t) {
        parse_error(errp, "expected separator in %s", where);
    } else {
        parse_error(errp, "premature EOI");
    }
    return -1;
}

static bool at_empty_end(Cursor *c, JsonTokenType close)
{
    const JsonToken *t = cursor_peek(c);

    if (t && t->type == close) {
        c->pos++;
        return true;
    }
    return false;
}

static QObject *parse_dict(Cursor *c, Error **errp)
{
    g_autoptr(QObject) dict = qdict_new();
    int more = !at_empty_end(c, JSON_RCURLY);

    while (more > 0) {
        if (!parse_pair(c, dict, errp)) {
            return NULL;
        }
        more = parse_separator(c, JSON_RCURLY, "dict", errp);
    }
    return more < 0 ? NULL : qobject_ref(dict);
}

static QObject *parse_list(Cursor *c, Error **errp)
{
    g_autoptr(QObject) list = qlist_new();
    int more = !at_empty_end(c, JSON_RSQUARE);

    while (more > 0) {
        QObject *value = parse_value(c, errp);

        if (!value) {
            return NULL;
        }
        qlist_append(list, value);
        more = parse_separator(c, JSON_RSQUARE, "list", errp);
    }
    return more < 0 ? NULL : qobject_ref(list);
}

static QObject *parse_value(Cursor *c, Error **errp)
{
    JsonToken *t = cursor_next(c);

    if (!t) {
        parse_error(errp, "premature EOI");
        return NULL;
    }
    switch (t->type) {
    case JSON_LCURLY:
        return parse_dict(c, errp);
    case JSON_LSQUARE:
        return parse_list(c, errp);
    case JSON_INTEGER:
        return parse_integer(t->text);
    case JSON_FLOAT:
        return qdouble_new(g_ascii_strtod(t->text, NULL));
    case JSON_KEYWORD:
        return parse_keyword(t->text, errp);
    case JSON_STRING:
        return unquote(t->text, errp) ? qstring_new_take(g_steal_pointer(&t->text)) : NULL;
    default:
        parse_error(errp, "expecting value");
        return NULL;
    }
}

static void parser_reset(JsonParser *p)
{
    for (size_t i = 0; i < p->tokens.len; i++) {
        g_free(((JsonToken *)chunks_at(&p->tokens, i))->text);
    }
    chunks_drop(&p->tokens, p->tokens.len);
    p->tokens_size = 0;
    p->braces = 0;
    p->brackets = 0;
}

/* The emit callback may use the parser again, so it comes last. */
static void parser_finish_group(JsonParser *p)
{
    Cursor c = { &p->tokens, 0 };
    Error *err = NULL;
    QObject *value = parse_value(&c, &err);

    parser_reset(p);
    p->emit(p->opaque, value, err);
}

static void parser_fail(JsonParser *p, Error *err)
{
    parser_reset(p);
    p->emit(p->opaque, NULL, err);
}

/* A long text goes to the token as it is; of a short one it gets a copy that fits. */
static bool token_take_text(JsonToken *t, Text *text)
{
    if (t->type > JSON_COMMA) {
        t->text = text->len > LONG_TEXT ? text_take(text) : g_strndup(text->s, text->len);
    }
    return t->type <= JSON_COMMA || t->text;
}

static bool parser_add_token(JsonParser *p, JsonTokenType type, Text *text)
{
    JsonToken *t = chunks_add(&p->tokens);

    t->type = type;
    p->tokens_size += text->len;
    p->braces += (type == JSON_LCURLY) - (type == JSON_RCURLY);
    p->brackets += (type == JSON_LSQUARE) - (type == JSON_RSQUARE);
    return token_take_text(t, text);
}

static const char *parser_limit_exceeded(const JsonParser *p)
{
    return p->tokens_size > TOTAL_SIZE_MAX ? "JSON token size limit exceeded" :
           p->tokens.len > TOKENS_MAX ? "JSON token count limit exceeded" :
           p->braces + p->brackets > NESTING_MAX ? "JSON nesting depth limit exceeded" : NULL;
}

static void parser_token(void *opaque, JsonTokenType type, Text *text)
{
    JsonParser *p = opaque;
    const char *limit;
    Error *err = NULL;

    if (type == JSON_END_OF_INPUT) {
        if (p->tokens.len) {
            parser_finish_group(p);
        }
        return;
    }
    if (type == JSON_ERROR) {
        parse_error(&err, "stray '%s'", text->s);
        parser_fail(p, err);
        return;
    }
    if (type == JSON_NO_MEMORY || !parser_add_token(p, type, text)) {
        parse_error(&err, "%s", strerror(ENOMEM));
        parser_fail(p, err);
        return;
    }
    limit = parser_limit_exceeded(p);
    if (limit) {
        error_setg(&err, "%s", limit);
        parser_fail(p, err);
    } else if (p->braces < 0 || p->brackets < 0 || (p->braces == 0 && p->brackets == 0)) {
        parser_finish_group(p);
    }
}

JsonParser *json_parser_new(JsonEmit *emit, void *opaque)
{
    JsonParser *p = g_new0(JsonParser, 1);

    json_lexer_init(&p->lexer, parser_token, p);
    p->tokens.item = sizeof(JsonToken);
    p->emit = emit;
    p->opaque = opaque;
    return p;
}

void json_parser_free(JsonParser *p)
{
    if (p) {
        json_lexer_destroy(&p->lexer);
        parser_reset(p);
        chunks_free(&p->tokens);
        g_free(p);
    }
}

void json_parser_feed(JsonParser *p, const char *buf, size_t len)
{
    json_lexer_feed(&p->lexer, buf, len);
}

void json_parser_flush(JsonParser *p)
{
    json_lexer_flush(&p->lexer);
}

/* What json_parse_len has seen so far: one of the two, then anything more is too much. */
typedef struct OneValue {
    QObject *value;
    Error *err;
} OneValue;

static void one_value_emit(void *opaque, QObject *value, Error *err)
{
    OneValue *one = opaque;

    if (one->err) {
        error_free(err);
        qobject_unref(value);
    } else if (one->value) {
        qobject_unref(one->value);
        one->value = NULL;
        error_free(err);
        qobject_unref(value);
        error_setg(&one->err, "Expecting at most one JSON value");
    } else {
        one->value = value;
        one->err = err;
    }
}

QObject *json_parse_len(const char *text, size_t len, Error **errp)
{
    OneValue one = { NULL, NULL };
    JsonParser *p = json_parser_new(one_value_emit, &one);

    json_parser_feed(p, text, len);
    json_parser_flush(p);
    json_parser_free(p);
    if (!one.value && !one.err) {
        error_setg(&one.err, "Expecting a JSON value");
    }
    error_propagate(errp, one.err);
    return one.value;
}

QObject *json_parse(const char *text, Error **errp)
{
    g_autoptr(QObject) value = json_parse_len(text, strlen(text), errp);

    return value && qobject_check_bounds(value, "json", errp) ? g_steal_pointer(&value) : NULL;
}
