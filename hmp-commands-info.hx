# The sub-commands of `info`; the format is told in hmp-commands.hx.
#
# SPDX-License-Identifier: GPL-2.0-or-later

command balloon
    help    show balloon information
    body    info_balloon

command block
    args    nodes:-n,verbose:-v,device:B?
    params  [-n] [-v] [device]
    help    show info of one block device or all block devices (-n: show named nodes; -v: show details)
    body    info_block
    needs   qmp_query_block

command block-jobs
    help    show progress of ongoing block device operations
    body    info_block_jobs
    needs   qmp_query_block_jobs

command blockstats
    help    show block device statistics
    body    info_blockstats
    needs   qmp_query_blockstats

command capture
    help    show capture information
    body    info_capture

command chardev
    help    show the character devices
    body    info_chardev

command cpus
    help    show infos for each CPU
    body    info_cpus
    needs   qmp_query_cpus_fast

command dirty_rate
    help    show dirty rate information
    body    info_dirty_rate

command dump
    help    Display the latest dump status
    body    info_dump

command history
    help    show the command line history
    body    info_history

command hotpluggable-cpus
    help    Show information about hotpluggable CPUs
    body    info_hotpluggable_cpus

command iothreads
    help    show iothreads
    body    info_iothreads
    needs   qmp_query_iothreads

command irq
    help    show the interrupts statistics (if available)
    body    info_irq

command jit
    help    show dynamic compiler info
    body    info_jit
    needs   qmp_x_query_jit

command kvm
    help    show KVM information
    body    info_kvm
    needs   qmp_query_kvm

command lapic
    args    apic-id:i?
    params  [apic-id]
    help    show local apic state (apic-id: local apic to read, default is which of current CPU)
    body    info_lapic

command mem
    help    show the active virtual memory mappings
    body    info_mem

command memdev
    help    show memory backends
    body    info_memdev
    needs   qmp_query_memdev

command memory-devices
    help    show memory devices
    body    info_memory_devices

command memory_size_summary
    help    show the amount of initially allocated and present hotpluggable (if enabled) memory in bytes.
    body    info_memory_size_summary
    needs   qmp_query_memory_size_summary

command mice
    help    show which guest mouse is receiving events
    body    info_mice

command migrate
    help    show migration status
    body    info_migrate

command migrate_capabilities
    help    show current migration capabilities
    body    info_migrate_capabilities

command migrate_parameters
    help    show current migration parameters
    body    info_migrate_parameters

command mtree
    args    flatview:-f,dispatch_tree:-d,owner:-o,disabled:-D
    params  [-f][-d][-o][-D]
    help    show memory tree (-f: dump flat view for address spaces;-d: dump dispatch tree, valid with -f only);-o: dump region owners/parents;-D: dump disabled regions
    body    info_mtree

command name
    help    show the current VM name
    body    info_name
    needs   qmp_query_name

command network
    help    show the network state
    body    info_network

command numa
    help    show NUMA information
    body    info_numa

command opcount
    help    show dynamic compiler opcode counters
    body    info_opcount
    needs   qmp_x_query_opcount

command pci
    help    show PCI info
    body    info_pci
    needs   qmp_query_pci

command pic
    help    show PIC state
    body    info_pic

command profile
    help    show profiling information
    body    info_profile
    needs   qmp_x_query_profile

command qdm
    help    show qdev device model list
    body    info_qdm

command qom-tree
    args    path:s?
    params  [path]
    help    show QOM composition tree
    body    info_qom_tree

command qtree
    help    show device tree
    body    info_qtree

command ramblock
    help    Display system ramblock information
    body    info_ramblock
    needs   qmp_x_query_ramblock

command rdma
    help    show RDMA state
    body    info_rdma
    needs   qmp_x_query_rdma

command registers
    args    cpustate_all:-a,vcpu:i?
    params  [-a|vcpu]
    help    show the cpu registers (-a: show register info for all cpus; vcpu: specific vCPU to query; show the current CPU's registers if no argument is specified)
    body    info_registers

command replay
    help    show record/replay information
    body    info_replay

command rocker
    args    name:s
    params  name
    help    Show rocker switch
    body    info_rocker

command rocker-of-dpa-flows
    args    name:s,tbl_id:i?
    params  name [tbl_id]
    help    Show rocker OF-DPA flow tables
    body    info_rocker_of_dpa_flows

command rocker-of-dpa-groups
    args    name:s,type:i?
    params  name [type]
    help    Show rocker OF-DPA groups
    body    info_rocker_of_dpa_groups

command rocker-ports
    args    name:s
    params  name
    help    Show rocker ports
    body    info_rocker_ports

command roms
    help    show roms
    body    info_roms

command sev
    help    show SEV information
    body    info_sev

command sgx
    help    show intel SGX information
    body    info_sgx

command snapshots
    help    show the currently saved VM snapshots
    body    info_snapshots

command spice
    help    show the spice server status
    body    info_spice

command stats
    args    target:s,names:s?,provider:s?
    params  target [names] [provider]
    help    show statistics for the given target (vm or vcpu); optionally filter byname (comma-separated list, or * for all) and provider
    body    info_stats

command status
    help    show the current VM status (running|paused)
    body    info_status
    needs   qmp_query_status

command sync-profile
    args    mean:-m,no_coalesce:-n,max:i?
    params  [-m] [-n] [max]
    help    show synchronization profiling info, up to max entries (default: 10), sorted by total wait time. (-m: sort by mean wait time; -n: do not coalesce objects with the same call site)
    body    info_sync_profile

command tlb
    help    show virtual to physical memory mappings
    body    info_tlb

command tpm
    help    show the TPM device
    body    info_tpm

command trace-events
    args    name:s?,vcpu:i?
    params  [name] [vcpu]
    help    show available trace-events & their state (name: event name pattern; vcpu: vCPU to query, default is any)
    body    info_trace_events
    complete trace_name

command usb
    help    show guest USB devices
    body    info_usb

command usbhost
    help    show host USB devices
    body    info_usbhost

command usernet
    help    show user network stack connection states
    body    info_usernet

command uuid
    help    show the current VM UUID
    body    info_uuid
    needs   qmp_query_uuid

command vcpu_dirty_limit
    help    show dirty page limit information of all vCPU
    body    info_vcpu_dirty_limit

command version
    help    show the version of QEMU
    body    info_version
    needs   qmp_query_version

command virtio
    help    List all available virtio devices
    body    info_virtio

command virtio-queue-element
    args    path:s,queue:i,index:i?
    params  path queue [index]
    help    Display element of a given virtio queue
    body    info_virtio_queue_element

command virtio-queue-status
    args    path:s,queue:i
    params  path queue
    help    Display status of a given virtio queue
    body    info_virtio_queue_status

command virtio-status
    args    path:s
    params  path
    help    Display status of a given virtio device
    body    info_virtio_status

command virtio-vhost-queue-status
    args    path:s,queue:i
    params  path queue
    help    Display status of a given vhost queue
    body    info_virtio_vhost_queue_status

command vm-generation-id
    help    Show Virtual Machine Generation ID
    body    info_vm_generation_id
    needs   qmp_query_vm_generation_id

command vnc
    help    show the vnc server status
    body    info_vnc
