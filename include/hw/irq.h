/*
 * Interrupt lines.  The board numbers them (GSIs); a device holds an Irq and raises or lowers it.
 *
 * Lines are level-triggered here; several devices may hold the same one (the level is the OR).
 * irq_set may be called from any thread: off the main thread it is handed over to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include <stdbool.h>

typedef struct Irq Irq;
typedef void IrqHandler(void *opaque, int n, int level);

/* A source that calls handler(opaque, n, level) when its level changes. */
Irq *irq_new(IrqHandler *handler, void *opaque, int n);
void irq_free(Irq *irq);
void irq_set(Irq *irq, int level);
static inline void irq_raise(Irq *irq) { irq_set(irq, 1); }
static inline void irq_lower(Irq *irq) { irq_set(irq, 0); }

/* Inputs of an interrupt controller object, by name of the device: taken over by a processor's accelerator. */
#define GSI_MAX 24
void gsi_init(void *ioapic_object, void *pic_object);
/* A source on global interrupt n (ISA interrupts are 0..15). */
Irq *gsi_source(int n);
void gsi_set_sink(void (*fn)(int n, int level));     /* the accelerator's interrupt controller */
int gsi_level(int n);

struct Object;
/* A child that stands for an interrupt input where people look at the tree: "NAME[*]". */
void irq_add_object(struct Object *parent, const char *name);

#endif
