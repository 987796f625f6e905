/*
 * HMP: guest memory to a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"
#include "qapi/commands-dump.h"

#pragma weak qmp_dump_guest_memory
#pragma weak qmp_query_dump

void hmp_info_dump(Monitor *mon, const QDict *args)
{
    DumpQueryResult *r = qmp_query_dump(NULL);

    monitor_printf(mon, "Status: %s\n", DumpStatus_str(r->status));
    if (r->status == DUMP_STATUS_ACTIVE) {
        monitor_printf(mon, "Finished: %.2f %%\n", r->total ? 100.0 * r->completed / r->total : 0);
    }
    DumpQueryResult_free(r);
}

void hmp_dump_guest_memory(Monitor *mon, const QDict *args)
{
    static const struct { const char *flag; DumpGuestMemoryFormat format; } formats[] = {
        { "windmp", DUMP_GUEST_MEMORY_FORMAT_WIN_DMP }, { "zlib", DUMP_GUEST_MEMORY_FORMAT_KDUMP_ZLIB },
        { "lzo", DUMP_GUEST_MEMORY_FORMAT_KDUMP_LZO }, { "snappy", DUMP_GUEST_MEMORY_FORMAT_KDUMP_SNAPPY },
    };
    g_autofree char *protocol = g_strconcat("file:", qdict_get_str(args, "filename"), NULL);
    DumpGuestMemoryArgs a = {
        .paging = qdict_get_bool(args, "paging", false), .protocol = protocol, .has_detach = true,
        .detach = qdict_get_bool(args, "detach", false), .has_begin = qdict_has(args, "begin"),
        .begin = qdict_get_int(args, "begin", 0),
        .has_length = qdict_has(args, "length"), .length = qdict_get_int(args, "length", 0), .has_format = true,
    };
    int chosen = 0;
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (qdict_get_bool(args, formats[i].flag, false)) {
            a.format = formats[i].format;
            chosen++;
        }
    }
    if (chosen > 1) {
        error_setg(&err, "only one of '-z|-l|-s|-w' can be set");
    } else {
        qmp_dump_guest_memory(&a, &err);
    }
    hmp_error(mon, err);
}
