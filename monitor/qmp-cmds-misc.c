/*
 * Handing a connection to one of the program's services.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>
#include "monitor-int.h"
#include "qapi/commands-misc.h"

/* True when fd was taken over. */
static bool add_client(const char *protocol, int fd, Error **errp)
{
    Chardev *chr = chr_find(protocol);

    if (strcmp(protocol, "spice") == 0 || strcmp(protocol, "@dbus-display") == 0) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "%s is not in use",
                  *protocol == 's' ? "SPICE" : "D-Bus display");
        return false;
    }
    /* The peer takes this without a display, too: the connection just ends. */
    if (strcmp(protocol, "vnc") == 0) {
        return false;
    }
    if (!chr) {
        error_setg(errp, "protocol '%s' is invalid", protocol);
        return false;
    }
    if (!chr_add_client(chr, fd)) {
        error_setg(errp, "failed to add client");
        return false;
    }
    return true;
}

void qmp_add_client(const AddClientArgs *arg, Error **errp)
{
    int fd = monitor_get_fd(monitor_cur(), arg->fdname, errp);

    if (fd >= 0 && !add_client(arg->protocol, fd, errp)) {
        close(fd);
    }
}
