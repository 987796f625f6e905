/*
 * Interrupt lines and the board's global interrupts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include "accel/qtest.h"
#include "hw/irq.h"
#include "qom/object.h"
#include "hw/pc-chips.h"
#include "util/aio.h"

struct Irq {
    IrqHandler *handler;
    void *opaque;
    int n, level;
    AioBh *bh;             /* made on the first change from another thread */
    int wanted;            /* atomic */
};

Irq *irq_new(IrqHandler *handler, void *opaque, int n)
{
    Irq *irq = g_new0(Irq, 1);

    irq->handler = handler;
    irq->opaque = opaque;
    irq->n = n;
    return irq;
}

void irq_free(Irq *irq)
{
    if (irq) {
        irq_set(irq, 0);
        if (irq->bh) {
            aio_bh_delete(irq->bh);
        }
        g_free(irq);
    }
}

static void apply(Irq *irq, int level)
{
    if (irq->level != level) {
        irq->level = level;
        irq->handler(irq->opaque, irq->n, level);
    }
}

static void apply_wanted(void *opaque)
{
    Irq *irq = opaque;

    apply(irq, __atomic_load_n(&irq->wanted, __ATOMIC_SEQ_CST));
}

void irq_set(Irq *irq, int level)
{
    AioBh *bh, *none = NULL;

    if (!irq) {
        return;
    }
    __atomic_store_n(&irq->wanted, level != 0, __ATOMIC_SEQ_CST);
    if (in_main_thread()) {
        apply(irq, level != 0);
        return;
    }
    bh = __atomic_load_n(&irq->bh, __ATOMIC_SEQ_CST);
    if (!bh) {
        bh = aio_bh_new(aio_main_context(), apply_wanted, irq);
        if (!__atomic_compare_exchange_n(&irq->bh, &none, bh, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            aio_bh_delete(bh);
            bh = none;
        }
    }
    aio_bh_schedule(bh);
}

/* --- global interrupts ------------------------------------------------------------------------- */

static struct {
    int held;              /* sources that hold the line up */
} gsi[GSI_MAX];
static void *ioapic, *pic;
static void (*sink)(int n, int level);
static uint64_t raised[GSI_MAX];

void gsi_init(void *ioapic_object, void *pic_object)
{
    ioapic = ioapic_object;
    pic = pic_object;
}

void gsi_set_sink(void (*fn)(int n, int level)) { sink = fn; }
int gsi_level(int n) { return n >= 0 && n < GSI_MAX && gsi[n].held > 0; }

static void gsi_changed(int n, int level)
{
    /* The timer's line 0 is input 2 of the I/O APIC. */
    qtest_irq_changed(ioapic, "unnamed-gpio-in", false, n == 0 ? 2 : n, level);
    if (n < 16) {
        qtest_irq_changed(pic, "unnamed-gpio-in", false, n, level);
    }
    ioapic_set(n == 0 ? 2 : n, level);
    if (n < 16) {
        i8259_set(n, level);
    }
    raised[n] += level != 0;
    if (sink) {
        sink(n, level);
    }
}

static void gsi_handler(void *opaque, int n, int level)
{
    gsi[n].held += level ? 1 : -1;
    if (gsi[n].held == (level ? 1 : 0)) {
        gsi_changed(n, level);
    }
}

Irq *gsi_source(int n) { return irq_new(gsi_handler, NULL, n); }

char *irq_statistics(void)
{
    GString *s = g_string_new(NULL);

    for (int chip = 0; pic && chip < 2; chip++) {
        g_string_append_printf(s, "IRQ statistics for %s:\n", chip ? "isa-i8259" : "ioapic");
        for (int i = 0; i < (chip ? 16 : GSI_MAX); i++) {
            if (raised[i]) {
                g_string_append_printf(s, "%2d: %" G_GUINT64_FORMAT "\n", i, raised[i]);
            }
        }
    }
    return g_string_free(s, FALSE);
}

/* --- in the tree of objects ------------------------------------------------------------------------- */

static const TypeInfo irq_type = { .name = "irq", .size = sizeof(Object) };
QOM_TYPE(irq_type)

void irq_add_object(Object *parent, const char *name)
{
    Object *o = object_new(&irq_type);

    object_add_child(parent, name, o);
    object_unref(o);
}
