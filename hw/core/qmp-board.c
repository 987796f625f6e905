/*
 * QMP: chips of the board: interrupts raised, ACPI's memory of plugged things, read-only memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/machine.h"
#include "hw/pc-chips.h"
#include "qapi/commands-acpi.h"
#include "qapi/commands-machine.h"
#include "qapi/commands-misc-target.h"

static bool is_pc(void) { return machine_class(machine_current())->default_cpu_type != NULL; }

static HumanReadableText *take(char *s)
{
    HumanReadableText *t = HumanReadableText_new();

    t->human_readable_text = s;
    return t;
}

HumanReadableText *qmp_x_query_irq(Error **errp) { return take(irq_statistics()); }

/* --- read-only memory ------------------------------------------------------------------------------------- */

char *(*machine_find_file)(const char *name);
static GString *roms;

void rom_loaded(const char *name, uint64_t addr, uint64_t size)
{
    roms = roms ? roms : g_string_new(NULL);
    g_string_append_printf(roms, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=rom name=\"%s\"\n", addr, size, name);
}

HumanReadableText *qmp_x_query_roms(Error **errp) { return take(g_strdup(roms ? roms->str : "")); }


/* No ticks are ever made up for: there are none to forget. */
void qmp_rtc_reset_reinjection(Error **errp) {}

/* Memory and processors cannot be plugged, so the guest has nothing to report about. */
ACPIOSTInfoList *qmp_query_acpi_ospm_status(Error **errp)
{
    if (!is_pc()) {
        error_setg(errp, "command is not supported, missing ACPI device");
        return NULL;
    }
    return ACPIOSTInfoList_new();
}
