/*
 * HMP: processors.  They stand at reset: nothing executes, so their registers are those of a reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "hmp-int.h"
#include "monitor-int.h"
#include "hw/machine.h"
#include "machine/memory.h"
#include "qapi/commands-machine.h"

#pragma weak qmp_query_cpus_fast
#pragma weak qmp_query_hotpluggable_cpus
#pragma weak qmp_query_memory_devices
#pragma weak machine_current
#pragma weak mem_ram_ptr
#pragma weak ram_block_first

static unsigned count(void)
{
    CpuInfoFastList *list = qmp_query_cpus_fast(NULL);
    unsigned n = list ? list->len : 0;

    CpuInfoFastList_free(list);
    return n;
}

static char *path_of(int64_t index)
{
    CpuInfoFastList *list = qmp_query_cpus_fast(NULL);
    char *path = list && index >= 0 && index < (int64_t)list->len ? g_strdup(list->items[index]->qom_path) : NULL;

    CpuInfoFastList_free(list);
    return path;
}

/* The processor of that index, else the monitor's current one; -1: there is none. */
static int64_t chosen(Monitor *mon, const QDict *args, const char *name)
{
    int64_t index;

    if (qobject_get_int(qdict_get(args, name), &index)) {
        return index >= 0 && index < count() ? index : -1;
    }
    for (unsigned i = 0; i < count(); i++) {
        g_autofree char *path = path_of(i);

        if (hmp_is_current_cpu(mon, path, i)) {
            return i;
        }
    }
    return -1;
}

void hmp_cpu(Monitor *mon, const QDict *args)
{
    int64_t index = 0;
    char *path;

    qobject_get_int(qdict_get(args, "index"), &index);
    path = path_of(index);
    if (!path) {
        monitor_printf(mon, "invalid CPU index\n");
        return;
    }
    g_free(mon->cpu_path);
    mon->cpu_path = path;
}

/* --- registers ---------------------------------------------------------------------------------------- */

/* What DX holds after a reset: family, model and stepping. */
static unsigned signature(void)
{
    static const struct { const char *model; unsigned value; } table[] = {
        { "qemu32", 0x663 }, { "kvm32", 0xf61 }, { "kvm64", 0xf61 }, { "base", 0 },
    };
    const char *type = machine_current()->cpu_type;

    for (size_t i = 0; type && i < G_N_ELEMENTS(table); i++) {
        if (g_str_has_prefix(type, table[i].model) && type[strlen(table[i].model)] == '-') {
            return table[i].value;
        }
    }
    return 0x60fb1;
}

static void print_segment(Monitor *mon, const char *name, unsigned selector, unsigned base, unsigned flags)
{
    monitor_printf(mon, "%-3s=%04x %08x 0000ffff %08x\n", name, selector, base, flags);
}

static void print_registers(Monitor *mon, int64_t index)
{
    static const char *const data[] = { "DS", "FS", "GS" };

    monitor_printf(mon, "\nCPU#%" PRId64 "\nEAX=00000000 EBX=00000000 ECX=00000000 EDX=%08x\n", index, signature());
    monitor_printf(mon, "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\n");
    monitor_printf(mon, "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=%d\n", index != 0);
    print_segment(mon, "ES", 0, 0, 0x9300);
    print_segment(mon, "CS", 0xf000, 0xffff0000, 0x9b00);
    print_segment(mon, "SS", 0, 0, 0x9300);
    for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
        print_segment(mon, data[i], 0, 0, 0x9300);
    }
    print_segment(mon, "LDT", 0, 0, 0x8200);
    print_segment(mon, "TR", 0, 0, 0x8b00);
    monitor_printf(mon, "GDT=     00000000 0000ffff\nIDT=     00000000 0000ffff\n");
    monitor_printf(mon, "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\n");
    for (int i = 0; i < 4; i++) {
        monitor_printf(mon, "DR%d=0000000000000000 ", i);
    }
    monitor_printf(mon, "\nDR6=00000000ffff0ff0 DR7=0000000000000400\nEFER=0000000000000000\n");
    monitor_printf(mon, "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\n");
    for (int i = 0; i < 8; i++) {
        monitor_printf(mon, "FPR%d=0000000000000000 0000%s", i, i & 1 ? "\n" : " ");
    }
    for (int i = 0; i < 8; i++) {
        monitor_printf(mon, "XMM%02d=0000000000000000 0000000000000000%s", i, i & 1 ? "\n" : " ");
    }
}

void hmp_info_registers(Monitor *mon, const QDict *args)
{
    bool all = false;
    int64_t index = chosen(mon, args, "vcpu"), wanted;

    qobject_get_bool(qdict_get(args, "cpustate_all"), &all);
    if (all) {
        for (unsigned i = 0; i < count(); i++) {
            print_registers(mon, i);
        }
    } else if (index >= 0) {
        print_registers(mon, index);
    } else if (qobject_get_int(qdict_get(args, "vcpu"), &wanted)) {
        monitor_printf(mon, "CPU#%" PRId64 " not available\n", wanted);
    } else {
        monitor_printf(mon, "No CPU available\n");
    }
}

