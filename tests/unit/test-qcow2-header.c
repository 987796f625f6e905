/*
 * Proves that the qcow2 header parser answers every malformed field with the stock tools' words,
 * survives any bytes at all, and reads back what the builder lays out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "../../block/qcow2-header.h"

#define CLUSTER 65536u

/* A plain version 3 image of 64 MiB: what the stock tools write, without a feature table. */
static uint8_t *plain_header(void)
{
    uint8_t *b = g_malloc0(CLUSTER);
    Qcow2Header h = { .version = 3, .cluster_bits = 16, .size = 64 * MiB, .l1_size = 1, .l1_table_offset = 3 * CLUSTER,
                      .refcount_table_offset = CLUSTER, .refcount_table_clusters = 1, .refcount_order = 4 };
    Qcow2Extensions none = { 0 };

    g_assert_cmpint(qcow2_header_build(b, CLUSTER, &h, NULL, 0, &none, NULL), ==, 0);
    return b;
}

/* Everything that open does with the bytes; the message, or NULL when all is well. */
static char *verdict(const uint8_t *b, size_t len)
{
    Error *err = NULL;
    Qcow2Header h;
    Qcow2Extensions e = { 0 };
    g_autofree char *backing = NULL;
    char *text = NULL;
    int ret = qcow2_header_parse(b, len, &h, &err);

    if (ret == 0) {
        ret = qcow2_header_check_tables(&h, false, &err);
    }
    if (ret == 0) {
        ret = qcow2_extensions_parse(b, len, &h, &e, &err);
    }
    if (ret == 0) {
        backing = qcow2_backing_name_parse(b, len, &h, &err);
        ret = backing ? 0 : -EINVAL;
    }
    g_assert_cmpint(ret != 0, ==, err != NULL);
    if (err) {
        text = g_strdup(error_get_pretty(err));
        error_free(err);
    }
    qcow2_extensions_clear(&e);
    return text;
}

typedef struct FieldCase {
    unsigned offset, width;
    uint64_t value;
    const char *message;             /* NULL: accepted */
} FieldCase;

static const FieldCase field_cases[] = {
    { 0, 4, 5, "Image is not in qcow2 format" },
    { 4, 4, 0, "Unsupported qcow2 version 0" },
    { 4, 4, 1, "Unsupported qcow2 version 1" },
    { 4, 4, 4, "Unsupported qcow2 version 4" },
    { 4, 4, UINT32_MAX, "Unsupported qcow2 version 4294967295" },
    { 20, 4, 0, "Unsupported cluster size: 2^0" },
    { 20, 4, 8, "Unsupported cluster size: 2^8" },
    { 20, 4, 22, "Unsupported cluster size: 2^22" },
    { 20, 4, UINT32_MAX, "Unsupported cluster size: 2^4294967295" },
    { 100, 4, 0, "qcow2 header too short" },
    { 100, 4, 103, "qcow2 header too short" },
    { 100, 4, 104, NULL },
    { 100, 4, 65536, NULL },
    { 100, 4, 65537, "qcow2 header exceeds cluster size" },
    { 100, 4, UINT32_MAX, "qcow2 header exceeds cluster size" },
    { 8, 8, 65537, "Invalid backing file offset" },
    { 8, 8, UINT64_MAX, "Invalid backing file offset" },
    { 72, 8, 0x20, "Unsupported qcow2 feature(s): Unknown incompatible feature: 20" },
    { 72, 8, 1ULL << 63, "Unsupported qcow2 feature(s): Unknown incompatible feature: 8000000000000000" },
    { 72, 8, 8, "qcow2: Compression type incompatible feature bit must not be set" },
    { 72, 8, 1, NULL },
    { 80, 8, UINT64_MAX, NULL },
    { 88, 8, UINT64_MAX, NULL },
    { 96, 4, 6, NULL },
    { 96, 4, 7, "Reference count entry width too large; may not exceed 64 bits" },
    { 96, 4, UINT32_MAX, "Reference count entry width too large; may not exceed 64 bits" },
    { 32, 4, 2, "Missing CRYPTO header for crypt method 2" },
    { 32, 4, 3, "Unsupported encryption method 3" },
    { 32, 4, UINT32_MAX, "Unsupported encryption method -1" },
    { 56, 4, 0, "Image does not contain a reference count table" },
    { 56, 4, 128, NULL },
    { 56, 4, 129, "Reference count table too large" },
    { 56, 4, UINT32_MAX, "Reference count table too large" },
    { 48, 8, 1, "Reference count table offset invalid" },
    { 48, 8, CLUSTER + 512, "Reference count table offset invalid" },
    { 48, 8, 1ULL << 63, "Reference count table offset invalid" },
    { 48, 8, UINT64_MAX - CLUSTER + 1, "Reference count table offset invalid" },
    { 60, 4, 65536, NULL },
    { 60, 4, 65537, "Snapshot table too large" },
    { 60, 4, UINT32_MAX, "Snapshot table too large" },
    { 64, 8, 512, "Snapshot table offset invalid" },
    { 64, 8, UINT64_MAX - CLUSTER + 1, "Snapshot table offset invalid" },
    { 36, 4, 0, "L1 table is too small" },
    { 36, 4, 4194304, NULL },
    { 36, 4, 4194305, "Active L1 table too large" },
    { 36, 4, UINT32_MAX, "Active L1 table too large" },
    { 40, 8, 1, "Active L1 table offset invalid" },
    { 40, 8, UINT64_MAX - CLUSTER + 1, "Active L1 table offset invalid" },
    { 24, 8, 0, NULL },
    { 24, 8, 512 * MiB, NULL },
    { 24, 8, 512 * MiB + 1, "L1 table is too small" },
    { 24, 8, 1ULL << 61, "Image is too big" },
    { 24, 8, 1ULL << 63, "Image is too big" },
    { 24, 8, UINT64_MAX, "Image is too big" },
    { 104, 1, 1, "qcow2: Compression type incompatible feature bit must be set" },
    { 104, 1, 2, "qcow2: unknown compression type: 2" },
};

