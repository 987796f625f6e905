/*
 * QMP: query-cpu-definitions, query-cpu-model-expansion.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/i386/cpu-models.h"
#include "hw/machine.h"
#include "qapi/commands-machine-target.h"

CpuDefinitionInfoList *qmp_query_cpu_definitions(Error **errp)
{
    CpuDefinitionInfoList *list = CpuDefinitionInfoList_new();

    for (const CpuName *n = cpu_names; n->name; n++) {
        const CpuModel *m = cpu_model_find(n->name);
        g_auto(GStrv) missing = g_strsplit(m->unavailable ? m->unavailable : "", " ", -1);
        CpuDefinitionInfo *info = CpuDefinitionInfo_new();

        info->name = g_strdup(n->name);
        info->typename = g_strdup_printf("%s-x86_64-cpu", n->name);
        info->alias_of = g_strdup(n->alias_of);
        info->static_ = !strcmp(n->name, "base");
        info->has_migration_safe = true;
        info->migration_safe = strcmp(n->name, "host") && strcmp(n->name, "max");
        info->unavailable_features = strList_new();
        for (char **w = missing; *w; w++) {
            strList_append(info->unavailable_features, g_strdup(*w));
        }
        CpuDefinitionInfoList_append(list, info);
    }
    return list;
}

/* --- expansion -------------------------------------------------------------------------------------------- */

typedef struct Expansion {
    const CpuModel *model;
    char *type;                        /* QOM name, for messages */
    bool on[CPU_FEATURES_MAX];
    QDict *props;                      /* everything that is no feature */
    bool given_level, given_xlevel, given_xlevel2;
} Expansion;

static void expansion_clear(Expansion *e)
{
    g_free(e->type);
    qobject_unref(e->props);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Expansion, expansion_clear)

static bool follows_host(const char *name) { return !strcmp(name, "max") || !strcmp(name, "host"); }

static void put_settings(Expansion *e, const char *name)
{
    const CpuModel *m = e->model;

    for (const CpuSetting *s = cpu_settings; s->name; s++) {
        QObject *v = s->kind == 'b' ? qbool_new(s->number) : s->kind == 's' ? qstring_new(s->text)
            : g_str_has_prefix(s->name, "lbr") ? quint_new(s->number) : qint_new(s->number);

        qdict_put(e->props, s->name, v);
    }
    qdict_put_int(e->props, "family", m->family);
    qdict_put_int(e->props, "model", m->model);
    qdict_put_int(e->props, "stepping", m->stepping);
    qdict_put_str(e->props, "vendor", m->vendor ? m->vendor : "");
    qdict_put_str(e->props, "model-id", m->model_id ? m->model_id : "");
    qdict_put_int(e->props, "min-level", m->level);
    qdict_put_int(e->props, "min-xlevel", m->xlevel);
    qdict_put_int(e->props, "min-xlevel2", 0);
    qdict_put_int(e->props, "level-func7", 0);
    qdict_put(e->props, "legacy-cache", qbool_new(!m->own_cache));
    qdict_put(e->props, "pmu", qbool_new(follows_host(name)));
    if (follows_host(name)) {
        qdict_put(e->props, "host-cache-info", qbool_new(false));
        qdict_put(e->props, "migratable", qbool_new(true));
    }
}

/* --- what the asker changes --------------------------------------------------------------------------------- */

static bool set_number(Expansion *e, const char *name, const QObject *value, Error **errp)
{
    static const struct { const char *name; int64_t max; } bounds[] = {
        { "family", 0xff + 0xf }, { "model", 0xff }, { "stepping", 0xf },
    };
    int64_t n;

    if (!qobject_get_int(value, &n)) {
        error_setg(errp, "Invalid parameter type for '%s', expected: integer", name);
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bounds); i++) {
        if (!strcmp(bounds[i].name, name) && (n < 0 || n > bounds[i].max)) {
            error_setg(errp, "Property .%s doesn't take value %" PRId64 " (minimum: 0, maximum: %" PRId64 ")", name, n,
                       bounds[i].max);
            return false;
        }
    }
    e->given_level |= !strcmp(name, "level");
    e->given_xlevel |= !strcmp(name, "xlevel");
    e->given_xlevel2 |= !strcmp(name, "xlevel2");
    if (strcmp(name, "tsc-frequency")) {
        qdict_put_int(e->props, name, n);
    }
    return true;
}

static bool set_text(Expansion *e, const char *name, const QObject *value, Error **errp)
{
    const char *s = qobject_get_str(value);

    if (!s) {
        error_setg(errp, "Invalid parameter type for '%s', expected: string", name);
        return false;
    }
    if (!strcmp(name, "vendor") && strlen(s) != 12) {
        error_setg(errp, "Property '.vendor' doesn't take value '%s'", s);
        return false;
    }
    if (!strcmp(name, "memory")) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", s);
        return false;
    }
    qdict_put_str(e->props, name, s);
    return true;
}

