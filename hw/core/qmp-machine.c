/*
 * QMP: boards, processors, memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include "accel/accel.h"
#include "hw/core/numa.h"
#include "hw/machine.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "qapi/commands-machine-target.h"
#include "qapi/commands-machine.h"

/* --- boards ------------------------------------------------------------------------------------ */

static MachineInfo *machine_info(const MachineClass *c)
{
    MachineInfo *info = MachineInfo_new();

    info->name = g_strdup(c->name);
    info->alias = g_strdup(c->alias);
    info->has_is_default = info->is_default = c->is_default;
    info->cpu_max = c->max_cpus ? c->max_cpus : 1;
    info->hotpluggable_cpus = c->hotpluggable_cpus;
    info->default_cpu_type = g_strdup(c->default_cpu_type);
    info->default_ram_id = g_strdup(c->default_ram_id);
    return info;
}

MachineInfoList *qmp_query_machines(Error **errp)
{
    MachineInfoList *list = MachineInfoList_new();
    g_autoptr(GPtrArray) types = type_list();

    for (guint i = 0; i < types->len; i++) {
        const TypeInfo *t = g_ptr_array_index(types, i);

        if (!t->abstract && type_is_a(t, "machine")) {
            MachineInfoList_append(list, machine_info(type_class(t)));
        }
    }
    return list;
}

CurrentMachineParams *qmp_query_current_machine(Error **errp)
{
    CurrentMachineParams *p = CurrentMachineParams_new();

    p->wakeup_suspend_support = vm_wakeup_supported();
    return p;
}

TargetInfo *qmp_query_target(Error **errp)
{
    TargetInfo *info = TargetInfo_new();

    info->arch = SYS_EMU_TARGET_X86_64;
    return info;
}

KvmInfo *qmp_query_kvm(Error **errp)
{
    KvmInfo *info = KvmInfo_new();

    info->present = true;
    info->enabled = kvm_enabled();
    return info;
}

GuidInfo *qmp_query_vm_generation_id(Error **errp)
{
    error_setg(errp, "VM Generation ID device not found");
    return NULL;
}

/* A PC takes it, and its processors, which stand at reset, do nothing about it. */
void qmp_inject_nmi(Error **errp)
{
    if (!machine_class(machine_current())->default_cpu_type) {
        error_setg(errp, "this feature or command is not currently supported");
    }
}

/* --- processors ----------------------------------------------------------------------------------- */

static CpuInstanceProperties *cpu_props(const Machine *m, unsigned index)
{
    CpuInstanceProperties *props = CpuInstanceProperties_new();
    CpuPlace place = cpu_place(m, index);

    props->has_socket_id = props->has_core_id = props->has_thread_id = true;
    props->socket_id = place.socket;
    props->core_id = place.core;
    props->thread_id = place.thread;
    if (m->smp.dies > 1) {
        props->has_die_id = true;
        props->die_id = place.die;
    }
    if (numa_node_of_cpu(m, index) >= 0) {
        props->has_node_id = true;
        props->node_id = numa_node_of_cpu(m, index);
    }
    return props;
}

/* Other devices may have come between them. */
static Object *cpu_object(unsigned index)
{
    const GPtrArray *children = object_container("/machine/unattached")->children;

    for (guint i = 0; children && i < children->len; i++) {
        Object *o = ((ObjectChild *)g_ptr_array_index(children, i))->obj;

        if (object_is_a(o, "cpu") && index-- == 0) {
            return o;
        }
    }
    return NULL;
}

CpuInfoFastList *qmp_query_cpus_fast(Error **errp)
{
    CpuInfoFastList *list = CpuInfoFastList_new();
    Machine *m = machine_current();

    for (unsigned i = 0; i < m->smp.cpus && cpu_object(i); i++) {
        CpuInfoFast *info = CpuInfoFast_new();

        info->cpu_index = i;
        info->qom_path = object_path(cpu_object(i));
        info->thread_id = cpu_thread_id(i);
        info->props = cpu_props(m, i);
        info->target = SYS_EMU_TARGET_X86_64;
        CpuInfoFastList_append(list, info);
    }
    return list;
}

HotpluggableCPUList *qmp_query_hotpluggable_cpus(Error **errp)
{
    Machine *m = machine_current();
    HotpluggableCPUList *list;

    if (!machine_class(m)->hotpluggable_cpus) {
        error_setg(errp, "The feature 'query-hotpluggable-cpus' is not enabled");
        return NULL;
    }
    list = HotpluggableCPUList_new();
    for (unsigned i = m->smp.maxcpus; i-- > 0;) {
        HotpluggableCPU *cpu = HotpluggableCPU_new();

        cpu->type = g_strdup(m->cpu_type);
        cpu->vcpus_count = 1;
        cpu->props = cpu_props(m, i);
        cpu->qom_path = i < m->smp.cpus && cpu_object(i) ? object_path(cpu_object(i)) : NULL;
        HotpluggableCPUList_append(list, cpu);
    }
    return list;
}
