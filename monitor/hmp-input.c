/*
 * HMP: keys and mice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "hmp-int.h"
#include "hw/input.h"
#include "qapi/commands-ui.h"

#pragma weak qmp_send_key
#pragma weak qmp_query_mice
#pragma weak input_select_mouse
#pragma weak input_send_button
#pragma weak input_send_rel
#pragma weak input_sync

/* --- keys ------------------------------------------------------------------------------------------------- */

/* A name, "<", or a number in hex; NULL: no key. */
static KeyValue *parse_key(const char *word)
{
    g_autoptr(KeyValue) v = KeyValue_new();
    char *end;

    if (!strcmp(word, "<")) {
        word = "less";
    }
    if (g_str_has_prefix(word, "0x")) {
        v->type = KEY_VALUE_KIND_NUMBER;
        v->u.number.data = (int)strtoul(word, &end, 0);
        return *end ? NULL : g_steal_pointer(&v);
    }
    v->type = KEY_VALUE_KIND_QCODE;
    return QKeyCode_parse(word, &v->u.qcode.data) ? g_steal_pointer(&v) : NULL;
}

void hmp_sendkey(Monitor *mon, const QDict *args)
{
    g_auto(GStrv) words = g_strsplit(qdict_get_str(args, "keys"), "-", -1);
    g_autoptr(KeyValueList) keys = KeyValueList_new();
    SendKeyArgs send = { .keys = keys };
    Error *err = NULL;

    for (char **w = words; *w; w++) {
        KeyValue *v = parse_key(*w);

        if (!v) {
            monitor_printf(mon, "invalid parameter: %s\n", *w);
            return;
        }
        KeyValueList_append(keys, v);
    }
    send.hold_time = qdict_get_int(args, "hold-time", -1);
    send.has_hold_time = send.hold_time > 0;
    qmp_send_key(&send, &err);
    hmp_error(mon, err);
}

/* --- mice ------------------------------------------------------------------------------------------------- */

void hmp_info_mice(Monitor *mon, const QDict *args)
{
    g_autoptr(MouseInfoList) l = qmp_query_mice(NULL);

    for (size_t i = 0; i < l->len; i++) {
        monitor_printf(mon, "%c Mouse #%" PRId64 ": %s%s\n", l->items[i]->current ? '*' : ' ', l->items[i]->index,
                       l->items[i]->name,
                       l->items[i]->absolute ? " (absolute)" : "");
    }
    if (!l->len) {
        monitor_printf(mon, "No mouse devices connected\n");
    }
}

void hmp_mouse_set(Monitor *mon, const QDict *args)
{
    Error *err = NULL;

    if (!input_select_mouse(qdict_get_int(args, "index", 0), &err)) {
        error_report_err(err);
    }
}

static int number(const QDict *args, const char *name)
{
    const char *s = qdict_get_str(args, name);

    return s ? (int)strtol(s, NULL, 0) : 0;
}

void hmp_mouse_move(Monitor *mon, const QDict *args)
{
    int dz = number(args, "dz_str");

    input_send_rel(INPUT_AXIS_X, number(args, "dx_str"));
    input_send_rel(INPUT_AXIS_Y, number(args, "dy_str"));
    if (dz) {                                            /* one step of the wheel, however many were asked for */
        InputButton wheel = dz > 0 ? INPUT_BUTTON_WHEEL_UP : INPUT_BUTTON_WHEEL_DOWN;

        input_send_button(wheel, true);
        input_sync();
        input_send_button(wheel, false);
    }
    input_sync();
}

void hmp_mouse_button(Monitor *mon, const QDict *args)
{
    static const InputButton buttons[] = { INPUT_BUTTON_LEFT, INPUT_BUTTON_RIGHT, INPUT_BUTTON_MIDDLE };
    static int before;
    int now = qdict_get_int(args, "button_state", 0);

    if (before == now) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(buttons); i++) {
        if ((before ^ now) & 1 << i) {
            input_send_button(buttons[i], now & 1 << i);
        }
    }
    before = now;
    input_sync();
}
