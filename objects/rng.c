/*
 * Sources of random bytes for devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "qom/object.h"

typedef struct RngObject {
    Object obj;
    char *filename;
    bool opened;
} RngObject;

static const Property rng_props[] = {
    { .name = "opened", .type = "bool", .kind = PROP_BOOL, .offset = offsetof(RngObject, opened) }, { NULL }
};
static const TypeInfo rng_backend_type = { .name = "rng-backend", .abstract = true, .size = sizeof(RngObject), .props = rng_props };
QOM_TYPE(rng_backend_type)

static bool rng_builtin_complete(Object *o, Error **errp)
{
    ((RngObject *)o)->opened = true;
    return true;
}

static const TypeInfo rng_builtin_type = {
    .name = "rng-builtin", .parent = "rng-backend", .size = sizeof(RngObject), .complete = rng_builtin_complete,
    .user_creatable = true,
};
QOM_TYPE(rng_builtin_type)

static bool rng_random_complete(Object *o, Error **errp)
{
    RngObject *r = (RngObject *)o;
    int fd = open(r->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", r->filename);
        return false;
    }
    close(fd);
    r->opened = true;
    return true;
}

static const Property rng_random_props[] = {
    { .name = "filename", .type = "string", .kind = PROP_STRING, .offset = offsetof(RngObject, filename), .def_str = "/dev/urandom" },
    { NULL }
};
static const TypeInfo rng_random_type = {
    .name = "rng-random", .parent = "rng-backend", .size = sizeof(RngObject), .props = rng_random_props,
    .complete = rng_random_complete, .user_creatable = true,
};
QOM_TYPE(rng_random_type)
