/*
 * Preloaded into a daemon: /dev/vduse/ is played by the test behind the socket $FAKE_VDUSE.
 *
 * An open device is a connection on which messages go as they would; each ioctl is asked on a connection of its own: a
 * header, the argument, perhaps a descriptor; the answer comes in the same form.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#undef _FILE_OFFSET_BITS                /* both names of open are defined here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vduse.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_FD 1024

typedef struct Header { uint32_t kind; int32_t result, error; uint32_t request; uint32_t len; } Header;

static char kinds[MAX_FD];             /* 'c'ontrol, 'd'evice, 0: none of ours */

int open64(const char *path, int flags, ...);
int open(const char *path, int flags, ...);
int ioctl(int fd, unsigned long request, ...);

static int dial(int flags)
{
    const char *path = getenv("FAKE_VDUSE");
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path ? path : "");
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, flags & O_NONBLOCK);
    return fd;
}

static int open_any(const char *path, int flags, mode_t mode)
{
    static int (*next)(const char *, int, ...);
    Header hello = { 0 };
    int fd;

    if (strncmp(path, "/dev/vduse/", 11)) {
        next = next ? next : (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
        return next(path, flags, mode);
    }
    fd = dial(flags);
    if (fd >= 0 && fd < MAX_FD) {
        kinds[fd] = strcmp(path + 11, "control") ? 'd' : 'c';
        hello.kind = kinds[fd];
        if (send(fd, &hello, sizeof(hello), 0) < 0) {
            return -1;
        }
    }
    return fd;
}

#define OPEN(name)                                      \
    int name(const char *path, int flags, ...)          \
    {                                                   \
        va_list ap;                                     \
        mode_t mode;                                    \
                                                        \
        va_start(ap, flags);                            \
        mode = flags & O_CREAT ? va_arg(ap, int) : 0;   \
        va_end(ap);                                     \
        return open_any(path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)

static size_t argument_size(unsigned long request, const void *arg)
{
    size_t size = _IOC_SIZE(request);

    if (request == VDUSE_CREATE_DEV) {
        size += ((const struct vduse_dev_config *)arg)->config_size;
    } else if (request == VDUSE_DEV_SET_CONFIG) {
        size += ((const struct vduse_config_data *)arg)->length;
    }
    return size;
}

static int exchange(int fd, Header *h, void *arg, int pass)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec iov[2] = { { h, sizeof(*h) }, { arg, h->len } };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    struct cmsghdr *c;
    int got = -1;

    memset(&control, 0, sizeof(control));
    if (pass >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof(control);
        control.align.cmsg_level = SOL_SOCKET;
        control.align.cmsg_type = SCM_RIGHTS;
        control.align.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.align), &pass, sizeof(int));
    }
    if (sendmsg(fd, &msg, 0) < 0) {
        return -1;
    }
    msg.msg_control = &control;
    msg.msg_controllen = sizeof(control);
    if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) < (ssize_t)sizeof(*h)) {
        return -1;
    }
    c = CMSG_FIRSTHDR(&msg);
    if (c) {
        memcpy(&got, CMSG_DATA(c), sizeof(int));
    }
    return got;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, ...);
    Header h = { 'i', -1, EIO, (uint32_t)request, 0 };
    va_list ap;
    void *arg;
    int line, got;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (fd < 0 || fd >= MAX_FD || !kinds[fd] || _IOC_TYPE(request) != VDUSE_BASE) {
        next = next ? next : (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
        return next(fd, request, arg);
    }
    h.len = _IOC_SIZE(request) ? argument_size(request, arg) : 0;
    line = dial(0);
    got = exchange(line, &h, arg, request == VDUSE_VQ_SETUP_KICKFD ? ((struct vduse_vq_eventfd *)arg)->fd : -1);
    close(line);
    errno = h.error;
    return got >= 0 ? got : h.result;
}
