/*
 * Which accelerator drives the machine: the first of a list that is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "accel/qtest.h"
#include "system/system.h"

static const char *chosen;

const char *accel_name(void) { return chosen; }

static bool try_accel(const char *name)
{
    if (strcmp(name, "qtest")) {
        return false;
    }
    chosen = "qtest";
    qtest_set_enabled();
    return true;
}

static void report_missing(const char *name)
{
    bool known = !strcmp(name, "kvm") || !strcmp(name, "tcg");

    error_report(known ? "invalid accelerator %s (this program has no processor yet, only qtest)"
                       : "invalid accelerator %s", name);
}

static void print_list(void)
{
    printf("Accelerators supported in QEMU binary:\nqtest\n");
    exit(0);
}

/* "kvm:tcg": fall through silently to one that is there; tell all if none is. */
static void choose_from_list(const char *list)
{
    g_auto(GStrv) names = g_strsplit(list, ":", -1);

    for (char **p = names; *p; p++) {
        if (try_accel(*p)) {
            return;
        }
    }
    for (char **p = names; *p; p++) {
        report_missing(*p);
    }
    exit(1);
}

static void choose_from_options(void)
{
    for (guint i = 0; i < emu.accels->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.accels, i);
        const char *name = qdict_get_str(e->opts, "accel");

        if (name && (!strcmp(name, "help") || !strcmp(name, "?"))) {
            print_list();
        }
        if (name && try_accel(name)) {
            return;
        }
    }
    for (guint i = 0; i < emu.accels->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.accels, i);

        error_set_location(e->loc);
        report_missing(qdict_get_str(e->opts, "accel") ? qdict_get_str(e->opts, "accel") : "");
        error_set_location(NULL);
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
        choose_from_list(list);
    } else if (emu.enable_kvm) {
        choose_from_list("kvm");
    } else {
        choose_from_list("kvm:tcg:qtest");
    }
}
