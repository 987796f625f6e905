/*
 * The commands of qemu-io, which work on one backend: `read 0 64k`, `info`, ...
 *
 * Main thread, outside coroutines.  Results go to stdout, as scripts expect, also when a
 * monitor runs a command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IOCMD_IOCMD_H
#define IOCMD_IOCMD_H

#include "block/backend.h"

typedef struct IoCmd {
    const char *name, *alt_name;         /* alt_name may be NULL */
    int (*run)(BlockBackend *blk, int argc, char **argv);   /* argv[0] is the name; 0 or -errno */
    int min_args, max_args;              /* without argv[0]; -1: no limit */
    bool no_file_ok;                     /* may run with blk == NULL */
    uint64_t perm;                       /* taken on the node while it runs */
    const char *args, *oneline;
    const char *help;                    /* longer text, NULL for none */
} IoCmd;

/* Add commands of the program (open, close, quit) to those of the room; cmds is borrowed, name NULL ends it. */
void iocmd_register(const IoCmd *cmds);
/* Names of commands in order, from 0; NULL ends. */
const char *iocmd_name_at(int i);
/* Run one line.  0, or -errno; problems were printed.  blk may be NULL (no file open). */
int iocmd_run(BlockBackend *blk, const char *line);
/* Print how to call cmd, named by its first argument; -EINVAL. */
int iocmd_usage(const char *name);
/* Buffers of reads and writes are misaligned on purpose (qemu-io -m). */
void iocmd_set_misalign(bool on);

#endif
