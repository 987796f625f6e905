/*
 * SMBIOS 2.8 structures: what kind of machine this is, its board, case, processors and memory.
 *
 * Each is a header (type, length, handle), fields, and strings that fields name by number.  The firmware places the
 * whole and fills in address and checksums of the entry point.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <string.h>
#include "hw/fw_cfg.h"
#include "hw/pci.h"
#include "hw/smbios/options.h"
#include "util/cutils.h"

typedef struct Tables {
    GByteArray *all;
    GByteArray *fields, *strings;      /* of the structure being made */
    int nstrings, count;
    size_t longest;
    const char *product, *version;
} Tables;

/* --- making one ---------------------------------------------------------------------------------------------- */

static void put(Tables *t, int bytes, uint64_t v)
{
    for (int i = 0; i < bytes; i++) {
        uint8_t b = v >> (8 * i);

        g_byte_array_append(t->fields, &b, 1);
    }
}

static void begin(Tables *t, uint8_t type, uint16_t handle)
{
    t->fields = g_byte_array_new();
    t->strings = g_byte_array_new();
    t->nstrings = 0;
    put(t, 1, type);
    put(t, 1, 0);
    put(t, 2, handle);
}

/* The number of a string; 0 for none. */
static int add_text(Tables *t, const char *s)
{
    if (!s || !*s) {
        return 0;
    }
    g_byte_array_append(t->strings, (const uint8_t *)s, strlen(s) + 1);
    return ++t->nstrings;
}

static void put_text(Tables *t, const char *s) { put(t, 1, add_text(t, s)); }
static const char *said(int type, const char *key, const char *otherwise)
{
    return smbios_text(type, key) ? smbios_text(type, key) : otherwise;
}

static void add_raw(Tables *t, const uint8_t *data, size_t len)
{
    g_byte_array_append(t->all, data, len);
    t->longest = MAX(t->longest, len);
    t->count++;
}

static void end(Tables *t)
{
    static const uint8_t zeroes[2];

    t->fields->data[1] = t->fields->len;
    g_byte_array_append(t->fields, t->strings->data, t->strings->len);
    g_byte_array_append(t->fields, zeroes, t->nstrings ? 1 : 2);
    add_raw(t, t->fields->data, t->fields->len);
    g_byte_array_unref(t->fields);
    g_byte_array_unref(t->strings);
}

/* --- system ---------------------------------------------------------------------------------------------------- */

static void add_firmware(Tables *t)
{
    unsigned major = 0, minor = 0;

    if (!smbios_given(0)) {
        return;
    }
    if (smbios_text(0, "release")) {
        sscanf(smbios_text(0, "release"), "%u.%u", &major, &minor);
    }
    begin(t, 0, 0);
    put_text(t, smbios_text(0, "vendor"));
    put_text(t, smbios_text(0, "version"));
    put(t, 2, 0xe800);
    put_text(t, smbios_text(0, "date"));
    put(t, 1, 0);
    put(t, 8, 0x08);                                     /* characteristics are not told */
    put(t, 2, 0x1400 | (!g_strcmp0(smbios_text(0, "uefi"), "on") ? 0x0800 : 0));       /* a virtual machine */
    put(t, 1, major);
    put(t, 1, minor);
    put(t, 2, 0xffff);
    end(t);
}

static void add_system(Tables *t, const uint8_t *uuid)
{
    static const uint8_t order[] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

    begin(t, 1, 0x100);
    put_text(t, said(1, "manufacturer", "QEMU"));
    put_text(t, said(1, "product", t->product));
    put_text(t, said(1, "version", t->version));
    put_text(t, smbios_text(1, "serial"));
    for (int i = 0; i < 16; i++) {
        put(t, 1, uuid ? uuid[order[i]] : 0);
    }
    put(t, 1, 6);                                        /* woken by the power switch */
    put_text(t, smbios_text(1, "sku"));
    put_text(t, smbios_text(1, "family"));
    end(t);
}

static void add_board(Tables *t)
{
    if (!smbios_given(2)) {
        return;
    }
    begin(t, 2, 0x200);
    put_text(t, said(2, "manufacturer", "QEMU"));
    put_text(t, said(2, "product", t->product));
    put_text(t, said(2, "version", t->version));
    put_text(t, smbios_text(2, "serial"));
    put_text(t, smbios_text(2, "asset"));
    put(t, 1, 1);
    put_text(t, smbios_text(2, "location"));
    put(t, 2, 0x300);
    put(t, 1, 0x0a);
    put(t, 1, 0);
    end(t);
}

static void add_case(Tables *t)
{
    begin(t, 3, 0x300);
    put_text(t, said(3, "manufacturer", "QEMU"));
    put(t, 1, 1);
    put_text(t, said(3, "version", t->version));
    put_text(t, smbios_text(3, "serial"));
    put_text(t, smbios_text(3, "asset"));
    put(t, 4, 0x02030303);                               /* safe; security unknown */
    put(t, 8, 0);
    put_text(t, smbios_text(3, "sku"));
    end(t);
}

