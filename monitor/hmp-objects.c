/*
 * HMP: objects and devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "qapi/commands-qdev.h"
#include "qapi/commands-qom.h"

#pragma weak qmp_qom_list
#pragma weak qmp_qom_get
#pragma weak qmp_qom_set
#pragma weak qmp_object_del
#pragma weak qmp_device_add
#pragma weak qmp_device_del

static char *str(const QDict *args, const char *name) { return (char *)qdict_get_str(args, name); }

void hmp_qom_list(Monitor *mon, const QDict *args)
{
    QomListArgs a = { str(args, "path") };
    Error *err = NULL;
    ObjectPropertyInfoList *list;

    if (!a.path) {
        monitor_printf(mon, "/\n");
        return;
    }
    list = qmp_qom_list(&a, &err);
    for (size_t i = 0; list && i < list->len; i++) {
        monitor_printf(mon, "%s (%s)\n", list->items[i]->name, list->items[i]->type);
    }
    ObjectPropertyInfoList_free(list);
    hmp_error(mon, err);
}

void hmp_qom_get(Monitor *mon, const QDict *args)
{
    QomGetArgs a = { str(args, "path"), str(args, "property") };
    Error *err = NULL;
    g_autoptr(QObject) value = qmp_qom_get(&a, &err);
    g_autofree char *text = value ? json_print(value, true) : NULL;

    if (text) {
        monitor_printf(mon, "%s\n", text);
    }
    hmp_error(mon, err);
}

void hmp_object_del(Monitor *mon, const QDict *args)
{
    ObjectDelArgs a = { str(args, "id") };
    Error *err = NULL;

    qmp_object_del(&a, &err);
    hmp_error(mon, err);
}

void hmp_device_add(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    qobject_unref(qmp_device_add(args, &err));
    hmp_error(mon, err);
}

void hmp_device_del(Monitor *mon, const QDict *args)
{
    DeviceDelArgs a = { str(args, "id") };
    Error *err = NULL;

    qmp_device_del(&a, &err);
    hmp_error(mon, err);
}
