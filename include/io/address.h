/*
 * Socket addresses as people write them and as QMP spells them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "util/error.h"
#include "util/qobject.h"

typedef enum IOAddressKind { IO_ADDR_INET, IO_ADDR_UNIX, IO_ADDR_VSOCK, IO_ADDR_FD } IOAddressKind;

typedef struct IOAddress {
    IOAddressKind kind;
    char *host, *port;             /* inet; host "" means any */
    bool has_to;
    uint16_t to;                   /* listen: try ports up to this one */
    bool numeric;
    bool has_ipv4, ipv4, has_ipv6, ipv6;
    bool keep_alive;
    char *path;                    /* unix; "" lets the listener choose one */
    bool abstract, tight;          /* name in the abstract space; length ends with the name */
    char *cid;                     /* vsock, with port */
    char *fd;                      /* number, or name that the monitor knows */
} IOAddress;

IOAddress *io_address_new(IOAddressKind kind);
IOAddress *io_address_copy(const IOAddress *a);
void io_address_free(IOAddress *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IOAddress, io_address_free)

/* "unix:PATH", "fd:X", "vsock:CID:PORT", "tcp:HOST:PORT,opts" or "HOST:PORT[,to=N][,ipv4=on]...". */
IOAddress *io_address_parse(const char *text, Error **errp);
/* The inet part alone: "[::1]:80,ipv6=on". */
IOAddress *io_address_parse_inet(const char *text, Error **errp);
/* From QMP's flat union {"type": "inet", "host": ...}; members were checked by the schema. */
IOAddress *io_address_from_qdict(const QDict *d, Error **errp);
QDict *io_address_to_qdict(const IOAddress *a);
/* "tcp:HOST:PORT", "unix:PATH", ...: for people. g_free it. */
char *io_address_to_string(const IOAddress *a);

/* From what the kernel tells of a socket; NULL with errp when the family is unknown. */
IOAddress *io_address_from_sockaddr(const struct sockaddr_storage *ss, socklen_t len, Error **errp);
IOAddress *io_address_local(int fd, Error **errp);
IOAddress *io_address_remote(int fd, Error **errp);

/*
 * How a name of a descriptor is resolved (the monitor's getfd); returns a descriptor owned by the
 * caller, or -1 with errp.  NULL: only numbers.
 */
extern int (*io_address_lookup_fd)(const char *name, Error **errp);
/* The descriptor behind a "fd" address or a name; checks that it is open. -1 with errp. */
int io_address_get_fd(const char *name, Error **errp);

#endif
