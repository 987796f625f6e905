/*
 * Names of the small enumerations that options and info use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <glib.h>
#include "block/types.h"

static const char *const prealloc_names[] = {
    [PREALLOC_OFF] = "off",
    [PREALLOC_METADATA] = "metadata",
    [PREALLOC_FALLOC] = "falloc",
    [PREALLOC_FULL] = "full",
};

const char *prealloc_mode_name(PreallocMode m)
{
    return prealloc_names[m];
}

bool prealloc_mode_parse(const char *s, PreallocMode *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(prealloc_names); i++) {
        if (!strcmp(s, prealloc_names[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

void bdrv_check_finding_free(BdrvCheckFinding *f)
{
    for (guint i = 0; i < f->guest->len; i++) {
        g_free(g_array_index(f->guest, BdrvGuestRange, i).snapshot);
    }
    g_array_free(f->guest, TRUE);
    g_free(f);
}
