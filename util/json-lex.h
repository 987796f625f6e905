/*
 * Bytes to JSON tokens, a piece of input at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_JSON_LEX_H
#define UTIL_JSON_LEX_H

#include <stdbool.h>
#include "util/text.h"

typedef enum JsonTokenType {
    JSON_LCURLY, JSON_RCURLY, JSON_LSQUARE, JSON_RSQUARE, JSON_COLON, JSON_COMMA,
    JSON_INTEGER, JSON_FLOAT, JSON_KEYWORD, JSON_STRING,
    JSON_ERROR,             /* text is what could not start or continue a token */
    JSON_NO_MEMORY,         /* for a token; text is of no use */
    JSON_END_OF_INPUT,
} JsonTokenType;

typedef struct JsonLexer {
    int state;
    Text text;              /* the token so far */
    void (*emit)(void *opaque, JsonTokenType type, Text *text);
    void *opaque;
} JsonLexer;

/* emit may take text's content. */
void json_lexer_init(JsonLexer *lx, void (*emit)(void *opaque, JsonTokenType type, Text *text), void *opaque);
void json_lexer_destroy(JsonLexer *lx);
void json_lexer_feed(JsonLexer *lx, const char *buf, size_t len);
/* No more input: ends the current token, then emits JSON_END_OF_INPUT. */
void json_lexer_flush(JsonLexer *lx);

#endif
