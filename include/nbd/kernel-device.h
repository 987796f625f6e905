/*
 * The kernel's network block devices (/dev/nbd0 ...), which qemu-nbd -c feeds and -d lets go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NBD_KERNEL_DEVICE_H
#define NBD_KERNEL_DEVICE_H

#include <stdbool.h>
#include "io/socket.h"
#include "util/error.h"

/* Cut what a device is connected to; says so on standard output. */
bool nbd_kernel_disconnect(const char *device, Error **errp);
/*
 * Connect device to the default export of the server at addr and feed it until it is let go.  Blocks: for a thread of
 * its own.  connected (may be NULL) is called when the device is there.
 */
bool nbd_kernel_serve(const char *device, const IOAddress *addr, void (*connected)(void *opaque), void *opaque, Error **errp);

#endif
