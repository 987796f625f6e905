/*
 * The chips that every PC has: interrupt controllers, timers, clock, keyboard controller.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PC_CHIPS_H
#define HW_PC_CHIPS_H

#include "hw/isa.h"

/* The pair of 8259s on the ISA bus; returns the first. */
Device *i8259_create(Bus *isa);
/* An input changed: 0..15. */
void i8259_set(int irq, int level);
/* The source drives the input again without a change: an edge for a chip that was reset meanwhile. */
void i8259_again(int irq, int level);
void ioapic_set(int pin, int level);
/* PIT with the speaker's port; the HPET may take its interrupt away. */
void i8254_create(Bus *isa);
void i8254_set_irq_off(bool off);
/* Clock and CMOS memory. */
void rtc_create(Bus *isa);
void rtc_set_cmos(int index, uint8_t value);
/* Start at this time of the guest (seconds since 1970), going on with the virtual clock or the host's. */
void rtc_set_base(int64_t seconds, bool virtual_clock);
extern void (*rtc_changed_hook)(int64_t offset, const char *path);     /* event RTC_CHANGE */
Device *i8042_create(Bus *isa);
void hpet_create(uint32_t irq_routes);

/* As `info pic` shows them. */
char *i8259_describe(void);
char *ioapic_describe(void);
/* How often each input was raised: `info irq`; NULL: never there. */
char *irq_statistics(void);

#endif
