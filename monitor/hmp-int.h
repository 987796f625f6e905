/*
 * HMP inside: the command table, parsing of lines, completion.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_HMP_INT_H
#define MONITOR_HMP_INT_H

#include "monitor/monitor.h"
#include "monitor/readline.h"
#include "util/qobject.h"

struct IoRegion;
typedef void HmpBody(Monitor *mon, const QDict *args);
/* args[0] is the command; args[n - 1] (maybe empty) is to be completed. */
typedef void HmpCompleter(Readline *rl, int n, char **args);

/*
 * args: "name:TYPE[?]" with commas between.  TYPEs: s string, S rest of the line, F file, B block device,
 * i 32-bit number, l 64-bit number, M MiB, o size (default MiB), b on/off, / format, O key=value list,
 * -c flag, -cs flag with a string.
 */
typedef struct HmpCommand {
    const char *name;              /* "cont|c" */
    const char *args;
    const char *params, *help;     /* shown by `help` */
    HmpBody *body;                 /* NULL: not in this program */
    HmpCompleter *complete;        /* NULL: by the types of its arguments */
    const struct HmpCommand *sub;  /* `info`: the second table */
    bool has_needs;
    void (*needs)(void);           /* a function that the body calls; NULL: not in this program */
} HmpCommand;

/* Generated from hmp-commands.hx and hmp-commands-info.hx; sorted by name; ended by a NULL name. */
extern const HmpCommand hmp_commands[], hmp_info_commands[];

/* Is it in this program? */
static inline bool hmp_available(const HmpCommand *cmd) { return cmd->body && (!cmd->has_needs || cmd->needs); }
bool hmp_name_matches(const HmpCommand *cmd, const char *name, size_t len);
const HmpCommand *hmp_find(const HmpCommand *table, const char *name, size_t len);

/* hmp-parse.c: arguments after the name; NULL after what is wrong was printed. */
QDict *hmp_parse_args(Monitor *mon, const HmpCommand *cmd, const char *text);
/* Words of a line, quotes taken away; a blank at the end adds an empty word.  -1 (and no words) when a quote stays open. */
#define HMP_WORDS_MAX 64
int hmp_split(const char *line, char **words, int max);
/* One word or quoted string; 0, or -1 at the end and for bad quoting (told on stderr). *at moves behind it. */
int hmp_get_word(const char **at, GString *word);

/* hmp-expr.c: false after what is wrong was printed. */
bool hmp_get_expression(Monitor *mon, const char **at, int64_t *value);

/* hmp.c */
void hmp_run_line(Monitor *mon, const char *line);
void hmp_print_help(Monitor *mon, const char *name);
/* "Error: MESSAGE" and hint; frees err.  True when there was one. */
bool hmp_error(Monitor *mon, Error *err);

/* Take no input (nested) until resumed; buffers do not care. */
void monitor_suspend(Monitor *mon);
void monitor_resume(Monitor *mon);
/* Is the index-th processor the one that the monitor's commands mean? */
bool hmp_is_current_cpu(Monitor *mon, const char *path, size_t index);
/* 'a', '\n', '\x80': as print/c and x/c show it. */
void hmp_print_character(Monitor *mon, int c);

/* The dispatch tree of a view: its ranges (FlatRange) and the region at its root. */
void hmp_print_dispatch(Monitor *mon, const GArray *ranges, const struct IoRegion *root);

/* What other rooms add; not linked: nothing. */
void hmp_print_log_items(Monitor *mon) __attribute__((weak));
/* Names of backends that begin with prefix, as completions. */
void hmp_foreach_block_device(Readline *rl, const char *prefix) __attribute__((weak));

/* hmp-complete.c */
void hmp_complete_line(Readline *rl, const char *line);

/* Completers named in hmp-commands*.hx. */
HmpCompleter hmp_complete_chardev, hmp_complete_chardev_kind, hmp_complete_ringbuf, hmp_complete_device_add,
    hmp_complete_device_del, hmp_complete_object_add, hmp_complete_object_del, hmp_complete_trace_event,
    hmp_complete_trace_name, hmp_complete_on_off_second, hmp_complete_snapshot, hmp_complete_watchdog;

#include "monitor/hmp-bodies.h"

#endif
