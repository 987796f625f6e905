/*
 * Sets of descriptors that a manager handed over (add-fd, -add-fd): opening "/dev/fdset/ID" takes a
 * copy of one of the set with the same access mode.  Copies are counted, so they are closed with
 * fdset_close, which is for any descriptor.  Thread-safe.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_FDSET_H
#define UTIL_FDSET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "util/error.h"

/* As open(2) with O_CLOEXEC, any path: -1 with errno and the peer's text for sets in errp (for files none is set). */
int fdset_open(const char *path, int flags, mode_t mode, Error **errp);
int fdset_close(int fd);

/* Takes fd into set id, or without one into a new set of the lowest free id, which is stored. 0 or -EINVAL. */
int fdset_add(int fd, bool has_id, int64_t id, const char *opaque, int64_t *out_id, Error **errp);
/* One descriptor of a set, or all of them: closed when no copy is left and the machine runs. False: none such. */
bool fdset_remove(int64_t id, bool has_fd, int64_t fd);
/* Sets from the largest id down, each oldest descriptor first; opaque as given, or NULL. */
void fdset_foreach(void (*fn)(int64_t id, int fd, const char *opaque, void *arg), void *arg);
/* What was removed or belongs to nobody (no client is connected) goes away. */
void fdset_clean(void);
/* The monitors tell how many clients there are; the machine whether it runs (NULL: there is none, nothing is closed). */
void fdset_set_clients(int n);
extern bool (*fdset_machine_runs)(void);

#endif
