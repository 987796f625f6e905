/*
 * -blockdev, -drive and their short forms.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include "block/backend.h"
#include "system/system.h"

void setup_block(void)
{
}

void setup_close_block(void)
{
    blk_drain_all();
}
