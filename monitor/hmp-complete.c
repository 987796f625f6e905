/*
 * Tab: completing command names, files, block devices, and what commands ask for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include "chardev/char.h"
#include "hmp-int.h"
#include "util/trace.h"

static void complete_names(Readline *rl, const HmpCommand *table, const char *prefix)
{
    readline_set_completion_index(rl, strlen(prefix));
    for (const HmpCommand *cmd = table; cmd->name; cmd++) {
        g_auto(GStrv) names = hmp_available(cmd) ? g_strsplit(cmd->name, "|", -1) : NULL;

        for (char **name = names; name && *name; name++) {
            readline_add_completion_of(rl, prefix, *name);
        }
    }
}

static void complete_file(Readline *rl, const char *input)
{
    const char *slash = strrchr(input, '/');
    g_autofree char *dir = slash ? g_strndup(input, slash - input + 1) : g_strdup("");
    const char *base = slash ? slash + 1 : input;
    DIR *d = opendir(*dir ? dir : ".");
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        g_autofree char *path = NULL;
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !g_str_has_prefix(e->d_name, base)) {
            continue;
        }
        path = g_strdup_printf("%s%s", dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            g_autofree char *with_slash = g_strdup_printf("%s/", path);

            readline_add_completion(rl, with_slash);
        } else {
            readline_add_completion(rl, path);
        }
    }
    if (d) {
        closedir(d);
    }
}

/* The letter of the argument that a word in place `index` (flags are words too) belongs to; 0 none. */
static char type_of_argument(const char *types, int index, const char *word)
{
    while (*types) {
        const char *type = strchr(types, ':') + 1;

        if (*type == '-' && *word == '-') {
            index--;
        } else if (*type != '-' && index-- <= 0) {
            return *type;
        }
        types = type + strcspn(type, ",");
        types += *types == ',';
    }
    return 0;
}

static void complete_argument(Readline *rl, const HmpCommand *cmd, int n, char **args)
{
    const char *word = args[n - 1];
    int flags = 0;

    for (int i = 1; i < n - 1; i++) {
        flags += args[i][0] == '-';
    }
    readline_set_completion_index(rl, strlen(word));
    if (cmd->complete) {
        cmd->complete(rl, n, args);
        return;
    }
    switch (type_of_argument(cmd->args, n - 2 - flags, "")) {
    case 'F':
        complete_file(rl, word);
        break;
    case 'B':
        if (hmp_foreach_block_device) {
            hmp_foreach_block_device(rl, word);
        }
        break;
    case 's':
    case 'S':
        if (hmp_name_matches(cmd, "help", 4)) {
            complete_names(rl, hmp_commands, word);
        }
        break;
    }
}

static void complete_words(Readline *rl, const HmpCommand *table, int n, char **args)
{
    const HmpCommand *cmd;

    if (n == 0) {
        complete_names(rl, table, "");
        return;
    }
    if (n == 1) {
        complete_names(rl, table, args[0]);
        return;
    }
    cmd = hmp_find(table, args[0], strlen(args[0]));
    if (!cmd) {
        return;
    }
    if (cmd->sub) {
        complete_words(rl, cmd->sub, n - 1, args + 1);
    } else if (hmp_name_matches(cmd, "help", 4)) {
        complete_words(rl, hmp_commands, n - 1, args + 1);
    } else {
        complete_argument(rl, cmd, n, args);
    }
}

void hmp_complete_line(Readline *rl, const char *line)
{
    char *args[HMP_WORDS_MAX + 1];
    size_t len = strlen(line);
    int n = hmp_split(line, args, HMP_WORDS_MAX);

    if (n < 0) {
        return;
    }
    if (len && g_ascii_isspace(line[len - 1])) {
        args[n++] = g_strdup("");
    }
    complete_words(rl, hmp_commands, n, args);
    while (n > 0) {
        g_free(args[--n]);
    }
}

/* --- completers that need no other room ---------------------------------------------------- */

typedef struct Wanted { Readline *rl; const char *prefix; const char *kind; } Wanted;

static bool add_chardev(Chardev *chr, void *opaque)
{
    Wanted *w = opaque;

    if (!w->kind || !strcmp(chr_kind(chr), w->kind)) {
        readline_add_completion_of(w->rl, w->prefix, chr_label(chr));
    }
    return true;
}

void hmp_complete_chardev(Readline *rl, int n, char **args)
{
    Wanted w = { rl, args[n - 1], NULL };

    if (n == 2) {
        chr_foreach(add_chardev, &w);
    }
}

void hmp_complete_ringbuf(Readline *rl, int n, char **args)
{
    Wanted w = { rl, args[n - 1], "ringbuf" };

    if (n == 2) {
        chr_foreach(add_chardev, &w);
    }
}

void hmp_complete_chardev_kind(Readline *rl, int n, char **args)
{
    for (const char *const *kind = chr_kinds(); n == 2 && *kind; kind++) {
        readline_add_completion_of(rl, args[1], *kind);
    }
}

void hmp_complete_on_off_second(Readline *rl, int n, char **args)
{
    if (n == 3) {
        readline_add_completion_of(rl, args[2], "on");
        readline_add_completion_of(rl, args[2], "off");
    }
}

void hmp_complete_watchdog(Readline *rl, int n, char **args)
{
    static const char *const actions[] = { "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi" };

    for (size_t i = 0; n == 2 && i < G_N_ELEMENTS(actions); i++) {
        readline_add_completion_of(rl, args[1], actions[i]);
    }
}
