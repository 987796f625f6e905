/*
 * A serial line of the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "char-int.h"

static speed_t speed_of(int baud)
{
    static const struct { int baud; speed_t speed; } table[] = {
        { 50, B50 }, { 75, B75 }, { 110, B110 }, { 134, B134 }, { 150, B150 }, { 200, B200 }, { 300, B300 },
        { 600, B600 }, { 1200, B1200 }, { 1800, B1800 }, { 2400, B2400 }, { 4800, B4800 }, { 9600, B9600 },
        { 19200, B19200 }, { 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 }, { 230400, B230400 },
        { 460800, B460800 }, { 500000, B500000 }, { 576000, B576000 }, { 921600, B921600 }, { 1000000, B1000000 },
        { 1152000, B1152000 }, { 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 },
        { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 },
    };
    size_t best = 0;

    /* The nearest one not above by more than a tenth, for divisors that are a little off. */
    for (size_t i = 0; i < G_N_ELEMENTS(table) && table[i].baud <= baud + baud / 10; i++) {
        best = i;
    }
    return table[best].speed;
}

static void set_params(int fd, const ChrSerialParams *p)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    struct termios tty = { 0 };

    tcgetattr(fd, &tty);
    cfsetispeed(&tty, speed_of(p->speed));
    cfsetospeed(&tty, speed_of(p->speed));
    tty.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    tty.c_oflag &= ~OPOST;
    tty.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    tty.c_cflag &= ~(CSIZE | PARENB | PARODD | CRTSCTS | CSTOPB);
    tty.c_cflag |= sizes[CLAMP(p->data_bits, 5, 8) - 5];
    tty.c_cflag |= p->parity == 'E' ? PARENB : p->parity == 'O' ? PARENB | PARODD : 0;
    tty.c_cflag |= p->stop_bits == 2 ? CSTOPB : 0;
    tcsetattr(fd, TCSANOW, &tty);
}

static bool serial_parse(const QDict *options, QDict *data, Error **errp)
{
    if (!qdict_get_str(options, "path")) {
        error_setg(errp, "chardev: serial/tty: no device path given");
        return false;
    }
    opt_copy_str(options, data, "path", "device");
    return true;
}

static bool serial_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    ChrSerialParams standard = { 115200, 'N', 8, 1 };
    int fd = fd_chr_open(qdict_get_str(data, "device"), O_RDWR | O_NONBLOCK | O_NOCTTY, errp);

    if (fd < 0) {
        return false;
    }
    set_params(fd, &standard);
    fd_chr_setup((FdChardev *)chr, fd, fd);
    return true;
}

static int serial_ioctl(Chardev *chr, int cmd, void *arg)
{
    int fd = io_channel_fd(((FdChardev *)chr)->in, IO_READ), value;

    switch (cmd) {
    case CHR_IOCTL_SERIAL_SET_PARAMS:
        set_params(fd, arg);
        return 0;
    case CHR_IOCTL_SERIAL_SET_BREAK:
        if (*(int *)arg) {
            tcsendbreak(fd, 1);
        }
        return 0;
    case CHR_IOCTL_SERIAL_GET_TIOCM:
        return ioctl(fd, TIOCMGET, arg) < 0 ? -errno : 0;
    case CHR_IOCTL_SERIAL_SET_TIOCM:
        if (ioctl(fd, TIOCMGET, &value) < 0) {
            return -errno;
        }
        value = (value & ~(TIOCM_RTS | TIOCM_DTR)) | (*(int *)arg & (TIOCM_RTS | TIOCM_DTR));
        return ioctl(fd, TIOCMSET, &value) < 0 ? -errno : 0;
    default:
        return -ENOTSUP;
    }
}

const ChardevClass chr_class_serial = {
    .kind = "serial", .alias = "tty", .size = sizeof(FdChardev), .parse = serial_parse, .open = serial_open,
    .close = fd_chr_close, .ioctl = serial_ioctl, FD_CHR_METHODS,
};
