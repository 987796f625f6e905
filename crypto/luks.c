/*
 * LUKS volumes: open, create, amend key slots, describe.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "luks-private.h"
#include "crypto/secret.h"

#define DEFAULT_ITER_TIME_MS 2000
#define AMEND_ITER_TIME_MS 2000

static const QObject *option(const QDict *opts, const char *prefix, const char *name)
{
    g_autofree char *key = g_strconcat(prefix, name, NULL);

    return qdict_get(opts, key);
}

static const char *string_option(const QDict *opts, const char *prefix, const char *name, const char *def)
{
    const QObject *o = option(opts, prefix, name);

    return o && qobject_get_str(o) ? qobject_get_str(o) : def;
}

static uint64_t number_option(const QDict *opts, const char *prefix, const char *name, uint64_t def)
{
    const QObject *o = option(opts, prefix, name);
    uint64_t v;

    return o && qobject_get_uint(o, &v) ? v : def;
}

void luks_free(Luks *l)
{
    if (l) {
        crypt_cipher_free(l->cipher);
        g_free(l->secret_id);
        g_free(l);
    }
}

Luks *luks_open(const LuksArea *area, const char *secret_id, bool no_io, Error **errp)
{
    uint8_t buf[LUKS_HEADER_BYTES], key[LUKS_MAX_KEY_BYTES];
    Luks *l = g_new0(Luks, 1);
    g_autofree char *pass = NULL;
    Error *err = NULL;
    int ret;

    if (!no_io && !secret_id) {
        error_setg(errp, "Parameter 'key-secret' is required for cipher");
        goto fail;
    }
    pass = no_io ? NULL : secret_lookup_utf8(secret_id, errp);
    if (!no_io && !pass) {
        goto fail;
    }
    ret = area->read(area->opaque, 0, buf, sizeof(buf));
    if (ret < 0) {
        if (ret == -EINVAL && area->bounded) {
            error_setg(errp, "Request for data outside of extension header");
        } else {
            error_setg_errno(errp, -ret,
                             area->bounded ? "Could not read encryption header" : "Unable to read LUKS header");
        }
        goto fail;
    }
    if (!luks_header_parse(buf, sizeof(buf), &l->header, errp) ||
        !crypt_spec_from_luks(&l->spec, l->header.cipher_name, l->header.cipher_mode, l->header.key_bytes, errp)) {
        goto fail;
    }
    if (!crypt_hash_known(l->header.hash)) {
        error_setg(errp, "Hash algorithm '%s' not supported", l->header.hash);
        goto fail;
    }
    if (no_io) {
        return l;
    }
    ret = luks_find_key(&l->header, &l->spec, area, pass, key, &err);
    explicit_bzero(pass, strlen(pass));
    if (ret < 0) {
        if (!err) {
            error_setg(&err, "Invalid password, cannot unlock any keyslot");
        }
        error_propagate(errp, err);
        goto fail;
    }
    l->cipher = crypt_cipher_new(&l->spec, key, l->header.key_bytes, errp);
    explicit_bzero(key, sizeof(key));
    if (!l->cipher) {
        goto fail;
    }
    l->secret_id = g_strdup(secret_id);
    return l;

fail:
    luks_free(l);
    return NULL;
}

static bool known_or_error(bool (*known)(const char *), const char *value, const char *name, Error **errp)
{
    if (!known(value)) {
        error_setg(errp, "Parameter '%s' does not accept value '%s'", name, value);
        return false;
    }
    return true;
}

/* Options to a header without key slots' contents. */
static bool plan_header(const QDict *opts, const char *prefix, LuksHeader *h, CryptSpec *spec, Error **errp)
{
    const char *ivhash = string_option(opts, prefix, "ivgen-hash-alg", NULL);
    const char *hash = string_option(opts, prefix, "hash-alg", "sha256");
    uint64_t split;

    memset(h, 0, sizeof(*h));
    memset(spec, 0, sizeof(*spec));
    pstrcpy(spec->cipher, sizeof(spec->cipher), string_option(opts, prefix, "cipher-alg", "aes-256"));
    pstrcpy(spec->mode, sizeof(spec->mode), string_option(opts, prefix, "cipher-mode", "xts"));
    pstrcpy(spec->ivgen, sizeof(spec->ivgen), string_option(opts, prefix, "ivgen-alg", "plain64"));
    if (!known_or_error(crypt_ivgen_known, spec->ivgen, "ivgen-alg", errp) ||
        (ivhash && !known_or_error(crypt_hash_known, ivhash, "ivgen-hash-alg", errp)) ||
        !known_or_error(crypt_hash_known, hash, "hash-alg", errp) ||
        !known_or_error(crypt_cipher_known, spec->cipher, "cipher-alg", errp) ||
        !known_or_error(crypt_mode_known, spec->mode, "cipher-mode", errp)) {
        return false;
    }
    if (!strcmp(spec->ivgen, "essiv")) {
        pstrcpy(spec->ivhash, sizeof(spec->ivhash), ivhash ? ivhash : "sha256");
    }
    if (!crypt_cipher_in_luks(spec->cipher)) {
        error_setg(errp, "Algorithm '%s' not supported", spec->cipher);
        return false;
    }
    h->key_bytes = crypt_key_length(spec->cipher, spec->mode);
    if (!h->key_bytes) {
        error_setg(errp, "Algorithm '%s' with %s mode is not supported", spec->cipher, spec->mode);
        return false;
    }
    crypt_spec_to_luks(spec, h->cipher_name, h->cipher_mode);
    pstrcpy(h->hash, sizeof(h->hash), hash);
    split = ALIGN_UP(luks_split_sectors(h), LUKS_ALIGN_SECTORS);
    for (int i = 0; i < LUKS_SLOTS; i++) {
        h->slot[i] = (LuksSlot){ .active = LUKS_SLOT_DISABLED, .stripes = LUKS_STRIPES,
                                 .key_offset_sector = LUKS_ALIGN_SECTORS + i * split };
    }
    h->payload_offset_sector = LUKS_ALIGN_SECTORS + LUKS_SLOTS * split;
    return true;
}

