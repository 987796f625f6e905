/*
 * Places in the code: a request to a disk, or an allocation, is known by the calls that led to it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_CRASH_PLACES_H
#define TESTS_CRASH_PLACES_H

#include <stdbool.h>
#include <stdint.h>

/* From now on the places are noted (all of before are forgotten), or no more. */
void places_note(bool on);
/* The number-th event (from 1 on) since then is here. */
void places_event(int64_t number);
/* Is the number-th event at a place that no other call was asked about, of this kind (below 8)? */
bool places_is_new(int64_t number, unsigned kind);

#endif