static void poke(uint8_t *b, unsigned offset, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++) {
        b[offset + i] = value >> (8 * (width - 1 - i));
    }
}

static void test_fields(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(field_cases); i++) {
        const FieldCase *f = &field_cases[i];
        g_autofree uint8_t *b = plain_header();
        g_autofree char *got = NULL;

        poke(b, f->offset, f->width, f->value);
        got = verdict(b, CLUSTER);
        g_assert_cmpstr(got, ==, f->message);
    }
}

static void test_small_clusters(void)
{
    g_autofree uint8_t *b = plain_header();
    g_autofree char *got = NULL;

    poke(b, 20, 4, 13);
    poke(b, 72, 8, QCOW2_INCOMPAT_EXTL2);
    got = verdict(b, 8192);
    g_assert_cmpstr(got, ==, "Unsupported subcluster size: 256");
}

/* Extensions {magic, length, data} from byte 112 on. */
static void put_ext(uint8_t *b, uint32_t magic, uint32_t len, const void *data, size_t n)
{
    store_be32(b + 112, magic);
    store_be32(b + 116, len);
    for (size_t i = 0; i < n; i++) {
        b[120 + i] = ((const uint8_t *)data)[i];
    }
}

static void expect_ext(uint32_t magic, uint32_t len, const void *data, size_t n, unsigned crypt, uint64_t autoclear,
                       const char *message)
{
    g_autofree uint8_t *b = plain_header();
    g_autofree char *got = NULL;

    put_ext(b, magic, len, data, n);
    poke(b, 32, 4, crypt);
    poke(b, 88, 8, autoclear);
    got = verdict(b, CLUSTER);
    g_assert_cmpstr(got, ==, message);
}

static void expect_bitmaps(uint32_t len, uint32_t nb, uint32_t reserved, uint64_t size, uint64_t offset, const char *message)
{
    uint8_t x[24];

    store_be32(x, nb);
    store_be32(x + 4, reserved);
    store_be64(x + 8, size);
    store_be64(x + 16, offset);
    expect_ext(QCOW2_EXT_BITMAPS, len, x, sizeof(x), 0, QCOW2_AUTOCLEAR_BITMAPS, message);
}

