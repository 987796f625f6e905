/*
 * Feeding a network block device of the kernel: the negotiation is ours, then the socket is the kernel's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "nbd/client.h"
#include "nbd/kernel-device.h"

#define DEVICE_BLOCK 512

/* The kernel's calls (its header takes names that nbd/protocol.h has). */
#define NBD_SET_SOCK _IO(0xab, 0)
#define NBD_SET_BLKSIZE _IO(0xab, 1)
#define NBD_DO_IT _IO(0xab, 3)
#define NBD_CLEAR_SOCK _IO(0xab, 4)
#define NBD_CLEAR_QUE _IO(0xab, 5)
#define NBD_SET_SIZE_BLOCKS _IO(0xab, 7)
#define NBD_DISCONNECT _IO(0xab, 8)
#define NBD_SET_FLAGS _IO(0xab, 10)

bool nbd_kernel_disconnect(const char *device, Error **errp)
{
    int fd = open(device, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Cannot open %s", device);
        return false;
    }
    ioctl(fd, NBD_CLEAR_QUE);
    ioctl(fd, NBD_DISCONNECT);
    ioctl(fd, NBD_CLEAR_SOCK);
    close(fd);
    printf("%s disconnected\n", device);
    return true;
}

/* Through negotiation; the channel then carries requests. */
static IOChannel *connect_export(const IOAddress *addr, NbdClientExport *e, Error **errp)
{
    IOChannel *c = io_socket_connect(addr, errp);
    NbdClient n;
    int ret = c ? nbd_client_greet(&n, c, false, errp) : -EIO;

    if (ret == 0) {
        ret = nbd_client_go(&n, e, errp);
        if (ret < 0) {
            nbd_client_bye(&n);
        }
    }
    if (ret < 0 && c) {
        io_channel_unref(c);
        return NULL;
    }
    return c;
}

static bool set_up(int fd, int socket, const NbdClientExport *e, Error **errp)
{
    int read_only = !!(e->flags & NBD_FLAG_READ_ONLY);

    if (ioctl(fd, NBD_SET_SOCK, (unsigned long)socket) < 0) {
        error_setg(errp, "Failed to set NBD socket");
    } else if (ioctl(fd, NBD_SET_BLKSIZE, (unsigned long)DEVICE_BLOCK) < 0) {
        error_setg(errp, "Failed setting NBD block size");
    } else if (ioctl(fd, NBD_SET_SIZE_BLOCKS, (unsigned long)(e->size / DEVICE_BLOCK)) < 0) {
        error_setg(errp, "Failed setting size (in blocks)");
    } else if (ioctl(fd, NBD_SET_FLAGS, (unsigned long)e->flags) < 0 && errno != ENOTTY) {
        error_setg(errp, "Failed setting flags");
    } else if (read_only && ioctl(fd, BLKROSET, &read_only) < 0) {
        error_setg(errp, "Failed setting read-only attribute");
    } else {
        return true;
    }
    return false;
}

/* Opening a device makes the kernel look for partitions, which takes requests, which the serving thread answers. */
static void *show_partitions(void *opaque)
{
    char *device = opaque;
    int fd = open(device, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
    }
    g_free(device);
    return NULL;
}

static void start_partitions(const char *device)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, show_partitions, g_strdup(device)) == 0) {
        pthread_detach(thread);
    }
}

static bool feed(int fd, Error **errp)
{
    bool ended = ioctl(fd, NBD_DO_IT) >= 0 || errno == EPIPE;      /* EPIPE: disconnected on purpose */

    if (!ended) {
        error_setg_errno(errp, errno, "The device lost its connection");
    }
    ioctl(fd, NBD_CLEAR_QUE);
    ioctl(fd, NBD_CLEAR_SOCK);
    return ended;
}

bool nbd_kernel_serve(const char *device, const IOAddress *addr, void (*connected)(void *opaque), void *opaque,
                      Error **errp)
{
    NbdClientExport *e = nbd_client_export_new("");
    IOChannel *c = connect_export(addr, e, errp);
    int fd = c ? open(device, O_RDWR | O_CLOEXEC) : -1;
    bool ok = false;

    if (c && fd < 0) {
        error_setg_errno(errp, errno, "Failed to open %s", device);
    } else if (c && set_up(fd, io_channel_fd(c, IO_READ), e, errp)) {
        start_partitions(device);
        if (connected) {
            connected(opaque);
        }
        ok = feed(fd, errp);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (c) {
        io_channel_unref(c);
    }
    nbd_client_export_free(e);
    return ok;
}
