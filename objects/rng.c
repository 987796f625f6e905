/*
 * Sources of random bytes for devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "chardev/char.h"
#include "qom/object.h"

typedef struct RngObject {
    Object obj;
    char *filename;
    bool opened;
} RngObject;

static const Property rng_props[] = {
    { .name = "opened", .type = "bool", .kind = PROP_BOOL, .offset = offsetof(RngObject, opened) }, { NULL }
};
static const TypeInfo rng_backend_type = {
    .name = "rng-backend", .abstract = true, .size = sizeof(RngObject), .props = rng_props,
};
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
    { .name = "filename", .type = "string", .kind = PROP_STRING, .offset = offsetof(RngObject, filename),
      .def_str = "/dev/urandom" },
    { NULL }
};
static const TypeInfo rng_random_type = {
    .name = "rng-random", .parent = "rng-backend", .size = sizeof(RngObject), .props = rng_random_props,
    .complete = rng_random_complete, .user_creatable = true,
};
QOM_TYPE(rng_random_type)

/* --- a daemon behind a character device ------------------------------------------------------------ */

typedef struct RngEgd {
    RngObject base;
    char *chardev;
    CharBackend be;
} RngEgd;

static bool rng_egd_complete(Object *o, Error **errp)
{
    RngEgd *r = (RngEgd *)o;
    Chardev *chr = chr_find(r->chardev);

    if (!chr) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", r->chardev);
        return false;
    }
    if (!chr_fe_init(&r->be, chr, errp)) {
        return false;
    }
    r->base.opened = true;
    return true;
}

static void rng_egd_finalize(Object *o)
{
    if (((RngEgd *)o)->be.chr) {
        chr_fe_deinit(&((RngEgd *)o)->be, false);
    }
}

static const Property rng_egd_props[] = {
    { .name = "chardev", .type = "string", .kind = PROP_STRING, .offset = offsetof(RngEgd, chardev) }, { NULL }
};
static const char *const rng_egd_required[] = { "chardev", NULL };
static const TypeInfo rng_egd_type = {
    .name = "rng-egd", .parent = "rng-backend", .size = sizeof(RngEgd), .props = rng_egd_props,
    .required = rng_egd_required,
    .complete = rng_egd_complete, .finalize = rng_egd_finalize, .user_creatable = true,
};
QOM_TYPE(rng_egd_type)
