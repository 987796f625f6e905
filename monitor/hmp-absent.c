/*
 * HMP: what is asked of a machine that has no such device or feature; the answers are those of the peer then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"

static void no_balloon(Monitor *mon) { monitor_printf(mon, "Error: No balloon device has been activated\n"); }

void hmp_balloon(Monitor *mon, const QDict *args) { no_balloon(mon); }
void hmp_info_balloon(Monitor *mon, const QDict *args) { no_balloon(mon); }
void hmp_info_capture(Monitor *mon, const QDict *args) {}
void hmp_info_irq(Monitor *mon, const QDict *args) {}
void hmp_info_mice(Monitor *mon, const QDict *args) { monitor_printf(mon, "No mouse devices connected\n"); }
void hmp_info_network(Monitor *mon, const QDict *args) {}
void hmp_info_numa(Monitor *mon, const QDict *args) { monitor_printf(mon, "0 nodes\n"); }
void hmp_info_replay(Monitor *mon, const QDict *args) { monitor_printf(mon, "Record/replay is not active\n"); }
void hmp_info_roms(Monitor *mon, const QDict *args) {}
void hmp_info_spice(Monitor *mon, const QDict *args) { monitor_printf(mon, "Server: disabled\n"); }
void hmp_info_tpm(Monitor *mon, const QDict *args) {}
void hmp_info_usb(Monitor *mon, const QDict *args) { monitor_printf(mon, "Error: USB support not enabled\n"); }
void hmp_info_vnc(Monitor *mon, const QDict *args) { monitor_printf(mon, "None\n"); }
