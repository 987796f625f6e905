/*
 * PS/2 devices: what keyboard and mouse share, and what the controller sees of them.
 *
 * A device keeps bytes for the controller.  Answers of the keyboard come before keys that wait, and a new command drops
 * answers that were not read; those of the mouse wait in line.  What has no room is lost: keys byte by byte, all else
 * as a whole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "hw/device.h"

enum { PS2_INPUT_MAX = 16, PS2_ANSWER_MAX = 8 };

typedef struct Ps2 Ps2;
struct Ps2 {
    Device dev;
    uint8_t queue[PS2_INPUT_MAX + PS2_ANSWER_MAX];
    int count, answers;        /* bytes waiting; how many of them, the first, answer a command */
    int command;               /* whose parameter comes next, -1: none */
    void (*changed)(void *controller);
    void *controller;
    /* State: the controller shows the first byte already, which then belongs to its own state. */
    bool (*shown)(const void *controller, const struct Ps2 *p);
};

typedef struct Ps2Keyboard {
    Ps2 ps2;
    bool scan, translate, prefix_f0;
    int set;
    uint8_t lamps;
    unsigned modifiers;        /* those that are down */
} Ps2Keyboard;

typedef struct Ps2Mouse {
    Ps2 ps2;
    uint8_t status, resolution, rate, id;
    int knocks;                /* how far the guest has got with the rates that ask for a wheel */
    bool wrap;
    int dx, dy, dz, dw;        /* not told yet */
    uint8_t buttons;
} Ps2Mouse;

/* Devices at the path controller/name; changed is called when the number of bytes goes from or to none. */
Ps2Keyboard *ps2_keyboard_new(Device *controller, void (*changed)(void *controller));
Ps2Mouse *ps2_mouse_new(Device *controller, void (*changed)(void *controller));
void ps2_keyboard_write(Ps2Keyboard *k, uint8_t v);
void ps2_mouse_write(Ps2Mouse *m, uint8_t v);
/* The next byte; 0 when there is none. */
uint8_t ps2_read(Ps2 *p);

/* --- for the devices ------------------------------------------------------------------------------------- */
Ps2 *ps2_new(const char *type, Device *controller, const char *name, void (*changed)(void *controller));
void ps2_clear(Ps2 *p);
/* A byte that the controller showed is again the first. */
void ps2_put_first(Ps2 *p, uint8_t v);
/* n answers instead of those before. */
void ps2_answer(Ps2 *p, int n, const uint8_t *bytes);
bool ps2_has_room(const Ps2 *p, int n);
void ps2_input(Ps2 *p, int n, const uint8_t *bytes);

/* State, the common part: of the peer's form, a ring of 256 bytes. */
typedef struct Ps2Wire {
    int32_t write_cmd, rptr, wptr, count, cwptr;
    uint8_t data[256];
} Ps2Wire;
extern const struct VmDesc ps2_wire_desc;
void ps2_wire_save(const Ps2 *p, Ps2Wire *w);
bool ps2_wire_load(Ps2 *p, const Ps2Wire *w, Error **errp);

#define PS2_ANSWER(p, ...) ps2_answer(p, sizeof((uint8_t[]) { __VA_ARGS__ }), (uint8_t[]) { __VA_ARGS__ })

#endif
