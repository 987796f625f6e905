/*
 * SIGINT, SIGTERM and SIGHUP in programs that work on images and end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IMG_INTERRUPT_H
#define IMG_INTERRUPT_H

/* After aio_init_main. */
void interrupt_init(void);
/* Called before the signal ends the program; async-signal-safe. */
void interrupt_set_hook(void (*fn)(void));
/* At the end of main, all images closed: ends by the signal if there was one. */
void interrupt_finish(void);

#endif
