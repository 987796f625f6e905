/*
 * Line editing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <glib.h>
#include "monitor/readline.h"

#define SCREEN_WIDTH 80

typedef enum EscapeState { NO_ESCAPE, SEEN_ESC, SEEN_CSI, SEEN_SS3 } EscapeState;

struct Readline {
    const ReadlineOps *ops;
    void *opaque;
    char line[READLINE_LINE_MAX + 1];
    int len, cursor;
    char shown[READLINE_LINE_MAX + 1];     /* on the screen */
    int shown_len, shown_cursor;
    char *history[READLINE_HISTORY_MAX];
    int browsing;                          /* entry shown, -1 none */
    GPtrArray *completions;
    int completion_index;
    EscapeState escape;
    int escape_number;
    char *prompt;
    bool secret;
    ReadlineDone *done;
    void *done_opaque;
};

static void put(Readline *rl, const char *text) { rl->ops->puts(rl->opaque, text); }

Readline *readline_new(const ReadlineOps *ops, void *opaque)
{
    Readline *rl = g_new0(Readline, 1);

    rl->ops = ops;
    rl->opaque = opaque;
    rl->browsing = -1;
    rl->completions = g_ptr_array_new_with_free_func(g_free);
    return rl;
}

void readline_free(Readline *rl)
{
    if (rl) {
        for (int i = 0; i < READLINE_HISTORY_MAX; i++) {
            g_free(rl->history[i]);
        }
        g_ptr_array_free(rl->completions, TRUE);
        g_free(rl->prompt);
        g_free(rl);
    }
}

/* --- the screen ---------------------------------------------------------------------- */

void readline_show_prompt(Readline *rl)
{
    put(rl, rl->prompt ? rl->prompt : "");
    rl->ops->flush(rl->opaque);
    rl->shown_cursor = rl->shown_len = 0;
    rl->escape = NO_ESCAPE;
}

static void draw_line(Readline *rl)
{
    for (int i = 0; i < rl->shown_cursor; i++) {
        put(rl, "\033[D");
    }
    rl->line[rl->len] = 0;
    if (rl->secret) {
        g_autofree char *stars = g_strnfill(rl->len, '*');

        put(rl, stars);
    } else {
        put(rl, rl->line);
    }
    put(rl, "\033[K");
    memcpy(rl->shown, rl->line, rl->len);
    rl->shown_len = rl->shown_cursor = rl->len;
}

static void update_screen(Readline *rl)
{
    if (rl->len != rl->shown_len || memcmp(rl->line, rl->shown, rl->len)) {
        draw_line(rl);
    }
    for (; rl->shown_cursor < rl->cursor; rl->shown_cursor++) {
        put(rl, "\033[C");
    }
    for (; rl->shown_cursor > rl->cursor; rl->shown_cursor--) {
        put(rl, "\033[D");
    }
    rl->ops->flush(rl->opaque);
}

static void clear_screen(Readline *rl)
{
    put(rl, "\033[2J\033[1;1H");
    readline_show_prompt(rl);
}

/* --- editing --------------------------------------------------------------------------- */

static void insert_char(Readline *rl, char c)
{
    if (rl->len < READLINE_LINE_MAX) {
        memmove(rl->line + rl->cursor + 1, rl->line + rl->cursor, rl->len - rl->cursor);
        rl->line[rl->cursor++] = c;
        rl->len++;
    }
}

static void delete_at_cursor(Readline *rl)
{
    if (rl->cursor < rl->len) {
        memmove(rl->line + rl->cursor, rl->line + rl->cursor + 1, rl->len - rl->cursor - 1);
        rl->len--;
    }
}

static void backspace(Readline *rl)
{
    if (rl->cursor > 0) {
        rl->cursor--;
        delete_at_cursor(rl);
    }
}

static void delete_word_back(Readline *rl)
{
    int from = rl->cursor;

    while (from > 0 && g_ascii_isspace(rl->line[from - 1])) {
        from--;
    }
    while (from > 0 && !g_ascii_isspace(rl->line[from - 1])) {
        from--;
    }
    memmove(rl->line + from, rl->line + rl->cursor, rl->len - rl->cursor);
    rl->len -= rl->cursor - from;
    rl->cursor = from;
}

