/*
 * Memory that a vhost-user front end shares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "util/sigbus.h"
#include "vhost-user.h"

static bool overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a < b + b_len && b < a + a_len;
}

static bool check_region(const VuMemory *m, const VuRegionMsg *r, int fd, Error **errp)
{
    struct stat st;

    if (m->n == VU_MAX_REGIONS) {
        error_setg(errp, "too many memory regions");
    } else if (!r->size || r->guest + r->size < r->guest || r->user + r->size < r->user || r->offset + r->size < r->offset
               || r->offset + r->size > INT64_MAX) {
        error_setg(errp, "a memory region of impossible size");
    } else if (fd < 0 || fstat(fd, &st) < 0) {
        error_setg(errp, "no descriptor for a memory region");
    } else if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < r->offset + r->size) {
        error_setg(errp, "a memory region larger than what it is to be mapped from");
    } else {
        for (unsigned i = 0; i < m->n; i++) {
            if (overlaps(m->regions[i].guest, m->regions[i].size, r->guest, r->size)
                || overlaps(m->regions[i].user, m->regions[i].size, r->user, r->size)) {
                error_setg(errp, "memory regions that overlap");
                return false;
            }
        }
        return true;
    }
    return false;
}

/* Mapped from the file's start: offsets need not suit pages, which may be large. */
bool vu_memory_add(VuMemory *m, const VuRegionMsg *r, int fd, Error **errp)
{
    size_t len = r->offset + r->size;
    VuRegion *region = &m->regions[m->n];
    struct stat st;
    void *map;

    if (!check_region(m, r, fd, errp)) {
        return false;
    }
    if (fstat(fd, &st) == 0 && st.st_blksize > 4096 && (st.st_blksize & (st.st_blksize - 1)) == 0 && len % st.st_blksize) {
        len = MIN((uint64_t)st.st_size, (len + st.st_blksize - 1) / st.st_blksize * st.st_blksize);     /* huge pages */
    }
    map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED) {
        error_setg_errno(errp, errno, "a memory region cannot be mapped");
        return false;
    }
    if (!sigbus_guard(map, len, &m->gone)) {
        munmap(map, len);
        error_setg(errp, "too many memory regions in this program");
        return false;
    }
    madvise(map, len, MADV_DONTDUMP);
    *region = (VuRegion) { r->guest, r->size, r->user, (uint8_t *)map + r->offset, map, len };
    m->n++;
    return true;
}

static void unmap(VuRegion *r)
{
    sigbus_unguard(r->map);
    munmap(r->map, r->map_len);
}

bool vu_memory_remove(VuMemory *m, const VuRegionMsg *r, Error **errp)
{
    for (unsigned i = 0; i < m->n; i++) {
        VuRegion *region = &m->regions[i];

        if (region->guest == r->guest && region->size == r->size && region->user == r->user) {
            unmap(region);
            *region = m->regions[--m->n];
            return true;
        }
    }
    error_setg(errp, "no such memory region is there to be removed");
    return false;
}

void vu_memory_clear(VuMemory *m)
{
    while (m->n) {
        unmap(&m->regions[--m->n]);
    }
}

void *vu_memory_user(const VuMemory *m, uint64_t user, uint64_t len)
{
    for (unsigned i = 0; i < m->n; i++) {
        const VuRegion *r = &m->regions[i];

        if (user - r->user < r->size && len <= r->size - (user - r->user)) {
            return r->host + (user - r->user);
        }
    }
    return NULL;
}

void *vu_memory_guest(const VuMemory *m, uint64_t guest, uint64_t *len)
{
    for (unsigned i = 0; i < m->n; i++) {
        const VuRegion *r = &m->regions[i];

        if (guest - r->guest < r->size) {
            *len = MIN(*len, r->size - (guest - r->guest));
            return r->host + (guest - r->guest);
        }
    }
    return NULL;
}

bool vu_memory_to_guest(const VuMemory *m, const void *host, uint64_t *guest)
{
    for (unsigned i = 0; i < m->n; i++) {
        const VuRegion *r = &m->regions[i];
        uint64_t at = (const uint8_t *)host - r->host;

        if (at < r->size) {
            *guest = r->guest + at;
            return true;
        }
    }
    return false;
}
