/*
 * The order in which devices are to be tried, for the firmware: those with a bootindex, as paths of Open Firmware.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "hw/fw_cfg.h"
#include "hw/i386/pc-int.h"
#include "machine/runstate.h"

typedef struct Entry {
    int64_t index;
    char *path;
} Entry;

static int64_t number_of(const Device *d, const char *name, int64_t otherwise)
{
    g_autoptr(QObject) v = object_get((Object *)&d->obj, name, NULL);
    int64_t n;

    return v && qobject_get_int(v, &n) ? n : otherwise;
}

static bool on_bus(const Device *d, const char *kind)
{
    return d && d->bus && g_str_has_prefix(d->bus->kind->name, kind);
}

/* "/pci@i0cf8/scsi@2": of the device itself, or of the one that it hangs on. */
static char *pci_path(const Device *d)
{
    static const struct { uint16_t class; const char *name; } names[] = {
        { 0x0100, "scsi" }, { 0x0101, "ide" }, { 0x0102, "fdc" }, { 0x0200, "ethernet" }, { 0x0601, "isa" },
    };
    const PciDevice *p;
    g_autofree char *name = NULL;
    uint16_t class;

    while (d && !on_bus(d, "PCI")) {
        const Object *up = d->obj.parent;

        d = d->bus && d->bus->parent ? d->bus->parent : up && object_is_a(up, "device") ? DEVICE(up) : NULL;
    }
    if (!d) {
        return NULL;
    }
    p = (const PciDevice *)d;
    class = pci_get16(p, PCI_REG_CLASS);
    for (size_t i = 0; i < G_N_ELEMENTS(names) && !name; i++) {
        name = names[i].class == class ? g_strdup(names[i].name) : NULL;
    }
    if (!name) {
        name = g_strdup_printf("pci%x,%x", pci_get16(p, PCI_REG_VENDOR), pci_get16(p, PCI_REG_DEVICE));
    }
    return PCI_FUNC(p->devfn) ? g_strdup_printf("/pci@i0cf8/%s@%x,%x", name, PCI_SLOT(p->devfn), PCI_FUNC(p->devfn))
                              : g_strdup_printf("/pci@i0cf8/%s@%x", name, PCI_SLOT(p->devfn));
}

/* Which of its controller's buses: the number at the end of the name. */
static unsigned bus_number(const Bus *bus)
{
    const char *dot = strrchr(bus->obj.name, '.');

    return dot ? strtoul(dot + 1, NULL, 10) : 0;
}

static char *device_boot_path(const Device *d)
{
    g_autofree char *base = pci_path(d);

    if (!base) {
        return NULL;
    }
    if (on_bus(d, "PCI")) {
        return g_strconcat(base, "/disk@0,0", NULL);
    }
    if (on_bus(d, "SCSI")) {
        return g_strdup_printf("%s/channel@%x/disk@%x,%x", base, (unsigned)number_of(d, "channel", 0),
                               (unsigned)number_of(d, "scsi-id", 0),
                               (unsigned)number_of(d, "lun", 0));
    }
    if (on_bus(d, "IDE")) {
        return g_strdup_printf("%s/drive@%x/disk@%x", base, bus_number(d->bus), (unsigned)number_of(d, "unit", 0));
    }
    return NULL;
}

static void add(GArray *list, int64_t index, char *path)
{
    Entry e = { index, path };

    if (path) {
        g_array_append_val(list, e);
    }
}

static void look_at(Device *d, void *opaque)
{
    int64_t index = number_of(d, "bootindex", -1);

    if (index >= 0) {
        add(opaque, index, device_boot_path(d));
    }
    for (int i = 0; i < 2 && object_is_a(&d->obj, "isa-fdc"); i++) {
        int64_t floppy = number_of(d, i ? "bootindexB" : "bootindexA", -1);
        g_autofree char *base = floppy >= 0 ? pci_path(d) : NULL;

        if (base) {
            add(opaque, floppy,
                g_strdup_printf("%s/fdc@%04x/floppy@%d", base, (unsigned)number_of(d, "iobase", 0x3f0), i));
        }
    }
}

static int compare(const void *a, const void *b)
{
    const Entry *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

/* The list ends with HALT when nothing else is to be tried. */
static void update(void *opaque)
{
    g_autoptr(GArray) list = g_array_new(false, false, sizeof(Entry));
    g_autoptr(GString) text = g_string_new(NULL);
    const Machine *m = machine_current();

    device_foreach(look_at, list);
    g_array_sort(list, compare);
    for (guint i = 0; i < list->len; i++) {
        Entry *e = &g_array_index(list, Entry, i);

        g_string_append_printf(text, "%s%s", i ? "\n" : "", e->path);
        g_free(e->path);
    }
    if (text->len && qdict_get_bool(m->boot, "strict", false)) {
        g_string_append(text, "\nHALT");
    }
    fw_cfg_set_file("bootorder", text->str, text->len ? text->len + 1 : 0);
}

void pc_init_bootorder(void)
{
    update(NULL);
    vm_reset_add(update, NULL);
}
