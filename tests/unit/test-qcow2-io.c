/*
 * Proves the guest I/O half of qcow2 against a plain model: random writes, zeroes, discards,
 * compressed writes, snapshots, resizes and failing requests, in a world without files or
 * threads; content and reference counts agree after every round.  Also entry types, compressed
 * descriptors, hostile streams, corruption texts, and how many requests a write makes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "fake-qcow2.h"
#include "../../block/qcow2-io.h"

#define MAX_SNAPSHOTS 3

typedef struct Model {
    uint8_t *disk;                   /* what the guest must see */
    uint64_t size;
    struct { bool used; unsigned number; uint8_t *disk; uint64_t size; } snap[MAX_SNAPSHOTS];
    GRand *rand;
    uint8_t next;
} Model;

static uint64_t pick(Model *m, uint64_t n) { return n ? g_rand_int(m->rand) % n : 0; }

static int do_write(uint64_t offset, const void *buf, uint64_t bytes)
{
    IoVec v;
    iov_init_buf(&v, (void *)buf, bytes);
    return qcow2_co_write(fake_bs(), offset, bytes, &v, 0, 0);
}

static int do_read(uint64_t offset, void *buf, uint64_t bytes)
{
    IoVec v;
    iov_init_buf(&v, buf, bytes);
    return qcow2_co_read(fake_bs(), offset, bytes, &v, 0, 0);
}

static void expect(const uint8_t *want, uint64_t offset, uint64_t bytes)
{
    g_autofree uint8_t *got = g_malloc(bytes);
    g_assert_cmpint(do_read(offset, got, bytes), ==, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        if (got[i] != want[offset + i]) {
            g_error("byte %" G_GUINT64_FORMAT ": 0x%02x, should be 0x%02x", offset + i, got[i], want[offset + i]);
        }
    }
}

/* A random extent: often small, sometimes aligned, sometimes across tables. */
static void extent(Model *m, uint64_t align, uint64_t *offset, uint64_t *bytes)
{
    Qcow2 *q = qcow2_of(fake_bs());
    uint64_t longest[] = { q->subcluster_size, q->cluster_size, 8 * q->cluster_size, 80 * q->cluster_size };
    *offset = ALIGN_DOWN(pick(m, m->size), align);
    uint64_t n = ALIGN_UP(1 + pick(m, longest[pick(m, 4)]), align);
    *bytes = MIN(n, m->size - *offset);
}

static void op_write(Model *m)
{
    uint64_t offset, bytes;
    extent(m, pick(m, 2) ? 512 : 1, &offset, &bytes);
    g_autofree uint8_t *buf = g_malloc(bytes);
    memset(buf, m->next = m->next % 127 + 1, bytes);
    g_assert_cmpint(do_write(offset, buf, bytes), ==, 0);
    memcpy(m->disk + offset, buf, bytes);
}

/* The k-th request below fails: an error, and the old or the new bytes. */
static void op_write_fails(Model *m)
{
    uint64_t offset, bytes;
    extent(m, 512, &offset, &bytes);
    g_autofree uint8_t *buf = g_malloc(bytes), *got = g_malloc(bytes);
    memset(buf, m->next = m->next % 127 + 1, bytes);
    fake_fail_write(1 + pick(m, 3));
    int ret = do_write(offset, buf, bytes);
    fake_fail_write(0);
    g_assert_cmpint(do_read(offset, got, bytes), ==, 0);
    for (uint64_t i = 0; i < bytes; i++) {
        g_assert(got[i] == buf[i] || (ret < 0 && got[i] == m->disk[offset + i]));
    }
    memcpy(m->disk + offset, got, bytes);
}

static void op_zero(Model *m)
{
    Qcow2 *q = qcow2_of(fake_bs());
    uint64_t offset, bytes;
    extent(m, pick(m, 3) ? q->subcluster_size : 1, &offset, &bytes);
    int ret = qcow2_co_zero(fake_bs(), offset, bytes, pick(m, 2) ? BDRV_REQ_MAY_UNMAP : 0);
    if (ret == -ENOTSUP) {           /* what the gate does then */
        g_autofree uint8_t *buf = g_malloc0(bytes);
        ret = do_write(offset, buf, bytes);
    }
    g_assert_cmpint(ret, ==, 0);
    memset(m->disk + offset, 0, bytes);
}