/* --- history ------------------------------------------------------------------------------ */

static int history_count(const Readline *rl)
{
    int n = 0;

    while (n < READLINE_HISTORY_MAX && rl->history[n]) {
        n++;
    }
    return n;
}

static void history_forget(Readline *rl, int index)
{
    g_free(rl->history[index]);
    memmove(rl->history + index, rl->history + index + 1, (READLINE_HISTORY_MAX - index - 1) * sizeof(char *));
    rl->history[READLINE_HISTORY_MAX - 1] = NULL;
}

/* The newest is last; a line that is there already moves to the end. */
static void history_add(Readline *rl, const char *line)
{
    int n = history_count(rl);

    if (!*line) {
        return;
    }
    for (int i = 0; i < n; i++) {
        if (!strcmp(rl->history[i], line)) {
            history_forget(rl, i);
            n--;
            break;
        }
    }
    if (n == READLINE_HISTORY_MAX) {
        history_forget(rl, 0);
        n--;
    }
    rl->history[n] = g_strdup(line);
    rl->browsing = -1;
}

static void take_from_history(Readline *rl, int index)
{
    g_strlcpy(rl->line, rl->history[index], sizeof(rl->line));
    rl->cursor = rl->len = strlen(rl->line);
    rl->browsing = index;
}

static void history_up(Readline *rl)
{
    int index = rl->browsing == -1 ? history_count(rl) : rl->browsing;

    if (index > 0) {
        take_from_history(rl, index - 1);
    }
}

static void history_down(Readline *rl)
{
    if (rl->browsing == -1) {
        return;
    }
    if (rl->browsing + 1 < history_count(rl)) {
        take_from_history(rl, rl->browsing + 1);
    } else {
        rl->cursor = rl->len = 0;
        rl->browsing = -1;
    }
}

const char *readline_history(const Readline *rl, int index)
{
    return index >= 0 && index < READLINE_HISTORY_MAX ? rl->history[index] : NULL;
}

/* --- completion ------------------------------------------------------------------------------ */

void readline_set_completion_index(Readline *rl, int index) { rl->completion_index = index; }

void readline_add_completion(Readline *rl, const char *text)
{
    for (guint i = 0; i < rl->completions->len; i++) {
        if (!strcmp(rl->completions->pdata[i], text)) {
            return;
        }
    }
    g_ptr_array_add(rl->completions, g_strdup(text));
}

void readline_add_completion_of(Readline *rl, const char *prefix, const char *text)
{
    if (g_str_has_prefix(text, prefix)) {
        readline_add_completion(rl, text);
    }
}

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void insert_from(Readline *rl, const char *text, int from, int to)
{
    for (int i = from; i < to; i++) {
        insert_char(rl, text[i]);
    }
}

static void complete_single(Readline *rl)
{
    const char *text = rl->completions->pdata[0];
    int len = strlen(text);

    insert_from(rl, text, rl->completion_index, len);
    if (len > 0 && text[len - 1] != '/') {
        insert_char(rl, ' ');
    }
}

/* Bytes that all completions begin with; *width: the longest. */
static int common_prefix(Readline *rl, int *width)
{
    const char *first = rl->completions->pdata[0];
    int common = strlen(first);

    *width = 0;
    for (guint i = 0; i < rl->completions->len; i++) {
        const char *text = rl->completions->pdata[i];
        int n = 0;

        while (n < common && text[n] == first[n]) {
            n++;
        }
        common = n;
        *width = MAX(*width, (int)strlen(text));
    }
    return common;
}

static void print_columns(Readline *rl, int width)
{
    int per_line;

    width = CLAMP(width + 2, 10, SCREEN_WIDTH);
    per_line = SCREEN_WIDTH / width;
    for (guint i = 0; i < rl->completions->len; i++) {
        g_autofree char *cell = g_strdup_printf("%-*s", width, (char *)rl->completions->pdata[i]);

        put(rl, cell);
        if ((int)(i % per_line) == per_line - 1 || i == rl->completions->len - 1) {
            put(rl, "\n");
        }
    }
}

