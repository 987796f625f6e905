/*
 * Files that a program should not leave behind (its pid file, its sockets) when a signal ends it while it still starts.
 *
 * Later it takes signals itself, and closes what it has.  Any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_LEFTOVERS_H
#define UTIL_LEFTOVERS_H

/* path is borrowed until it is forgotten (the same pointer).  Past the first 64 nothing is noted. */
void leftovers_add(const char *path);
void leftovers_forget(const char *path);
/* SIGINT, SIGHUP and SIGTERM, where they are not ignored, remove what was noted and end the program; until other handlers come. */
void leftovers_remove_on_signal(void);

#endif
