/*
 * Which accelerator drives the machine: the first of a list that is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/accel.h"
#include "accel/qtest.h"
#include "hw/machine.h"
#include "machine/runstate.h"
#include "system/system.h"

typedef struct AccelKind {
    const char *name, *label;      /* the label is how a fall-back to it is told */
    bool runs_processors;          /* needs a board without one, as yet */
} AccelKind;

static const AccelKind kinds[] = {
    { "qtest", "qtest", false }, { "kvm", "KVM", true }, { "tcg", "tcg", true }, { NULL, NULL, false },
};

static const AccelKind *find_kind(const char *name)
{
    for (const AccelKind *k = kinds; k->name; k++) {
        if (!strcmp(k->name, name)) {
            return k;
        }
    }
    return NULL;
}

static bool board_has_processor(void) { return machine_class(machine_current())->default_cpu_type != NULL; }

/* Properties of -accel NAME,...; their object is not kept: nothing reads it yet. */
static void check_properties(const AccelKind *k, const QDict *opts)
{
    g_autofree char *type = g_strdup_printf("%s-accel", k->name);
    Object *o = object_new(type_find(type));

    for (size_t i = 0; opts && i < qdict_size(opts); i++) {
        const char *key = qdict_key_at(opts, i);

        if (strcmp(key, "accel") && strcmp(key, "id")) {
            object_set_text(o, key, qdict_value_at(opts, i), &error_fatal);
        }
    }
    object_unref(o);
}

/* False, and told why unless quiet, when it cannot drive this board. */
static bool try_accel(const char *name, const QDict *opts, bool quiet)
{
    const AccelKind *k = find_kind(name);

    if (!k) {
        error_report("invalid accelerator %s", name);
        return false;
    }
    if (k->runs_processors && board_has_processor()) {
        if (!quiet) {
            error_report("%s cannot drive this machine: there is no processor yet, use -accel qtest", k->name);
        }
        return false;
    }
    check_properties(k, opts);
    if (!strcmp(name, "kvm") && !kvm_open()) {
        return false;
    }
    if (!strcmp(name, "qtest")) {
        qtest_set_enabled();
    } else {
        vm_clock_init();
    }
    accel_set_name(k->name);
    return true;
}

static void print_list(void)
{
    printf("Accelerators supported in QEMU binary:\ntcg\nkvm\nqtest\n");
    exit(0);
}

/* "kvm:tcg": names that are unknown are told at once, then the first that works drives the board. */
static void choose_from_list(const char *list, bool quiet)
{
    g_auto(GStrv) names = g_strsplit(list, ":", -1);
    bool failed = false;

    for (char **p = names; *p; p++) {
        if (!find_kind(*p)) {
            error_report("invalid accelerator %s", *p);
            failed = true;
        }
    }
    for (char **p = names; *p; p++) {
        if (!find_kind(*p)) {
            continue;
        }
        if (try_accel(*p, NULL, quiet)) {
            if (failed) {
                error_report("falling back to %s", find_kind(*p)->label);
            }
            return;
        }
        failed = true;
    }
    exit(1);
}

static void choose_from_options(void)
{
    bool failed = false;

    for (guint i = 0; i < emu.accels->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.accels, i);
        const char *name = qdict_get_str(e->opts, "accel");

        if (name && (!strcmp(name, "help") || !strcmp(name, "?"))) {
            print_list();
        }
    }
    for (guint i = 0; i < emu.accels->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.accels, i);
        const char *name = qdict_get_str(e->opts, "accel");

        error_set_location(e->loc);
        if (try_accel(name ? name : "", e->opts, false)) {
            error_set_location(NULL);
            if (failed) {
                error_report("falling back to %s", find_kind(name)->label);
            }
            return;
        }
        error_set_location(NULL);
        failed = true;
    }
    exit(1);
}

void accel_choose(void)
{
    const char *list = emu.machine ? qdict_get_str(emu.machine, "accel") : NULL;

    if (emu.accels && list) {
        error_report("The -accel and \"-machine accel=\" options are incompatible");
        exit(1);
    }
    if (emu.accels) {
        choose_from_options();
    } else if (list) {
        if (!*list) {
            error_report("no accelerator found");
            exit(1);
        }
        choose_from_list(list, false);
    } else if (emu.enable_kvm) {
        choose_from_list("kvm", false);
    } else {
        choose_from_list(board_has_processor() ? "qtest" : "tcg", true);
    }
}
