/*
 * All built-in drivers.  Formats that probe by content come in no particular order: scores decide.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "drivers.h"
#include "block/graph.h"

void bdrv_init(void)
{
    static bool done;

    if (done) {
        return;
    }
    done = true;
}
