/*
 * The prompt of qemu-io on a terminal: line editing, history, completion of command names.
 *
 * The terminal gives single bytes without echo while the program runs; its mode is put back on exit, and by the
 * handler of signals that end the program.  While a line is typed the event loop goes on, so what asynchronous
 * commands have to say is seen at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "img/interrupt.h"
#include "iocmd/prompt.h"
#include "monitor/readline.h"
#include "util/aio.h"

static Readline *editor;
static struct termios saved_mode;
static char *entered;           /* a whole line; NULL: not yet */
static bool ended;              /* Ctrl-D, or the terminal is gone */

static void restore_terminal(void)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode);
}

static void on_quit(int sig)
{
    restore_terminal();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void put_text(void *opaque, const char *text)
{
    fputs(text, stdout);
}

static void flush_text(void *opaque)
{
    fflush(stdout);
}

/* Command names; behind one there is nothing that we know. */
static void complete_command(void *opaque, const char *line)
{
    const char *name, *blank = strchr(line, ' ');
    bool help = blank && (g_str_has_prefix(line, "help ") || g_str_has_prefix(line, "? "));
    const char *word = help ? blank + 1 : line;

    if (blank && !help) {
        return;
    }
    readline_set_completion_index(editor, strlen(word));
    for (int i = 0; (name = iocmd_name_at(i)); i++) {
        readline_add_completion_of(editor, word, name);
    }
}

static void take_line(void *opaque, const char *line)
{
    g_free(entered);
    entered = g_strdup(line);
}

static void read_keys(void *opaque)
{
    unsigned char c;
    ssize_t n = read(STDIN_FILENO, &c, 1);

    if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN) || (n == 1 && c == 4)) {
        ended = true;
    } else if (n == 1) {
        readline_feed(editor, c);
    }
}

bool iocmd_prompt_init(void)
{
    static const ReadlineOps ops = { put_text, flush_text, complete_command };
    struct termios mode;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved_mode) < 0) {
        return false;
    }
    mode = saved_mode;
    mode.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    atexit(restore_terminal);
    interrupt_set_hook(restore_terminal);
    signal(SIGQUIT, on_quit);
    tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    editor = readline_new(&ops, NULL);
    return true;
}

char *iocmd_prompt_line(const char *prompt)
{
    AioContext *ctx = aio_main_context();

    readline_start(editor, prompt, false, take_line, NULL);
    readline_show_prompt(editor);
    aio_set_fd_handler(ctx, STDIN_FILENO, read_keys, NULL, NULL);
    while (!entered && !ended) {
        aio_poll(ctx, true);
    }
    aio_set_fd_handler(ctx, STDIN_FILENO, NULL, NULL, NULL);
    if (!entered) {
        printf("\n");
    }
    return g_steal_pointer(&entered);
}

void iocmd_prompt_end(void)
{
    readline_free(editor);
    editor = NULL;
}
