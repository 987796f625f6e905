/*
 * Ties the block layer to the objects and monitors of a program.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef OBJECTS_FOR_EXPORTS_H
#define OBJECTS_FOR_EXPORTS_H

/* From now on nodes and exports find iothreads by id, and addresses find descriptors by the name that getfd gave them. */
void block_serve_objects(void);

#endif
