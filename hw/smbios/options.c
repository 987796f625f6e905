/*
 * -smbios: fields of structures, or whole structures from files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "hw/smbios/options.h"
#include "util/cutils.h"

typedef struct Field {
    int type;
    const char *key;
    char kind;                 /* 's' text, 'n' number, 'b' on/off, 'u' UUID, 'r' release, 'k' kind of a device */
} Field;

static const Field fields[] = {
    { 0, "vendor", 's' }, { 0, "version", 's' }, { 0, "date", 's' }, { 0, "release", 'r' }, { 0, "uefi", 'b' },
    { 1, "manufacturer", 's' }, { 1, "product", 's' }, { 1, "version", 's' }, { 1, "serial", 's' }, { 1, "uuid", 'u' },
    { 1, "sku", 's' }, { 1, "family", 's' },
    { 2, "manufacturer", 's' }, { 2, "product", 's' }, { 2, "version", 's' }, { 2, "serial", 's' }, { 2, "asset", 's' },
    { 2, "location", 's' },
    { 3, "manufacturer", 's' }, { 3, "version", 's' }, { 3, "serial", 's' }, { 3, "asset", 's' }, { 3, "sku", 's' },
    { 4, "sock_pfx", 's' }, { 4, "manufacturer", 's' }, { 4, "version", 's' }, { 4, "max-speed", 'n' },
    { 4, "current-speed", 'n' },
    { 4, "serial", 's' }, { 4, "asset", 's' }, { 4, "part", 's' }, { 4, "processor-id", 'n' },
    { 8, "internal_reference", 's' }, { 8, "external_reference", 's' }, { 8, "connector_type", 'n' },
    { 8, "port_type", 'n' },
    { 11, "value", 's' }, { 11, "path", 's' },
    { 17, "loc_pfx", 's' }, { 17, "bank", 's' }, { 17, "manufacturer", 's' }, { 17, "serial", 's' },
    { 17, "asset", 's' },
    { 17, "part", 's' }, { 17, "speed", 'n' },
    { 41, "designation", 's' }, { 41, "kind", 'k' }, { 41, "instance", 'n' }, { 41, "pcidev", 's' },
};

static GPtrArray *uses[SMBIOS_TYPE_MAX], *strings, *files;
static bool from_file[SMBIOS_TYPE_MAX];

const GPtrArray *smbios_uses(int type) { return uses[type]; }
const GPtrArray *smbios_strings(void) { return strings; }
const GPtrArray *smbios_files(void) { return files; }
bool smbios_has_file(int type) { return from_file[type]; }
bool smbios_given(int type) { return uses[type] != NULL; }

const char *smbios_text(int type, const char *key)
{
    const char *found = NULL;

    for (guint i = 0; uses[type] && i < uses[type]->len; i++) {
        const char *s = qdict_get_str(g_ptr_array_index(uses[type], i), key);

        found = s ? s : found;
    }
    return found;
}

uint64_t smbios_number(int type, const char *key, uint64_t otherwise)
{
    const char *s = smbios_text(type, key);
    uint64_t n;

    return s && parse_u64(s, 0, &n) == 0 ? n : otherwise;
}

static void push(GPtrArray **list, void *item)
{
    if (!*list) {
        *list = g_ptr_array_new();
    }
    g_ptr_array_add(*list, item);
}

/* --- one option -------------------------------------------------------------------------------------------- */

/* Words between commas; two commas stand for one. */
static GPtrArray *split(const char *text)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    GString *s = g_string_new(NULL);

    for (const char *p = text;; p++) {
        if (*p == ',' && p[1] == ',') {
            g_string_append_c(s, *p++);
        } else if (!*p || *p == ',') {
            g_ptr_array_add(words, g_string_free(s, FALSE));
            if (!*p) {
                return words;
            }
            s = g_string_new(NULL);
        } else {
            g_string_append_c(s, *p);
        }
    }
}