static void op_discard(Model *m)
{
    Qcow2 *q = qcow2_of(fake_bs());
    uint64_t offset, bytes;
    extent(m, q->cluster_size, &offset, &bytes);
    int ret = qcow2_co_discard(fake_bs(), offset, bytes);
    if (ret == 0) {
        memset(m->disk + offset, 0, bytes);
    } else {
        g_assert_cmpint(ret, ==, -ENOTSUP);
    }
}

static void op_compressed(Model *m)
{
    Qcow2 *q = qcow2_of(fake_bs());
    uint64_t offset, bytes;
    extent(m, q->cluster_size, &offset, &bytes);
    g_autofree uint8_t *buf = g_malloc(bytes), *got = g_malloc(bytes);
    bool dense = pick(m, 4) == 0;
    for (uint64_t i = 0; i < bytes; i++) {
        buf[i] = dense ? g_rand_int(m->rand) : (i / 7) % 5 + m->next % 50;
    }
    m->next++;
    IoVec v;
    iov_init_buf(&v, buf, bytes);
    int ret = qcow2_co_write_compressed(fake_bs(), offset, bytes, &v, 0);
    g_assert(ret == 0 || ret == -EIO || (ret == -ENOTSUP && qcow2_has_data_file(q)));
    g_assert_cmpint(do_read(offset, got, bytes), ==, 0);
    for (uint64_t i = 0; i < bytes; i++) {       /* clusters that were mapped before are refused */
        g_assert(got[i] == buf[i] || (ret < 0 && got[i] == m->disk[offset + i]));
    }
    memcpy(m->disk + offset, got, bytes);
}

static void op_snapshot(Model *m)
{
    unsigned i = pick(m, MAX_SNAPSHOTS);
    if (qcow2_has_data_file(qcow2_of(fake_bs()))) {
        return;
    }
    if (!m->snap[i].used) {
        m->snap[i].used = true;
        m->snap[i].number = fake_snapshot_create();
        m->snap[i].disk = g_memdup2(m->disk, m->size);
        m->snap[i].size = m->size;
    } else if (pick(m, 3) && m->snap[i].size == m->size) {
        fake_snapshot_apply(m->snap[i].number);
        memcpy(m->disk, m->snap[i].disk, m->size);
    } else {
        fake_snapshot_delete(m->snap[i].number);
        m->snap[i].used = false;
        g_clear_pointer(&m->snap[i].disk, g_free);
    }
}

static void op_resize(Model *m)
{
    Qcow2 *q = qcow2_of(fake_bs());
    Error *err = NULL;
    /* Whole clusters: like the peer's, a shrunk image keeps the rest of its last cluster. */
    uint64_t size = ALIGN_UP(m->size / 2 + pick(m, m->size), q->cluster_size), n;
    PreallocMode mode = size > m->size && pick(m, 4) == 0 ? 1 + pick(m, 3) : PREALLOC_OFF;
    fake_backing(&n);
    size = MIN(size, 3 * MiB);
    if (size < m->size && mode != PREALLOC_OFF) {
        mode = PREALLOC_OFF;
    }
    if (n && mode != PREALLOC_OFF) {
        mode = PREALLOC_OFF;         /* the peer refuses it over a backing image too */
    }
    int flags = n > m->size && size > m->size && q->version >= 3 ? BDRV_REQ_ZERO_WRITE : 0;
    if (n > m->size && !flags) {
        return;
    }
    g_assert_cmpint(qcow2_co_truncate(fake_bs(), size, true, mode, flags, &err), ==, 0);
    m->disk = g_realloc(m->disk, size);
    if (size > m->size) {
        memset(m->disk + m->size, 0, size - m->size);
    }
    m->size = size;
}

