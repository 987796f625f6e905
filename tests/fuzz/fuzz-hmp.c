/*
 * Fuzzing entry: what a person may type.  The first byte chooses: keys to the line editor, or lines whose arguments are
 * read as those of the command they name (no command runs).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../monitor/hmp-int.h"
#include "../../monitor/monitor-int.h"
#include "fuzz.h"

static Readline *editor;

static void show(void *opaque, const char *text) { }
static void flush_nothing(void *opaque) { }
static void complete(void *opaque, const char *line) { hmp_complete_line(editor, line); }
static void typed(void *opaque, const char *line) { readline_start(editor, "(qemu) ", false, typed, NULL); }

static void type_keys(const uint8_t *data, size_t size)
{
    static const ReadlineOps ops = { .puts = show, .flush = flush_nothing, .complete = complete };

    editor = readline_new(&ops, NULL);
    readline_start(editor, "(qemu) ", false, typed, NULL);
    for (size_t i = 0; i < size; i++) {
        readline_feed(editor, data[i]);
    }
    readline_free(editor);
}

static const HmpCommand *find(const HmpCommand *table, const char **at)
{
    size_t len = strcspn(*at, " \t/");

    for (const HmpCommand *c = table; c->name; c++) {
        if (hmp_name_matches(c, *at, len)) {
            *at += len;
            *at += strspn(*at, " \t");
            return c->sub && **at ? find(c->sub, at) : c;
        }
    }
    return NULL;
}

static void read_line(Monitor *mon, const char *line)
{
    const char *at = line;
    const HmpCommand *command = find(hmp_commands, &at);
    char *words[HMP_WORDS_MAX];
    int n = hmp_split(line, words, HMP_WORDS_MAX);
    int64_t value;

    for (int i = 0; i < n; i++) {
        g_free(words[i]);
    }
    if (command && command->args) {
        g_autoptr(QObject) args = hmp_parse_args(mon, command, at);
    }
    at = line;
    hmp_get_expression(mon, &at, &value);
}

static void start_once(void)
{
    static bool started;

    if (!started) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        error_init("fuzz-hmp");
        if (!getenv("FUZZ_VERBOSE")) {
            dup2(null, STDERR_FILENO);
        }
        aio_init_main();
        started = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Monitor mon = { .qmp = false };
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    start_once();
    if (size && data[0] == 'K') {
        type_keys(data + 1, size - 1);
        return 0;
    }
    monitor_setup(&mon, NULL, aio_main_context(), false, &error_abort);
    text = g_strndup((const char *)data, size);
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        read_line(&mon, *line);
    }
    monitor_teardown(&mon);
    return 0;
}
