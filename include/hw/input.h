/*
 * Input from outside the machine: from a monitor to the keyboard or mouse that takes it.
 *
 * Devices add handlers; one that was activated last is asked first.  Main thread only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INPUT_H
#define HW_INPUT_H

#include "qapi/types-ui.h"
#include "util/error.h"

typedef struct InputOps {
    const char *name;                  /* "QEMU PS/2 Mouse" */
    unsigned kinds;                    /* bits 1 << INPUT_EVENT_KIND_... */
    void (*event)(void *dev, const InputEvent *ev);
    void (*sync)(void *dev);           /* what came belongs together up to here; may be NULL */
} InputOps;

/* Numbers go up from 1 in the order of these calls. */
void input_add_handler(const InputOps *ops, void *dev);
bool input_has_handler(InputEventKind kind);
/* Nothing happens while the machine stands, or when nobody takes such events. */
void input_send(const InputEvent *ev);
void input_sync(void);
void input_send_key(QKeyCode key, bool down);
void input_send_button(InputButton button, bool down);
void input_send_rel(InputAxis axis, int64_t value);

/* Keys and pauses that wait for the virtual clock; at once when nothing waits. */
void input_queue_key(QKeyCode key, bool down);
void input_queue_delay(uint32_t ms);

/* Key numbers are scan codes of the first set, bit 7 standing for the prefix 0xe0; what is none is "unmapped". */
QKeyCode input_key_from_number(int64_t number);
QKeyCode input_key_from_value(const KeyValue *v);
/* 0: the key has none. */
int input_key_to_number(QKeyCode key);
/* Scan codes: 1, 2 or 3; 0xe0xx with prefix, 0: the set has none. */
uint16_t input_key_scan_code(QKeyCode key, int set);

/* Pointing devices: the one that is asked first. */
MouseInfoList *input_mice(void);
bool input_select_mouse(int64_t index, Error **errp);

#endif