static void check_all(Model *m)
{
    expect(m->disk, 0, m->size);
    for (unsigned i = 0; i < MAX_SNAPSHOTS; i++) {
        if (m->snap[i].used) {
            fake_snapshot_enter(m->snap[i].number);
            expect(m->snap[i].disk, 0, m->snap[i].size);
            fake_snapshot_leave();
        }
    }
    fake_verify();
}

static void model_run(const FakeShape *shape, uint32_t seed, bool resize)
{
    uint64_t n;
    Model m = { .size = shape->size, .rand = g_rand_new_with_seed(seed) };
    fake_world(shape);
    m.disk = g_malloc0(m.size);
    const uint8_t *backing = fake_backing(&n);
    if (n) {
        memcpy(m.disk, backing, n);
    }
    for (unsigned i = 0; i < 600; i++) {
        switch (pick(&m, 20)) {
        case 0: case 1: case 2: op_zero(&m); break;
        case 3: case 4: op_discard(&m); break;
        case 5: case 6: op_compressed(&m); break;
        case 7: op_snapshot(&m); break;
        case 8: op_write_fails(&m); break;
        case 9:
            if (resize) {
                op_resize(&m);
            }
            break;
        case 10: qcow2_co_flush_to_os(fake_bs()); break;
        default: op_write(&m);
        }
        if (i % 40 == 39) {
            check_all(&m);
        }
    }
    g_autofree char *complaint = fake_corruption();
    g_assert_cmpstr(complaint, ==, NULL);
    for (unsigned i = 0; i < MAX_SNAPSHOTS; i++) {
        g_free(m.snap[i].disk);
    }
    g_free(m.disk);
    g_rand_free(m.rand);
    fake_world_end();
}

static const FakeShape shapes[] = {
    { .version = 3, .cluster_bits = 9, .size = 400000 },
    { .version = 3, .cluster_bits = 12, .size = 1000448 },
    { .version = 3, .cluster_bits = 12, .size = 1000448, .backing = true, .zstd = true },
    { .version = 2, .cluster_bits = 9, .size = 300032 },
    { .version = 2, .cluster_bits = 10, .size = 300032, .backing = true },
    { .version = 3, .cluster_bits = 14, .size = 2 * MiB, .subclusters = true },
    { .version = 3, .cluster_bits = 14, .size = 2000384, .subclusters = true, .backing = true },
    { .version = 3, .cluster_bits = 12, .size = 1000448, .data_file = true },
    { .version = 3, .cluster_bits = 14, .size = 1000448, .data_file = true, .raw = true, .subclusters = true },
};

static void test_model(gconstpointer data)
{
    for (uint32_t seed = 1; seed <= 4; seed++) {
        model_run(data, seed, seed % 2);
    }
}

