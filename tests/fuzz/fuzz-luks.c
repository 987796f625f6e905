/*
 * Fuzzing entry: a LUKS volume.  The input is a header, or patches to the first bytes of a good volume; it is parsed,
 * printed, opened without and with a passphrase, told about, and key slots are added and erased.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "crypto/luks.h"
#include "crypto/secret.h"
#include "fuzz.h"

#define AREA_BYTES (1u << 20)
#define HEADER_BYTES 592
#define PATCHED_BYTES 4600             /* the header, and the start of a slot */
#define FEW 1200                       /* iterations: the engine counts inputs, not hashes */

typedef struct Area { uint8_t *data; size_t size; } Area;

static int area_read(void *opaque, uint64_t offset, void *buf, size_t len)
{
    const Area *a = opaque;

    if (offset > a->size || len > a->size - offset) {
        return -EINVAL;
    }
    memcpy(buf, a->data + offset, len);
    return 0;
}

static int area_write(void *opaque, uint64_t offset, const void *buf, size_t len)
{
    const Area *a = opaque;

    if (offset > a->size || len > a->size - offset) {
        return -EINVAL;
    }
    memcpy(a->data + offset, buf, len);
    return 0;
}

static uint8_t good[AREA_BYTES];

static int area_init(void *opaque, uint64_t bytes, Error **errp) { return bytes <= AREA_BYTES ? 0 : -EFBIG; }

static void start_once(void)
{
    static bool started;
    g_autoptr(QObject) props = qdict_new();
    g_autoptr(QObject) opts = qdict_new();
    Area memory = { good, sizeof(good) };
    LuksArea area = { .read = area_read, .write = area_write, .opaque = &memory };

    if (started) {
        return;
    }
    started = true;
    qdict_put_str(props, "data", "123456");
    secret_add("s", props, &error_abort);
    qdict_put_str(opts, "key-secret", "s");
    qdict_put_str(opts, "cipher-alg", "aes-128");
    qdict_put_str(opts, "cipher-mode", "cbc");
    qdict_put_str(opts, "ivgen-alg", "essiv");
    qdict_put_str(opts, "ivgen-hash-alg", "sha256");
    qdict_put_str(opts, "iter-time", "1");
    luks_free(luks_create(opts, "", &area, area_init, NULL, &error_abort));
}

static void spare(uint8_t *be32)
{
    if (be32[0] || be32[1] || be32[2] > FEW / 256) {
        be32[0] = be32[1] = 0;
        be32[2] %= FEW / 256;
    }
}

static void spare_work(uint8_t *data)
{
    spare(data + 164);
    for (int i = 0; i < LUKS_SLOTS; i++) {
        spare(data + 208 + 48 * i + 4);
    }
}

static void amend(Luks *l, const LuksArea *area, const char *state, const char *key, const char *value)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_put_str(opts, "state", state);
    qdict_put_str(opts, key, value);
    if (!strcmp(state, "active")) {
        qdict_put_str(opts, "iter-time", "1");
    }
    luks_amend(l, area, opts, "", false, NULL);
}

static void parse(const uint8_t *data, size_t size)
{
    LuksHeader h, same;
    uint8_t again[HEADER_BYTES];

    if (luks_header_parse(data, size, &h, NULL)) {
        luks_header_print(&h, again);
        if (!luks_header_parse(again, sizeof(again), &same, NULL)) {
            abort();
        }
    }
}

static void patch(uint8_t *data, FuzzReader *r)
{
    while (r->size) {
        size_t at = fuzz_take(r, 2) % PATCHED_BYTES, len = fuzz_take(r, 1);

        len = MIN(MIN(len, r->size), PATCHED_BYTES - at);
        memcpy(data + at, r->data, len);
        r->data += len;
        r->size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzReader r = { data, size };
    Area memory = { .size = sizeof(good) };
    LuksArea area = { .read = area_read, .write = area_write, .opaque = &memory, .bounded = size % 2 };
    Luks *l;

    start_once();
    memory.data = g_memdup2(good, sizeof(good));
    if (luks_probe(data, size)) {
        memcpy(memory.data, data, MIN(size, PATCHED_BYTES));
    } else {
        patch(memory.data, &r);
    }
    parse(memory.data, size % 3 ? HEADER_BYTES : size % HEADER_BYTES);
    spare_work(memory.data);
    l = luks_open(&area, NULL, true, NULL);
    if (l) {
        qobject_unref(luks_info(l, "luks"));
        luks_free(l);
    }
    l = luks_open(&area, "s", false, NULL);
    if (l) {
        amend(l, &area, "active", "new-secret", "s");
        amend(l, &area, "inactive", "keyslot", "1");
        amend(l, &area, "inactive", "old-secret", "s");
        luks_free(l);
    }
    g_free(memory.data);
    return 0;
}