static void add_processor(Tables *t, const Machine *m, unsigned socket, const uint32_t *id)
{
    unsigned cores = m->smp.dies * m->smp.cores, threads = cores * m->smp.threads;

    g_autofree char *name = g_strdup_printf("%s %x", said(4, "sock_pfx", "CPU"), socket);
    begin(t, 4, 0x400 + socket);
    put_text(t, name);
    put(t, 1, 3);
    put(t, 1, 1);
    put_text(t, said(4, "manufacturer", "QEMU"));
    put(t, 8, smbios_number(4, "processor-id", id[0] | (uint64_t)id[1] << 32));
    put_text(t, said(4, "version", t->version));
    put(t, 1, 0);
    put(t, 2, 0);
    put(t, 2, smbios_number(4, "max-speed", 2000));
    put(t, 2, smbios_number(4, "current-speed", 2000));
    put(t, 1, 0x41);
    put(t, 1, 1);
    put(t, 6, UINT64_MAX);                               /* caches are not told */
    put_text(t, smbios_text(4, "serial"));
    put_text(t, smbios_text(4, "asset"));
    put_text(t, smbios_text(4, "part"));
    put(t, 1, MIN(cores, 255));
    put(t, 1, MIN(cores, 255));
    put(t, 1, MIN(threads, 255));
    put(t, 2, 2);
    put(t, 2, 1);
    if (m->smbios_entry) {                               /* 3.0 has them once more, wider */
        put(t, 2, cores);
        put(t, 2, cores);
        put(t, 2, threads);
    }
    end(t);
}

/* --- connectors, strings, devices ------------------------------------------------------------------------------- */

static uint64_t use_number(const QDict *use, const char *key)
{
    uint64_t n = 0;

    if (qdict_get_str(use, key)) {
        parse_u64(qdict_get_str(use, key), 0, &n);
    }
    return n;
}

static void add_connectors(Tables *t)
{
    const GPtrArray *uses = smbios_uses(8);

    for (guint i = 0; uses && i < uses->len; i++) {
        const QDict *use = g_ptr_array_index(uses, i);

        begin(t, 8, i);
        put_text(t, qdict_get_str(use, "internal_reference"));
        put(t, 1, 0);
        put_text(t, qdict_get_str(use, "external_reference"));
        put(t, 1, use_number(use, "connector_type"));
        put(t, 1, use_number(use, "port_type"));
        end(t);
    }
}

static void add_oem_strings(Tables *t)
{
    const GPtrArray *s = smbios_strings();

    if (!s) {
        return;
    }
    begin(t, 11, 0xe00);
    put(t, 1, s->len);
    for (guint i = 0; i < s->len; i++) {
        add_text(t, g_ptr_array_index(s, i));
    }
    end(t);
}

static int device_kind(const char *name)
{
    static const char *const kinds[] = {
        "other", "unknown", "video", "scsi", "ethernet", "tokenring", "sound", "pata", "sata", "sas",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!g_strcmp0(kinds[i], name)) {
            return i + 1;
        }
    }
    return 1;
}