static void test_types(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 1 * MiB };
    Qcow2 *q = fake_world(&s);
    g_assert_cmpint(qcow2_entry_type(q, 0), ==, QCOW2_UNALLOCATED);
    g_assert_cmpint(qcow2_entry_type(q, QCOW2_OFLAG_COPIED), ==, QCOW2_UNALLOCATED);
    g_assert_cmpint(qcow2_entry_type(q, 1), ==, QCOW2_ZERO_PLAIN);
    g_assert_cmpint(qcow2_entry_type(q, 0x50001), ==, QCOW2_ZERO_ALLOC);
    g_assert_cmpint(qcow2_entry_type(q, 0x50000), ==, QCOW2_NORMAL);
    g_assert_cmpint(qcow2_entry_type(q, QCOW2_OFLAG_COMPRESSED | 1), ==, QCOW2_COMPRESSED);
    s.data_file = true;
    q = fake_world(&s);
    g_assert_cmpint(qcow2_entry_type(q, QCOW2_OFLAG_COPIED), ==, QCOW2_NORMAL);
    g_assert_cmpint(qcow2_entry_type(q, QCOW2_OFLAG_COPIED | 1), ==, QCOW2_ZERO_ALLOC);
    s.data_file = false;
    s.subclusters = true;
    q = fake_world(&s);
    g_assert_cmpint(qcow2_subcluster_type(q, 0, 0, 5), ==, QCOW2_UNALLOCATED);
    g_assert_cmpint(qcow2_subcluster_type(q, 0, 1ULL << 37, 5), ==, QCOW2_ZERO_PLAIN);
    g_assert_cmpint(qcow2_subcluster_type(q, 0, 1ULL << 5, 5), ==, QCOW2_INVALID);
    g_assert_cmpint(qcow2_subcluster_type(q, 0x50001, 1ULL << 5, 5), ==, QCOW2_NORMAL);
    g_assert_cmpint(qcow2_subcluster_type(q, 0x50000, 1ULL << 37, 5), ==, QCOW2_ZERO_ALLOC);
    g_assert_cmpint(qcow2_subcluster_type(q, 0x50000, 1ULL << 37, 4), ==, QCOW2_UNALLOCATED_ALLOC);
    g_assert_cmpint(qcow2_subcluster_type(q, 0x50000, (1ULL << 37) | (1ULL << 5), 5), ==, QCOW2_INVALID);
    g_assert_cmpuint(qcow2_subcluster_run(q, 0x50000, 0xff0, 4), ==, 8);
    g_assert_cmpuint(qcow2_subcluster_run(q, 0x50000, 0xff0, 12), ==, 20);
    fake_world_end();
}

static void test_descriptors(void)
{
    for (unsigned bits = 9; bits <= 21; bits++) {
        FakeShape s = { .version = 3, .cluster_bits = bits, .size = 1 * MiB };
        Qcow2 *q = fake_world(&s);
        for (uint64_t offset = 0x50000 - 3; offset < 0x50000 + 700; offset += 111) {
            for (uint64_t len = 1; len < q->cluster_size; len += 1 + q->cluster_size / 9) {
                uint64_t at, n;
                qcow2_compressed_place(q, qcow2_compressed_entry(q, offset, len), &at, &n);
                g_assert_cmpuint(at, ==, offset);
                g_assert_cmpuint(n, >=, len);
                g_assert_cmpuint(n - len, <, 512);
            }
        }
    }
    fake_world_end();
}

/* Random bytes, cut streams and streams of another length: an error or a full cluster, nothing else. */
static void test_hostile_streams(gconstpointer zstd)
{
    FakeShape s = { .version = 3, .cluster_bits = 12, .size = 1 * MiB, .zstd = zstd != NULL };
    Qcow2 *q = fake_world(&s);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    uint8_t plain[4096], stream[4096];
    for (unsigned i = 0; i < 4096; i++) {
        plain[i] = i / 16;
    }
    IoVec v;
    iov_init_buf(&v, plain, 4096);
    g_assert_cmpint(qcow2_co_write_compressed(fake_bs(), 0, 4096, &v, 0), ==, 0);
    uint64_t host, bytes = 4096, at, len;
    Qcow2ClusterType type;
    g_assert_cmpint(qcow2_map(q, 0, &bytes, &host, &type), ==, 0);
    g_assert_cmpint(type, ==, QCOW2_COMPRESSED);
    qcow2_compressed_place(q, host, &at, &len);
    bdrv_read_buf(q->bs->file, at, len, stream, 0);
    for (unsigned round = 0; round < 20000; round++) {
        size_t n = 1 + g_rand_int(rand) % len;
        g_autofree uint8_t *bad = g_memdup2(stream, n), *out = g_malloc(4096);
        for (unsigned k = g_rand_int(rand) % 4; k > 0; k--) {
            bad[g_rand_int(rand) % n] = g_rand_int(rand);
        }
        int ret = qcow2_decompress(q, out, 4096, bad, n);
        g_assert(ret == 0 || ret == -EIO);
        g_assert_cmpint(qcow2_decompress(q, out, 4096, bad, n / 8), ==, -EIO);
    }
    g_autofree uint8_t *wide = g_malloc(8192);
    g_assert_cmpint(qcow2_decompress(q, wide, 8192, stream, len), ==, -EIO);      /* too short for its cluster */
    fake_world_end();
}

