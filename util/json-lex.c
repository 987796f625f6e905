/*
 * Bytes to JSON tokens: RFC 8259 plus 'single quotes'.
 *
 * After an error the lexer skips to the next character that can only be structure, a control
 * character or a byte that UTF-8 never uses (clients send 0xFF to resynchronise).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <string.h>
#include "json-lex.h"

/* Longer tokens are an error, so a peer cannot make a token buffer grow without end. */
#define TOKEN_MAX (32u << 20)                      /* a token is copied some times before it is refused */

enum {
    ST_START, ST_DQ, ST_DQ_ESC, ST_SQ, ST_SQ_ESC, ST_MINUS, ST_ZERO, ST_DIGITS, ST_POINT, ST_FRACTION,
    ST_E, ST_E_SIGN, ST_E_DIGITS, ST_KEYWORD, ST_RECOVERY,
};

void json_lexer_init(JsonLexer *lx, void (*emit)(void *opaque, JsonTokenType type, Text *text), void *opaque)
{
    lx->state = ST_START;
    lx->text = (Text){ 0 };
    lx->emit = emit;
    lx->opaque = opaque;
}

void json_lexer_destroy(JsonLexer *lx)
{
    text_free(&lx->text);
}

static void lexer_emit(JsonLexer *lx, JsonTokenType type)
{
    if (lx->text.failed) {
        type = JSON_NO_MEMORY;
    }
    lx->state = type == JSON_ERROR || type == JSON_NO_MEMORY ? ST_RECOVERY : ST_START;
    lx->emit(lx->opaque, type, &lx->text);
    text_clear(&lx->text);
}

static void lexer_stray(JsonLexer *lx, char c)
{
    text_add_c(&lx->text, c);
    lexer_emit(lx, JSON_ERROR);
}

static bool is_number_state(int state)
{
    return state == ST_ZERO || state == ST_DIGITS || state == ST_FRACTION || state == ST_E_DIGITS;
}

/* The token ended before the current character: what is it? */
static JsonTokenType finished_type(int state)
{
    if (state == ST_KEYWORD) {
        return JSON_KEYWORD;
    }
    return state == ST_ZERO || state == ST_DIGITS ? JSON_INTEGER : JSON_FLOAT;
}

static const char structural[] = "{}[]:,";

/* First character of a token: the new state, ST_RECOVERY when none starts with it. */
static int start_state(char c)
{
    if (c == '"') {
        return ST_DQ;
    } else if (c == '\'') {
        return ST_SQ;
    } else if (c == '-') {
        return ST_MINUS;
    } else if (c == '0') {
        return ST_ZERO;
    } else if (g_ascii_isdigit(c)) {
        return ST_DIGITS;
    } else if (g_ascii_islower(c)) {
        return ST_KEYWORD;
    }
    return ST_RECOVERY;
}

static void lex_start(JsonLexer *lx, char c)
{
    const char *s = c ? strchr(structural, c) : NULL;
    int state;

    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        return;
    }
    if (s) {
        text_add_c(&lx->text, c);
        lexer_emit(lx, JSON_LCURLY + (s - structural));
        return;
    }
    state = start_state(c);
    if (state == ST_RECOVERY) {
        lexer_stray(lx, c);
        return;
    }
    text_add_c(&lx->text, c);
    lx->state = state;
}

static void lex_string(JsonLexer *lx, char c)
{
    uint8_t byte = c;
    char quote = lx->state == ST_DQ ? '"' : '\'';

    if (byte < 0x20 || byte > 0xfd) {
        lexer_stray(lx, c);
        return;
    }
    text_add_c(&lx->text, c);
    if (lx->state == ST_DQ_ESC || lx->state == ST_SQ_ESC) {
        lx->state = lx->state == ST_DQ_ESC ? ST_DQ : ST_SQ;
    } else if (c == '\\') {
        lx->state = lx->state == ST_DQ ? ST_DQ_ESC : ST_SQ_ESC;
    } else if (c == quote) {
        lexer_emit(lx, JSON_STRING);
    }
}

/* The state after c within a number or keyword; ST_START: the token ended before c; ST_RECOVERY: c is wrong here. */
static int scalar_next(int state, char c)
{
    bool digit = g_ascii_isdigit(c), e = c == 'e' || c == 'E';

    switch (state) {
    case ST_KEYWORD:
        return g_ascii_islower(c) ? ST_KEYWORD : ST_START;
    case ST_MINUS:
        return c == '0' ? ST_ZERO : digit ? ST_DIGITS : ST_RECOVERY;
    case ST_ZERO:
        return digit ? ST_RECOVERY : c == '.' ? ST_POINT : e ? ST_E : ST_START;
    case ST_DIGITS:
        return digit ? ST_DIGITS : c == '.' ? ST_POINT : e ? ST_E : ST_START;
    case ST_POINT:
        return digit ? ST_FRACTION : ST_RECOVERY;
    case ST_FRACTION:
        return digit ? ST_FRACTION : e ? ST_E : ST_START;
    case ST_E:
        return c == '+' || c == '-' ? ST_E_SIGN : digit ? ST_E_DIGITS : ST_RECOVERY;
    case ST_E_SIGN:
        return digit ? ST_E_DIGITS : ST_RECOVERY;
    case ST_E_DIGITS:
        return digit ? ST_E_DIGITS : ST_START;
    default:
        return ST_RECOVERY;
    }
}

static void lex_scalar(JsonLexer *lx, char c)
{
    int next = scalar_next(lx->state, c);

    if (next == ST_START) {
        lexer_emit(lx, finished_type(lx->state));
        lex_start(lx, c);
    } else if (next == ST_RECOVERY) {
        lexer_stray(lx, c);
    } else {
        text_add_c(&lx->text, c);
        lx->state = next;
    }
}

static void lex_char(JsonLexer *lx, char c)
{
    switch (lx->state) {
    case ST_RECOVERY:
        if ((uint8_t)c >= 0x20 && (uint8_t)c <= 0xfd && !strchr(structural, c)) {
            return;
        }
        lx->state = ST_START;
        /* fall through */
    case ST_START:
        lex_start(lx, c);
        break;
    case ST_DQ: case ST_DQ_ESC: case ST_SQ: case ST_SQ_ESC:
        lex_string(lx, c);
        break;
    default:
        lex_scalar(lx, c);
        break;
    }
    if (lx->text.len > TOKEN_MAX || lx->text.failed) {
        lexer_emit(lx, JSON_ERROR);
    }
}

void json_lexer_feed(JsonLexer *lx, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        lex_char(lx, buf[i]);
    }
}

void json_lexer_flush(JsonLexer *lx)
{
    if (lx->state == ST_KEYWORD || is_number_state(lx->state)) {
        lexer_emit(lx, finished_type(lx->state));
    } else if (lx->state != ST_START && lx->state != ST_RECOVERY) {
        lexer_emit(lx, JSON_ERROR);
    }
    lx->state = ST_START;
    lx->emit(lx->opaque, JSON_END_OF_INPUT, &lx->text);
}
