/*
 * blkdebug's rules as text: the configuration file ([inject-error] and [set-state] sections with key = "value" lines)
 * and the same as node options.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "blkdebug.h"
#include "util/cutils.h"

static const OptDesc inject_error_options[] = {
    { "event", OPT_STRING }, { "state", OPT_NUMBER }, { "iotype", OPT_STRING }, { "errno", OPT_NUMBER },
    { "sector", OPT_NUMBER }, { "once", OPT_BOOL }, { "immediately", OPT_BOOL }, { NULL }
};
static const OptDesc set_state_options[] = {
    { "event", OPT_STRING }, { "state", OPT_NUMBER }, { "new_state", OPT_NUMBER }, { NULL }
};

typedef struct RuleKind {
    const char *section;
    RuleAction action;
    const OptDesc *options;
} RuleKind;

static const RuleKind kinds[] = {
    { "inject-error", RULE_INJECT_ERROR, inject_error_options },
    { "set-state", RULE_SET_STATE, set_state_options },
};

static const struct { const char *name; unsigned type; } iotypes[] = {
    { "read", BLKDEBUG_READ }, { "write", BLKDEBUG_WRITE }, { "write-zeroes", BLKDEBUG_WRITE_ZEROES },
    { "discard", BLKDEBUG_DISCARD }, { "flush", BLKDEBUG_FLUSH }, { "block-status", BLKDEBUG_BLOCK_STATUS },
};

static const RuleKind *find_kind(const char *section)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!strcmp(section, kinds[i].section)) {
            return &kinds[i];
        }
    }
    return NULL;
}

static int parse_iotype(const char *name, unsigned *out, Error **errp)
{
    if (!name) {
        *out = BLKDEBUG_IO_DEFAULT;
        return 0;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(iotypes); i++) {
        if (!strcmp(name, iotypes[i].name)) {
            *out = iotypes[i].type;
            return 0;
        }
    }
    error_setg(errp, "invalid parameter value: %s", name);
    return -EINVAL;
}

static int64_t sector_to_offset(int64_t sector)
{
    return sector < 0 || sector > INT64_MAX / BDRV_SECTOR_SIZE ? (sector == -1 ? -1 : INT64_MAX)
                                                               : sector * BDRV_SECTOR_SIZE;
}

/* opts: typed values of kind->options. */
static int add_rule(Blkdebug *s, const RuleKind *kind, const QDict *opts, Error **errp)
{
    Rule r = { .action = kind->action, .offset = -1 };
    const char *event = opt_get_str(opts, "event");

    if (!event) {
        error_setg(errp, "Missing event name for rule");
        return -EINVAL;
    }
    r.event = blkdebug_event_by_name(event);
    if (r.event < 0) {
        error_setg(errp, "invalid parameter value: %s", event);
        return -EINVAL;
    }
    r.state = opt_get_number(opts, "state", 0);
    if (kind->action == RULE_SET_STATE) {
        r.new_state = opt_get_number(opts, "new_state", 0);
    } else {
        int64_t error = opt_get_number(opts, "errno", EIO);

        r.error = error > 0 && error < 4096 ? error : 0;    /* other numbers are no error */
        r.once = opt_get_bool(opts, "once", false);
        r.immediately = opt_get_bool(opts, "immediately", false);
        r.offset = sector_to_offset(opt_get_number(opts, "sector", -1));
        if (parse_iotype(opt_get_str(opts, "iotype"), &r.iotype, errp) < 0) {
            return -EINVAL;
        }
    }
    blkdebug_add_rule(s, &r);
    return 0;
}

static const OptDesc *find_option(const RuleKind *kind, const char *name)
{
    for (const OptDesc *d = kind->options; d->name; d++) {
        if (!strcmp(d->name, name)) {
            return d;
        }
    }
    return NULL;
}

/* Is this one value good?  So that the first bad line is the one reported. */
static int check_value(const RuleKind *kind, const char *name, const char *value, Error **errp)
{
    const OptDesc *d = find_option(kind, name);
    uint64_t number;
    bool flag;

    if (!d) {
        error_setg(errp, "Invalid parameter '%s'", name);
        return -EINVAL;
    }
    if ((d->type == OPT_NUMBER && !opt_parse_number(name, value, &number, errp)) ||
        (d->type == OPT_BOOL && !opt_parse_bool(name, value, &flag, errp))) {
        return -EINVAL;
    }
    return 0;
}

typedef struct Section {
    const RuleKind *kind;
    QDict *values;
} Section;

static void section_clear(gpointer p)
{
    qobject_unref(((Section *)p)->values);
}

