/*
 * The PS/2 mouse: plain, with a wheel (id 3), or with two wheels and five buttons (id 4), as the guest asked for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/input.h"
#include "hw/input/ps2.h"
#include "migration/vmstate.h"

enum { STATUS_SCALE21 = 0x10, STATUS_ENABLED = 0x20, STATUS_REMOTE = 0x40 };
enum { BUTTON_LEFT = 1, BUTTON_RIGHT = 2, BUTTON_MIDDLE = 4, BUTTON_SIDE = 8, BUTTON_EXTRA = 16 };

#define ANSWER(p, ...) ps2_input(p, sizeof((uint8_t[]) { __VA_ARGS__ }), (uint8_t[]) { __VA_ARGS__ })

/* --- packets -------------------------------------------------------------------------------------------------- */

static int clamp(int v, int low, int high) { return v < low ? low : v > high ? high : v; }

/* Takes as much as a packet can tell of what has not been told. */
static int make_packet(Ps2Mouse *m, uint8_t *b)
{
    int dx = clamp(m->dx, -127, 127), dy = clamp(m->dy, -127, 127), n = 3, dz;

    m->dx -= dx;
    m->dy -= dy;
    b[0] = 0x08 | (dx < 0) << 4 | (dy < 0) << 5 | (m->buttons & 7);
    b[1] = dx;
    b[2] = dy;
    if (m->id == 3) {
        dz = clamp(m->dz, -127, 127);
        m->dz -= dz;
        b[n++] = dz;
    } else if (m->id == 4 && m->dw) {
        dz = clamp(m->dw, -31, 31);
        m->dw -= dz;
        b[n++] = 0x40 | (dz & 0x3f);
    } else if (m->id == 4) {
        dz = clamp(m->dz, -7, 7);
        m->dz -= dz;
        b[n++] = (dz & 0x0f) | (m->buttons & (BUTTON_SIDE | BUTTON_EXTRA)) << 1;
    }
    if (m->id != 4) {
        m->dw = 0;
    }
    if (m->id == 0) {
        m->dz = 0;
    }
    return n;
}

/* False, and nothing is taken, when there is no room. */
static bool send_packet(Ps2Mouse *m)
{
    uint8_t b[4];

    if (!ps2_has_room(&m->ps2, m->id ? 4 : 3)) {
        return false;
    }
    ps2_input(&m->ps2, make_packet(m, b), b);
    return true;
}

static bool moved(const Ps2Mouse *m) { return m->dx || m->dy || m->dz || m->dw; }

static void mouse_sync(void *dev)
{
    Ps2Mouse *m = dev;

    if (!(m->status & STATUS_ENABLED) || m->status & STATUS_REMOTE) {
        return;
    }
    while (send_packet(m) && moved(m)) {
    }
}

static void press(Ps2Mouse *m, const InputBtnEvent *e)
{
    static const uint8_t bits[INPUT_BUTTON__MAX] = {
        [INPUT_BUTTON_LEFT] = BUTTON_LEFT, [INPUT_BUTTON_MIDDLE] = BUTTON_MIDDLE, [INPUT_BUTTON_RIGHT] = BUTTON_RIGHT,
        [INPUT_BUTTON_SIDE] = BUTTON_SIDE, [INPUT_BUTTON_EXTRA] = BUTTON_EXTRA,
    };

    if (!e->down) {
        m->buttons &= ~bits[e->button];
        return;
    }
    m->buttons |= bits[e->button];
    switch (e->button) {
    case INPUT_BUTTON_WHEEL_UP: m->dz--; break;
    case INPUT_BUTTON_WHEEL_DOWN: m->dz++; break;
    case INPUT_BUTTON_WHEEL_LEFT: m->dw++; break;
    case INPUT_BUTTON_WHEEL_RIGHT: m->dw--; break;
    default: break;
    }
}

/* Sums wrap like those of the counters that they stand for. */
static int sum(int a, int64_t b) { return (int)((unsigned)a + (unsigned)b); }

static void mouse_event(void *dev, const InputEvent *ev)
{
    Ps2Mouse *m = dev;

    if (!(m->status & STATUS_ENABLED)) {
        return;
    }
    if (ev->type == INPUT_EVENT_KIND_BTN) {
        press(m, ev->u.btn.data);
    } else if (ev->u.rel.data->axis == INPUT_AXIS_X) {
        m->dx = sum(m->dx, ev->u.rel.data->value);
    } else {
        m->dy = sum(m->dy, -(uint64_t)ev->u.rel.data->value);
    }
}

/* --- commands -------------------------------------------------------------------------------------------------- */

static void set_defaults(Ps2Mouse *m)
{
    m->rate = 100;
    m->resolution = 2;
    m->status = 0;
}

/* Rates 200, 100, 80 ask for a wheel; 200, 200, 80 for more buttons. */
static void set_rate(Ps2Mouse *m, uint8_t rate)
{
    int knocks = m->knocks;

    m->rate = rate;
    m->knocks = knocks == 0 && rate == 200 ? 1 : knocks == 1 && rate == 100 ? 2 : knocks == 1 && rate == 200 ? 3 : 0;
    if (rate == 80 && knocks >= 2) {
        m->id = knocks == 2 ? 3 : 4;
    }
}

/* In this mode everything but its end and a reset comes back. */
static bool wrapped(Ps2Mouse *m, uint8_t v)
{
    if (!m->wrap) {
        return false;
    }
    if (v == 0xec) {
        m->wrap = false;
        ANSWER(&m->ps2, 0xfa);
        return true;
    }
    if (v != 0xff) {
        ANSWER(&m->ps2, v);
        return true;
    }
    return false;
}

