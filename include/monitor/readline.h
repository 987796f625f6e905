/*
 * Line editing over any byte stream: cursor keys, history, completion.
 *
 * Bytes go in by readline_feed; what the terminal is to show comes out through puts (with plain '\n').
 * The screen is assumed to be a VT100; each change redraws from the first column of the line, and
 * programs that drive a monitor over a socket see exactly the peer's sequences.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_READLINE_H
#define MONITOR_READLINE_H

#include <stdbool.h>

#define READLINE_HISTORY_MAX 64
#define READLINE_LINE_MAX 4095

typedef struct Readline Readline;
typedef void ReadlineDone(void *opaque, const char *line);

typedef struct ReadlineOps {
    void (*puts)(void *opaque, const char *text);
    void (*flush)(void *opaque);
    /* Called for Tab with the line up to the cursor: add completions. */
    void (*complete)(void *opaque, const char *line);
} ReadlineOps;

Readline *readline_new(const ReadlineOps *ops, void *opaque);
void readline_free(Readline *rl);
/* Ask for a line; done is called with it (the buffer is free for the next one meanwhile). */
void readline_start(Readline *rl, const char *prompt, bool secret, ReadlineDone *done, void *opaque);
/* Forget what was typed. */
void readline_restart(Readline *rl);
void readline_show_prompt(Readline *rl);
void readline_feed(Readline *rl, int byte);
/* What of each completion is on the line already, in bytes. */
void readline_set_completion_index(Readline *rl, int index);
void readline_add_completion(Readline *rl, const char *text);
/* Add text if it begins with prefix. */
void readline_add_completion_of(Readline *rl, const char *prefix, const char *text);
/* NULL behind the last (oldest is 0). */
const char *readline_history(const Readline *rl, int index);

#endif
