/*
 * Finding and running commands; help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "internal.h"

static int help_run(BlockBackend *blk, int argc, char **argv);

static const IoCmd help_cmd[] = {
    { .name = "help", .alt_name = "?", .run = help_run, .min_args = 0, .max_args = 1, .no_file_ok = true,
      .args = "[command]", .oneline = "help for one or all commands" },
    { NULL }
};

/* All commands, sorted by name. */
static GPtrArray *commands;

static int compare_commands(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const IoCmd *const *)a)->name, (*(const IoCmd *const *)b)->name);
}

static void add_table(const IoCmd *cmds)
{
    for (; cmds->name; cmds++) {
        g_ptr_array_add(commands, (gpointer)cmds);
    }
}

static void ensure_commands(void)
{
    if (commands) {
        return;
    }
    commands = g_ptr_array_new();
    add_table(help_cmd);
    add_table(iocmd_rw);
    add_table(iocmd_aio);
    add_table(iocmd_meta);
    add_table(iocmd_reopen);
    add_table(iocmd_debug);
    g_ptr_array_sort(commands, compare_commands);
}

void iocmd_register(const IoCmd *cmds)
{
    ensure_commands();
    add_table(cmds);
    g_ptr_array_sort(commands, compare_commands);
}

const char *iocmd_name_at(int i)
{
    ensure_commands();
    return (guint)i < commands->len ? ((const IoCmd *)g_ptr_array_index(commands, i))->name : NULL;
}

static const IoCmd *find_command(const char *name)
{
    for (guint i = 0; i < commands->len; i++) {
        const IoCmd *cmd = g_ptr_array_index(commands, i);

        if (strcmp(cmd->name, name) == 0 || (cmd->alt_name && strcmp(cmd->alt_name, name) == 0)) {
            return cmd;
        }
    }
    return NULL;
}

/* name is what the user calls it. */
static void print_oneline(const IoCmd *cmd, const char *name)
{
    printf("%s ", name);
    if (cmd->args) {
        printf("%s ", cmd->args);
    }
    printf("-- %s\n", cmd->oneline);
}

int iocmd_usage(const char *name)
{
    const IoCmd *cmd = find_command(name);

    if (cmd) {
        print_oneline(cmd, cmd->name);
    }
    return -EINVAL;
}

static int help_run(BlockBackend *blk, int argc, char **argv)
{
    const IoCmd *cmd;

    if (argc == 1) {
        for (guint i = 0; i < commands->len; i++) {
            cmd = g_ptr_array_index(commands, i);
            print_oneline(cmd, cmd->name);
        }
        printf("\nUse 'help commandname' for extended help.\n");
        return 0;
    }
    cmd = find_command(argv[1]);
    if (!cmd) {
        printf("command %s not found\n", argv[1]);
        return -EINVAL;
    }
    print_oneline(cmd, argv[1]);
    if (cmd->help) {
        fputs(cmd->help, stdout);
    }
    return 0;
}

static bool check_arg_count(const IoCmd *cmd, const char *name, int args)
{
    if (args >= cmd->min_args && (cmd->max_args < 0 || args <= cmd->max_args)) {
        return true;
    }
    if (cmd->max_args < 0) {
        fprintf(stderr, "bad argument count %d to %s, expected at least %d arguments\n", args, name, cmd->min_args);
    } else if (cmd->min_args == cmd->max_args) {
        fprintf(stderr, "bad argument count %d to %s, expected %d arguments\n", args, name, cmd->min_args);
    } else {
        fprintf(stderr, "bad argument count %d to %s, expected between %d and %d arguments\n",
                args, name, cmd->min_args, cmd->max_args);
    }
    return false;
}

/* Permissions stay taken: a later reopen decides on dropping them. */
static bool take_permissions(const IoCmd *cmd, BlockBackend *blk)
{
    const BdrvChild *root = blk ? blk_root(blk) : NULL;
    Error *err = NULL;

    if (!cmd->perm || !root || (root->perm & cmd->perm) == cmd->perm) {
        return true;
    }
    if (blk_set_perm(blk, root->perm | cmd->perm, root->shared, &err) < 0) {
        error_report_err(err);
        return false;
    }
    return true;
}

static int run_command(const IoCmd *cmd, BlockBackend *blk, int argc, char **argv)
{
    if (!cmd->no_file_ok && !(blk && blk_is_available(blk))) {
        fprintf(stderr, "no file open, try 'help open'\n");
        return -EINVAL;
    }
    if (!check_arg_count(cmd, argv[0], argc - 1)) {
        return -EINVAL;
    }
    if (!take_permissions(cmd, blk)) {
        return -EINVAL;
    }
    optind = 0;     /* each command reads its options afresh */
    return cmd->run(blk, argc, argv);
}

int iocmd_run(BlockBackend *blk, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    g_autofree char **argv = g_new0(char *, g_strv_length(words) + 1);
    const IoCmd *cmd;
    int argc = 0;

    ensure_commands();
    for (char **w = words; *w; w++) {
        if (**w) {
            argv[argc++] = *w;
        }
    }
    if (!argc) {
        return 0;
    }
    cmd = find_command(argv[0]);
    if (!cmd) {
        fprintf(stderr, "command \"%s\" not found\n", argv[0]);
        return -EINVAL;
    }
    return run_command(cmd, blk, argc, argv);
}