void ps2_mouse_write(Ps2Mouse *m, uint8_t v)
{
    Ps2 *p = &m->ps2;
    int command = p->command;

    p->command = -1;
    if (command >= 0) {
        if (command == 0xf3) {
            set_rate(m, v);
        } else {
            m->resolution = v;
        }
        ANSWER(p, 0xfa);
        return;
    }
    if (wrapped(m, v)) {
        return;
    }
    switch (v) {
    case 0xe6: m->status &= ~STATUS_SCALE21; break;
    case 0xe7: m->status |= STATUS_SCALE21; break;
    case 0xea: m->status &= ~STATUS_REMOTE; break;
    case 0xee: m->wrap = true; break;
    case 0xf0: m->status |= STATUS_REMOTE; break;
    case 0xe9: ANSWER(p, 0xfa, m->status, m->resolution, m->rate); return;
    case 0xeb:
        ANSWER(p, 0xfa);
        send_packet(m);
        return;
    case 0xf2: ANSWER(p, 0xfa, m->id); return;
    case 0xe8: case 0xf3: p->command = v; break;
    case 0xf4: m->status |= STATUS_ENABLED; break;
    case 0xf5: m->status &= ~STATUS_ENABLED; break;
    case 0xf6: set_defaults(m); break;
    case 0xff:
        set_defaults(m);
        m->id = 0;
        ps2_clear(p);
        ANSWER(p, 0xfa, 0xaa, m->id);
        return;
    default: return;
    }
    ANSWER(p, 0xfa);
}

/* --- device ----------------------------------------------------------------------------------------------------- */

static void mouse_reset(Device *d)
{
    Ps2Mouse *m = (Ps2Mouse *)d;

    m->ps2.command = -1;
    m->rate = m->resolution = m->status = m->id = m->buttons = 0;
    m->knocks = m->dx = m->dy = m->dz = m->dw = 0;
    m->wrap = false;
    ps2_clear(&m->ps2);
}

Ps2Mouse *ps2_mouse_new(Device *controller, void (*changed)(void *controller))
{
    static const InputOps ops = {
        .name = "QEMU PS/2 Mouse", .kinds = 1u << INPUT_EVENT_KIND_BTN | 1u << INPUT_EVENT_KIND_REL,
        .event = mouse_event, .sync = mouse_sync,
    };
    Ps2Mouse *m = (Ps2Mouse *)ps2_new("ps2-mouse", controller, "ps2mouse", changed);

    input_add_handler(&ops, m);
    return m;
}

typedef struct MouseWire {
    Ps2Wire ps2;
    uint8_t status, resolution, rate, wrap, type, detect_state, buttons;
    int32_t dx, dy, dz;
} MouseWire;

static void mouse_save(void *obj, void *wire)
{
    const Ps2Mouse *m = obj;
    MouseWire *w = wire;

    ps2_wire_save(&m->ps2, &w->ps2);
    w->status = m->status;
    w->resolution = m->resolution;
    w->rate = m->rate;
    w->wrap = m->wrap;
    w->type = m->id;
    w->detect_state = m->knocks;
    w->dx = m->dx;
    w->dy = m->dy;
    w->dz = m->dz;
    w->buttons = m->buttons;
}

static bool mouse_load(void *obj, const void *wire, Error **errp)
{
    const MouseWire *w = wire;
    Ps2Mouse *m = obj;

    if ((w->type != 0 && w->type != 3 && w->type != 4) || w->detect_state > 4) {
        error_setg(errp, "there is no mouse of type %u in state %u", w->type, w->detect_state);
        return false;
    }
    m->status = w->status;
    m->resolution = w->resolution;
    m->rate = w->rate;
    m->wrap = w->wrap;
    m->id = w->type;
    m->knocks = w->detect_state;
    m->dx = clamp(w->dx, -1000000, 1000000);
    m->dy = clamp(w->dy, -1000000, 1000000);
    m->dz = clamp(w->dz, -1000000, 1000000);
    m->buttons = w->buttons;
    return ps2_wire_load(&m->ps2, &w->ps2, errp);
}

#define MW(n, t, f) VMFN("mouse_" n, t, MouseWire, f)
static const VmField mouse_fields[] = {
    VMF_STRUCTN("parent_obj", MouseWire, ps2, &ps2_wire_desc), MW("status", "uint8", status),
    MW("resolution", "uint8", resolution),
    MW("sample_rate", "uint8", rate), MW("wrap", "uint8", wrap), MW("type", "uint8", type),
    MW("detect_state", "uint8", detect_state),
    MW("dx", "int32", dx), MW("dy", "int32", dy), MW("dz", "int32", dz), MW("buttons", "uint8", buttons), { NULL }
};
static const VmDesc mouse_vmstate = {
    .name = "ps2mouse", .version = 2, .min_version = 2, .size = sizeof(MouseWire), .fields = mouse_fields,
    .save = mouse_save, .load = mouse_load,
};

static const DeviceClass mouse_class = {
    .vmstate = &mouse_vmstate,
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_INPUT, .lines = "gpio-out \"\" 1",
    .reset = mouse_reset,
};
static const TypeInfo mouse_type = {
    .name = "ps2-mouse", .parent = "ps2-device", .size = sizeof(Ps2Mouse), .class_data = &mouse_class,
};
QOM_TYPE(mouse_type)
