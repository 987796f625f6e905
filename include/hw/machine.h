/*
 * Boards: the machine object that -machine chooses, and what it knows of memory and processors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MACHINE_H
#define HW_MACHINE_H

#include "hw/device.h"
#include "objects/hostmem.h"

typedef struct Machine Machine;

typedef struct MachineClass {
    const char *name, *alias, *desc;       /* "pc-i440fx-7.2", "pc", ... */
    bool is_default;
    int max_cpus;
    const char *default_ram_id, *default_cpu_type, *default_boot_order;
    bool hotpluggable_cpus, has_dies, no_floppy, no_serial;
    uint64_t default_ram_size;
    /* Interface of drives without if=, and units on one bus of it. */
    const char *block_default;
    int units_per_bus;                     /* 0: as usual for the interface */
    /* Build the board. */
    bool (*init)(Machine *m, Error **errp);
} MachineClass;

typedef struct SmpConfig { unsigned cpus, maxcpus, sockets, dies, clusters, cores, threads; } SmpConfig;

struct Machine {
    Object obj;
    char *kernel, *initrd, *append, *dtb, *dt_compatible, *firmware, *dumpdtb, *memory_encryption;
    int64_t phandle_start;
    bool graphics, usb, dump_guest_core, mem_merge, suppress_vmdesc;
    SmpConfig smp;
    uint64_t ram_size, max_ram_size, ram_slots;
    char *memdev;                          /* id of the memory backend, until resolved */
    const char *mem_path;                  /* -mem-path: RAM is a file there */
    bool mem_prealloc, no_fd_bootchk;
    Object *ram;                           /* the backend; NULL: no memory, or that of the nodes */
    struct Numa *numa;                     /* hw/core/numa.h; NULL: no nodes were described */
    QDict *boot;                           /* BootConfiguration */
    char *cpu_type;                        /* "qemu64-x86_64-cpu" */
    /* pc boards */
    int smm, acpi, pit, pic, vmport, smbios_entry;
    char *oem_id, *oem_table_id, *nvdimm_persistence, *pcspk_audiodev, *pflash[2];
    uint64_t bus_lock_ratelimit, max_fw_size, max_ram_below_4g;
    bool bypass_iommu, sata, i8042, hpet, smbus, hmat, cxl, nvdimm;
};

static inline const MachineClass *machine_class(const Machine *m) { return type_class(m->obj.type); }
/* Label of the character device behind serial port n (g_free), NULL: no such port.  Set by the program. */
extern char *(*pc_serial_label)(int n);
Machine *machine_current(void);
/* By name or alias; NULL if there is none. */
const TypeInfo *machine_find(const char *name);
const TypeInfo *machine_default(void);
void machine_print_list(void);
/* Make the object at /machine and set what -machine says (minus type and accel). */
bool machine_create(const TypeInfo *type, const QDict *opts, Error **errp);
/* Apply -m, -smp (text values or NULL). */
bool machine_set_memory(Machine *m, const QDict *opts, Error **errp);
bool machine_set_smp(Machine *m, const QDict *opts, Error **errp);
bool machine_set_boot(Machine *m, const QDict *opts, bool text, Error **errp);
/* Change the order in which devices are tried from the next boot on. */
bool machine_set_boot_order(Machine *m, const char *order, Error **errp);
/* Find or make the main memory. */
bool machine_init_memory(Machine *m, Error **errp);
bool machine_init_board(Machine *m, Error **errp);

/* Where a file of that name is: as given, or where firmware is installed.  NULL: nowhere; g_free.  Set by the
   program. */
extern char *(*machine_find_file)(const char *name);
/* For `info roms`: what a file filled. */
void rom_loaded(const char *name, uint64_t addr, uint64_t size);
/* -numa: one use.  A hook that tells whether nodes may still be described over QMP. */
bool numa_set_text(Machine *m, const char *text, Error **errp);
extern bool (*numa_before_machine)(void);
/* All of the machine's memory in one piece, NULL: there is none. */
struct IoRegion *machine_memory_region(Machine *m);

/* Processors as far as there are any: one entry each of the running ones. */
typedef struct CpuPlace { unsigned socket, die, core, thread; } CpuPlace;
CpuPlace cpu_place(const Machine *m, unsigned index);
int cpu_thread_id(unsigned index);
bool cpu_models_print(void);
/* The type of -cpu MODEL[,features], whose names are checked; NULL + errp. g_free. */
char *cpu_type_from_option(const char *text, Error **errp);

#endif
