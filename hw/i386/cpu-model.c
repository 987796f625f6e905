/*
 * Looking up models of processors; their types; -cpu.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hw/i386/cpu-models.h"
#include "hw/machine.h"

const CpuModel *cpu_model_find(const char *name)
{
    for (const CpuName *n = cpu_names; n->name; n++) {
        if (!strcmp(n->name, name)) {
            name = n->alias_of ? n->alias_of : name;
            break;
        }
    }
    for (const CpuModel *m = cpu_models; m->name; m++) {
        if (!strcmp(m->name, name)) {
            return m;
        }
    }
    return NULL;
}

int cpu_feature_index(const char *name)
{
    for (const CpuName *n = cpu_feature_aliases; n->name; n++) {
        if (!strcmp(n->name, name)) {
            name = n->alias_of;
            break;
        }
    }
    for (int i = 0; cpu_features[i].name; i++) {
        if (!strcmp(cpu_features[i].name, name)) {
            return i;
        }
    }
    return -1;
}

void cpu_model_features(const CpuModel *m, bool *on)
{
    g_auto(GStrv) words = g_strsplit(m->features ? m->features : "", " ", -1);

    if (m->parent) {
        cpu_model_features(cpu_model_find(m->parent), on);
    } else {
        memset(on, 0, CPU_FEATURES_MAX * sizeof(*on));
    }
    for (char **w = words; *w; w++) {
        int i = cpu_feature_index(**w == '-' ? *w + 1 : *w);

        if (i >= 0) {
            on[i] = **w != '-';
        }
    }
}

void cpu_model_id(const char *type, uint32_t *id)
{
    static const struct { const char *name; int bit; } bits[] = {
        { "fpu", 0 }, { "vme", 1 }, { "de", 2 }, { "pse", 3 }, { "tsc", 4 }, { "msr", 5 }, { "pae", 6 }, { "mce", 7 },
        { "cx8", 8 },
        { "apic", 9 }, { "sep", 11 }, { "mtrr", 12 }, { "pge", 13 }, { "mca", 14 }, { "cmov", 15 }, { "pat", 16 },
        { "pse36", 17 },
        { "pn", 18 }, { "clflush", 19 }, { "ds", 21 }, { "acpi", 22 }, { "mmx", 23 }, { "fxsr", 24 }, { "sse", 25 },
        { "sse2", 26 },
        { "ss", 27 }, { "ht", 28 }, { "tm", 29 }, { "ia64", 30 }, { "pbe", 31 },
    };
    g_autofree char *name = g_strndup(type, strlen(type) - strlen("-x86_64-cpu"));
    const CpuModel *m = cpu_model_find(name);
    g_auto(GStrv) missing = g_strsplit(m->unavailable ? m->unavailable : "", " ", -1);
    bool on[CPU_FEATURES_MAX];
    unsigned family = m->family, extended = family > 0xf ? family - 0xf : 0;

    cpu_model_features(m, on);
    id[0] = extended << 20 | (family - extended) << 8 | (m->model & 0xfu) << 4 | (unsigned)(m->model >> 4) << 16
            | m->stepping;
    id[1] = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        if (on[cpu_feature_index(bits[i].name)] && !g_strv_contains((const char *const *)missing, bits[i].name)) {
            id[1] |= 1u << bits[i].bit;
        }
    }
}

/* --- -cpu ------------------------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(CpuName *const *)a)->name, (*(CpuName *const *)b)->name);
}
/* Those that follow the accelerator or are bare come last. */
static bool is_special(const char *name)
{
    return !strcmp(name, "max") || !strcmp(name, "host") || !strcmp(name, "base");
}

static char *help_of(const CpuName *n)
{
    const CpuModel *m = cpu_model_find(n->name);

    if (n->alias_of && !strncmp(n->alias_of, n->name, strlen(n->name))
        && g_str_has_prefix(n->alias_of + strlen(n->name), "-v")) {
        return g_strdup("(alias configured by machine type)");
    }
    if (n->alias_of) {
        return g_strdup_printf("(alias of %s)", n->alias_of);
    }
    return g_strdup(m->help ? m->help : m->model_id ? m->model_id : "");
}