uint64_t luks_header_bytes(const QDict *opts, const char *prefix, Error **errp)
{
    LuksHeader h;
    CryptSpec spec;

    return plan_header(opts, prefix, &h, &spec, errp) ? (uint64_t)h.payload_offset_sector * CRYPT_SECTOR : 0;
}

uint64_t luks_measure_header(const QDict *opts, const char *prefix, Error **errp)
{
    uint64_t bytes = luks_header_bytes(opts, prefix, errp);
    const char *id = string_option(opts, prefix, "key-secret", NULL);
    g_autofree char *secret = NULL;

    if (bytes && !id) {
        error_setg(errp, "Parameter '%skey-secret' is required for cipher", prefix);
        return 0;
    }
    secret = bytes ? secret_lookup_utf8(id, errp) : NULL;
    if (secret) {
        explicit_bzero(secret, strlen(secret));
    }
    return secret ? bytes : 0;
}

static void make_uuid(char out[40])
{
    g_autofree char *uuid = g_uuid_string_random();

    memset(out, 0, 40);
    pstrcpy(out, 40, uuid);
}

static bool make_keys(Luks *l, const LuksArea *area, const char *pass, uint64_t iter_time, uint8_t *key, Error **errp)
{
    LuksHeader *h = &l->header;

    crypt_random(key, h->key_bytes);
    crypt_random(h->mk_salt, sizeof(h->mk_salt));
    l->cipher = crypt_cipher_new(&l->spec, key, h->key_bytes, errp);
    return l->cipher &&
        luks_iterations(h, pass, sizeof(h->mk_digest), iter_time, 8, luks_work_bound(h) / 40, &h->mk_iterations,
                        errp) &&
        crypt_pbkdf2(h->hash, key, h->key_bytes, h->mk_salt, sizeof(h->mk_salt), h->mk_iterations, h->mk_digest,
                     sizeof(h->mk_digest), errp) &&
        luks_slot_store(h, &l->spec, area, 0, pass, key, iter_time, errp);
}

Luks *luks_create(const QDict *opts, const char *prefix, const LuksArea *area,
                  int (*init)(void *opaque, uint64_t header_bytes, Error **errp), void *init_opaque, Error **errp)
{
    const char *secret_id = string_option(opts, prefix, "key-secret", NULL);
    uint64_t iter_time = number_option(opts, prefix, "iter-time", DEFAULT_ITER_TIME_MS);
    uint8_t key[LUKS_MAX_KEY_BYTES];
    g_autofree char *pass = NULL;
    Luks *l = g_new0(Luks, 1);
    bool ok;

    ok = plan_header(opts, prefix, &l->header, &l->spec, errp);
    if (ok && !secret_id) {
        error_setg(errp, "Parameter 'key-secret' is required for cipher");
        ok = false;
    }
    ok = ok && (pass = secret_lookup_utf8(secret_id, errp));
    if (ok) {
        make_uuid(l->header.uuid);
        ok = init(init_opaque, luks_payload_offset(l), errp) >= 0 && make_keys(l, area, pass, iter_time, key, errp);
    }
    explicit_bzero(key, sizeof(key));
    if (pass) {
        explicit_bzero(pass, strlen(pass));
    }
    if (!ok) {
        luks_free(l);
        return NULL;
    }
    l->secret_id = g_strdup(secret_id);
    return l;
}