static bool add_onboard_devices(Tables *t, Error **errp)
{
    const GPtrArray *uses = smbios_uses(41);

    for (guint i = 0; uses && i < uses->len; i++) {
        const QDict *use = g_ptr_array_index(uses, i);
        const char *id = qdict_get_str(use, "pcidev");
        Device *d = id ? device_find(id) : NULL;

        if (id && (!d || !object_is_a(&d->obj, "pci-device"))) {
            error_setg(errp, d ? "device %s is not attached to a PCI bus"
                       : "No PCI device %s for SMBIOS type 41 entry %s", id,
                       qdict_get_str(use, "designation") ? qdict_get_str(use, "designation") : "");
            return false;
        }
        begin(t, 41, 0x2900 + i);
        put_text(t, qdict_get_str(use, "designation"));
        put(t, 1, 0x80 | device_kind(qdict_get_str(use, "kind")));
        put(t, 1, use_number(use, "instance"));
        put(t, 2, 0);
        put(t, 1, 0);
        put(t, 1, d ? ((PciDevice *)d)->devfn : 0);
        end(t);
    }
    return true;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

#define DIMM_MAX (16 * GiB)

static void add_memory_array(Tables *t, uint64_t size, unsigned dimms)
{
    bool fits = size / KiB < 0x80000000;

    begin(t, 16, 0x1000);
    put(t, 3, 0x060301);                                 /* on the board, system memory, multi-bit ECC */
    put(t, 4, fits ? size / KiB : 0x80000000);
    put(t, 2, 0xfffe);
    put(t, 2, dimms);
    put(t, 8, fits ? 0 : size);
    end(t);
}

static void add_dimm(Tables *t, unsigned i, uint64_t size)
{
    g_autofree char *name = g_strdup_printf("%s %u", said(17, "loc_pfx", "DIMM"), i);
    uint64_t mib = (size + MiB - 1) / MiB, speed = smbios_number(17, "speed", 0);

    begin(t, 17, 0x1100 + i);
    put(t, 2, 0x1000);
    put(t, 2, 0xfffe);
    put(t, 4, UINT32_MAX);
    put(t, 2, mib < 0x7fff ? mib : 0x7fff);
    put(t, 2, 0x0009);
    put_text(t, name);
    put_text(t, smbios_text(17, "bank"));
    put(t, 1, 7);
    put(t, 2, 2);
    put(t, 2, speed);
    put_text(t, said(17, "manufacturer", "QEMU"));
    put_text(t, smbios_text(17, "serial"));
    put_text(t, smbios_text(17, "asset"));
    put_text(t, smbios_text(17, "part"));
    put(t, 1, 0);
    put(t, 4, mib < 0x7fff ? 0 : mib);
    put(t, 2, speed);
    put(t, 6, 0);
    end(t);
}

static void add_range(Tables *t, unsigned i, uint64_t start, uint64_t size)
{
    uint64_t first = start / KiB, last = (start + size - 1) / KiB;
    bool fits = last < UINT32_MAX;

    begin(t, 19, 0x1300 + i);
    put(t, 4, fits ? first : UINT32_MAX);
    put(t, 4, fits ? last : UINT32_MAX);
    put(t, 2, 0x1000);
    put(t, 1, 1);
    put(t, 8, fits ? 0 : start);
    put(t, 8, fits ? 0 : start + size - 1);
    end(t);
}

static void add_memory(Tables *t, uint64_t size, uint64_t low)
{
    unsigned dimms = (size + DIMM_MAX - 1) / DIMM_MAX;

    add_memory_array(t, size, dimms);
    for (unsigned i = 0; i < dimms; i++) {
        add_dimm(t, i, i + 1 < dimms ? DIMM_MAX : size - (uint64_t)i * DIMM_MAX);
    }
    add_range(t, 0, 0, MIN(size, low));
    if (size > low) {
        add_range(t, 1, 4 * GiB, size - low);
    }
}

/* --- the whole ---------------------------------------------------------------------------------------------------- */

static void put_anchor(const Tables *t, bool wide)
{
    uint8_t a[31] = { '_', 'S', 'M', '_', 0, 31, 2, 8, [16] = '_', 'D', 'M', 'I', '_', [30] = 0x28 };
    uint8_t b[24] = { '_', 'S', 'M', '3', '_', 0, 24, 3, 0, 0, 1 };
    uint16_t longest = t->longest, size = t->all->len, count = t->count;
    uint32_t wide_size = t->all->len;

    memcpy(a + 8, &longest, 2);
    memcpy(a + 22, &size, 2);
    memcpy(a + 28, &count, 2);
    memcpy(b + 12, &wide_size, 4);
    fw_cfg_add_file("etc/smbios/smbios-anchor", wide ? b : a, wide ? sizeof(b) : sizeof(a), &error_abort);
}

bool smbios_put_tables(Machine *m, uint64_t low, const uint8_t *uuid, const uint32_t *id, Error **errp)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    Tables t = { .all = all, .product = machine_class(m)->desc, .version = machine_class(m)->name };
    const GPtrArray *files = smbios_files();

    for (guint i = 0; files && i < files->len; i++) {
        gsize len;
        const uint8_t *data = g_bytes_get_data(g_ptr_array_index(files, i), &len);

        add_raw(&t, data, len);
    }
    add_firmware(&t);
    if (!smbios_has_file(1)) {
        add_system(&t, uuid);
    }
    add_board(&t);
    if (!smbios_has_file(3)) {
        add_case(&t);
    }
    for (unsigned i = 0; i < m->smp.sockets && !smbios_has_file(4); i++) {
        add_processor(&t, m, i, id);
    }
    add_connectors(&t);
    add_oem_strings(&t);
    if (!smbios_has_file(16) && m->ram_size) {
        add_memory(&t, m->ram_size, low);
    }
    begin(&t, 32, 0x2000);
    put(&t, 7, 0);
    end(&t);
    if (!add_onboard_devices(&t, errp)) {
        return false;
    }
    begin(&t, 127, 0x7f00);
    end(&t);
    if (!m->smbios_entry && all->len > UINT16_MAX) {
        error_setg(errp, "SMBIOS 2.1 table length %u exceeds %u", all->len, UINT16_MAX);
        return false;
    }
    fw_cfg_add_file("etc/smbios/smbios-tables", all->data, all->len, &error_abort);
    put_anchor(&t, m->smbios_entry);
    return true;
}
