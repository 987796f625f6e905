/*
 * QMP: send-key, input-send-event, query-mice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/input.h"
#include "machine/runstate.h"
#include "qapi/commands-ui.h"

/* All down in the order given, then up in reverse; each stays for the time given. */
void qmp_send_key(const SendKeyArgs *arg, Error **errp)
{
    uint32_t delay = arg->has_hold_time ? arg->hold_time : 0;

    for (size_t i = 0; i < arg->keys->len; i++) {
        input_queue_key(input_key_from_value(arg->keys->items[i]), true);
        input_queue_delay(delay);
    }
    for (size_t i = arg->keys->len; i-- > 0; ) {
        input_queue_key(input_key_from_value(arg->keys->items[i]), false);
        input_queue_delay(delay);
    }
}

void qmp_input_send_event(const InputSendEventArgs *arg, Error **errp)
{
    if (arg->device) {                                   /* that of a display, and there are none */
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", arg->device);
        return;
    }
    if (!vm_running() && vm_state() != VM_SUSPENDED) {
        error_setg(errp, "VM not running");
        return;
    }
    for (size_t i = 0; i < arg->events->len; i++) {
        const InputEvent *ev = arg->events->items[i];

        if (!input_has_handler(ev->type)) {
            error_setg(errp, "Input handler not found for event type %s", InputEventKind_str(ev->type));
            return;
        }
    }
    for (size_t i = 0; i < arg->events->len; i++) {
        input_send(arg->events->items[i]);
    }
    input_sync();
}

MouseInfoList *qmp_query_mice(Error **errp) { return input_mice(); }
