/*
 * File names: protocol prefixes, absolute names, and names relative to another file's folder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "util/cutils.h"

bool path_has_protocol(const char *path)
{
    const char *p = path + strcspn(path, ":/");

    return *p == ':';
}

bool path_is_absolute(const char *path)
{
    return *path == '/';
}

char *path_combine(const char *base, const char *filename)
{
    const char *after_protocol = base;
    const char *slash;

    if (path_is_absolute(filename) || path_has_protocol(filename)) {
        return g_strdup(filename);
    }
    if (path_has_protocol(base)) {
        after_protocol = strchr(base, ':') + 1;
    }
    slash = strrchr(after_protocol, '/');
    after_protocol = slash ? slash + 1 : after_protocol;
    return g_strdup_printf("%.*s%s", (int)(after_protocol - base), base, filename);
}
