/*
 * Connections that may hang, and how to cut them: what the command `yank` works on.
 *
 * An instance is a user of the network that a manager can name; its functions shut down what it has
 * open now.  They are called from any thread, at any time, and may not wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_YANK_H
#define UTIL_YANK_H

#include <stdbool.h>
#include "util/error.h"

/* In the order of the schema's YankInstanceType. */
typedef enum YankKind { YANK_BLOCK_NODE, YANK_CHARDEV, YANK_MIGRATION } YankKind;
typedef void YankFn(void *opaque);

/* name: of the node or the device; NULL for the one migration.  Counted: a device may take over another's name. */
void yank_add(YankKind kind, const char *name);
void yank_remove(YankKind kind, const char *name);
/* After yank_remove_fn returned, fn is not running and will not be called. */
void yank_add_fn(YankKind kind, const char *name, YankFn *fn, void *opaque);
void yank_remove_fn(YankKind kind, const char *name, YankFn *fn, void *opaque);

typedef struct YankTarget { YankKind kind; const char *name; } YankTarget;
/* Cut all of them, or none when one does not exist. */
bool yank_all(const YankTarget *targets, size_t n, Error **errp);
/* Not from fn may the functions above be called. */
void yank_foreach(void (*fn)(YankKind kind, const char *name, void *opaque), void *opaque);

#endif