/* "[name]" or "[name "id"]"; the name is what stands before the bracket's end or the id. */
static bool section_name(const char *line, char name[64])
{
    char id[64];

    return sscanf(line, "[%63s \"%63[^\"]\"]", name, id) == 2 || sscanf(line, "[%63[^]]]", name) == 1;
}

static int begin_section(GArray *sections, const char *name, Error **errp)
{
    Section sec = { 0 };

    sec.kind = find_kind(name);
    if (!sec.kind) {
        error_setg(errp, "There is no option group '%s'", name);
        return -EINVAL;
    }
    sec.values = qdict_new();
    g_array_append_val(sections, sec);
    return 0;
}

static int add_line(GArray *sections, const char *line, Error **errp)
{
    char key[64], value[1024] = "";
    Section *sec;
    int n;

    n = sscanf(line, " %63s = \"%1023[^\"]\"", key, value);
    if (n < 1) {
        error_setg(errp, "parse error");
        return -EINVAL;
    }
    if (sections->len == 0) {
        error_setg(errp, "no group defined");
        return -EINVAL;
    }
    sec = &g_array_index(sections, Section, sections->len - 1);
    if (check_value(sec->kind, key, n == 2 ? value : "", errp) < 0) {
        return -EINVAL;
    }
    qdict_put_str(sec->values, key, n == 2 ? value : "");
    return 0;
}

/* Does not wait for somebody to write to a FIFO. */
static FILE *open_config(const char *file)
{
    int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0) {
        fcntl(fd, F_SETFL, 0);
    }
    return fd < 0 ? NULL : fdopen(fd, "r");
}

static int parse_file(GArray *sections, const char *file, Error **errp)
{
    FILE *f = open_config(file);
    char line[1024], name[64];
    int ret = 0;

    if (!f) {
        ret = -errno;
        error_setg_errno(errp, -ret, "Could not read blkdebug config file");
        return ret;
    }
    while (ret == 0 && fgets(line, sizeof(line), f)) {
        if (line[0] != '#' && line[0] != '\n') {
            ret = section_name(line, name) ? begin_section(sections, name, errp) : add_line(sections, line, errp);
        }
    }
    if (ret == 0 && ferror(f)) {
        ret = -errno;
        error_setg_errno(errp, -ret, "Cannot read config file");
    }
    fclose(f);
    return ret;
}

/* One dict of "event", "errno", ... becomes a section; the peer has two texts for what does not belong there. */
static int take_section(GArray *sections, const RuleKind *kind, QDict *values, bool of_list, Error **errp)
{
    Section sec = { kind, qobject_ref(values) };

    for (size_t i = 0; i < qdict_size(values); i++) {
        const char *key = qdict_key_at(values, i);

        if (!find_option(kind, key)) {
            if (of_list) {
                error_setg(errp, "[%s] section doesn't support the option '%s'", kind->section, key);
            } else {
                error_setg(errp, "Unused option '%s' for [%s]", key, kind->section);
            }
            qobject_unref(sec.values);
            return -EINVAL;
        }
    }
    g_array_append_val(sections, sec);
    return 0;
}

/* "KIND.0.event", "KIND.1.event", ...: a list; "KIND.event": one. */
static int parse_options(GArray *sections, const RuleKind *kind, QDict *options, Error **errp)
{
    g_autofree char *prefix = g_strconcat(kind->section, ".", NULL);
    g_autoptr(QObject) mine = qdict_extract_subdict(options, prefix);

    for (int i = 0; qdict_size(mine) > 0; i++) {
        g_autofree char *index = g_strdup_printf("%d.", i);
        g_autoptr(QObject) one = NULL;

        if (!qdict_has_prefix(mine, index)) {
            break;
        }
        one = qdict_extract_subdict(mine, index);
        if (take_section(sections, kind, one, true, errp) < 0) {
            return -EINVAL;
        }
    }
    return qdict_size(mine) > 0 ? take_section(sections, kind, mine, false, errp) : 0;
}

int blkdebug_read_config(Blkdebug *s, const char *file, QDict *options, Error **errp)
{
    g_autoptr(GArray) sections = g_array_new(false, false, sizeof(Section));
    int ret = 0;

    g_array_set_clear_func(sections, section_clear);
    if (file) {
        ret = parse_file(sections, file, errp);
    }
    for (size_t i = 0; ret == 0 && i < G_N_ELEMENTS(kinds); i++) {
        ret = parse_options(sections, &kinds[i], options, errp);
    }
    for (size_t i = 0; ret == 0 && i < sections->len; i++) {
        Section *sec = &g_array_index(sections, Section, i);
        g_autoptr(QObject) typed = opts_absorb(sec->values, sec->kind->options, errp);

        ret = typed ? add_rule(s, sec->kind, typed, errp) : -EINVAL;
    }
    return ret;
}
