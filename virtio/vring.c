/*
 * Split virtqueues: taking requests, giving them back, when to notify.
 *
 * Each index and descriptor that the driver owns is read exactly once.  Bounds: a chain has at most as many
 * descriptors as the ring (indirect tables: VRING_MAX_SIZE), lies in memory, and device-readable
 * parts come before writable ones; the available index runs ahead by at most the ring's size.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdarg.h>
#include "util/fence.h"
#include "virtio/vring.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

void vring_error(VRing *r, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    r->ops->error(r, text);
}

static bool is_broken(const VRing *r) { return __atomic_load_n(r->broken, __ATOMIC_SEQ_CST); }
static bool has(const VRing *r, unsigned feature) { return *r->features & (1ULL << feature); }

void vring_restart(VRing *r, uint16_t index)
{
    r->last_avail = r->seen_avail = r->used_idx = r->signalled_used = index;
    r->signalled_valid = false;
    r->notification = true;
}

/* --- fields of the ring -------------------------------------------------------------------------- */

static bool load_ring(VRing *r, uint64_t addr, uint16_t *v)
{
    if (r->ops->load16(r, addr, v)) {
        return true;
    }
    if (!is_broken(r)) {
        vring_error(r, "virtio: the ring is not in memory");
    }
    return false;
}

static bool avail_index(VRing *r, uint16_t *idx)
{
    bool ok = load_ring(r, r->avail + 2, idx);

    r->seen_avail = ok ? *idx : r->seen_avail;
    return ok;
}

static void store_avail_event(VRing *r, uint16_t v) { r->ops->store16(r, r->used + 4 + 8 * (uint64_t)r->num, v); }

void vring_set_notification(VRing *r, bool on)
{
    uint16_t flags = 0, idx;

    r->notification = on;
    if (!vring_ready(r)) {
        return;
    }
    if (has(r, VRING_F_EVENT_IDX)) {
        if (on && avail_index(r, &idx)) {
            store_avail_event(r, idx);
        }
    } else if (load_ring(r, r->used, &flags)) {
        r->ops->store16(r, r->used, on ? flags & ~USED_NO_NOTIFY : flags | USED_NO_NOTIFY);
    }
    if (on) {
        full_fence();
    }
}

bool vring_empty(VRing *r)
{
    uint16_t idx;

    return is_broken(r) || !vring_ready(r) || !avail_index(r, &idx) || idx == r->last_avail;
}

/* --- taking ------------------------------------------------------------------------------------------ */

/* Head of the next chain, -1: none (or broken). */
static int next_head(VRing *r)
{
    uint16_t idx, head;

    if (!avail_index(r, &idx) || idx == r->last_avail) {
        return -1;
    }
    if ((uint16_t)(idx - r->last_avail) > r->num) {
        vring_error(r, "Guest moved used index from %u to %u", r->last_avail, idx);
        return -1;
    }
    if (!load_ring(r, r->avail + 4 + 2 * (uint64_t)(r->last_avail % r->num), &head)) {
        return -1;
    }
    if (head >= r->num) {
        vring_error(r, "Guest says index %u is available", head);
        return -1;
    }
    return head;
}

static bool map_desc(VRing *r, VirtElement *e, const Desc *d)
{
    bool write = d->flags & DESC_WRITE;

    if (!d->len) {
        vring_error(r, "virtio: zero sized buffers are not allowed");
        return false;
    }
    if (!write && e->in.size) {
        vring_error(r, "Incorrect order for descriptors");
        return false;
    }
    if (e->in.niov + e->out.niov > VRING_MAX_SIZE) {
        vring_error(r, "virtio: too many buffers in one request");
        return false;
    }
    if (!r->ops->map(r, write ? &e->in : &e->out, d->addr, d->len, write)) {
        vring_error(r, "virtio: bogus descriptor or out of resources");
        return false;
    }
    return true;
}

static bool read_desc(VRing *r, uint64_t table, unsigned i, bool indirect, Desc *d)
{
    if (!r->ops->read(r, table + 16 * (uint64_t)i, d, sizeof(*d), indirect)) {
        vring_error(r, "virtio: descriptor table is not in guest memory");
        return false;
    }
    return true;
}

static bool enter_indirect(VRing *r, const Desc *d, uint64_t *table, unsigned *max)
{
    if (!d->len || d->len % sizeof(Desc) || d->len / sizeof(Desc) > 65536) {
        vring_error(r, "Invalid size for indirect buffer table");
        return false;
    }
    *table = d->addr;
    *max = d->len / sizeof(Desc);
    return true;
}

