/*
 * Output in pieces.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "output.h"

#define PIECE_MAX (16 * 1024)
#define PIECE_MIN 1024

struct OutputPiece {
    OutputPiece *next;
    size_t len, room;
    char bytes[];
};

static OutputPiece *piece_new(size_t n)
{
    size_t room = MIN(MAX(n, (size_t)PIECE_MIN), PIECE_MAX - sizeof(OutputPiece));
    OutputPiece *p = g_malloc(sizeof(*p) + room);

    p->next = NULL;
    p->len = 0;
    p->room = room;
    return p;
}

void output_add(MonitorOutput *o, const char *bytes, size_t n)
{
    while (n) {
        size_t some;

        if (!o->last || o->last->len == o->last->room) {
            OutputPiece *p = piece_new(n);

            *(o->last ? &o->last->next : &o->first) = p;
            o->last = p;
        }
        some = MIN(n, o->last->room - o->last->len);
        memcpy(o->last->bytes + o->last->len, bytes, some);
        o->last->len += some;
        o->len += some;
        bytes += some;
        n -= some;
    }
}

void output_add_text(MonitorOutput *o, const char *text)
{
    while (*text) {
        const char *end = strchrnul(text, '\n');

        output_add(o, text, end - text);
        if (*end) {
            output_add(o, "\r\n", 2);
            end++;
        }
        text = end;
    }
}

const char *output_front(const MonitorOutput *o, size_t *n)
{
    *n = o->first ? o->first->len - o->sent : 0;
    return o->first ? o->first->bytes + o->sent : NULL;
}

void output_sent(MonitorOutput *o, size_t n)
{
    o->sent += n;
    o->len -= n;
    if (o->first && o->sent == o->first->len) {
        OutputPiece *p = o->first;

        o->first = p->next;
        o->last = p->next ? o->last : NULL;
        o->sent = 0;
        g_free(p);
    }
}

void output_clear(MonitorOutput *o)
{
    size_t n;

    while (output_front(o, &n), n) {
        output_sent(o, n);
    }
}

char *output_join(const MonitorOutput *o)
{
    char *text = g_try_malloc(o->len + 1), *at = text;
    size_t skip = o->sent;

    for (const OutputPiece *p = o->first; text && p; p = p->next) {
        at = mempcpy(at, p->bytes + skip, p->len - skip);
        skip = 0;
    }
    if (text) {
        *at = 0;
    }
    return text;
}
