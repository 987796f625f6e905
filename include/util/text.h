/*
 * Text whose length a peer, a guest or a file decides: it grows until memory lacks, and then says so.
 *
 * Failure is kept: what is added after it is dropped, so that a writer of many pieces looks once, at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_TEXT_H
#define UTIL_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <glib.h>

typedef struct Text {
    char *s;                    /* NULL: nothing was added yet; else ends with a NUL */
    size_t len, room;
    bool failed;
} Text;

bool text_reserve(Text *t, size_t more);            /* room for so many bytes and a NUL; false: t has failed */
void text_add(Text *t, const char *bytes, size_t n);
void text_add_str(Text *t, const char *s);
void text_addf(Text *t, const char *fmt, ...) G_GNUC_PRINTF(2, 3);      /* short ones: numbers, escapes */
static inline void text_add_c(Text *t, char c)
{
    if (t->len + 1 < t->room && !t->failed) {
        t->s[t->len++] = c;
        t->s[t->len] = 0;
    } else {
        text_add(t, &c, 1);
    }
}
/* Empty, and as good as new; small memory is kept. */
void text_clear(Text *t);
void text_free(Text *t);                             /* what t holds, not t itself */
/* The text, to be freed by g_free; NULL when it has failed.  t is empty then. */
char *text_take(Text *t);

/* As g_strdup, g_strndup; NULL when memory lacks (or for NULL). */
char *text_try_dup(const char *s);
char *text_try_ndup(const char *s, size_t n);
/* As g_base64_encode and _decode; NULL when memory lacks. */
char *text_base64(const void *bytes, size_t n);
uint8_t *text_unbase64(const char *s, size_t n, size_t *len);     /* with a NUL behind it */
/* For messages: when there is no memory for the whole text, its beginning. */
char *text_format(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
char *text_vformat(const char *fmt, va_list ap) G_GNUC_PRINTF(1, 0);

#endif
