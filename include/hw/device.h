/*
 * Devices and buses: what -device and device_add make.
 *
 * A device is an Object with a class (DeviceClass), sits on a bus and is *realized* once its properties
 * are set.  Unplug: device_del -> request to the guest or at once -> unrealize, DEVICE_DELETED, finalize.
 * Main thread, except where a device says otherwise for its own data path.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DEVICE_H
#define HW_DEVICE_H

#include "block/backend.h"
#include "qom/object.h"

typedef struct Device Device;
typedef struct Bus Bus;

/* In the order in which -device help prints its sections. */
typedef enum DeviceCategory {
    DEVICE_BRIDGE, DEVICE_USB, DEVICE_STORAGE, DEVICE_NETWORK, DEVICE_INPUT, DEVICE_DISPLAY, DEVICE_SOUND, DEVICE_MISC,
    DEVICE_CPU, DEVICE_WATCHDOG, DEVICE_UNCATEGORIZED, DEVICE_CATEGORY_MAX
} DeviceCategory;

typedef struct DeviceClass {
    const char *bus_type;              /* "PCI", "ISA", ... as the peer calls them; NULL: none */
    DeviceCategory category;
    const char *desc, *alias;
    /* of `info qtree`: its interrupt lines, before the properties; its registers, after them */
    const char *lines, *mmio;
    bool no_user;                      /* not for -device */
    bool no_hotplug;
    bool (*realize)(Device *d, Error **errp);
    void (*unrealize)(Device *d);
    void (*reset)(Device *d);
    const struct VmDesc *vmstate;      /* what of it belongs to the state of the machine; NULL: nothing */
} DeviceClass;

struct Device {
    Object obj;
    char *id;                          /* NULL: none was given */
    Bus *bus;
    GPtrArray *buses;                  /* those it provides */
    bool realized, hotplugged, pending_delete;
    QDict *opts;                       /* what -device said */
};

typedef struct BusType {
    const char *name;                  /* "PCI" */
    int max_devices;                   /* 0: no bound */
    /* May the device (properties set) sit here?  Gives it its address. */
    bool (*check_address)(Bus *bus, Device *d, Error **errp);
    /* QOM type of the bus object; name when NULL. */
    const char *type;
    bool hotplug;                      /* devices may come and go while the machine runs */
    /* Ask the guest to let go of the device; NULL: it goes at once. */
    void (*request_unplug)(Bus *bus, Device *d, Error **errp);
    /* The place of a device as streams of state name it ("0000:00:02.0"; g_free). NULL: they have none. */
    char *(*place)(const Device *d);
} BusType;

struct Bus {
    Object obj;
    const BusType *kind;
    Device *parent;                    /* NULL: the main system bus */
    GPtrArray *devices;                /* Device *, newest last */
};

#define DEVICE(o) ((Device *)(o))

static inline const DeviceClass *device_class(const Device *d) { return type_class(d->obj.type); }
/* Make a bus below parent; takes the name as given, or "ID.N" / "kind.N" when NULL. */
Bus *bus_new(const BusType *kind, Device *parent, const char *name);
void bus_free(Bus *bus);
/* By the last part of its path; NULL if there is none. */
Bus *bus_find_name(const char *name);
Bus *bus_find_type(const char *bus_type, const Device *for_device);
void bus_set_root(Bus *bus);                          /* the main system bus */
Bus *bus_root(void);

/* A device of the board: created, put at /machine/unattached, realized. */
Device *device_new(const char *type);
bool device_realize(Device *d, Bus *bus, Error **errp);
/* Board devices that must not fail. */
Device *device_create_on_board(const char *type, Bus *bus, const char *path_name);
void device_unrealize(Device *d);
/* As streams of state name it: "0000:00:03.0/0:0:0"; NULL outside buses with places.  g_free. */
char *device_place(const Device *d);
Device *device_find(const char *id);
/* Device of that id or QOM path. */
Device *device_resolve(const char *id_or_path);
char *device_path(const Device *d);

/* opts: "driver", "id", "bus", properties.  text: values are strings. NULL + errp. */
Device *device_add_opts(const QDict *opts, bool text, bool hotplug, Error **errp);
void device_del(const char *id, Error **errp);
/* The guest agreed, or need not: remove now; sends DEVICE_DELETED. */
void device_unplug_now(Device *d);
/* -device help, -device DRIVER,help; false when opts ask for no help. */
bool device_help(const QDict *opts);
/* The list of models; all: those too that only boards make. */
void device_print_models(bool all);
const TypeInfo *device_type_find(const char *name);   /* by name or alias */
/* -global; applied to each new device of the type.  False: no such type. */
void device_add_global(const char *driver, const char *property, const char *value);
void device_check_globals(void);
void devices_reset(void *opaque);
void device_set_machine_ready(void);                  /* from here on a new device is hot-plugged */
bool device_machine_is_ready(void);
void device_foreach(void (*fn)(Device *d, void *opaque), void *opaque);

/* Sends DEVICE_DELETED, DEVICE_UNPLUG_GUEST_ERROR; set by the monitor side. */
extern void (*device_event_deleted)(const char *id, const char *path);

/* Property table pieces. */
#define P_BOOL(n, T, f, d)        { .name = n, .kind = PROP_BOOL, .offset = offsetof(T, f), .has_default = true, .def = d }
#define P_BIT(n, T, f, b, d)      { .name = n, .kind = PROP_BIT32, .offset = offsetof(T, f), .bit = b, .has_default = true, \
                                    .def = d, .description = "on/off" }
#define P_BIT64(n, T, f, b, d)    { .name = n, .kind = PROP_BIT64, .offset = offsetof(T, f), .bit = b, .has_default = true, \
                                    .def = d, .description = "on/off" }
#define P_NUM(n, K, T, f, d)      { .name = n, .kind = K, .offset = offsetof(T, f), .has_default = true, .def = d }
#define P_STR(n, T, f)            { .name = n, .kind = PROP_STRING, .offset = offsetof(T, f) }
#define P_ENUM(n, t, vals, T, f, d, desc) { .name = n, .type = t, .kind = PROP_ENUM, .names = vals, .offset = offsetof(T, f), \
                                    .has_default = true, .def = d, .description = desc }
extern const char *const on_off_auto_names[];         /* "auto", "on", "off" */
enum { ON_OFF_AUTO, ON_OFF_ON, ON_OFF_OFF };

#endif
