/*
 * Who has state to save, in the order in which it is saved.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "migration/vmstate.h"

static VmEntry *entries;

VmEntry *vmstate_first(void) { return entries; }

VmEntry *vmstate_find(const char *name, uint32_t instance)
{
    VmEntry *e;

    for (e = entries; e && (strcmp(e->name, name) || e->instance != instance); e = e->next) {
    }
    return e;
}

bool vmstate_all_ready(Error **errp)
{
    for (const VmEntry *e = entries; e; e = e->next) {
        if (e->desc->ready && !e->desc->ready(e->obj, errp)) {
            return false;
        }
    }
    return true;
}

void vmstate_register(const char *prefix, const VmDesc *desc, void *obj)
{
    VmEntry *e = g_new0(VmEntry, 1), **tail = &entries;

    e->name = prefix ? g_strdup_printf("%s/%s", prefix, desc->name) : g_strdup(desc->name);
    e->desc = desc;
    e->obj = obj;
    while (vmstate_find(e->name, e->instance)) {
        e->instance++;
    }
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = e;
}

void vmstate_unregister(const void *obj)
{
    for (VmEntry **p = &entries; *p; ) {
        VmEntry *e = *p;

        if (e->obj == obj) {
            *p = e->next;
            g_free(e->name);
            g_free(e);
        } else {
            p = &e->next;
        }
    }
}
