/*
 * HMP: guest memory and ports: x, xp, sum, i, o, memsave, memory backends.
 *
 * Without a processor that translates, virtual addresses are physical ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "machine/memory.h"
#include "qapi/commands-machine.h"

#pragma weak qmp_query_cpus_fast
#pragma weak qmp_query_memdev
#pragma weak qmp_pmemsave
#pragma weak qmp_memsave

#define LINE_BYTES 16

static bool have_cpu(void)
{
    CpuInfoFastList *list = qmp_query_cpus_fast ? qmp_query_cpus_fast(NULL) : NULL;
    bool any = list && list->len;

    CpuInfoFastList_free(list);
    return any;
}

static uint64_t load_le(const uint8_t *p, int size)
{
    uint64_t v = 0;

    memcpy(&v, p, size);
    return v;
}

static void print_value(Monitor *mon, int format, int size, uint64_t v)
{
    int bits = size * 8;

    switch (format) {
    case 'o':
        monitor_printf(mon, " %#*" PRIo64, (bits + 2) / 3, v);
        break;
    case 'x':
        monitor_printf(mon, " 0x%0*" PRIx64, bits / 4, v);
        break;
    case 'u':
        monitor_printf(mon, " %*" PRIu64, (bits * 10 + 32) / 33, v);
        break;
    case 'd':
        monitor_printf(mon, " %*" PRId64, (bits * 10 + 32) / 33, (int64_t)(v << (64 - bits)) >> (64 - bits));
        break;
    default:
        monitor_printf(mon, " ");
        hmp_print_character(mon, v);
    }
}

static void dump(Monitor *mon, const QDict *args, bool physical)
{
    int format = qdict_get_int(args, "format", 'x'), size = qdict_get_int(args, "size", 4);
    uint64_t addr = qdict_get_int(args, "addr", 0), left = (uint64_t)qdict_get_int(args, "count", 1) * MAX(size, 1);
    int line = size == 1 ? 8 : LINE_BYTES;

    if ((format == 'i' || !physical) && !have_cpu()) {
        monitor_printf(mon, "Can not dump without CPU\n");
        return;
    }
    if (format == 'i') {
        monitor_printf(mon, "Asm output not supported on this arch\n");
        return;
    }
    size = format == 'c' ? 1 : size;
    for (int n; left; left -= n, addr += n) {
        uint8_t buf[LINE_BYTES];

        n = MIN(left, (uint64_t)line);
        mem_read_bytes(addr, buf, n);
        monitor_printf(mon, "%016" PRIx64 ":", addr);
        for (int i = 0; i < n; i += size) {
            print_value(mon, format, size, load_le(buf + i, size));
        }
        monitor_printf(mon, "\n");
    }
}

void hmp_x(Monitor *mon, const QDict *args) { dump(mon, args, false); }
void hmp_xp(Monitor *mon, const QDict *args) { dump(mon, args, true); }

/* The sum of BSD: rotate right by one, add, 16 bits. */
void hmp_sum(Monitor *mon, const QDict *args)
{
    uint32_t start = qdict_get_int(args, "start", 0), size = qdict_get_int(args, "size", 0);
    uint16_t sum = 0;

    for (uint32_t addr = start; addr < start + size; addr++) {
        sum = (sum >> 1) | (sum << 15);
        sum += mem_read(addr, 1);
    }
    monitor_printf(mon, "%05d\n", sum);
}

static char size_letter(int size) { return size == 1 ? 'b' : size == 2 ? 'w' : 'l'; }

void hmp_i(Monitor *mon, const QDict *args)
{
    int size = qdict_get_int(args, "size", 4);
    uint16_t port = qdict_get_int(args, "addr", 0);

    size = size == 1 || size == 2 ? size : 4;
    monitor_printf(mon, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", size_letter(size), port, size * 2,
                   port_read(port, size));
}

void hmp_o(Monitor *mon, const QDict *args)
{
    int size = qdict_get_int(args, "size", 4);

    port_write(qdict_get_int(args, "addr", 0), qdict_get_int(args, "val", 0), size == 1 || size == 2 ? size : 4);
}

void hmp_pmemsave(Monitor *mon, const QDict *args)
{
    PmemsaveArgs a = {
        .val = qdict_get_int(args, "val", 0), .size = qdict_get_int(args, "size", 0),
        .filename = (char *)qdict_get_str(args, "filename"),
    };
    Error *err = NULL;

    qmp_pmemsave(&a, &err);
    hmp_error(mon, err);
}

void hmp_memsave(Monitor *mon, const QDict *args)
{
    MemsaveArgs a = {
        .val = qdict_get_int(args, "val", 0), .size = qdict_get_int(args, "size", 0),
        .filename = (char *)qdict_get_str(args, "filename"),
    };
    Error *err = NULL;

    qmp_memsave(&a, &err);
    hmp_error(mon, err);
}

static const char *yes(bool b) { return b ? "true" : "false"; }

void hmp_info_memdev(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    MemdevList *list = qmp_query_memdev(&err);

    if (hmp_error(mon, err)) {
        return;
    }
    for (size_t i = 0; i < list->len; i++) {
        const Memdev *m = list->items[i];
        g_autoptr(GString) nodes = g_string_new(NULL);

        for (size_t n = 0; m->host_nodes && n < m->host_nodes->len; n++) {
            g_string_append_printf(nodes, "%s%" PRId64, n ? "," : "", (int64_t)m->host_nodes->items[n]);
        }
        monitor_printf(mon, "memory backend: %s\n  size:  %" PRIu64 "\n", m->id ? m->id : "", m->size);
        monitor_printf(mon, "  merge: %s\n  dump: %s\n  prealloc: %s\n  share: %s\n", yes(m->merge), yes(m->dump),
                       yes(m->prealloc), yes(m->share));
        if (m->has_reserve) {
            monitor_printf(mon, "  reserve: %s\n", yes(m->reserve));
        }
        monitor_printf(mon, "  policy: %s\n  host nodes: %s\n", HostMemPolicy_str(m->policy), nodes->str);
    }
    monitor_printf(mon, "\n");
    MemdevList_free(list);
}
