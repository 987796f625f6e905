/*
 * PS/2 devices: the bytes that wait for the controller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/input/ps2.h"

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

static const DeviceClass ps2_class = { .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_UNCATEGORIZED };
static const TypeInfo ps2_type = {
    .name = "ps2-device", .parent = "device", .abstract = true, .size = sizeof(Ps2), .class_data = &ps2_class,
};
QOM_TYPE(ps2_type)
