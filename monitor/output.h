/*
 * What a monitor's device did not take yet: a queue of pieces, so that no amount of it needs a large block of memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_OUTPUT_H
#define MONITOR_OUTPUT_H

#include <stddef.h>

typedef struct OutputPiece OutputPiece;

typedef struct MonitorOutput {
    OutputPiece *first, *last;
    size_t sent;                /* of the first */
    size_t len;                 /* not sent */
} MonitorOutput;

void output_add(MonitorOutput *o, const char *bytes, size_t n);
/* The same with CR before each LF. */
void output_add_text(MonitorOutput *o, const char *text);
/* What is next to be sent; *n bytes, 0 at the end. */
const char *output_front(const MonitorOutput *o, size_t *n);
/* n bytes of the front are sent. */
void output_sent(MonitorOutput *o, size_t n);
void output_clear(MonitorOutput *o);
/* All in one string; g_free it.  NULL: no memory. */
char *output_join(const MonitorOutput *o);

#endif
