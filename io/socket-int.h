/*
 * Kernel socket addresses: shared by connecting and listening.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_SOCKET_INT_H
#define IO_SOCKET_INT_H

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>
#include "io/socket.h"

/* PF_* that ipv4= and ipv6= ask for; -1 with errp. */
int socket_family_of(const IOAddress *a, Error **errp);
/* freeaddrinfo the result; NULL with errp. */
struct addrinfo *socket_resolve(const IOAddress *a, bool passive, Error **errp);
int socket_unix_address(const IOAddress *a, struct sockaddr_un *un, socklen_t *len, Error **errp);
int socket_vsock_address(const IOAddress *a, struct sockaddr_vm *vm, Error **errp);

#endif