static void test_extensions(void)
{
    static const char name[40] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    uint8_t crypto[16] = { 0 };

    expect_ext(0x1234, 65536, NULL, 0, 0, 0, "Header extension too large");
    expect_ext(0x1234, CLUSTER - 120, NULL, 0, 0, 0, NULL);
    expect_ext(0x1234, CLUSTER - 119, NULL, 0, 0, 0, "Header extension too large");
    expect_ext(0x1234, UINT32_MAX, NULL, 0, 0, 0, "Header extension too large");
    expect_ext(QCOW2_EXT_BACKING_FORMAT, 15, name, 15, 0, 0, NULL);
    expect_ext(QCOW2_EXT_BACKING_FORMAT, 16, name, 16, 0, 0, "ERROR: ext_backing_format: len=16 too large (>=16)");
    expect_ext(QCOW2_EXT_CRYPTO, 16, crypto, 16, 0, 0, "CRYPTO header extension only expected with LUKS encryption method");
    expect_ext(QCOW2_EXT_CRYPTO, 15, crypto, 15, 2, 0, "CRYPTO header extension size 15, but expected size 16");
    store_be64(crypto, 65537);
    expect_ext(QCOW2_EXT_CRYPTO, 16, crypto, 16, 2, 0,
               "Encryption header offset '65537' is not a multiple of cluster size '65536'");
    expect_bitmaps(24, 1, 0, 24, 65536, NULL);
    expect_bitmaps(24, 1, 1, 24, 65536, "bitmaps_ext: Reserved field is not zero");
    expect_bitmaps(23, 1, 0, 24, 65536, "bitmaps_ext: Invalid extension length");
    expect_bitmaps(24, 0, 0, 24, 65536, "found bitmaps extension with zero bitmaps");
    expect_bitmaps(24, 65536, 0, 24, 65536,
                   "bitmaps_ext: Image has 65536 bitmaps, exceeding the QEMU supported maximum of 65535");
    expect_bitmaps(24, 1, 0, 24, 65537, "bitmaps_ext: invalid bitmap directory offset");
    expect_bitmaps(24, 1, 0, 1ULL << 40, 65536, "bitmaps_ext: bitmap directory size (1099511627776) exceeds the maximum "
                   "supported size (67107840)");
}

static void test_feature_names(void)
{
    g_autofree uint8_t *b = plain_header();
    g_autofree char *got = NULL;
    uint8_t table[96] = { 0, 5, 'f', 'o', 'o' };

    table[49] = 7;
    memset(table + 50, 'x', 46);
    put_ext(b, QCOW2_EXT_FEATURE_TABLE, sizeof(table), table, sizeof(table));
    poke(b, 72, 8, 0x2a0);
    got = verdict(b, CLUSTER);
    g_assert_cmpstr(got, ==, "Unsupported qcow2 feature(s): foo, xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, "
                    "Unknown incompatible feature: 200");
}