/* Put a raw entry into the L2 table of guest offset 0. */
static Qcow2 *with_entry(unsigned version, bool subclusters, uint64_t entry, uint64_t bitmap)
{
    FakeShape s = { .version = version, .cluster_bits = 16, .size = 1 * MiB, .subclusters = subclusters };
    Qcow2 *q = fake_world(&s);
    void *table;
    uint32_t idx;
    g_assert_cmpint(qcow2_l2_for_write(q, 0, &table, &idx), ==, 0);
    qcow2_l2_set(q, table, idx, entry, bitmap);
    qcow2_cache_put(q->l2_cache, &table);
    return q;
}

static void expect_corrupt(const char *reading, const char *writing)
{
    uint8_t buf[512] = { 0 };
    g_assert_cmpint(do_read(0, buf, 512), ==, -EIO);
    g_autofree char *said = fake_corruption();
    g_assert_cmpstr(said, ==, reading);
    g_assert_cmpint(do_write(0, buf, 512), ==, -EIO);
    g_autofree char *then = fake_corruption();
    g_assert_cmpstr(then, ==, writing);
}

static void test_corrupt_entries(void)
{
    with_entry(3, false, QCOW2_OFLAG_COPIED | 0x50200, 0);
    expect_corrupt("Cluster allocation offset 0x50200 unaligned (L2 offset: 0x20000, L2 index: 0)",
                   "Data cluster offset 0x50200 unaligned (guest offset: 0)");
    with_entry(3, false, QCOW2_OFLAG_COPIED | 0x50201, 0);
    expect_corrupt("Cluster allocation offset 0x50200 unaligned (L2 offset: 0x20000, L2 index: 0)",
                   "Preallocated zero cluster offset 0x50200 unaligned (guest offset: 0)");
    with_entry(2, false, QCOW2_OFLAG_COPIED | 0x50001, 0);
    expect_corrupt("Zero cluster entry found in pre-v3 image (L2 offset: 0x20000, L2 index: 0)",
                   "Zero cluster entry found in pre-v3 image (L2 offset: 0x20000, L2 index: 0)");
    with_entry(3, true, 0, 1);
    expect_corrupt("Invalid cluster entry found  (L2 offset: 0x20000, L2 index: 0)",
                   "Invalid cluster entry found (L2 offset: 0x20000, L2 index: 0)");
    Qcow2 *q = with_entry(3, false, 0, 0);
    q->l1[0] = QCOW2_OFLAG_COPIED | 0x20200;
    expect_corrupt("L2 table offset 0x20200 unaligned (L1 index: 0)", "L2 table offset 0x20200 unaligned (L1 index: 0)");
    fake_world_end();
}

