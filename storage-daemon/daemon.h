/*
 * The parts of the storage daemon.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef STORAGE_DAEMON_DAEMON_H
#define STORAGE_DAEMON_DAEMON_H

#include <stdbool.h>

/* options.c.  First look at the command line: is every option known, and is this to be a daemon? */
bool options_want_daemon(int argc, char **argv);
/* Second look: do what the options say, in their order; whatever fails ends the program. The pidfile's path or NULL. */
const char *options_process(int argc, char **argv);

/* help.c */
void print_help(void);
void print_version(void);

/* commands.c: which of the linked commands this program offers. */
void commands_init(void);

/* main.c: end as soon as the present command or event is done. */
void request_exit(void);
/* Exports, jobs and nodes end. */
void close_block(void);

#endif