static void print_flags(void)
{
    int column = 0;

    printf("\nRecognized CPUID flags:\n");
    for (const CpuFeature *f = cpu_features; f->name; f++) {
        bool twice = !strcmp(f->name, "kvmclock") || !strcmp(f->name, "vmx-invept-single-context");     /* two bits */
        /* none of CPUID */
        int times = twice ? 2 : strcmp(f->name, "lmce") != 0;

        while (times--) {
            int len = strlen(f->name) + 1;

            if (column && column + len >= 75) {
                printf("\n");
                column = 0;
            }
            printf("%s%s", column ? " " : "  ", f->name);
            column += len;
        }
    }
    printf("\n\n");
}

bool cpu_models_print(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const CpuName *n = cpu_names; n->name; n++) {
        if (!is_special(n->name)) {
            g_ptr_array_add(names, (gpointer)n);
        }
    }
    g_ptr_array_sort(names, compare_names);
    for (const char *const *s = (const char *const[]) { "base", "host", "max", NULL }; *s; s++) {
        for (const CpuName *n = cpu_names; n->name; n++) {
            if (!strcmp(n->name, *s)) {
                g_ptr_array_add(names, (gpointer)n);
            }
        }
    }
    printf("Available CPUs:\n");
    for (guint i = 0; i < names->len; i++) {
        const CpuName *n = g_ptr_array_index(names, i);
        g_autofree char *help = help_of(n);

        printf("x86 %-20s  %s\n", n->name, help);
    }
    print_flags();
    return true;
}

/* One word after the model: +f, -f, f, f=value. */
static bool check_feature(const char *type, const char *word, Error **errp)
{
    ERRP_GUARD();
    bool sign = *word == '+' || *word == '-';
    g_autofree char *name = g_strndup(word + sign, sign ? strlen(word + 1) : strcspn(word, "="));

    if (cpu_feature_index(name) >= 0) {
        return true;
    }
    for (const CpuSetting *s = cpu_settings; s->name; s++) {
        if (!strcmp(s->name, name)) {
            return true;
        }
    }
    for (const char *const *s =
         (const char *const[]) { "family", "model", "stepping", "vendor", "model-id", "level", "xlevel",
                                                       "xlevel2", "min-level", "min-xlevel", "min-xlevel2",
                                                       "level-func7",
                                                       "legacy-cache", "pmu", "migratable", "host-cache-info",
                                                           NULL }; *s; s++) {
        if (!strcmp(*s, name)) {
            return true;
        }
    }
    error_setg(errp, "Property '%s.%s' not found", type, name);
    if (!sign) {
        const char *eq = strchr(word, '=');

        error_prepend(errp, "can't apply global %s.%s=%s: ", type, name, eq ? eq + 1 : "on");
    }
    return false;
}

char *cpu_type_from_option(const char *text, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    g_autofree char *type = NULL;

    if (!words[0]) {
        error_setg(errp, "-cpu option cannot be empty");
        return NULL;
    }
    if (!cpu_model_find(words[0])) {
        error_setg(errp, "unable to find CPU model '%s'", words[0]);
        return NULL;
    }
    type = g_strdup_printf("%s-x86_64-cpu", words[0]);
    for (char **w = words + 1; *w; w++) {
        if (**w && !check_feature(type, *w, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&type);
}

/* --- types ------------------------------------------------------------------------------------------------ */

static const DeviceClass cpu_class = { .category = DEVICE_CPU, .no_user = true };
static const TypeInfo cpu_type = { .name = "cpu", .parent = "device", .abstract = true, .size = sizeof(Device) };
QOM_TYPE(cpu_type)
static const TypeInfo x86_cpu_type = {
    .name = "x86_64-cpu", .parent = "cpu", .abstract = true, .size = sizeof(Device), .class_data = &cpu_class,
};
QOM_TYPE(x86_cpu_type)

/* Types live as long as the program. */
__attribute__((constructor)) static void register_models(void)
{
    for (const CpuName *n = cpu_names; n->name; n++) {
        TypeInfo *t = g_new0(TypeInfo, 1);

        t->name = g_strdup_printf("%s-x86_64-cpu", n->name);
        t->parent = !strcmp(n->name, "host") ? "max-x86_64-cpu" : "x86_64-cpu";
        t->size = sizeof(Device);
        type_register(t);
    }
}
