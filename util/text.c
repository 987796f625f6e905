/*
 * Text that grows by tries.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "util/text.h"

#define LEAST_ROOM 64
#define KEPT_ROOM (16 * 1024)          /* an emptied text keeps so much at most */
#define BEGINNING 1024                 /* of a message for which there is no memory */

bool text_reserve(Text *t, size_t more)
{
    size_t room;
    char *s;

    if (t->failed || (t->s && more < t->room - t->len)) {
        return !t->failed;
    }
    t->failed = more > SIZE_MAX / 4 - t->len;
    room = t->failed ? 0 : MAX(t->len + more + 1, MAX(2 * t->room, (size_t)LEAST_ROOM));
    s = t->failed ? NULL : g_try_realloc(t->s, room);
    if (!s) {
        t->failed = true;
        return false;
    }
    s[t->len] = 0;
    t->s = s;
    t->room = room;
    return true;
}

void text_add(Text *t, const char *bytes, size_t n)
{
    if (text_reserve(t, n)) {
        memcpy(t->s + t->len, bytes, n);
        t->len += n;
        t->s[t->len] = 0;
    }
}

void text_add_str(Text *t, const char *s) { text_add(t, s, strlen(s)); }

void text_addf(Text *t, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n >= 0 && text_reserve(t, n)) {
        vsnprintf(t->s + t->len, n + 1, fmt, ap);
        t->len += n;
    }
    va_end(ap);
}

void text_clear(Text *t)
{
    if (t->room > KEPT_ROOM) {
        text_free(t);
    }
    t->len = 0;
    t->failed = false;
    if (t->s) {
        t->s[0] = 0;
    }
}

void text_free(Text *t)
{
    g_free(t->s);
    *t = (Text){ 0 };
}

char *text_take(Text *t)
{
    bool ok = text_reserve(t, 0);
    char *s = ok ? g_steal_pointer(&t->s) : NULL, *fitting = NULL;

    if (ok && t->room > KEPT_ROOM) {
        fitting = g_try_realloc(s, t->len + 1);
    }
    text_free(t);
    return fitting ? fitting : s;
}

char *text_try_ndup(const char *s, size_t n)
{
    char *copy = s ? g_try_malloc(n + 1) : NULL;

    if (copy) {
        memcpy(copy, s, n);
        copy[n] = 0;
    }
    return copy;
}

char *text_try_dup(const char *s) { return s ? text_try_ndup(s, strlen(s)) : NULL; }

char *text_base64(const void *bytes, size_t n)
{
    char *out = n <= SIZE_MAX / 4 ? g_try_malloc((n / 3 + 1) * 4 + 4) : NULL;
    int state = 0, save = 0;
    size_t len;

    if (out) {
        len = g_base64_encode_step(bytes, n, FALSE, out, &state, &save);
        len += g_base64_encode_close(FALSE, out + len, &state, &save);
        out[len] = 0;
    }
    return out;
}

uint8_t *text_unbase64(const char *s, size_t n, size_t *len)
{
    uint8_t *out = g_try_malloc(n / 4 * 3 + 4);
    guint save = 0;
    int state = 0;

    if (out) {
        *len = g_base64_decode_step(s, n, out, &state, &save);
        out[*len] = 0;
    }
    return out;
}

char *text_vformat(const char *fmt, va_list ap)
{
    va_list again;
    char *text;

    va_copy(again, ap);
    if (vasprintf(&text, fmt, again) < 0) {
        text = g_malloc(BEGINNING);
        vsnprintf(text, BEGINNING, fmt, ap);
    }
    va_end(again);
    return text;
}

char *text_format(const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = text_vformat(fmt, ap);
    va_end(ap);
    return text;
}
