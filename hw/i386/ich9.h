/*
 * The ICH9 south bridge of the board "q35".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_ICH9_H
#define HW_I386_ICH9_H

#include "hw/i386/pc-int.h"

/* LPC bridge at 1f.0, which routes the bus's interrupts; the ISA bus. */
Bus *ich9_lpc_create(PciHost *pci);
/* SMBus at 1f.3, with descriptions of memory modules. */
void ich9_smb_create(PciHost *pci);
/* A function of the chip set; those beside the first say that there are several. */
Device *ich9_add_function(const char *type, PciHost *pci, int slot, int fn);

/* System management, watchdog (ich9-tco.c). */
#define RCRB_SIZE 0x4000
typedef struct Ich9Pm {
    uint32_t smi_enable, smi_mask;       /* mask: bits that can still be changed */
    uint8_t tco[20];
    int timeouts;
    int64_t expires;                     /* of the watchdog, -1: it stands */
    struct AioTimer *timer;
    uint8_t rcrb[RCRB_SIZE];
    IoRegion *rcrb_region;
} Ich9Pm;

/* Of the watchdog, as streams of state have it. */
typedef struct Ich9TcoWire {
    uint16_t rld, sts1, sts2, cnt1, cnt2, tmr;
    uint8_t din, dout, msg1, msg2, wdcnt, sw_irq_gen, timeouts_no;
    uint64_t tco_timer;
    int64_t expire_time;
} Ich9TcoWire;
extern const struct VmDesc ich9_tco_desc;
void ich9_tco_save(const Ich9Pm *p, Ich9TcoWire *w);
void ich9_tco_load(Ich9Pm *p, const Ich9TcoWire *w);

void ich9_pm_init(Ich9Pm *p, IoRegion *ports);
void ich9_pm_reset(Ich9Pm *p, bool no_reboot);
void ich9_pm_map_rcrb(Ich9Pm *p, uint32_t rcba);

#endif
