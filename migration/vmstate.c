/*
 * Tables of fields to bytes and back.
 *
 * After a description's fields come its subsections: a marker, name, version, fields.  A reader recognises one by the
 * marker and a name that begins with the description's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "migration/vmstate.h"
#include "util/cutils.h"

#define SUBSECTION 5

static uint64_t load_native(const void *p, unsigned size)
{
    switch (size) {
    case 1: return *(const uint8_t *)p;
    case 2: return *(const uint16_t *)p;
    case 4: return *(const uint32_t *)p;
    default: return *(const uint64_t *)p;
    }
}

static void store_native(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1: *(uint8_t *)p = v; break;
    case 2: *(uint16_t *)p = v; break;
    case 4: *(uint32_t *)p = v; break;
    default: *(uint64_t *)p = v; break;
    }
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_element(VmWriter *w, const VmField *f, const uint8_t *at)
{
    switch (f->kind) {
    case VM_INT: case VM_EQUAL: vm_put(w, load_native(at, f->size), f->size); break;
    case VM_BYTES: vm_put_bytes(w, at, f->size); break;
    case VM_UNUSED: vm_put_zeroes(w, f->size); break;
    case VM_STRUCT: vmstate_put(w, f->sub, at); break;
    case VM_CUSTOM: f->put(w, at); break;
    }
}

static const VmDesc *subsection(const VmDesc *d, unsigned i) { return d->subsections ? d->subsections[i] : NULL; }

void vmstate_put(VmWriter *w, const VmDesc *d, const void *wire)
{
    for (const VmField *f = d->fields; f->name; f++) {
        for (uint32_t i = 0; (!f->exists || f->exists(wire)) && i < f->count; i++) {
            put_element(w, f, (const uint8_t *)wire + f->offset + (size_t)i * f->size);
        }
    }
    for (unsigned i = 0; subsection(d, i); i++) {
        const VmDesc *s = subsection(d, i);

        if (s->needed(wire)) {
            vm_put(w, SUBSECTION, 1);
            vm_put_name(w, s->name);
            vm_put(w, s->version, 4);
            vmstate_put(w, s, wire);
        }
    }
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool get_equal(VmReader *r, const VmField *f, const uint8_t *at, Error **errp)
{
    uint64_t v = vm_get(r, f->size), want = load_native(at, f->size);

    if (!r->ret && v != want) {
        error_setg(errp, "%" PRIx64 " != %" PRIx64, want, v);
    }
    return r->ret || v == want;
}

static bool get_element(VmReader *r, const VmField *f, uint8_t *at, Error **errp)
{
    switch (f->kind) {
    case VM_INT: store_native(at, f->size, vm_get(r, f->size)); return true;
    case VM_BYTES: vm_get_bytes(r, at, f->size); return true;
    case VM_UNUSED: vm_skip(r, f->size); return true;
    case VM_EQUAL: return get_equal(r, f, at, errp);
    case VM_STRUCT: return vmstate_get(r, f->sub, at, f->sub->version, errp);
    case VM_CUSTOM: return f->get(r, at, errp);
    }
    return false;
}

/* One line more: where in the tables it went wrong. */
static bool failed(const VmDesc *d, const VmField *f, Error **errp)
{
    g_autofree char *before = errp && *errp ? g_strdup_printf("%s\n", error_get_pretty(*errp)) : g_strdup("");

    g_clear_pointer(errp, error_free);
    error_setg(errp, "%sFailed to load %s:%s", before, d->name, f->name);
    return false;
}

static const VmDesc *find_subsection(const VmDesc *d, const char *name)
{
    for (unsigned i = 0; subsection(d, i); i++) {
        if (!strcmp(subsection(d, i)->name, name)) {
            return subsection(d, i);
        }
    }
    return NULL;
}

/* The name of the subsection of d that comes next; false: none does. */
static bool next_is_subsection(VmReader *r, const VmDesc *d, char name[256])
{
    const uint8_t *head = vm_peek(r, 2), *all;
    size_t len = head && head[0] == SUBSECTION ? head[1] : 0;

    all = len > strlen(d->name) ? vm_peek(r, 2 + len) : NULL;
    if (!all || memcmp(all + 2, d->name, strlen(d->name))) {
        return false;
    }
    memcpy(name, all + 2, len);
    name[len] = 0;
    return true;
}

