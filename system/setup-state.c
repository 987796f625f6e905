/*
 * The state with which the machine starts, when it is not the one after a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include "hw/machine.h"
#include "machine/runstate.h"
#include "migration/machine-state.h"
#include "monitor/monitor.h"
#include "system/options-int.h"
#include "system/system.h"

void setup_saved_state(void)
{
    const Machine *m = machine_current();
    VmSnapshotWhat what = { 0 };
    Error *err = NULL;

    machine_state_init(machine_class(m)->name, !m->suppress_vmdesc);
    if (!emu.loadvm) {
        return;
    }
    what.name = emu.loadvm->text;
    if (!vm_snapshot_load(&what, &err)) {
        error_report_err(err);
        exit(1);
    }
}