void hmp_info_lapic(Monitor *mon, const QDict *args)
{
    static const char *const lines[] = { "LVT0", "LVT1", "LVTPC", "LVTERR", "LVTTHMR" };
    int64_t index = chosen(mon, args, "apic-id");

    if (index < 0) {
        monitor_printf(mon, "No CPU available\n");
        return;
    }
    monitor_printf(mon, "dumping local APIC state for CPU %" PRId64 " \n\n", index);
    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        monitor_printf(mon, "%s\t 0x00010000 active-hi edge  masked                      Fixed  (vec 0)\n", lines[i]);
    }
    monitor_printf(mon, "LVTT\t 0x00010000 active-hi edge  masked         one-shot     Fixed  (vec 0)\n");
    monitor_printf(mon, "Timer\t DCR=0x0 (divide by 2) initial_count = 0 current_count = 0\n");
    monitor_printf(mon, "SPIV\t 0x000000ff APIC disabled, focus=off, spurious vec 255\n");
    monitor_printf(mon, "ICR\t 0x00000000 physical edge de-assert no-shorthand\nICR2\t 0x00000000 cpu 0 (APIC ID)\n");
    monitor_printf(mon, "ESR\t 0x00000000\nISR\t (none)\nIRR\t (none)\n\nAPR 0x00 TPR 0x00 DFR 0x0f LDR 0x00 PPR 0x00\n");
}

static void print_paging(Monitor *mon) { monitor_printf(mon, count() ? "PG disabled\n" : "No CPU available\n"); }

void hmp_info_mem(Monitor *mon, const QDict *args) { print_paging(mon); }
void hmp_info_tlb(Monitor *mon, const QDict *args) { print_paging(mon); }

/* --- machine checks ------------------------------------------------------------------------------------- */

/* No model here has the feature: what the peer says of such a processor. */
void hmp_mce(Monitor *mon, const QDict *args)
{
    int64_t index = -1, status = 0;

    qobject_get_int(qdict_get(args, "cpu_index"), &index);
    qobject_get_int(qdict_get(args, "status"), &status);
    if (index < 0 || index >= count()) {
        return;
    }
    if (status >= 0) {                       /* the "valid" bit is the top one */
        monitor_printf(mon, "Invalid MCE status code\n");
        return;
    }
    monitor_printf(mon, "Error: machine checks need a running processor\n");
}

/* --- addresses ------------------------------------------------------------------------------------------- */

static void *ram_at(Monitor *mon, uint64_t addr, const char **block)
{
    uint64_t len = 1;
    uint8_t *host = mem_ram_ptr(addr, &len, false, false);

    if (!host) {
        monitor_printf(mon, "No memory is mapped at address 0x%" PRIx64 "\n", addr);
        return NULL;
    }
    for (RamBlock *b = ram_block_first(); b; b = b->next) {
        if (host >= b->host && host < b->host + b->size) {
            *block = b->name;
        }
    }
    return host;
}

static uint64_t address(const QDict *args)
{
    int64_t v = 0;

    qobject_get_int(qdict_get(args, "addr"), &v);
    return v;
}

void hmp_gva2gpa(Monitor *mon, const QDict *args)
{
    monitor_printf(mon, count() ? "gpa: %#" PRIx64 "\n" : "No cpu\n", address(args));
}

void hmp_gpa2hva(Monitor *mon, const QDict *args)
{
    const char *block = "";
    void *host = ram_at(mon, address(args), &block);

    if (host) {
        monitor_printf(mon, "Host virtual address for 0x%" PRIx64 " (%s) is %p\n", address(args), block, host);
    }
}

/* The kernel tells the frame of a page that is present: 8 bytes for each page, bit 63 present. */
void hmp_gpa2hpa(Monitor *mon, const QDict *args)
{
    const char *block = "";
    uint8_t *host = ram_at(mon, address(args), &block);
    uint64_t entry = 0;
    long page = sysconf(_SC_PAGESIZE);
    int fd;
    ssize_t got;

    if (!host) {
        return;
    }
    fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    got = fd < 0 ? -1 : pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)host / page * sizeof(entry)));
    if (fd >= 0) {
        close(fd);
    }
    if (got != sizeof(entry)) {
        monitor_printf(mon, "Error: Cannot open /proc/self/pagemap\n");
    } else if (!(entry >> 63)) {
        monitor_printf(mon, "Error: Page not present\n");
    } else {
        monitor_printf(mon, "Host physical address for 0x%" PRIx64 " (%s) is 0x%" PRIx64 "\n", address(args), block,
                       (uint64_t)((entry & ((1ULL << 55) - 1)) * page + (uintptr_t)host % page));
    }
}

/* --- hot-plug ----------------------------------------------------------------------------------------------- */

static void print_prop(Monitor *mon, const char *name, bool has, int64_t value)
{
    if (has) {
        monitor_printf(mon, "    %s: \"%" PRId64 "\"\n", name, value);
    }
}

void hmp_info_hotpluggable_cpus(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    HotpluggableCPUList *l = qmp_query_hotpluggable_cpus(&err);

    if (hmp_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "Hotpluggable CPUs:\n");
    for (size_t i = 0; i < l->len; i++) {
        const HotpluggableCPU *c = l->items[i];

        monitor_printf(mon, "  type: \"%s\"\n  vcpus_count: \"%" PRId64 "\"\n", c->type, c->vcpus_count);
        if (c->qom_path) {
            monitor_printf(mon, "  qom_path: \"%s\"\n", c->qom_path);
        }
        monitor_printf(mon, "  CPUInstance Properties:\n");
        print_prop(mon, "node-id", c->props->has_node_id, c->props->node_id);
        print_prop(mon, "socket-id", c->props->has_socket_id, c->props->socket_id);
        print_prop(mon, "die-id", c->props->has_die_id, c->props->die_id);
        print_prop(mon, "cluster-id", c->props->has_cluster_id, c->props->cluster_id);
        print_prop(mon, "core-id", c->props->has_core_id, c->props->core_id);
        print_prop(mon, "thread-id", c->props->has_thread_id, c->props->thread_id);
    }
    HotpluggableCPUList_free(l);
}

void hmp_info_memory_devices(Monitor *mon, const QDict *args) {}