static void complete(Readline *rl)
{
    g_autofree char *before = g_strndup(rl->line, rl->cursor);
    int width, common;

    rl->completion_index = 0;
    g_ptr_array_set_size(rl->completions, 0);
    rl->ops->complete(rl->opaque, before);
    if (rl->completions->len == 1) {
        complete_single(rl);
    } else if (rl->completions->len > 1) {
        put(rl, "\n");
        g_ptr_array_sort(rl->completions, compare_texts);
        common = common_prefix(rl, &width);
        insert_from(rl, rl->completions->pdata[0], rl->completion_index, common);
        print_columns(rl, width);
        readline_show_prompt(rl);
    }
}

/* --- keys -------------------------------------------------------------------------------------- */

void readline_restart(Readline *rl)
{
    rl->cursor = rl->len = 0;
}

void readline_start(Readline *rl, const char *prompt, bool secret, ReadlineDone *done, void *opaque)
{
    g_free(rl->prompt);
    rl->prompt = g_strdup(prompt);
    rl->secret = secret;
    rl->done = done;
    rl->done_opaque = opaque;
    readline_restart(rl);
}

static void accept_line(Readline *rl)
{
    g_autofree char *line = g_strndup(rl->line, rl->len);

    if (!rl->secret) {
        history_add(rl, line);
    }
    put(rl, "\n");
    rl->cursor = rl->len = rl->shown_cursor = rl->shown_len = 0;
    rl->done(rl->done_opaque, line);
}

static void on_plain_byte(Readline *rl, int c)
{
    switch (c) {
    case 1:
        rl->cursor = 0;
        break;
    case 4:
        delete_at_cursor(rl);
        break;
    case 5:
        rl->cursor = rl->len;
        break;
    case 9:
        complete(rl);
        break;
    case 12:
        clear_screen(rl);
        break;
    case 10:
    case 13:
        accept_line(rl);
        break;
    case 23:
        delete_word_back(rl);
        break;
    case 27:
        rl->escape = SEEN_ESC;
        break;
    case 8:
    case 127:
        backspace(rl);
        break;
    default:
        if (c >= 32) {
            insert_char(rl, c);
        }
    }
}

static void on_numbered_key(Readline *rl)
{
    if (rl->escape_number == 1) {
        rl->cursor = 0;
    } else if (rl->escape_number == 3) {
        delete_at_cursor(rl);
    } else if (rl->escape_number == 4) {
        rl->cursor = rl->len;
    }
}

static void on_csi_byte(Readline *rl, int c)
{
    if (g_ascii_isdigit(c)) {
        rl->escape_number = (rl->escape_number * 10 + (c - '0')) % 1000;
        return;
    }
    rl->escape = NO_ESCAPE;
    switch (c) {
    case 'A':
    case 'F':
        history_up(rl);
        break;
    case 'B':
    case 'E':
        history_down(rl);
        break;
    case 'D':
        rl->cursor -= rl->cursor > 0;
        break;
    case 'C':
        rl->cursor += rl->cursor < rl->len;
        break;
    case '~':
        on_numbered_key(rl);
        break;
    }
}

void readline_feed(Readline *rl, int c)
{
    switch (rl->escape) {
    case NO_ESCAPE:
        on_plain_byte(rl, c);
        break;
    case SEEN_ESC:
        rl->escape = c == '[' ? SEEN_CSI : c == 'O' ? SEEN_SS3 : NO_ESCAPE;
        rl->escape_number = 0;
        break;
    case SEEN_CSI:
        on_csi_byte(rl, c);
        break;
    case SEEN_SS3:
        rl->escape = NO_ESCAPE;
        if (c == 'F') {
            rl->cursor = rl->len;
        } else if (c == 'H') {
            rl->cursor = 0;
        }
        break;
    }
    update_screen(rl);
}