/* One request below for a mapped write or read; fresh space past the end of the file is not written twice. */
static void test_request_counts(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 8 * MiB };
    static uint8_t buf[1 * MiB];
    fake_world(&s);
    g_assert_cmpint(do_write(4096, buf, 4096), ==, 0);
    g_assert_cmpuint(fake_requests(), ==, 2);         /* and one that finds room for the table */
    g_assert_cmpuint(fake_bytes_written(), ==, 4096);
    g_assert_cmpint(do_write(65536, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(fake_requests(), ==, 1);
    g_assert_cmpint(do_write(0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(fake_requests(), ==, 1);
    g_assert_cmpint(do_read(0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(fake_requests(), ==, 1);
    fake_snapshot_create();
    fake_bytes_written();
    g_assert_cmpint(do_write(8192, buf, 4096), ==, 0);
    g_assert_cmpuint(fake_requests(), ==, 1);         /* room for a table; the bytes are kept in memory */
    fake_settle();
    g_assert_cmpuint(fake_requests(), ==, 2);         /* one read of what is around it, one write of all */
    g_assert_cmpuint(fake_bytes_written(), ==, 65536);
    fake_verify();
    fake_world_end();
}

/* Small writes one after the other fill a new cluster at once when they are flushed one by one, and else write what they have. */
static void test_flushed_stream(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 8 * MiB };
    g_autofree uint8_t *want = g_malloc0(8 * MiB);
    for (int flushes = 0; flushes < 2; flushes++) {
        fake_world(&s);
        memset(want, 0, 8 * MiB);
        for (unsigned at = 56 * KiB; at < 76 * KiB; at += 4 * KiB) {
            memset(want + at, at / 4096, 4096);
            fake_bytes_written();
            g_assert_cmpint(do_write(at, want + at, 4096), ==, 0);
            g_assert_cmpuint(fake_bytes_written(), ==, flushes && at == 64 * KiB ? 65536 : 4096);
            if (flushes) {
                qcow2_co_flush_to_os(fake_bs());
            }
        }
        expect(want, 0, 8 * MiB);
        fake_verify();
        fake_world_end();
    }
}

/* Copies put off: what the guest overwrites meanwhile is never copied; both clusters serve reads. */
static void test_put_off(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 8 * MiB };
    g_autofree uint8_t *buf = g_malloc(8 * MiB), *want = g_malloc(8 * MiB);
    fake_world(&s);
    memset(want, 1, 8 * MiB);
    g_assert_cmpint(do_write(0, want, 8 * MiB), ==, 0);
    unsigned snap = fake_snapshot_create();
    fake_bytes_written();
    memset(buf, 2, 8 * MiB);
    for (unsigned i = 0; i < 16; i++) {               /* a whole cluster, piece by piece */
        g_assert_cmpint(do_write(i * 4096, buf, 4096), ==, 0);
    }
    fake_settle();
    g_assert_cmpuint(fake_bytes_written(), ==, 65536);
    g_assert_cmpint(do_write(100 * KiB, buf, 200 * KiB), ==, 0);      /* a head, whole clusters, a tail */
    g_assert_cmpuint(fake_bytes_written(), ==, 200 * KiB);
    memset(want, 2, 64 * KiB);
    memset(want + 100 * KiB, 2, 200 * KiB);
    expect(want, 0, 8 * MiB);
    fake_settle();
    g_assert_cmpuint(fake_bytes_written(), ==, 36 * KiB + 20 * KiB);
    expect(want, 0, 8 * MiB);
    /* A flush after each write: nothing is gained, so nothing is put off. */
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpint(do_write(1 * MiB + i * 64 * KiB, buf, 4096), ==, 0);
        memset(want + 1 * MiB + i * 64 * KiB, 2, 4096);
        qcow2_co_flush_to_os(fake_bs());
    }
    fake_bytes_written();
    g_assert_cmpint(do_write(4 * MiB, buf, 4096), ==, 0);
    g_assert_cmpuint(fake_bytes_written(), ==, 65536);
    memset(want + 4 * MiB, 2, 4096);
    expect(want, 0, 8 * MiB);
    memset(want, 1, 8 * MiB);
    fake_snapshot_enter(snap);
    expect(want, 0, 8 * MiB);
    fake_snapshot_leave();
    fake_verify();
    fake_world_end();
}

/* Small writes wait in memory, long ones in the new cluster; a page is in one place, and each way to mix them is right. */
static void test_put_off_mixed(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 8 * MiB };
    g_autofree uint8_t *buf = g_malloc(8 * MiB), *want = g_malloc(8 * MiB);
    struct { uint32_t at, bytes, written; } steps[] = {
        { 6 * KiB, 1 * KiB, 0 },                      /* kept */
        { 7 * KiB, 512, 0 },                          /* beside it in its page */
        { 32 * KiB, 20 * KiB, 20 * KiB },             /* to the file, elsewhere in the cluster */
        { 48 * KiB, 1 * KiB, 1 * KiB },               /* into that: the page is in the file */
        { 60 * KiB, 4 * KiB, 0 },                     /* kept */
        { 64 * KiB, 20 * KiB, 20 * KiB },             /* another cluster, to the file */
        { 84 * KiB, 2 * KiB, 0 },                     /* the page behind it is nowhere yet: kept */
        { 4 * KiB, 24 * KiB, 44 * KiB + 24 * KiB },   /* over kept pages: settled first, then in place */
    };
    fake_world(&s);
    memset(want, 1, 8 * MiB);
    g_assert_cmpint(do_write(0, want, 8 * MiB), ==, 0);
    fake_snapshot_create();
    fake_bytes_written();
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        memset(buf, 10 + i, steps[i].bytes);
        memset(want + steps[i].at, 10 + i, steps[i].bytes);
        g_assert_cmpint(do_write(steps[i].at, buf, steps[i].bytes), ==, 0);
        g_assert_cmpuint(fake_bytes_written(), ==, steps[i].written);
        expect(want, 0, 256 * KiB);
    }
    /* Many clusters at once. */
    for (unsigned i = 0; i < 64; i++) {
        memset(buf, 100 + i, 12 * KiB);
        memset(want + 2 * MiB + i * 64 * KiB, 100 + i, 12 * KiB);
        g_assert_cmpint(do_write(2 * MiB + i * 64 * KiB, buf, 12 * KiB), ==, 0);
    }
    expect(want, 0, 8 * MiB);
    fake_settle();
    expect(want, 0, 8 * MiB);
    fake_verify();
    fake_world_end();
}

