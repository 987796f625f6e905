/*
 * PS/2 devices: the bytes that wait for the controller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/input/ps2.h"
#include "migration/vmstate.h"

static void tell(Ps2 *p) { p->changed(p->controller); }

void ps2_clear(Ps2 *p)
{
    p->count = p->answers = 0;
    tell(p);
}

static void drop(Ps2 *p, int n)
{
    memmove(p->queue, p->queue + n, p->count - n);
    p->count -= n;
    p->answers = MAX(p->answers - n, 0);
}

uint8_t ps2_read(Ps2 *p)
{
    uint8_t v = p->count ? p->queue[0] : 0;

    if (p->count) {
        drop(p, 1);
    }
    return v;
}

void ps2_answer(Ps2 *p, int n, const uint8_t *bytes)
{
    drop(p, p->answers);
    memmove(p->queue + n, p->queue, p->count);
    memcpy(p->queue, bytes, n);
    p->count += n;
    p->answers = n;
    tell(p);
}

bool ps2_has_room(const Ps2 *p, int n) { return p->count + n <= PS2_INPUT_MAX; }

void ps2_input(Ps2 *p, int n, const uint8_t *bytes)
{
    if (n && ps2_has_room(p, n)) {
        memcpy(p->queue + p->count, bytes, n);
        p->count += n;
        tell(p);
    }
}

/* --- state ------------------------------------------------------------------------------------------------ */

void ps2_put_first(Ps2 *p, uint8_t v)
{
    if (p->count < (int)sizeof(p->queue)) {
        memmove(p->queue + 1, p->queue, p->count++);
        p->queue[0] = v;
    }
}

static const VmField ps2_fields[] = {
    VMF(Ps2Wire, write_cmd, "int32"), VMFN("queue.rptr", "int32", Ps2Wire, rptr),
    VMFN("queue.wptr", "int32", Ps2Wire, wptr),
    VMFN("queue.count", "int32", Ps2Wire, count), VMF_BYTESN("queue.data", "buffer", Ps2Wire, data), { NULL }
};
const VmDesc ps2_wire_desc = { .name = "PS2 Common State", .version = 3, .min_version = 2, .fields = ps2_fields };

void ps2_wire_save(const Ps2 *p, Ps2Wire *w)
{
    int skip = p->count && p->shown && p->shown(p->controller, p);

    w->write_cmd = p->command;
    w->count = w->wptr = p->count - skip;
    w->cwptr = p->answers > skip ? p->answers - skip : -1;
    memcpy(w->data, p->queue + skip, w->count);
}

bool ps2_wire_load(Ps2 *p, const Ps2Wire *w, Error **errp)
{
    if (w->count < 0 || w->count > 256 || w->rptr < 0 || w->rptr > 255 || w->write_cmd < -1 || w->write_cmd > 255) {
        error_setg(errp, "the queue holds %d bytes from %d on", w->count, w->rptr);
        return false;
    }
    p->command = w->write_cmd;
    p->count = MIN(w->count, (int)sizeof(p->queue) - 1);         /* one byte may be the controller's */
    for (int i = 0; i < p->count; i++) {
        p->queue[i] = w->data[(w->rptr + i) & 255];
    }
    p->answers = w->cwptr < 0 ? 0 : MIN(MIN((w->cwptr - w->rptr) & 255, PS2_ANSWER_MAX), p->count);
    return true;
}

/* --- devices ---------------------------------------------------------------------------------------------- */

Ps2 *ps2_new(const char *type, Device *controller, const char *name, void (*changed)(void *controller))
{
    Ps2 *p = (Ps2 *)device_new(type);

    p->changed = changed;
    p->controller = controller;
    object_add_child(&controller->obj, name, &p->dev.obj);
    object_unref(&p->dev.obj);
    device_realize(&p->dev, bus_root(), &error_fatal);
    return p;
}

static const DeviceClass ps2_class = {
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED,
};
static const TypeInfo ps2_type = {
    .name = "ps2-device", .parent = "device", .abstract = true, .size = sizeof(Ps2), .class_data = &ps2_class,
};
QOM_TYPE(ps2_type)
