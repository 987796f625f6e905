/*
 * pr-manager-helper: a connection to the helper that makes persistent reservations on behalf of unprivileged programs.
 *
 * Nothing here passes SCSI commands through to the host yet; the connection is made and told of, as managers expect.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include "block/pr-manager.h"
#include "io/socket.h"
#include "qapi/commands-block.h"
#include "qapi/events-block.h"
#include "qom/object.h"

#define HELLO_MS 5000

typedef struct PrHelper {
    Object obj;
    char *path;
    IOChannel *c;
} PrHelper;

static const TypeInfo manager_type = { .name = "pr-manager", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(manager_type)

/* Both sides tell their features, of which there are none. */
static bool greet(PrHelper *h, Error **errp)
{
    struct pollfd p = { io_channel_fd(h->c, IO_READ), POLLIN, 0 };
    uint32_t features = 0;

    if (poll(&p, 1, HELLO_MS) != 1) {
        error_setg(errp, "Failed to connect to '%s': no answer", h->path);
        return false;
    }
    return io_channel_read_all(h->c, &features, sizeof(features), errp) == 0
        && io_channel_write_all(h->c, &(uint32_t) { 0 }, sizeof(features), errp) == 0;
}

static void tell(PrHelper *h, bool connected)
{
    PrManagerStatusChangedEvent event = { .id = h->obj.name, .connected = connected };

    qapi_event_send_PR_MANAGER_STATUS_CHANGED(&event);
}

static bool helper_complete(Object *o, Error **errp)
{
    PrHelper *h = (PrHelper *)o;
    g_autoptr(IOAddress) addr = io_address_new(IO_ADDR_UNIX);

    addr->path = g_strdup(h->path);
    h->c = io_socket_connect(addr, errp);
    if (!h->c || !greet(h, errp)) {
        return false;
    }
    tell(h, true);
    return true;
}

static void helper_finalize(Object *o) { io_channel_unref(((PrHelper *)o)->c); }

static const Property helper_props[] = {
    { .name = "path", .type = "string", .kind = PROP_STRING, .offset = offsetof(PrHelper, path) }, { NULL }
};
static const char *const helper_required[] = { "path", NULL };
static const TypeInfo helper_type = {
    .name = "pr-manager-helper", .parent = "pr-manager", .size = sizeof(PrHelper), .props = helper_props,
    .required = helper_required, .complete = helper_complete, .finalize = helper_finalize, .user_creatable = true,
};
QOM_TYPE(helper_type)

/* --- asking -------------------------------------------------------------------------------- */

PRManagerInfoList *qmp_query_pr_managers(Error **errp)
{
    PRManagerInfoList *list = PRManagerInfoList_new();
    Object *objects = object_container("/objects");

    for (guint i = 0; objects->children && i < objects->children->len; i++) {
        ObjectChild *child = g_ptr_array_index(objects->children, i);
        PRManagerInfo *info;

        if (object_is_a(child->obj, "pr-manager")) {
            info = PRManagerInfo_new();
            info->id = g_strdup(child->name);
            info->connected = ((PrHelper *)child->obj)->c != NULL;
            PRManagerInfoList_append(list, info);
        }
    }
    return list;
}

static bool check(const char *id, Error **errp)
{
    Object *o = object_child(object_container("/objects"), id);

    if (!o) {
        error_setg(errp, "No persistent reservation manager with id '%s'", id);
    } else if (!object_is_a(o, "pr-manager")) {
        error_setg(errp, "Object with id '%s' is not a persistent reservation manager", id);
    } else {
        return true;
    }
    return false;
}

__attribute__((constructor)) static void set_hook(void) { bdrv_check_pr_manager = check; }