static void test_backing_name(void)
{
    static const struct {
        uint64_t offset;
        uint32_t size;
        const char *message;
    } cases[] = {
        { 1024, 1023, NULL }, { 1024, 1024, "Backing file name too long" }, { 65535, 10, "Backing file name too long" },
        { 65536, 1, "Backing file name too long" }, { 65530, 6, NULL }, { 1024, UINT32_MAX, "Backing file name too long" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree uint8_t *b = plain_header();
        g_autofree char *got = NULL;

        poke(b, 8, 8, cases[i].offset);
        poke(b, 16, 4, cases[i].size);
        got = verdict(b, CLUSTER);
        g_assert_cmpstr(got, ==, cases[i].message);
    }
}

/* Random damage in many places at once: an answer, and no access out of bounds (run under ASan). */
static void test_random_bytes(void)
{
    g_autoptr(GRand) rnd = g_rand_new_with_seed(7);

    for (unsigned round = 0; round < 20000; round++) {
        static const size_t lengths[] = { 0, 4, 23, 24, 103, 511, 512, 1024, CLUSTER };
        size_t len = lengths[g_rand_int_range(rnd, 0, G_N_ELEMENTS(lengths))];
        g_autofree uint8_t *whole = plain_header();
        g_autofree uint8_t *b = g_memdup2(whole, len);

        for (int i = g_rand_int_range(rnd, 0, 6); i > 0 && len; i--) {
            size_t at = g_rand_int_range(rnd, 0, MIN(len, 160));

            b[at] = g_rand_int_range(rnd, 0, 3) ? g_rand_int(rnd) : 0xff;
        }
        g_free(verdict(b, len));
    }
}

static void test_round_trip(void)
{
    uint8_t extra[5] = "hello", unknown[8] = "fields!";
    Qcow2UnknownExt kept = { .magic = 0x1111, .len = sizeof(extra), .data = extra };
    Qcow2Extensions e = { .backing_format = (char *)"raw", .data_file_name = (char *)"d.raw", .has_bitmaps = true,
                          .nb_bitmaps = 2, .bitmaps_size = 64, .bitmaps_offset = 7 * CLUSTER, .unknown = &kept,
                          .nb_unknown = 1 };
    Qcow2Header h = { .version = 3, .cluster_bits = 16, .size = 1 * GiB, .l1_size = 2, .l1_table_offset = 3 * CLUSTER,
                      .refcount_table_offset = CLUSTER, .refcount_table_clusters = 1, .refcount_order = 4,
                      .incompatible = QCOW2_INCOMPAT_DATA_FILE, .autoclear = QCOW2_AUTOCLEAR_BITMAPS }, back;
    Qcow2Extensions got = { 0 };
    g_autofree uint8_t *b = g_malloc0(CLUSTER);
    g_autofree char *backing = NULL;

    g_assert_cmpint(qcow2_header_build(b, CLUSTER, &h, unknown, sizeof(unknown), &e, "base.img"), ==, 0);
    g_assert_cmpint(qcow2_header_parse(b, CLUSTER, &back, &error_abort), ==, 0);
    g_assert_cmpmem(&h, sizeof(h), &back, sizeof(back));
    g_assert_cmpint(qcow2_extensions_parse(b, CLUSTER, &back, &got, &error_abort), ==, 0);
    g_assert_cmpstr(got.backing_format, ==, "raw");
    g_assert_cmpstr(got.data_file_name, ==, "d.raw");
    g_assert_cmpuint(got.nb_bitmaps, ==, 2);
    g_assert_cmpuint(got.nb_unknown, ==, 1);
    g_assert_cmpmem(got.unknown[0].data, got.unknown[0].len, extra, sizeof(extra));
    backing = qcow2_backing_name_parse(b, CLUSTER, &back, &error_abort);
    g_assert_cmpstr(backing, ==, "base.img");
    qcow2_extensions_clear(&got);
}

/* The name fits to the last byte of a small cluster, and not one more. */
static void test_build_bounds(void)
{
    Qcow2Extensions e = { .backing_format = (char *)"raw" };
    Qcow2Header h = { .version = 3, .cluster_bits = 9, .refcount_order = 4 };
    g_autofree char *name = g_strnfill(1024, 'n');
    uint8_t b[512];

    memset(b, 0, sizeof(b));
    g_assert_cmpint(qcow2_header_build(b, 512, &h, NULL, 0, &e, name), ==, -EINVAL);
    name[376] = 0;
    g_assert_cmpint(qcow2_header_build(b, 512, &h, NULL, 0, &e, name), ==, 0);
    g_assert_cmpuint(h.backing_file_offset, ==, 136);
    name[376] = 'n';
    name[377] = 0;
    memset(b, 0, sizeof(b));
    g_assert_cmpint(qcow2_header_build(b, 512, &h, NULL, 0, &e, name), ==, -ENOSPC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2/header/fields", test_fields);
    g_test_add_func("/qcow2/header/small-clusters", test_small_clusters);
    g_test_add_func("/qcow2/header/extensions", test_extensions);
    g_test_add_func("/qcow2/header/feature-names", test_feature_names);
    g_test_add_func("/qcow2/header/backing-name", test_backing_name);
    g_test_add_func("/qcow2/header/random-bytes", test_random_bytes);
    g_test_add_func("/qcow2/header/round-trip", test_round_trip);
    g_test_add_func("/qcow2/header/build-bounds", test_build_bounds);
    return g_test_run();
}