static const Field *find_field(int type, const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (fields[i].type == type && !strcmp(fields[i].key, key)) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool is_uuid(const char *s)
{
    static const char pattern[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; pattern[i]; i++) {
        if (pattern[i] == '-' ? s[i] != '-' : !g_ascii_isxdigit(s[i])) {
            return false;
        }
    }
    return strlen(s) == strlen(pattern);
}

static bool check_value(const Field *f, const char *value, Error **errp)
{
    unsigned major, minor;
    uint64_t n;
    char rest;

    if (f->kind == 'n' && parse_u64(value, 0, &n) < 0) {
        error_setg(errp, "Parameter '%s' expects a number", f->key);
    } else if (f->kind == 'b' && strcmp(value, "on") && strcmp(value, "off")) {
        error_setg(errp, "Parameter '%s' expects 'on' or 'off'", f->key);
    } else if (f->kind == 'u' && !is_uuid(value)) {
        error_setg(errp, "Invalid UUID");
    } else if (f->kind == 'r' && sscanf(value, "%u.%u%c", &major, &minor, &rest) != 2) {
        error_setg(errp, "Invalid release");
    } else {
        return true;
    }
    return false;
}

static bool add_string(const char *key, const char *value, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    char *text;
    gsize len;

    if (!strcmp(key, "value")) {
        push(&strings, g_strdup(value));
    } else if (g_file_get_contents(value, &text, &len, &gerr)) {
        if (strlen(text) != len) {
            error_setg(errp, "NUL in OEM strings value in %s", value);
            g_free(text);
            return false;
        }
        push(&strings, text);
    } else {
        error_setg(errp, "Unable to open %s: %s", value, g_strerror(ENOENT));
        return false;
    }
    return true;
}

static bool add_file(const char *name, Error **errp)
{
    g_autofree char *data = NULL;
    gsize len;

    if (!g_file_get_contents(name, &data, &len, NULL) || len < 4) {
        error_setg(errp, "Cannot read SMBIOS file %s", name);
        return false;
    }
    if ((uint8_t)data[0] >= SMBIOS_TYPE_MAX) {
        error_setg(errp, "Invalid SMBIOS structure type %d", (uint8_t)data[0]);
        return false;
    }
    if (uses[(uint8_t)data[0]]) {
        error_setg(errp, "can't load type %d struct, fields already specified!", (uint8_t)data[0]);
        return false;
    }
    from_file[(uint8_t)data[0]] = true;
    push(&files, g_bytes_new(data, len));
    return true;
}

/* The fields of one use, checked; type tells which there are. */
static bool take_fields(int type, const GPtrArray *words, Error **errp)
{
    g_autoptr(QObject) d = qdict_new();

    for (guint i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i), *eq = strchr(word, '=');
        g_autofree char *key = g_strndup(word, eq ? (size_t)(eq - word) : strlen(word));
        const Field *f = find_field(type, key);

        if (!*word || !strcmp(key, "type")) {
            continue;
        }
        if (!f) {
            error_setg(errp, "Invalid parameter '%s'", key);
            return false;
        }
        if (!check_value(f, eq ? eq + 1 : "on", errp) || (type == 11 && !add_string(key, eq ? eq + 1 : "on", errp))) {
            return false;
        }
        qdict_put_str(d, key, eq ? eq + 1 : "on");
    }
    push(&uses[type], qobject_ref(d));
    return true;
}

bool smbios_add_option(const char *text, Error **errp)
{
    g_autoptr(GPtrArray) words = split(text);
    const char *type = NULL, *file = NULL;
    bool known = false;
    uint64_t n;

    for (guint i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);

        type = g_str_has_prefix(word, "type=") ? word + 5 : type;
        file = g_str_has_prefix(word, "file=") ? word + 5 : file;
    }
    if (file) {
        return add_file(file, errp);
    }
    if (!type) {
        error_setg(errp, "Must specify type= or file=");
        return false;
    }
    if (parse_u64(type, 0, &n) < 0 || n >= SMBIOS_TYPE_MAX) {
        error_setg(errp, "out of range!");
        return false;
    }
    if (from_file[n]) {
        error_setg(errp, "can't process fields, struct type %" PRIu64 ", file already loaded!", n);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        known |= fields[i].type == (int)n;
    }
    if (!known) {
        error_setg(errp, "Don't know how to build fields for SMBIOS type %" PRIu64, n);
        return false;
    }
    return take_fields(n, words, errp);
}

const char *smbios_uuid(void) { return smbios_text(1, "uuid"); }
