/*
 * -readconfig: files of [group "id"] sections with key = "value" lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "system/options-int.h"

int option_echr = 1;

typedef struct ConfigReader {
    const GroupDesc *group;
    QDict *opts;               /* of the section being read */
    char *loc;                 /* ":FILE:LINE" of its last line */
} ConfigReader;

static bool finish_section(ConfigReader *r, Error **errp)
{
    ERRP_GUARD();

    if (r->group) {
        option_group_add(r->group, r->loc, NULL, r->opts, errp);
        r->loc = NULL;         /* kept there, for later messages */
        r->group = NULL;
        r->opts = NULL;
    }
    return !*errp;
}

static bool begin_section(ConfigReader *r, const char *group, const char *id, Error **errp)
{
    if (!finish_section(r, errp)) {
        return false;
    }
    r->group = option_group(group);
    if (!r->group) {
        error_setg(errp, "There is no option group '%s'", group);
        return false;
    }
    r->opts = qdict_new();
    if (id) {
        qdict_put_str(r->opts, "id", id);
    }
    return true;
}

static bool read_line(ConfigReader *r, const char *line, Error **errp)
{
    char group[64], id[64], key[64], value[1024];

    if (line[0] == '#' || !strcmp(line, "\n") || !*line) {
        return true;
    }
    if (sscanf(line, "[%63s \"%63[^\"]\"]", group, id) == 2) {
        return begin_section(r, group, id, errp);
    }
    if (sscanf(line, "[%63[^]]]", group) == 1) {
        return begin_section(r, group, NULL, errp);
    }
    value[0] = '\0';
    if (sscanf(line, " %63s = \"%1023[^\"]\"", key, value) == 2 || sscanf(line, " %63s = \"\"", key) == 1) {
        if (!r->group) {
            error_setg(errp, "no group defined");
            return false;
        }
        qdict_put_str(r->opts, key, value);
        return true;
    }
    error_setg(errp, "parse error");
    return false;
}

bool option_read_config(const char *path, Error **errp)
{
    ConfigReader r = { 0 };
    FILE *f = fopen(path, "r");
    char line[2048];
    Error *err = NULL;
    int number = 0;

    if (!f) {
        error_setg_errno(errp, errno, "Could not open '%s'", path);
        return false;
    }
    error_set_location(NULL);
    while (!err && fgets(line, sizeof(line), f)) {
        number++;
        if (line[0] != '[' && line[0] != '#') {
            g_free(r.loc);
            r.loc = g_strdup_printf(":%s:%d", path, number);
            error_set_location(r.loc);
        }
        read_line(&r, line, &err);
    }
    if (!err) {
        finish_section(&r, &err);
    }
    fclose(f);
    error_propagate(errp, err);
    return err == NULL;
}