static bool walk_chain(VRing *r, VirtElement *e)
{
    uint64_t table = r->desc;
    unsigned i = e->head, max = r->num, seen = 0;
    bool indirect = false;
    Desc d;

    for (;;) {
        if (++seen > (indirect ? VRING_MAX_SIZE : r->num) + 1u) {
            vring_error(r, "Looped descriptor");
            return false;
        }
        if (!read_desc(r, table, i, indirect, &d)) {
            return false;
        }
        if ((d.flags & DESC_INDIRECT)) {
            if (indirect || !enter_indirect(r, &d, &table, &max)) {
                if (indirect) {
                    vring_error(r, "Indirect table within an indirect table");
                }
                return false;
            }
            indirect = true;
            i = 0;
            seen = 0;
            continue;
        }
        if (!map_desc(r, e, &d)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        if (d.next >= max) {
            vring_error(r, "Desc next is %u", d.next);
            return false;
        }
        i = d.next;
    }
}

static void release(VirtElement *e)
{
    iov_destroy(&e->in);
    iov_destroy(&e->out);
}

bool vring_pop(VRing *r, VirtElement *e)
{
    int head;

    if (is_broken(r) || !vring_ready(r)) {
        return false;
    }
    if (r->inuse >= r->num) {
        vring_error(r, "Virtqueue size exceeded");
        return false;
    }
    head = next_head(r);
    if (head < 0) {
        return false;
    }
    e->ring = r;
    e->head = head;
    iov_init(&e->in, 4);
    iov_init(&e->out, 4);
    if (!walk_chain(r, e)) {
        release(e);
        return false;
    }
    r->last_avail++;
    r->inuse++;
    if (has(r, VRING_F_EVENT_IDX) && r->notification) {
        store_avail_event(r, r->last_avail);
    }
    return true;
}

bool vring_pop_again(VRing *r, uint16_t head, VirtElement *e)
{
    if (is_broken(r) || !vring_ready(r) || head >= r->num || r->inuse >= r->num) {
        return false;
    }
    e->ring = r;
    e->head = head;
    iov_init(&e->in, 4);
    iov_init(&e->out, 4);
    if (!walk_chain(r, e)) {
        release(e);
        return false;
    }
    r->inuse++;
    return true;
}

void vring_unpop(VirtElement *e)
{
    VRing *r = e->ring;

    r->last_avail--;
    r->inuse--;
    release(e);
}

void vring_discard(VirtElement *e)
{
    if (e->ring->inuse > 0) {
        e->ring->inuse--;
    }
    release(e);
}

/* --- giving back ----------------------------------------------------------------------------------------- */

void vring_push(VirtElement *e, uint32_t len)
{
    VRing *r = e->ring;
    uint64_t slot = r->used + 4 + 8 * (uint64_t)(r->used_idx % MAX(r->num, 1));
    uint16_t old = r->used_idx;

    release(e);
    if (r->inuse > 0) {
        r->inuse--;
    }
    if (is_broken(r) || !vring_ready(r)) {
        return;
    }
    if (!r->ops->store32(r, slot, e->head) || !r->ops->store32(r, slot + 4, len)) {
        vring_error(r, "virtio: the ring is not in memory");
        return;
    }
    r->used_idx++;
    r->ops->store16(r, r->used + 2, r->used_idx);
    if (r->signalled_valid && (int16_t)(r->used_idx - r->signalled_used) < (uint16_t)(r->used_idx - old)) {
        r->signalled_valid = false;
    }
}

/* Did the used index pass the point at which the guest wants to hear? */
static bool event_passed(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool vring_should_notify(VRing *r)
{
    uint16_t flags, event, old;
    bool valid;

    if (is_broken(r) || !vring_ready(r)) {
        return false;
    }
    full_fence();
    if (has(r, VRING_F_NOTIFY_ON_EMPTY) && !r->inuse && vring_empty(r)) {
        return true;
    }
    if (!has(r, VRING_F_EVENT_IDX)) {
        return load_ring(r, r->avail, &flags) && !(flags & AVAIL_NO_INTERRUPT);
    }
    valid = r->signalled_valid;
    old = r->signalled_used;
    r->signalled_valid = true;
    r->signalled_used = r->used_idx;
    return load_ring(r, r->avail + 4 + 2 * (uint64_t)r->num, &event)
           && (!valid || event_passed(event, r->used_idx, old));
}