static int active_slots(const LuksHeader *h)
{
    int n = 0;

    for (int i = 0; i < LUKS_SLOTS; i++) {
        n += h->slot[i].active == LUKS_SLOT_ENABLED;
    }
    return n;
}

static bool slot_number_ok(int64_t slot, Error **errp)
{
    if (slot < 0 || slot >= LUKS_SLOTS) {
        error_setg(errp, "Invalid keyslot %" PRId64 " specified, must be between 0 and %d", slot, LUKS_SLOTS - 1);
        return false;
    }
    return true;
}

/* state=active: put a new passphrase into a free slot. */
static bool amend_add(Luks *l, const LuksArea *area, const QDict *opts, const char *prefix, bool force, Error **errp)
{
    const char *new_secret = string_option(opts, prefix, "new-secret", NULL);
    const QObject *slot_option = option(opts, prefix, "keyslot");
    g_autofree char *old_pass = NULL, *new_pass = NULL;
    uint8_t key[LUKS_MAX_KEY_BYTES];
    int64_t slot = -1;
    Error *err = NULL;
    bool ok;

    if (!new_secret) {
        error_setg(errp, "'new-secret' is required to activate a keyslot");
        return false;
    }
    if (option(opts, prefix, "old-secret")) {
        error_setg(errp, "'old-secret' must not be given when activating keyslots");
        return false;
    }
    if (slot_option) {
        qobject_get_int(slot_option, &slot);
        if (!slot_number_ok(slot, errp)) {
            return false;
        }
        if (l->header.slot[slot].active == LUKS_SLOT_ENABLED && !force) {
            error_setg(errp, "Refusing to overwrite active keyslot %" PRId64 " - please erase it first", slot);
            return false;
        }
    } else {
        for (slot = 0; slot < LUKS_SLOTS && l->header.slot[slot].active == LUKS_SLOT_ENABLED; slot++) {
        }
        if (slot == LUKS_SLOTS) {
            error_setg(errp, "Can't add a keyslot - all keyslots are in use");
            return false;
        }
    }
    if (!l->secret_id) {
        error_setg(errp, "The volume must be unlocked to add a keyslot");
        return false;
    }
    old_pass = secret_lookup_utf8(l->secret_id, errp);
    if (!old_pass) {
        return false;
    }
    if (luks_find_key(&l->header, &l->spec, area, old_pass, key, &err) < 0) {
        if (!err) {
            error_setg(&err, "Failed to retrieve the master key");
        }
        error_propagate(errp, err);
        return false;
    }
    new_pass = secret_lookup_utf8(new_secret, errp);
    ok = new_pass && luks_slot_store(&l->header, &l->spec, area, slot, new_pass, key,
                                     number_option(opts, prefix, "iter-time", AMEND_ITER_TIME_MS), errp);
    explicit_bzero(key, sizeof(key));
    return ok;
}

static bool erase_by_password(Luks *l, const LuksArea *area, const char *secret, bool force, Error **errp)
{
    g_autofree char *pass = secret_lookup_utf8(secret, errp);
    uint8_t key[LUKS_MAX_KEY_BYTES];
    bool match[LUKS_SLOTS] = { false };
    uint64_t spent = 0;
    int matches = 0;

    for (int i = 0; pass && i < LUKS_SLOTS; i++) {
        int ret = luks_slot_unlock(&l->header, &l->spec, area, i, pass, key, &spent, errp);

        if (ret < 0) {
            return false;
        }
        match[i] = ret;
        matches += ret;
    }
    explicit_bzero(key, sizeof(key));
    if (!pass) {
        return false;
    }
    if (!matches) {
        error_setg(errp, "No keyslots match given (old) password for erase operation");
        return false;
    }
    if (matches == active_slots(&l->header) && !force) {
        error_setg(errp, "All the active keyslots match the (old) password that was given and erasing them will erase "
                   "all the data in the image irreversibly - refusing operation");
        return false;
    }
    for (int i = 0; i < LUKS_SLOTS; i++) {
        if (match[i] && !luks_slot_erase(&l->header, area, i, errp)) {
            return false;
        }
    }
    return true;
}

