/*
 * A device that swallows what is written and never says anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "char-int.h"

static bool null_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    *be_opened = false;
    return true;
}

const ChardevClass chr_class_null = { .kind = "null", .size = sizeof(Chardev), .open = null_open };