static bool get_subsections(VmReader *r, const VmDesc *d, void *wire, Error **errp)
{
    char name[256];

    while (!r->ret && next_is_subsection(r, d, name)) {
        const VmDesc *s = find_subsection(d, name);
        uint32_t version;

        if (!s) {
            error_setg(errp, "Unknown subsection '%s' of '%s'", name, d->name);
            return false;
        }
        vm_skip(r, 2 + strlen(name));
        version = vm_get(r, 4);
        if (s->present) {
            *((bool *)wire + s->present) = true;
        }
        if (!vmstate_get(r, s, wire, version, errp)) {
            return false;
        }
    }
    return true;
}

bool vmstate_get(VmReader *r, const VmDesc *d, void *wire, uint32_t version, Error **errp)
{
    ERRP_GUARD();

    if (version > d->version) {
        error_setg(errp, "%s: incoming version_id %u is too new for local version_id %u", d->name, version, d->version);
        return false;
    }
    if (version < d->min_version) {
        error_setg(errp, "%s: incoming version_id %u is too old for local minimum version_id  %u", d->name, version,
                   d->min_version);
        return false;
    }
    for (const VmField *f = d->fields; f->name; f++) {
        for (uint32_t i = 0; (!f->exists || f->exists(wire)) && i < f->count; i++) {
            if (!get_element(r, f, (uint8_t *)wire + f->offset + (size_t)i * f->size, errp) || r->ret) {
                return failed(d, f, errp);
            }
        }
    }
    return get_subsections(r, d, wire, errp);
}

/* --- telling ------------------------------------------------------------------------------------ */

static int count_only(void *opaque, const void *buf, size_t len) { return 0; }

static uint64_t bytes_of(const VmField *f, const uint8_t *at)
{
    VmWriter w;

    if (f->kind != VM_STRUCT && f->kind != VM_CUSTOM) {
        return f->size;
    }
    vm_writer_init(&w, count_only, NULL);
    put_element(&w, f, at);
    vm_writer_end(&w);
    return w.total;
}

/* Elements that must all look alike are told once. */
static bool uniform(const VmDesc *d)
{
    if (d->subsections) {
        return false;
    }
    for (const VmField *f = d->fields; f->name; f++) {
        if (f->exists || (f->sub && !uniform(f->sub))) {
            return false;
        }
    }
    return true;
}

static void describe_element(GString *out, const VmField *f, const uint8_t *at, int index, uint32_t len)
{
    g_string_append_printf(out, "{\"name\": \"%s\", ", f->name);
    if (index >= 0) {
        g_string_append_printf(out, "\"index\": %d, ", index);
    }
    if (len) {
        g_string_append_printf(out, "\"array_len\": %" PRIu32 ", ", len);
    }
    g_string_append_printf(out, "\"type\": \"%s\", ", f->type);
    if (f->sub) {
        g_string_append_printf(out, "\"struct\": {\"vmsd_name\": \"%s\", \"version\": %" PRIu32 ", ", f->sub->name,
                               f->sub->version);
        vmstate_describe(out, f->sub, at);
        g_string_append(out, "}, ");
    }
    g_string_append_printf(out, "\"size\": %" PRIu64 "}", bytes_of(f, at));
}

static void describe_field(GString *out, const VmField *f, const uint8_t *at)
{
    if (!f->array || (f->count > 1 && (!f->sub || uniform(f->sub)))) {
        describe_element(out, f, at, -1, f->array ? f->count : 0);
        return;
    }
    for (uint32_t i = 0; i < f->count; i++) {
        g_string_append(out, i ? ", " : "");
        describe_element(out, f, at + (size_t)i * f->size, i, 0);
    }
}

static void describe_subsections(GString *out, const VmDesc *d, const void *wire)
{
    bool any = false;

    for (unsigned i = 0; subsection(d, i); i++) {
        const VmDesc *s = subsection(d, i);

        if (s->needed(wire)) {
            g_string_append_printf(out, "%s{\"vmsd_name\": \"%s\", \"version\": %" PRIu32 ", ",
                                   any ? ", " : ", \"subsections\": [",
                                   s->name, s->version);
            vmstate_describe(out, s, wire);
            g_string_append(out, "}");
            any = true;
        }
    }
    g_string_append(out, any ? "]" : "");
}

void vmstate_describe(GString *out, const VmDesc *d, const void *wire)
{
    const char *before = "";

    g_string_append(out, "\"fields\": [");
    for (const VmField *f = d->fields; f->name; f++) {
        if (!f->exists || f->exists(wire)) {
            g_string_append(out, before);
            describe_field(out, f, (const uint8_t *)wire + f->offset);
            before = ", ";
        }
    }
    g_string_append(out, "]");
    describe_subsections(out, d, wire);
}
