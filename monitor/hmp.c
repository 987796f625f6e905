/*
 * HMP: finding and running commands, help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"

/* --- the table --------------------------------------------------------------------------- */

/* names: "cont|c" */
bool hmp_name_matches(const HmpCommand *cmd, const char *name, size_t len)
{
    const char *p = cmd->name;

    for (;;) {
        size_t n = strcspn(p, "|");

        if (n == len && !memcmp(p, name, len)) {
            return true;
        }
        if (!p[n]) {
            return false;
        }
        p += n + 1;
    }
}

const HmpCommand *hmp_find(const HmpCommand *table, const char *name, size_t len)
{
    for (const HmpCommand *cmd = table; cmd->name; cmd++) {
        if (hmp_available(cmd) && hmp_name_matches(cmd, name, len)) {
            return cmd;
        }
    }
    return NULL;
}

/* The command that *at begins with, sub-commands followed; *at moves behind the names. */
static const HmpCommand *find_in_line(Monitor *mon, const char *line, const char **at)
{
    const HmpCommand *table = hmp_commands, *cmd;

    for (;;) {
        const char *from;
        size_t len;

        while (g_ascii_isspace(**at)) {
            (*at)++;
        }
        from = *at;
        for (len = 0; from[len] && from[len] != '/' && !g_ascii_isspace(from[len]); len++) {
        }
        if (!*from) {
            return NULL;
        }
        *at = from + len;
        cmd = hmp_find(table, from, len);
        if (!cmd) {
            monitor_printf(mon, "unknown command: '%.*s'\n", (int)(*at - line), line);
            return NULL;
        }
        while (g_ascii_isspace(**at)) {
            (*at)++;
        }
        if (!cmd->sub || !**at) {
            return cmd;
        }
        table = cmd->sub;
    }
}

/* Commands that need no board; `info` needs itself here to find its own. */
static bool needs_board(const HmpCommand *cmd)
{
    static const char *const free_ones[] = {
        "block_job_cancel", "block_job_complete", "block_job_pause", "block_job_resume", "block_job_set_speed",
        "block_resize",
        "block_set_io_throttle", "block_stream", "closefd", "exit_preconfig", "getfd", "help|?", "info",
        "nbd_server_add",
        "nbd_server_remove", "nbd_server_start", "nbd_server_stop", "netdev_add", "netdev_del", "object_add",
        "object_del",
        "qom-get", "qom-list", "qom-set", "quit|q", "chardev", "history", "hotpluggable-cpus", "iothreads", "memdev",
        "name",
        "qom-tree", "status", "uuid", "version", "virtio", "virtio-queue-element", "virtio-queue-status",
        "virtio-status",
        "virtio-vhost-queue-status", NULL,
    };

    return !g_strv_contains(free_ones, cmd->name);
}

void hmp_run_line(Monitor *mon, const char *line)
{
    const char *at = line;
    const HmpCommand *cmd = find_in_line(mon, line, &at);
    g_autoptr(QObject) args = NULL;

    if (!cmd) {
        return;
    }
    if (monitor_hmp_preconfig && needs_board(cmd)) {
        const char *end = at;

        while (end > line && g_ascii_isspace(end[-1])) {
            end--;
        }
        monitor_printf(mon, "Command '%.*s' not available until machine initialization has completed.\n",
                       (int)(end - line), line);
        return;
    }
    args = hmp_parse_args(mon, cmd, at);
    if (!args) {
        const char *end = at;

        while (end > line && g_ascii_isspace(end[-1])) {
            end--;
        }
        monitor_printf(mon, "Try \"help %.*s\" for more information\n", (int)(end - line), line);
        return;
    }
    cmd->body(mon, args);
}

bool hmp_error(Monitor *mon, Error *err)
{
    const char *hint;

    if (!err) {
        return false;
    }
    hint = error_get_hint(err);
    monitor_printf(mon, "Error: %s\n%s", error_get_pretty(err), hint ? hint : "");
    error_free(err);
    return true;
}

/* --- help --------------------------------------------------------------------------------------- */

static void print_one(Monitor *mon, const char *prefix, const HmpCommand *cmd)
{
    monitor_printf(mon, "%s%s %s -- %s\n", prefix, cmd->name, cmd->params, cmd->help);
}

static void print_table(Monitor *mon, const char *prefix, const HmpCommand *table)
{
    for (const HmpCommand *cmd = table; cmd->name; cmd++) {
        if (hmp_available(cmd)) {
            print_one(mon, prefix, cmd);
        }
    }
}

static void print_log_items(Monitor *mon)
{
    if (hmp_print_log_items) {
        hmp_print_log_items(mon);
    }
}

void hmp_print_help(Monitor *mon, const char *name)
{
    char *words[HMP_WORDS_MAX];
    int n = hmp_split(name, words, HMP_WORDS_MAX), i;
    const HmpCommand *table = hmp_commands, *cmd = NULL;
    g_autoptr(GString) prefix = g_string_new(NULL);

    if (n == 1 && !strcmp(words[0], "log")) {
        print_log_items(mon);
    } else {
        for (i = 0; i < n && table; i++) {
            cmd = hmp_find(table, words[i], strlen(words[i]));
            if (!cmd) {
                monitor_printf(mon, "unknown command: '%s%s'\n", prefix->str, words[i]);
                break;
            }
            table = cmd->sub;
            if (table) {
                g_string_append_printf(prefix, "%s ", words[i]);
            }
        }
        if (n == 0 || (cmd && table)) {
            print_table(mon, prefix->str, table);
        } else if (cmd) {
            print_one(mon, prefix->str, cmd);
        }
    }
    for (i = 0; i < n; i++) {
        g_free(words[i]);
    }
}

void hmp_help(Monitor *mon, const QDict *args)
{
    const char *name = qdict_get_str(args, "name");

    hmp_print_help(mon, name ? name : "");
}

void hmp_info(Monitor *mon, const QDict *args) { hmp_print_help(mon, "info"); }