static bool erase_by_number(Luks *l, const LuksArea *area, int64_t slot, const char *old_secret, bool force,
                            Error **errp)
{
    g_autofree char *pass = NULL;
    uint8_t key[LUKS_MAX_KEY_BYTES];
    uint64_t spent = 0;
    int ret;

    if (!slot_number_ok(slot, errp)) {
        return false;
    }
    if (old_secret) {
        pass = secret_lookup_utf8(old_secret, errp);
        if (!pass) {
            return false;
        }
        ret = luks_slot_unlock(&l->header, &l->spec, area, slot, pass, key, &spent, errp);
        explicit_bzero(key, sizeof(key));
        if (ret < 0) {
            return false;
        }
        if (!ret) {
            error_setg(errp, "Given keyslot %" PRId64 " doesn't contain the given old password for erase operation",
                       slot);
            return false;
        }
    }
    if (l->header.slot[slot].active != LUKS_SLOT_ENABLED && !force) {
        error_setg(errp, "Given keyslot %" PRId64 " is already erased (inactive) ", slot);
        return false;
    }
    if (l->header.slot[slot].active == LUKS_SLOT_ENABLED && active_slots(&l->header) == 1 && !force) {
        error_setg(errp, "Attempt to erase the only active keyslot %" PRId64 " which will erase all the data in the "
                   "image irreversibly - refusing operation", slot);
        return false;
    }
    return luks_slot_erase(&l->header, area, slot, errp);
}

/* state=inactive. */
static bool amend_erase(Luks *l, const LuksArea *area, const QDict *opts, const char *prefix, bool force, Error **errp)
{
    const char *old_secret = string_option(opts, prefix, "old-secret", NULL);
    const QObject *slot_option = option(opts, prefix, "keyslot");
    int64_t slot = -1;

    if (option(opts, prefix, "new-secret")) {
        error_setg(errp, "'new-secret' must not be given when erasing keyslots");
        return false;
    }
    if (option(opts, prefix, "iter-time")) {
        error_setg(errp, "'iter-time' must not be given when erasing keyslots");
        return false;
    }
    if (slot_option) {
        qobject_get_int(slot_option, &slot);
        return erase_by_number(l, area, slot, old_secret, force, errp);
    }
    if (old_secret) {
        return erase_by_password(l, area, old_secret, force, errp);
    }
    error_setg(errp, "To erase keyslot(s), either explicit keyslot index or the password currently contained in them "
               "must be given");
    return false;
}

bool luks_amend(Luks *l, const LuksArea *area, const QDict *opts, const char *prefix, bool force, Error **errp)
{
    const char *state = string_option(opts, prefix, "state", NULL);

    if (!state) {
        error_setg(errp, "Parameter 'state' is missing");
        return false;
    }
    if (!strcmp(state, "active")) {
        return amend_add(l, area, opts, prefix, force, errp);
    }
    if (!strcmp(state, "inactive")) {
        return amend_erase(l, area, opts, prefix, force, errp);
    }
    error_setg(errp, "Parameter 'state' does not accept value '%s'", state);
    return false;
}

static QDict *slot_info(const LuksSlot *s)
{
    QDict *d = qdict_new();
    bool active = s->active == LUKS_SLOT_ENABLED;

    qdict_put_bool(d, "active", active);
    if (active) {
        qdict_put_int(d, "iters", s->iterations);
    }
    qdict_put_int(d, "key-offset", (int64_t)s->key_offset_sector * CRYPT_SECTOR);
    if (active) {
        qdict_put_int(d, "stripes", s->stripes);
    }
    return d;
}

/* Members in the order of the stock tools' output. */
QDict *luks_info(const Luks *l, const char *format)
{
    QDict *d = qdict_new();
    QList *slots = qlist_new();

    qdict_put_str(d, "ivgen-alg", l->spec.ivgen);
    qdict_put_str(d, "hash-alg", l->header.hash);
    qdict_put_str(d, "cipher-alg", l->spec.cipher);
    qdict_put_str(d, "uuid", l->header.uuid);
    if (*l->spec.ivhash) {
        qdict_put_str(d, "ivgen-hash-alg", l->spec.ivhash);
    }
    if (format) {
        qdict_put_str(d, "format", format);
    }
    qdict_put_str(d, "cipher-mode", l->spec.mode);
    for (int i = 0; i < LUKS_SLOTS; i++) {
        qlist_append(slots, slot_info(&l->header.slot[i]));
    }
    qdict_put(d, "slots", slots);
    qdict_put_int(d, "payload-offset", luks_payload_offset(l));
    qdict_put_int(d, "master-key-iters", l->header.mk_iterations);
    return d;
}
