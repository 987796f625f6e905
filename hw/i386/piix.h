/*
 * The PIIX south bridge of the board "pc".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PIIX_H
#define HW_I386_PIIX_H

#include "hw/pci.h"

/* ISA bridge at 01.0, which routes the bus's interrupts; the ISA bus. */
Bus *piix3_create(PciHost *host);
/* IDE at 01.1, power management at 01.3. */
void piix_create_functions(PciHost *host, void *machine);

#endif
