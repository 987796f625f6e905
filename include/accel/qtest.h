/*
 * qtest: a socket that takes the place of the processor.  A test reads and writes memory and ports,
 * watches interrupt lines and moves the clock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_QTEST_H
#define ACCEL_QTEST_H

#include "chardev/char.h"

/* Serve the protocol on chr; log: file name, "none", or NULL for stderr. */
bool qtest_server_init(Chardev *chr, const char *log, Error **errp);
/* The machine was built and reset: what was asked for until now is done, in the main loop. */
void qtest_server_start(void);
bool qtest_enabled(void);          /* -accel qtest: the virtual clock stands still until moved */
void qtest_set_enabled(void);
/* An interrupt line of a device changed: told to the test if it intercepts that device. */
struct Object;
void qtest_irq_changed(void *device_object, const char *gpio, bool out, int n, int level);

#endif
