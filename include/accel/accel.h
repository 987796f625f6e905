/*
 * What drives the machine: qtest for every board; kvm and tcg, for now, for the board without a processor only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include <stdbool.h>

/* "qtest", "kvm", "tcg"; NULL before one was chosen. */
const char *accel_name(void);
void accel_set_name(const char *name);
/* Open the kernel's virtual machine interface and make an (empty) machine; says why not and returns false. */
bool kvm_open(void);
bool kvm_enabled(void);

#endif
