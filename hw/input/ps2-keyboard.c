/*
 * The PS/2 keyboard: keys become codes of the set that the guest chose; the controller may want them translated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/input.h"
#include "hw/input/ps2.h"
#include "migration/vmstate.h"

enum { MOD_CTRL_L = 1, MOD_CTRL_R = 2, MOD_SHIFT_L = 4, MOD_SHIFT_R = 8, MOD_ALT_L = 16, MOD_ALT_R = 32 };
#define MOD_CTRL (MOD_CTRL_L | MOD_CTRL_R)
#define MOD_SHIFT (MOD_SHIFT_L | MOD_SHIFT_R)

/* What the controller makes of codes below 0x80 (of the second set, as it believes). */
static const uint8_t translated[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59,
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b,
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f,
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61,
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f,
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

/* --- codes --------------------------------------------------------------------------------------------------- */

typedef struct Codes {
    uint8_t b[16];
    int n;
} Codes;

static void add(Codes *c, uint8_t v) { c->b[c->n++] = v; }

/* One key of the first or second set, or of the third, which has no prefixes. */
static void add_key(Codes *c, int set, uint16_t code, bool down)
{
    if (!code) {
        return;
    }
    if (code >> 8) {
        add(c, code >> 8);
    }
    if (!down && set != 1) {
        add(c, 0xf0);
    }
    add(c, !down && set == 1 ? (code & 0xff) | 0x80 : code & 0xff);
}

/* Alt lets go and comes back around the code of its own; otherwise a shift is made up where none is down. */
static void add_print(Codes *c, int set, unsigned modifiers, bool down)
{
    uint16_t print = set == 1 ? 0xe037 : 0xe07c, shift = set == 1 ? 0xe02a : 0xe012;
    uint16_t sysrq = set == 1 ? 0x54 : 0x84;
    QKeyCode alt = modifiers & MOD_ALT_L ? Q_KEY_CODE_ALT : Q_KEY_CODE_ALT_R;

    if (modifiers & (MOD_ALT_L | MOD_ALT_R)) {
        uint16_t code = input_key_scan_code(alt, set);

        if (!down) {
            add_key(c, set, sysrq, false);
        }
        add_key(c, set, code, false);
        add_key(c, set, code, true);
        if (down) {
            add_key(c, set, sysrq, true);
        }
    } else if (modifiers & (MOD_SHIFT | MOD_CTRL)) {
        add_key(c, set, print, down);
    } else if (down) {
        add_key(c, set, shift, true);
        add_key(c, set, print, true);
    } else {
        add_key(c, set, print, false);
        add_key(c, set, shift, false);
    }
}

/* Down and up at once; nothing when it is let go. */
static void add_pause(Codes *c, int set, unsigned modifiers)
{
    uint16_t brk = set == 1 ? 0xe046 : 0xe07e, ctrl = set == 1 ? 0xe11d : 0xe114, num = set == 1 ? 0x45 : 0x77;

    if (modifiers & MOD_CTRL) {
        add_key(c, set, brk, true);
        add_key(c, set, brk, false);
        return;
    }
    add_key(c, set, ctrl, true);
    add_key(c, set, num, true);
    add_key(c, set, ctrl, false);
    add_key(c, set, num, false);
}

static unsigned modifier(QKeyCode key)
{
    switch (key) {
    case Q_KEY_CODE_CTRL: return MOD_CTRL_L;
    case Q_KEY_CODE_CTRL_R: return MOD_CTRL_R;
    case Q_KEY_CODE_SHIFT: return MOD_SHIFT_L;
    case Q_KEY_CODE_SHIFT_R: return MOD_SHIFT_R;
    case Q_KEY_CODE_ALT: return MOD_ALT_L;
    case Q_KEY_CODE_ALT_R: return MOD_ALT_R;
    default: return 0;
    }
}

/* 0xf0 is not passed on: the code after it gets its top bit. */
static void translate(Ps2Keyboard *k, Codes *c)
{
    Codes out = { .n = 0 };

    for (int i = 0; i < c->n; i++) {
        uint8_t v = c->b[i];

        if (v == 0xf0) {
            k->prefix_f0 = true;
            continue;
        }
        v = v < 0x80 ? translated[v] | (k->prefix_f0 ? 0x80 : 0) : v == 0x83 ? 0x41 | (k->prefix_f0 ? 0x80 : 0)
            : v == 0x84 ? 0x54 | (k->prefix_f0 ? 0x80 : 0) : v;
        k->prefix_f0 = false;
        add(&out, v);
    }
    *c = out;
}

static void key_event(void *dev, const InputEvent *ev)
{
    Ps2Keyboard *k = dev;
    const InputKeyEvent *e = ev->u.key.data;
    QKeyCode key = input_key_from_value(e->key);
    Codes c = { .n = 0 };

    if (!k->scan) {
        return;
    }
    k->modifiers = e->down ? k->modifiers | modifier(key) : k->modifiers & ~modifier(key);
    if (k->set < 3 && (key == Q_KEY_CODE_PRINT || key == Q_KEY_CODE_SYSRQ)) {
        add_print(&c, k->set, k->modifiers, e->down);
    } else if (k->set < 3 && key == Q_KEY_CODE_PAUSE) {
        if (e->down) {
            add_pause(&c, k->set, k->modifiers);
        }
    } else {
        add_key(&c, k->set, input_key_scan_code(key, k->set), e->down);
    }
    if (k->translate) {
        translate(k, &c);
    }
    for (int i = 0; i < c.n; i++) {
        ps2_input(&k->ps2, 1, &c.b[i]);
    }
}

/* --- commands ------------------------------------------------------------------------------------------------ */

static void set_defaults(Ps2Keyboard *k)
{
    k->scan = true;
    k->set = 2;
    k->lamps = 0;
    ps2_clear(&k->ps2);
}

static void take_parameter(Ps2Keyboard *k, int command, uint8_t v)
{
    if (command == 0xf0 && v == 0) {
        uint8_t set = k->translate ? translated[k->set] : k->set;

        PS2_ANSWER(&k->ps2, 0xfa, set);
    } else if (command == 0xf0 && v > 3) {
        PS2_ANSWER(&k->ps2, 0xfe);
    } else {
        if (command == 0xf0) {
            k->set = v;
        } else if (command == 0xed) {
            k->lamps = v;
        }
        PS2_ANSWER(&k->ps2, 0xfa);
    }
}

void ps2_keyboard_write(Ps2Keyboard *k, uint8_t v)
{
    Ps2 *p = &k->ps2;
    int command = p->command;

    p->command = -1;
    if (command >= 0) {                                  /* lamps, scan code set, rate, one key's behaviour */
        take_parameter(k, command, v);
        return;
    }
    switch (v) {
    case 0xf2: PS2_ANSWER(p, 0xfa, 0xab, k->translate ? 0x41 : 0x83); break;
    case 0xee: PS2_ANSWER(p, 0xee); break;
    case 0xf4:
        k->scan = true;
        PS2_ANSWER(p, 0xfa);
        break;
    case 0xf5: case 0xf6:
        set_defaults(k);
        k->scan = v == 0xf6;
        PS2_ANSWER(p, 0xfa);
        break;
    case 0xed: case 0xf0: case 0xf3: case 0xfc:
        p->command = v;
        PS2_ANSWER(p, 0xfa);
        break;
    case 0xff:
        set_defaults(k);
        PS2_ANSWER(p, 0xfa, 0xaa);
        break;
    case 0x00: case 0xfa: PS2_ANSWER(p, 0xfa); break;
    default: PS2_ANSWER(p, 0xfe); break;
    }
}

/* --- device --------------------------------------------------------------------------------------------------- */

static void keyboard_reset(Device *d)
{
    Ps2Keyboard *k = (Ps2Keyboard *)d;

    k->ps2.command = -1;
    k->translate = k->prefix_f0 = false;
    k->modifiers = 0;
    set_defaults(k);
}

Ps2Keyboard *ps2_keyboard_new(Device *controller, void (*changed)(void *controller))
{
    static const InputOps ops = {
        .name = "QEMU PS/2 Keyboard", .kinds = 1u << INPUT_EVENT_KIND_KEY, .event = key_event,
    };
    Ps2Keyboard *k = (Ps2Keyboard *)ps2_new("ps2-kbd", controller, "ps2kbd", changed);

    input_add_handler(&ops, k);
    return k;
}

typedef struct KeyboardWire {
    Ps2Wire ps2;
    int32_t scan_enabled, translate, scancode_set, ledstate;
    uint8_t need_high_bit;
} KeyboardWire;

static void keyboard_save(void *obj, void *wire)
{
    const Ps2Keyboard *k = obj;
    KeyboardWire *w = wire;

    ps2_wire_save(&k->ps2, &w->ps2);
    w->scan_enabled = k->scan;
    w->translate = k->translate;
    w->scancode_set = k->set;
    w->ledstate = k->lamps;
    w->need_high_bit = k->prefix_f0;
}

static bool keyboard_load(void *obj, const void *wire, Error **errp)
{
    const KeyboardWire *w = wire;
    Ps2Keyboard *k = obj;

    if (w->scancode_set < 1 || w->scancode_set > 3) {
        error_setg(errp, "there is no scan code set %d", w->scancode_set);
        return false;
    }
    k->scan = w->scan_enabled;
    k->translate = w->translate;
    k->set = w->scancode_set;
    k->lamps = w->ledstate;
    k->prefix_f0 = w->need_high_bit;
    return ps2_wire_load(&k->ps2, &w->ps2, errp);
}

static bool lamps_needed(const void *wire) { return ((const KeyboardWire *)wire)->ledstate; }
static bool high_bit_needed(const void *wire) { return ((const KeyboardWire *)wire)->need_high_bit; }
static bool answers_needed(const void *wire) { return ((const KeyboardWire *)wire)->ps2.cwptr >= 0; }
static const VmField lamps_fields[] = { VMF(KeyboardWire, ledstate, "int32"), { NULL } };
static const VmDesc lamps_desc = {
    .name = "ps2kbd/ledstate", .version = 3, .min_version = 2, .fields = lamps_fields, .needed = lamps_needed,
};
static const VmField high_bit_fields[] = { VMF(KeyboardWire, need_high_bit, "bool"), { NULL } };
static const VmDesc high_bit_desc = {
    .name = "ps2kbd/need_high_bit", .version = 1, .min_version = 1, .fields = high_bit_fields,
    .needed = high_bit_needed,
};
static const VmField answers_fields[] = { VMFN("parent_obj.queue.cwptr", "int32", KeyboardWire, ps2.cwptr), { NULL } };
static const VmDesc answers_desc = {
    .name = "ps2kbd/command_reply_queue", .fields = answers_fields, .needed = answers_needed,
};
static const VmDesc *const keyboard_subsections[] = { &lamps_desc, &high_bit_desc, &answers_desc, NULL };
static const VmField keyboard_fields[] = {
    VMF_STRUCTN("parent_obj", KeyboardWire, ps2, &ps2_wire_desc), VMF(KeyboardWire, scan_enabled, "int32"),
    VMF(KeyboardWire, translate, "int32"),
    VMF(KeyboardWire, scancode_set, "int32"), { NULL }
};
static const VmDesc keyboard_vmstate = {
    .name = "ps2kbd", .version = 3, .min_version = 3, .size = sizeof(KeyboardWire), .fields = keyboard_fields,
    .subsections = keyboard_subsections, .save = keyboard_save, .load = keyboard_load,
};

static const DeviceClass keyboard_class = {
    .vmstate = &keyboard_vmstate,
    .bus_type = "System", .no_user = true, .no_hotplug = true, .category = DEVICE_INPUT, .lines = "gpio-out \"\" 1",
    .reset = keyboard_reset,
};
static const TypeInfo keyboard_type = {
    .name = "ps2-kbd", .parent = "ps2-device", .size = sizeof(Ps2Keyboard), .class_data = &keyboard_class,
};
QOM_TYPE(keyboard_type)
