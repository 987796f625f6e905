/*
 * LUKS version 1 headers: bytes to struct and back, with every bound checked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "luks-private.h"
#include "util/cutils.h"

static const uint8_t magic[6] = { 'L', 'U', 'K', 'S', 0xba, 0xbe };

bool luks_probe(const uint8_t *buf, size_t len)
{
    return len >= 8 && !memcmp(buf, magic, sizeof(magic)) && load_be16(buf + 6) == 1;
}

static bool take_string(char *dst, const uint8_t *src, size_t size, const char *what, Error **errp)
{
    if (!memchr(src, 0, size)) {
        error_setg(errp, "LUKS header %s is not NUL terminated", what);
        return false;
    }
    memcpy(dst, src, size);
    return true;
}

/* The key material of a slot must lie between the header and the payload and touch no other slot. */
static bool slot_check(const LuksHeader *h, int i, Error **errp)
{
    const LuksSlot *s = &h->slot[i];
    uint64_t start = s->key_offset_sector, sectors = ALIGN_UP(luks_split_sectors(h), LUKS_ALIGN_SECTORS),
        end = start + sectors;

    if (s->active != LUKS_SLOT_ENABLED && s->active != LUKS_SLOT_DISABLED) {
        error_setg(errp, "Keyslot %d state (active/disable) is corrupted", i);
    } else if (s->active == LUKS_SLOT_ENABLED && s->iterations == 0) {
        error_setg(errp, "Keyslot %d iteration count is zero", i);
    } else if (s->stripes != LUKS_STRIPES) {
        error_setg(errp, "Keyslot %d is corrupted (stripes %" PRIi32 " != %d)", i, (int32_t)s->stripes, LUKS_STRIPES);
    } else if (start < LUKS_ALIGN_SECTORS) {
        error_setg(errp, "Keyslot %d is overlapping with the LUKS header", i);
    } else if (end > h->payload_offset_sector) {
        error_setg(errp, "Keyslot %d is overlapping with the encrypted payload", i);
    } else {
        for (int j = i + 1; j < LUKS_SLOTS; j++) {
            uint64_t other = h->slot[j].key_offset_sector;

            if (start < other + sectors && other < end) {
                error_setg(errp, "Keyslots %d and %d are overlapping in the header", i, j);
                return false;
            }
        }
        return true;
    }
    return false;
}

bool luks_header_parse(const uint8_t *buf, size_t len, LuksHeader *h, Error **errp)
{
    if (len < LUKS_HEADER_BYTES || memcmp(buf, magic, sizeof(magic))) {
        error_setg(errp, "Volume is not in LUKS format");
        return false;
    }
    if (load_be16(buf + 6) != 1) {
        error_setg(errp, "LUKS version %u is not supported", load_be16(buf + 6));
        return false;
    }
    if (!take_string(h->cipher_name, buf + 8, 32, "cipher name", errp) ||
        !take_string(h->cipher_mode, buf + 40, 32, "cipher mode", errp) ||
        !take_string(h->hash, buf + 72, 32, "hash spec", errp)) {
        return false;
    }
    h->payload_offset_sector = load_be32(buf + 104);
    h->key_bytes = load_be32(buf + 108);
    memcpy(h->mk_digest, buf + 112, sizeof(h->mk_digest));
    memcpy(h->mk_salt, buf + 132, sizeof(h->mk_salt));
    h->mk_iterations = load_be32(buf + 164);
    memcpy(h->uuid, buf + 168, sizeof(h->uuid));
    h->uuid[sizeof(h->uuid) - 1] = 0;
    if (h->payload_offset_sector < LUKS_ALIGN_SECTORS) {
        error_setg(errp, "LUKS payload is overlapping with the header");
        return false;
    }
    if (h->mk_iterations == 0) {
        error_setg(errp, "LUKS key iteration count is zero");
        return false;
    }
    for (int i = 0; i < LUKS_SLOTS; i++) {
        const uint8_t *p = buf + 208 + 48 * i;
        LuksSlot *s = &h->slot[i];

        s->active = load_be32(p);
        s->iterations = load_be32(p + 4);
        memcpy(s->salt, p + 8, sizeof(s->salt));
        s->key_offset_sector = load_be32(p + 40);
        s->stripes = load_be32(p + 44);
    }
    for (int i = 0; i < LUKS_SLOTS; i++) {
        if (!slot_check(h, i, errp)) {
            return false;
        }
    }
    return true;
}

void luks_header_print(const LuksHeader *h, uint8_t buf[LUKS_HEADER_BYTES])
{
    memset(buf, 0, LUKS_HEADER_BYTES);
    memcpy(buf, magic, sizeof(magic));
    store_be16(buf + 6, 1);
    memcpy(buf + 8, h->cipher_name, 32);
    memcpy(buf + 40, h->cipher_mode, 32);
    memcpy(buf + 72, h->hash, 32);
    store_be32(buf + 104, h->payload_offset_sector);
    store_be32(buf + 108, h->key_bytes);
    memcpy(buf + 112, h->mk_digest, sizeof(h->mk_digest));
    memcpy(buf + 132, h->mk_salt, sizeof(h->mk_salt));
    store_be32(buf + 164, h->mk_iterations);
    memcpy(buf + 168, h->uuid, sizeof(h->uuid));
    for (int i = 0; i < LUKS_SLOTS; i++) {
        uint8_t *p = buf + 208 + 48 * i;
        const LuksSlot *s = &h->slot[i];

        store_be32(p, s->active);
        store_be32(p + 4, s->iterations);
        memcpy(p + 8, s->salt, sizeof(s->salt));
        store_be32(p + 40, s->key_offset_sector);
        store_be32(p + 44, s->stripes);
    }
}