static bool set_switch(Expansion *e, int feature, const char *name, const QObject *value, Error **errp)
{
    bool on;

    if (!qobject_get_bool(value, &on)) {
        error_setg(errp, "Invalid parameter type for '%s', expected: boolean", name);
        return false;
    }
    if (feature >= 0) {
        e->on[feature] = on;
        return true;
    }
    if (!strcmp(name, "realized") && on) {
        error_setg(errp, machine_class(machine_current())->hotpluggable_cpus ? "CPU socket-id is not set"
                   : "apic-id property was not initialized properly");
        return false;
    }
    if (!strcmp(name, "hv-avic") || !strcmp(name, "hv-apicv")) {            /* two names of one */
        qdict_put(e->props, "hv-avic", qbool_new(on));
        qdict_put(e->props, "hv-apicv", qbool_new(on));
        return true;
    }
    qdict_put(e->props, name, qbool_new(on));
    return true;
}

static bool set_property(Expansion *e, const char *name, const QObject *value, Error **errp)
{
    int feature = cpu_feature_index(name);
    const QObject *now = qdict_get(e->props, name);

    if (feature >= 0 || (now && qobject_type(now) == QTYPE_BOOL)) {
        return set_switch(e, feature, name, value, errp);
    }
    if (now && qobject_type(now) == QTYPE_STRING) {
        return set_text(e, name, value, errp);
    }
    if (now || !strcmp(name, "level") || !strcmp(name, "xlevel") || !strcmp(name, "xlevel2")) {
        return set_number(e, name, value, errp);
    }
    error_setg(errp, "Property '%s.%s' not found", e->type, name);
    return false;
}

static bool set_properties(Expansion *e, const QObject *props, Error **errp)
{
    if (!props || qobject_type(props) != QTYPE_DICT) {   /* the peer overlooks what is no dict */
        return true;
    }
    for (size_t i = 0; i < qdict_size(props); i++) {
        if (!set_property(e, qdict_key_at(props, i), qdict_value_at(props, i), errp)) {
            return false;
        }
    }
    return true;
}

/* --- what follows from it -------------------------------------------------------------------------------------- */

static void raise_level(Expansion *e, uint32_t leaf)
{
    const char *name = leaf >> 28 == 0 ? "min-level" : leaf >> 28 == 8 ? "min-xlevel" : "min-xlevel2";

    if (qdict_get_int(e->props, name, 0) < leaf) {
        qdict_put_int(e->props, name, leaf);
    }
}

/* Features without that what they need, until there are no more. */
static void drop_idle(Expansion *e)
{
    bool again;

    do {
        again = false;
        for (int i = 0; cpu_features[i].name; i++) {
            const char *needs = cpu_features[i].needs;

            if (e->on[i] && needs && (!strcmp(needs, "KVM") || !e->on[cpu_feature_index(needs)])) {
                e->on[i] = false;
                again = true;
            }
        }
    } while (again);
}

static void settle(Expansion *e)
{
    drop_idle(e);
    for (int i = 0; cpu_features[i].name; i++) {
        const CpuFeature *f = &cpu_features[i];

        if (e->on[i] && f->leaf) {
            raise_level(e, f->leaf);
        }
        if (e->on[i] && f->in_subleaf) {
            qdict_put_int(e->props, "level-func7", 1);
        }
    }
    if (!e->given_level) {
        qdict_put_int(e->props, "level", qdict_get_int(e->props, "min-level", 0));
    }
    if (!e->given_xlevel) {
        qdict_put_int(e->props, "xlevel", qdict_get_int(e->props, "min-xlevel", 0));
    }
    if (!e->given_xlevel2) {
        qdict_put_int(e->props, "xlevel2", qdict_get_int(e->props, "min-xlevel2", 0));
    }
}

static void put_features(const Expansion *e, QDict *to, bool with_aliases)
{
    for (int i = 0; cpu_features[i].name; i++) {
        qdict_put(to, cpu_features[i].name, qbool_new(e->on[i]));
    }
    for (const CpuName *n = cpu_feature_aliases; with_aliases && n->name; n++) {
        qdict_put(to, n->name, qbool_new(e->on[cpu_feature_index(n->alias_of)]));
    }
}

/* What makes up the model, told as changes of the bare one. */
static QDict *only_static(const Expansion *e)
{
    static const char *const names[] = {
        "vendor", "family", "model", "stepping", "model-id", "min-level", "min-xlevel",
    };
    QDict *d = qdict_new();

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        qdict_put(d, names[i], qobject_ref(qdict_get(e->props, names[i])));
    }
    put_features(e, d, false);
    return d;
}

CpuModelExpansionInfo *qmp_query_cpu_model_expansion(const QueryCpuModelExpansionArgs *arg, Error **errp)
{
    g_auto(Expansion) e = { .model = cpu_model_find(arg->model->name), .props = qdict_new() };
    CpuModelExpansionInfo *info;
    bool full = arg->type == CPU_MODEL_EXPANSION_TYPE_FULL;

    if (!e.model) {
        error_setg(errp, "CPU model '%s' not found", arg->model->name);
        return NULL;
    }
    e.type = g_strdup_printf("%s-x86_64-cpu", arg->model->name);
    cpu_model_features(e.model, e.on);
    put_settings(&e, arg->model->name);
    if (!set_properties(&e, arg->model->props, errp)) {
        return NULL;
    }
    settle(&e);
    info = CpuModelExpansionInfo_new();
    info->model = CpuModelInfo_new();
    info->model->name = g_strdup(full ? arg->model->name : "base");
    if (full) {
        put_features(&e, e.props, true);
        info->model->props = qobject_ref(e.props);
    } else {
        info->model->props = only_static(&e);
    }
    return info;
}