/* A copy inside the host has no bytes in memory that could wait: the cluster is settled first. */
static void test_copy_into_put_off(void)
{
    FakeShape s = { .version = 3, .cluster_bits = 16, .size = 1 * MiB };
    g_autofree uint8_t *want = g_malloc(1 * MiB);
    const struct { uint32_t from, to, bytes; } copies[] = {
        { 4 * KiB, 264 * KiB, 4 * KiB }, { 32 * KiB, 350 * KiB, 8 * KiB }, { 4 * KiB, 280 * KiB, 100 * KiB },
    };
    BdrvChild from = { 0 };
    fake_world(&s);
    from.bs = fake_bs();
    for (unsigned i = 0; i < MiB; i++) {
        want[i] = i / 4096 + 1;
    }
    g_assert_cmpint(do_write(0, want, 1 * MiB), ==, 0);
    fake_snapshot_create();
    memset(want + 256 * KiB, 0x77, 1 * KiB);
    g_assert_cmpint(do_write(256 * KiB, want + 256 * KiB, 1 * KiB), ==, 0);        /* kept */
    memset(want + 320 * KiB, 0x78, 24 * KiB);
    g_assert_cmpint(do_write(320 * KiB, want + 320 * KiB, 24 * KiB), ==, 0);       /* to the file, the rest put off */
    for (unsigned i = 0; i < G_N_ELEMENTS(copies); i++) {
        g_assert_cmpint(qcow2_co_copy_range(fake_bs(), copies[i].to, &from, copies[i].from, copies[i].bytes, 0, 0), ==, 0);
        memmove(want + copies[i].to, want + copies[i].from, copies[i].bytes);
        expect(want, 0, 1 * MiB);
    }
    fake_settle();
    expect(want, 0, 1 * MiB);
    fake_verify();
    fake_world_end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2/entry-types", test_types);
    g_test_add_func("/qcow2/compressed-descriptors", test_descriptors);
    g_test_add_data_func("/qcow2/hostile-deflate", NULL, test_hostile_streams);
    g_test_add_data_func("/qcow2/hostile-zstd", "zstd", test_hostile_streams);
    g_test_add_func("/qcow2/corrupt-entries", test_corrupt_entries);
    g_test_add_func("/qcow2/request-counts", test_request_counts);
    g_test_add_func("/qcow2/flushed-stream", test_flushed_stream);
    g_test_add_func("/qcow2/put-off", test_put_off);
    g_test_add_func("/qcow2/put-off-mixed", test_put_off_mixed);
    g_test_add_func("/qcow2/copy-into-put-off", test_copy_into_put_off);
    for (unsigned i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autofree char *name = g_strdup_printf("/qcow2/model/%u", i);
        g_test_add_data_func(name, &shapes[i], test_model);
    }
    return g_test_run();
}
