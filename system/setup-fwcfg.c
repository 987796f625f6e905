/*
 * -fw_cfg: files for the firmware, from the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include "hw/fw_cfg.h"
#include "hw/smbios.h"
#include "qom/object.h"
#include "system/system.h"
#include "util/options.h"

#define NAME_MAX_LEN 55

static void no_generator(const char *id, Error **errp)
{
    Object *o = object_child(object_container("/objects"), id);

    if (!o) {
        error_setg(errp, "Cannot find object ID '%s'", id);
    } else {
        error_setg(errp, "Object ID '%s' is not a 'fw_cfg-data-generator' subclass", id);
    }
}

static bool add_file(const char *name, const char *file, Error **errp)
{
    g_autoptr(GError) gerr = NULL;
    g_autofree char *data = NULL;
    gsize len;

    if (!g_file_get_contents(file, &data, &len, &gerr)) {
        error_setg(errp, "can't load %s: %s", file, gerr->message);
        return false;
    }
    return fw_cfg_add_file(name, data, len, errp);
}

static void add_one(const QDict *opts, Error **errp)
{
    const char *name = qdict_get_str(opts, "name"), *file = qdict_get_str(opts, "file"),
        *text = qdict_get_str(opts, "string");
    const char *generator = qdict_get_str(opts, "gen_id");

    if (!fw_cfg_present()) {
        error_setg(errp, "fw_cfg device not available");
    } else if (!name || !*name || !!file + !!text + !!generator != 1) {
        error_setg(errp, "name, plus exactly one of file, string and gen_id, are needed");
    } else if (strlen(name) > NAME_MAX_LEN) {
        error_setg(errp, "name too long (max. %d char)", NAME_MAX_LEN);
    } else {
        if (!g_str_has_prefix(name, "opt/")) {
            warn_report("externally provided fw_cfg item names should be prefixed with \"opt/\"");
        }
        if (generator) {
            no_generator(generator, errp);
        } else if (file) {
            add_file(name, file, errp);
        } else {
            fw_cfg_add_file(name, text, strlen(text), errp);       /* without the 0 at the end */
        }
    }
}

/* The digits of the UUID as bytes. */
static void uuid_bytes(uint8_t *raw)
{
    const char *p = guest_uuid();

    for (size_t i = 0; i < 16; p++) {
        if (*p != '-') {
            raw[i++] = g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]);
            p++;
        }
    }
}

void setup_smbios(void)
{
    for (guint i = 0; emu.smbios && i < emu.smbios->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.smbios, i);

        error_set_location(e->loc);
        smbios_add_option(e->text, &error_fatal);
        error_set_location(NULL);
    }
    emu.uuid = smbios_uuid() ? smbios_uuid() : emu.uuid;
}

void setup_description(void)
{
    uint8_t uuid[16];

    uuid_bytes(uuid);
    pc_describe_machine(machine_current(), uuid, &error_fatal);
}

void setup_fw_cfg(void)
{
    uint8_t uuid[16];

    if (fw_cfg_present()) {
        uuid_bytes(uuid);
        fw_cfg_set(FW_CFG_UUID, uuid, sizeof(uuid));
        fw_cfg_set16(FW_CFG_NOGRAPHIC, emu.nographic);
    }
    for (guint i = 0; emu.fwcfgs && i < emu.fwcfgs->len; i++) {
        OptEntry *e = g_ptr_array_index(emu.fwcfgs, i);

        error_set_location(e->loc);
        add_one(e->opts, &error_fatal);
        error_set_location(NULL);
    }
}
