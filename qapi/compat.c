/*
 * Policies for deprecated and unstable commands, parameters and results.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "qapi/compat.h"

enum { ACCEPT, REJECT, CRASH };

static struct {
    const char *feature, *adjective;
    int input;
    bool hide;
} policies[] = { { "deprecated", "Deprecated", ACCEPT, false }, { "unstable", "Unstable", ACCEPT, false } };

static __thread bool for_monitor;

void compat_monitor(bool on) { for_monitor = on; }

static bool has(const char *const *features, const char *name)
{
    for (; features && *features; features++) {
        if (!strcmp(*features, name)) {
            return true;
        }
    }
    return false;
}

bool compat_accepts(const char *const *features, const char *what, const char *name, ErrorClass error_class,
                    Error **errp)
{
    for (size_t i = 0; features && i < G_N_ELEMENTS(policies); i++) {
        if (policies[i].input == ACCEPT || !has(features, policies[i].feature)) {
            continue;
        }
        if (policies[i].input == CRASH) {            /* what was asked for: a test wants to see who uses it */
            abort();
        }
        error_set(errp, error_class, "%s %s %s disabled by policy", policies[i].adjective, what, name);
        return false;
    }
    return true;
}

bool compat_accepts_member(const char *const *features, const char *name, Error **errp)
{
    return !for_monitor || compat_accepts(features, "parameter", name, ERROR_CLASS_GENERIC_ERROR, errp);
}

bool compat_hides(const char *const *features)
{
    return (policies[0].hide && has(features, "deprecated")) || (policies[1].hide && has(features, "unstable"));
}

bool compat_hides_member(const char *const *features) { return for_monitor && compat_hides(features); }

/* Index of the value among the words, -1: none of them. */
static int find(const char *const *words, const char *value)
{
    for (int i = 0; words[i]; i++) {
        if (!g_strcmp0(words[i], value)) {
            return i;
        }
    }
    return -1;
}

static bool set_one(const char *key, const char *value, Error **errp)
{
    static const char *const inputs[] = { "accept", "reject", "crash", NULL },
        *const outputs[] = { "accept", "hide", NULL };

    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        bool input = g_str_has_suffix(key, "-input");
        int n;

        if (!g_str_has_prefix(key, policies[i].feature)
            || (strcmp(key + strlen(policies[i].feature), "-input")
                && strcmp(key + strlen(policies[i].feature), "-output"))) {
            continue;
        }
        n = find(input ? inputs : outputs, value);
        if (n < 0) {
            error_setg(errp, "Parameter '%s' does not accept value '%s'", key, value ? value : "");
            return false;
        }
        policies[i].input = input ? n : policies[i].input;
        policies[i].hide = input ? policies[i].hide : n > 0;
        return true;
    }
    error_setg(errp, "Parameter '%s' is unexpected", key);
    return false;
}

bool compat_set(const QDict *options, Error **errp)
{
    for (size_t i = 0; options && i < qdict_size(options); i++) {
        if (!set_one(qdict_key_at(options, i), qobject_get_str(qdict_value_at(options, i)), errp)) {
            return false;
        }
    }
    return true;
}
