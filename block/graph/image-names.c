/*
 * What an image may name.  A backing file's name in a header is its author's choice, not the user's: it opens plain files
 * and images in them, and reaches nothing that needs a connection, writes, or belongs to the user (nodes, secrets,
 * descriptors, groups).
 *
 * A node that an image named has core->image_name, and so have those below it.  Of its options core->user_options are
 * the user's all the same ("backing.*" beside the name) and are not judged.  All else must be a driver that has
 * image_may_name and options that it lists; STILLFRAME_ALLOW_PROTOCOLS in the environment adds drivers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "internal.h"
#include "util/cutils.h"

#define ALLOW_VARIABLE "STILLFRAME_ALLOW_PROTOCOLS"

void bdrv_image_choice_clear(ImageChoice *choice)
{
    g_clear_pointer(&choice->name, g_free);
    qobject_unref(choice->users);
    choice->users = NULL;
}

ImageChoice bdrv_image_choice_of_child(const BlockDriverState *parent, const char *key)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);
    g_autoptr(QObject) users = NULL;

    if (!parent->core->image_name) {
        return (ImageChoice) { NULL, NULL };
    }
    users = qobject_clone(parent->core->user_options);
    return (ImageChoice) { g_strdup(parent->core->image_name), qdict_extract_subdict(users, prefix) };
}

void bdrv_image_choice_apply(BlockDriverState *bs, const ImageChoice *choice)
{
    if (choice->name) {
        bs->core->image_name = g_strdup(choice->name);
        bs->core->user_options = qobject_clone(choice->users);
    }
}

static bool is_users(const BlockDriverState *bs, const char *key)
{
    return !bs->core->image_name || qdict_has(bs->core->user_options, key);
}

/* The names in the environment, read once. */
static char **allowed_drivers(void)
{
    static char **list;
    const char *text = g_getenv(ALLOW_VARIABLE);

    if (list) {
        return list;
    }
    list = g_strsplit(text ? text : "", ",", -1);
    for (char **name = list; *name; name++) {
        if (**name && !bdrv_find_format(*name)) {
            warn_report(ALLOW_VARIABLE ": there is no driver '%s'", *name);
        }
    }
    return list;
}

static int check_driver(const BlockDriverState *bs, const BlockDriver *drv, Error **errp)
{
    if (drv->image_may_name || is_users(bs, "driver") ||
        g_strv_contains((const char *const *)allowed_drivers(), drv->name)) {
        return 0;
    }
    error_setg(errp, "'%s' would be opened by '%s', a driver that an image may not choose; name it yourself with "
               "backing.driver=... or set " ALLOW_VARIABLE "=%s", bs->core->image_name, drv->name, drv->name);
    return -EACCES;
}

static int refuse_option(const BlockDriverState *bs, const char *key, Error **errp)
{
    error_setg(errp, "'%s' sets '%s', an option that an image may not set; set it yourself with backing.*",
               bs->core->image_name, key);
    return -EACCES;
}

int bdrv_image_check_node_options(const BlockDriverState *bs, const QDict *options, Error **errp)
{
    static const char *const refused[] = { "node-name", "auto-read-only", "force-share" };
    const char *word = qdict_get_str(options, "read-only");
    bool on;

    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (qdict_has(options, refused[i]) && !is_users(bs, refused[i])) {
            return refuse_option(bs, refused[i], errp);
        }
    }
    if (!qdict_has(options, "read-only") || is_users(bs, "read-only")) {
        return 0;
    }
    on = word ? !strcmp(word, "on") : qobject_get_bool(qdict_get(options, "read-only"), &on) && on;
    return on ? 0 : refuse_option(bs, "read-only", errp);
}

static bool driver_knows(const BlockDriver *drv, const char *key)
{
    for (const OptDesc *d = drv->open_options; d && d->name; d++) {
        if (!strcmp(d->name, key)) {
            return true;
        }
    }
    return false;
}

/*
 * Options of children are judged when these are opened; what nobody knows is an error at the end of the open.  A driver
 * that the user had to allow is allowed as a whole.
 */
int bdrv_image_check_driver(const BlockDriverState *bs, const BlockDriver *drv, const QDict *options, Error **errp)
{
    static const char *const none[] = { NULL };
    const char *const *may_set = drv->image_options ? drv->image_options : none;
    int ret = check_driver(bs, drv, errp);

    for (size_t i = 0; ret == 0 && drv->image_may_name && i < qdict_size(options); i++) {
        const char *key = qdict_key_at(options, i);

        if (driver_knows(drv, key) && !is_users(bs, key) && !g_strv_contains(may_set, key)) {
            ret = refuse_option(bs, key, errp);
        }
    }
    return ret;
}

int bdrv_image_check_reference(const BlockDriverState *parent, const char *key, const char *reference, Error **errp)
{
    if (is_users(parent, key)) {
        return 0;
    }
    error_setg(errp, "'%s' refers to the node '%s', which an image may not; name it yourself with backing.*",
               parent->core->image_name, reference);
    return -EACCES;
}

int bdrv_image_may_name_path(const char *path, Error **errp)
{
    if (!g_str_has_prefix(path, "/dev/fdset/")) {
        return 0;
    }
    error_setg(errp, "'%s' is a descriptor of this program, which an image may not name", path);
    return -EACCES;
}

int bdrv_image_check_path(const BlockDriverState *bs, const char *path, Error **errp)
{
    return is_users(bs, "filename") ? 0 : bdrv_image_may_name_path(path, errp);
}
