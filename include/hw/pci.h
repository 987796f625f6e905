/*
 * PCI: the bus, configuration space, BARs, INTx and MSI-X of devices.
 *
 * pci_set_irq, msix_notify: any thread.  Everything else: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/device.h"
#include "hw/irq.h"
#include "machine/memory.h"

#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))
#define PCI_SLOT(devfn) ((devfn) >> 3)
#define PCI_FUNC(devfn) ((devfn) & 7)

enum {
    PCI_REG_VENDOR = 0, PCI_REG_DEVICE = 2, PCI_REG_COMMAND = 4, PCI_REG_STATUS = 6, PCI_REG_REVISION = 8,
    PCI_REG_PROG = 9,
    PCI_REG_CLASS = 10, PCI_REG_HEADER_TYPE = 14, PCI_REG_BAR0 = 16, PCI_REG_SUBVENDOR = 0x2c, PCI_REG_SUBDEVICE = 0x2e,
    PCI_REG_CAPABILITY = 0x34, PCI_REG_INT_LINE = 0x3c, PCI_REG_INT_PIN = 0x3d,
    PCI_CMD_IO = 1, PCI_CMD_MEMORY = 2, PCI_CMD_MASTER = 4, PCI_CMD_INTX_DISABLE = 0x400,
    PCI_STATUS_INTX = 8, PCI_STATUS_CAP_LIST = 0x10,
    PCI_BAR_IO = 1, PCI_BAR_64 = 4, PCI_BAR_PREFETCH = 8,
};

typedef struct PciDevice PciDevice;

typedef struct PciClass {
    DeviceClass dev;                      /* realize, unrealize, reset: pci_device_* below */
    uint16_t vendor, device, class_id, subvendor, subdevice;     /* sub 0: 1af4:1100 */
    uint8_t revision, prog_if, int_pin;   /* pin 1 = A */
    bool multifunction;
    bool (*realize)(PciDevice *d, Error **errp);
    void (*unrealize)(PciDevice *d);
    void (*reset)(PciDevice *d);
    void (*config_reading)(PciDevice *d, unsigned offset, unsigned size);    /* may refresh the bytes first */
    void (*config_written)(PciDevice *d, unsigned offset, unsigned size);    /* after the bytes changed */
} PciClass;

typedef struct PciBar {
    IoRegion *region;
    uint64_t size;                        /* 0: not there */
    uint8_t type;                         /* PCI_BAR_* */
    int priority;
} PciBar;

typedef struct Msix {
    uint8_t cap;                          /* offset of the capability, 0: none */
    uint16_t entries;
    uint32_t *table;                      /* 4 words an entry; atomic accesses: data paths read it */
    uint64_t *pending;
    int bar;
    uint32_t table_offset, pba_offset;
    IoRegion *region;
} Msix;

struct PciDevice {
    Device dev;
    uint8_t config[256], wmask[256];
    int devfn;                            /* property addr; -1: any */
    char *romfile, *failover_pair;
    uint32_t romsize, rombar, acpi_index;
    uint32_t cap_bits;                    /* bit 0 multifunction, 1.. compatibility switches */
    PciBar bars[6];
    Msix msix;
    Irq *intx;                            /* its level, told to the bus */
    int intx_level, line_level;           /* what the device holds; what the bus was told */
    bool unplug_requested;
    IoRegion *master_space, *master;      /* what it sees of memory as a bus master: nothing until it may be one */
    AddressSpace *as;
};

#define PCI_DEVICE(o) ((PciDevice *)(o))

/* For PciClass.dev */
bool pci_device_realize(Device *d, Error **errp);
void pci_device_unrealize(Device *d);
void pci_device_reset(Device *d);
#define PCI_CLASS_DEV(...) { .bus_type = "PCI", .realize = pci_device_realize, .unrealize = pci_device_unrealize, \
                             .reset = pci_device_reset, __VA_ARGS__ }

void pci_register_bar(PciDevice *d, int bar, uint8_t type, uint64_t size, const char *name, const IoOps *ops,
                      void *opaque);
/* A BAR that the caller fills with regions. */
void pci_register_bar_container(PciDevice *d, int bar, uint8_t type, uint64_t size, const char *name);
/* Room for a capability of len bytes (id and next included) at offset; its bytes are read-only until wmask says
   else. */
void pci_add_capability(PciDevice *d, uint8_t id, uint8_t offset, uint8_t len);
void pci_set_irq(PciDevice *d, int level);
static inline uint16_t pci_get16(const PciDevice *d, unsigned at) { return d->config[at] | d->config[at + 1] << 8; }
void pci_set16(PciDevice *d, unsigned at, uint16_t v);
void pci_set32(PciDevice *d, unsigned at, uint32_t v);
static inline bool pci_is_master(const PciDevice *d) { return d->config[PCI_REG_COMMAND] & PCI_CMD_MASTER; }

/* MSI-X in a BAR of its own page: table at table_offset, pending bits at pba_offset. */
void msix_init(PciDevice *d, uint16_t entries, int bar, uint32_t table_offset, uint32_t pba_offset, uint8_t cap,
               const char *name);
void msix_cleanup(PciDevice *d);
bool msix_enabled(const PciDevice *d);
void msix_notify(PciDevice *d, unsigned vector);
void msix_reset(PciDevice *d);

/* --- state (vmstate-pci.c) --------------------------------------------------------------------------- */

struct VmDesc;
typedef struct PciWire {
    uint32_t version;
    uint8_t config[256];
    uint32_t pins[4];
} PciWire;

extern const struct VmDesc pci_wire_desc;
/* The first field of a PCI device's section; wire types have a PciWire called pci. */
#define VMF_PCI(n, T) VMF_STRUCTN(n, T, pci, &pci_wire_desc)
void pci_wire_save(const PciDevice *d, PciWire *w);
/* Could this be the configuration of the device? */
bool pci_wire_check(const PciDevice *d, const PciWire *w, Error **errp);
/* What the driver can write, and the BARs; the device follows with what hangs on its own registers. */
void pci_wire_load(PciDevice *d, const PciWire *w);

/* --- the bus ------------------------------------------------------------------------------------ */

typedef struct PciHost {
    void (*slot_changed)(struct PciHost *h, int slot, bool going);   /* hot-plug of a device in the slot */
    Bus *bus;
    PciDevice *devices[256];
    int first_slot;                       /* new devices get addresses from here on */
    /* Pin 0..3 of a slot to one of the router's lines, and what happens when a line changes. */
    int (*map_irq)(int slot, int pin);
    void (*set_irq)(struct PciHost *h, int line, int level);
    int held[8];                          /* devices that hold the line up */
    uint32_t address;                     /* configuration mechanism #1 */
    bool is_express;
    IoRegion *index, *data;
    void *opaque;
} PciHost;

Bus *pci_bus_new(Device *host, const char *name, bool express, PciHost **out);
PciHost *pci_host(const Bus *bus);
PciHost *pci_host_first(void);
/* Ports 0xcf8, 0xcfc. */
void pci_host_map_ports(PciHost *h);
uint32_t pci_config_read(PciHost *h, int devfn, unsigned offset, unsigned size);
void pci_config_write(PciHost *h, int devfn, unsigned offset, uint32_t value, unsigned size);
/* The guest lets go of a slot (hot unplug). */
void pci_eject_slot(PciHost *h, int slot);
const char *pci_class_desc(uint16_t class_id);

#endif
