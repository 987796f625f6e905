/*
 * qcow2 header: bytes to struct and back.  Pure functions: bytes in, struct or error out.
 *
 * Layout of the first cluster: fixed part (72 bytes in version 2, header_length in version 3),
 * extensions {magic, length, data padded to 8} until the end mark, then the backing file name.
 * Extensions we do not know are kept and written back behind the ones we do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "qcow2-header.h"

#define FEATURE_NAME_BYTES 46
#define FEATURE_ENTRY_BYTES 48
#define BACKING_FORMAT_MAX 15
#define BITMAPS_EXT_BYTES 24
#define CRYPTO_EXT_BYTES 16
/* Clusters below this size have no room to spare: the stock tools leave the name table out. */
#define FEATURE_TABLE_MIN_CLUSTER 8192

typedef enum FeatureType { FEATURE_INCOMPATIBLE, FEATURE_COMPATIBLE, FEATURE_AUTOCLEAR } FeatureType;

static const struct {
    uint8_t type, bit;
    const char *name;
} feature_names[] = {
    { FEATURE_INCOMPATIBLE, 0, "dirty bit" },
    { FEATURE_INCOMPATIBLE, 1, "corrupt bit" },
    { FEATURE_INCOMPATIBLE, 2, "external data file" },
    { FEATURE_INCOMPATIBLE, 3, "compression type" },
    { FEATURE_INCOMPATIBLE, 4, "extended L2 entries" },
    { FEATURE_COMPATIBLE, 0, "lazy refcounts" },
    { FEATURE_AUTOCLEAR, 0, "bitmaps" },
    { FEATURE_AUTOCLEAR, 1, "raw external data" },
};

uint64_t qcow2_l1_entries(uint64_t bytes, unsigned cluster_bits, bool extended_l2)
{
    unsigned shift = 2 * cluster_bits - (extended_l2 ? 4 : 3);

    return (bytes >> shift) + ((bytes & ((1ULL << shift) - 1)) != 0);
}

/* One extension in the header cluster; data points into buf. */
typedef struct ExtView { uint32_t magic, len; const uint8_t *data; } ExtView;

/* Step to the extension at *pos, area ends at end.  1: got one, 0: no more, -EINVAL: it leaves the area. */
static int ext_next(const uint8_t *buf, size_t *pos, size_t end, ExtView *out, Error **errp)
{
    uint8_t head[8] = { 0 };

    if (*pos >= end) {
        return 0;
    }
    /* An area whose last bytes hold half an extension head: the rest reads as zeroes. */
    memcpy(head, buf + *pos, MIN(sizeof(head), end - *pos));
    out->magic = load_be32(head);
    out->len = load_be32(head + 4);
    *pos += sizeof(head);
    if (*pos > end || out->len > end - *pos) {
        error_setg(errp, "Header extension too large");
        return -EINVAL;
    }
    out->data = buf + *pos;
    *pos += ALIGN_UP((uint64_t)out->len, 8);
    return out->magic != QCOW2_EXT_END;
}

static size_t ext_area_end(const Qcow2Header *h, size_t len)
{
    size_t cluster = (size_t)1 << h->cluster_bits;
    size_t end = h->backing_file_offset ? MIN(h->backing_file_offset, cluster) : cluster;

    return MIN(end, len);
}

/* "a, b, Unknown incompatible feature: 8000" from the image's own name table. */
static char *feature_list(const uint8_t *table, size_t len, uint64_t mask)
{
    GString *s = g_string_new(NULL);

    for (; len >= FEATURE_ENTRY_BYTES; table += FEATURE_ENTRY_BYTES, len -= FEATURE_ENTRY_BYTES) {
        const char *name = (const char *)table + 2;

        if (table[0] == FEATURE_INCOMPATIBLE && table[1] < 64 && (mask & (1ULL << table[1]))) {
            g_string_append_printf(s, "%s%.*s", s->len ? ", " : "", FEATURE_NAME_BYTES, name);
            mask &= ~(1ULL << table[1]);
        }
    }
    if (mask) {
        g_string_append_printf(s, "%sUnknown incompatible feature: %" G_GINT64_MODIFIER "x", s->len ? ", " : "", mask);
    }
    return g_string_free(s, FALSE);
}

static int refuse_features(const uint8_t *buf, size_t len, const Qcow2Header *h, Error **errp)
{
    size_t pos = h->header_length, end = ext_area_end(h, len);
    g_autofree char *names = NULL;
    const uint8_t *table = NULL;
    size_t table_len = 0;
    ExtView x;

    while (ext_next(buf, &pos, end, &x, NULL) > 0) {
        if (x.magic == QCOW2_EXT_FEATURE_TABLE) {
            table = x.data;
            table_len = x.len;
        }
    }
    names = feature_list(table, table_len, h->incompatible & ~QCOW2_INCOMPAT_KNOWN);
    error_setg(errp, "Unsupported qcow2 feature(s): %s", names);
    return -ENOTSUP;
}

int qcow2_header_start(const uint8_t *buf, size_t len, uint32_t *cluster_bits, Error **errp)
{
    uint32_t version, bits;

    if (len < 24 || load_be32(buf) != QCOW2_MAGIC) {
        error_setg(errp, "Image is not in qcow2 format");
        return -EINVAL;
    }
    version = load_be32(buf + 4);
    if (version < 2 || version > 3) {
        error_setg(errp, "Unsupported qcow2 version %" G_GUINT32_FORMAT, version);
        return -ENOTSUP;
    }
    bits = load_be32(buf + 20);
    if (bits < QCOW2_MIN_CLUSTER_BITS || bits > QCOW2_MAX_CLUSTER_BITS) {
        error_setg(errp, "Unsupported cluster size: 2^%" G_GUINT32_FORMAT, bits);
        return -EINVAL;
    }
    *cluster_bits = bits;
    return 0;
}

static void load_fixed_part(const uint8_t *buf, Qcow2Header *h)
{
    h->version = load_be32(buf + 4);
    h->backing_file_offset = load_be64(buf + 8);
    h->backing_file_size = load_be32(buf + 16);
    h->cluster_bits = load_be32(buf + 20);
    h->size = load_be64(buf + 24);
    h->crypt_method = load_be32(buf + 32);
    h->l1_size = load_be32(buf + 36);
    h->l1_table_offset = load_be64(buf + 40);
    h->refcount_table_offset = load_be64(buf + 48);
    h->refcount_table_clusters = load_be32(buf + 56);
    h->nb_snapshots = load_be32(buf + 60);
    h->snapshots_offset = load_be64(buf + 64);
    h->refcount_order = 4;
    h->header_length = QCOW2_HEADER_V2_BYTES;
    if (h->version >= 3) {
        h->incompatible = load_be64(buf + 72);
        h->compatible = load_be64(buf + 80);
        h->autoclear = load_be64(buf + 88);
        h->refcount_order = load_be32(buf + 96);
        h->header_length = load_be32(buf + 100);
        h->compression_type = h->header_length > QCOW2_HEADER_V3_MIN_BYTES ? buf[104] : 0;
    }
}

static int check_lengths(const Qcow2Header *h, Error **errp)
{
    uint64_t cluster = 1ULL << h->cluster_bits;

    if (h->version >= 3 && h->header_length < QCOW2_HEADER_V3_MIN_BYTES) {
        error_setg(errp, "qcow2 header too short");
        return -EINVAL;
    }
    if (h->header_length > cluster) {
        error_setg(errp, "qcow2 header exceeds cluster size");
        return -EINVAL;
    }
    if (h->backing_file_offset > cluster) {
        error_setg(errp, "Invalid backing file offset");
        return -EINVAL;
    }
    return 0;
}

static int check_compression(const Qcow2Header *h, Error **errp)
{
    bool bit = h->incompatible & QCOW2_INCOMPAT_COMPRESSION;

    if (h->compression_type > QCOW2_COMPRESSION_ZSTD) {
        error_setg(errp, "qcow2: unknown compression type: %u", h->compression_type);
        return -ENOTSUP;
    }
    if (bit != (h->compression_type != QCOW2_COMPRESSION_ZLIB)) {
        error_setg(errp, "qcow2: Compression type incompatible feature bit must %sbe set", bit ? "not " : "");
        return -EINVAL;
    }
    return 0;
}

static int check_widths(const Qcow2Header *h, Error **errp)
{
    unsigned subcluster_bits = h->cluster_bits - 5;

    if ((h->incompatible & QCOW2_INCOMPAT_EXTL2) && subcluster_bits < 9) {
        error_setg(errp, "Unsupported subcluster size: %u", 1u << subcluster_bits);
        return -EINVAL;
    }
    if (h->refcount_order > 6) {
        error_setg(errp, "Reference count entry width too large; may not exceed 64 bits");
        return -EINVAL;
    }
    return 0;
}

int qcow2_header_parse(const uint8_t *buf, size_t len, Qcow2Header *out, Error **errp)
{
    Qcow2Header h = { 0 };
    int ret = qcow2_header_start(buf, len, &h.cluster_bits, errp);

    if (ret < 0) {
        return ret;
    }
    if (len < QCOW2_FIRST_SECTOR) {
        error_setg(errp, "Could not read qcow2 header");
        return -EINVAL;
    }
    load_fixed_part(buf, &h);
    ret = check_lengths(&h, errp);
    if (ret == 0) {
        ret = check_compression(&h, errp);
    }
    if (ret == 0 && (h.incompatible & ~QCOW2_INCOMPAT_KNOWN)) {
        ret = refuse_features(buf, len, &h, errp);
    }
    if (ret == 0) {
        ret = check_widths(&h, errp);
    }
    if (ret == 0) {
        *out = h;
    }
    return ret;
}

/* entries of entry_size bytes at offset: bounded, cluster aligned, inside 63 bits. */
static int check_table(uint64_t offset, uint64_t entries, size_t entry_size, uint64_t max_bytes, uint32_t cluster_bits,
                       const char *name, Error **errp)
{
    if (entries > max_bytes / entry_size) {
        error_setg(errp, "%s too large", name);
        return -EFBIG;
    }
    if (offset > INT64_MAX - entries * entry_size || !IS_ALIGNED(offset, 1ULL << cluster_bits)) {
        error_setg(errp, "%s offset invalid", name);
        return -EINVAL;
    }
    return 0;
}

int qcow2_header_check_tables(const Qcow2Header *h, bool for_check, Error **errp)
{
    uint64_t l1_needed, cluster = 1ULL << h->cluster_bits;
    int ret;

    if (h->refcount_table_clusters == 0 && !for_check) {
        error_setg(errp, "Image does not contain a reference count table");
        return -EINVAL;
    }
    ret = check_table(h->refcount_table_offset, h->refcount_table_clusters * (cluster / 8), 8, QCOW2_MAX_REFTABLE_BYTES,
                      h->cluster_bits, "Reference count table", errp);
    if (ret == 0 && !for_check) {
        /* The smallest entry of the snapshot table is 40 bytes; its real length is known after reading only. */
        ret = check_table(h->snapshots_offset, h->nb_snapshots, 40, QCOW2_MAX_SNAPSHOTS * 40ULL, h->cluster_bits,
                          "Snapshot table", errp);
    }
    if (ret == 0) {
        ret = check_table(h->l1_table_offset, h->l1_size, 8, QCOW2_MAX_L1_BYTES, h->cluster_bits, "Active L1 table", errp);
    }
    if (ret < 0) {
        return ret;
    }
    l1_needed = qcow2_l1_entries(h->size, h->cluster_bits, h->incompatible & QCOW2_INCOMPAT_EXTL2);
    if (l1_needed > INT32_MAX) {
        error_setg(errp, "Image is too big");
        return -EFBIG;
    }
    if (l1_needed > h->l1_size) {
        error_setg(errp, "L1 table is too small");
        return -EINVAL;
    }
    if (h->crypt_method > QCOW2_CRYPT_LUKS) {
        error_setg(errp, "Unsupported encryption method %d", (int)h->crypt_method);
        return -EINVAL;
    }
    return 0;
}

void qcow2_extensions_clear(Qcow2Extensions *e)
{
    g_free(e->backing_format);
    g_free(e->data_file_name);
    qcow2_unknown_ext_free(e->unknown, e->nb_unknown);
    memset(e, 0, sizeof(*e));
}

static int parse_backing_format(const ExtView *x, Qcow2Extensions *e, Error **errp)
{
    if (x->len > BACKING_FORMAT_MAX) {
        error_setg(errp, "ERROR: ext_backing_format: len=%" G_GUINT32_FORMAT " too large (>=%d)", x->len,
                   BACKING_FORMAT_MAX + 1);
        return -EINVAL;
    }
    g_free(e->backing_format);
    e->backing_format = g_strndup((const char *)x->data, x->len);
    return 0;
}

static int parse_crypto(const ExtView *x, const Qcow2Header *h, Qcow2Extensions *e, Error **errp)
{
    uint64_t cluster = 1ULL << h->cluster_bits;

    if (h->crypt_method != QCOW2_CRYPT_LUKS) {
        error_setg(errp, "CRYPTO header extension only expected with LUKS encryption method");
        return -EINVAL;
    }
    if (x->len != CRYPTO_EXT_BYTES) {
        error_setg(errp, "CRYPTO header extension size %" G_GUINT32_FORMAT ", but expected size %d", x->len,
                   CRYPTO_EXT_BYTES);
        return -EINVAL;
    }
    e->crypto_offset = load_be64(x->data);
    e->crypto_len = load_be64(x->data + 8);
    if (e->crypto_offset % cluster) {
        error_setg(errp, "Encryption header offset '%" G_GUINT64_FORMAT "' is not a multiple of cluster size '%"
                   G_GUINT64_FORMAT "'", e->crypto_offset, cluster);
        return -EINVAL;
    }
    e->has_crypto = true;
    return 0;
}

static int check_bitmaps(const ExtView *x, const Qcow2Header *h, Qcow2Extensions *e, Error **errp)
{
    uint32_t nb = load_be32(x->data), reserved = load_be32(x->data + 4);
    uint64_t size = load_be64(x->data + 8), offset = load_be64(x->data + 16);

    if (reserved) {
        error_setg(errp, "bitmaps_ext: Reserved field is not zero");
    } else if (nb > QCOW2_MAX_BITMAPS) {
        error_setg(errp, "bitmaps_ext: Image has %" G_GUINT32_FORMAT " bitmaps, exceeding the QEMU supported maximum of %d",
                   nb, QCOW2_MAX_BITMAPS);
    } else if (nb == 0) {
        error_setg(errp, "found bitmaps extension with zero bitmaps");
    } else if (offset & ((1ULL << h->cluster_bits) - 1)) {
        error_setg(errp, "bitmaps_ext: invalid bitmap directory offset");
    } else if (size > QCOW2_MAX_BITMAP_DIRECTORY_BYTES) {
        error_setg(errp, "bitmaps_ext: bitmap directory size (%" G_GUINT64_FORMAT
                   ") exceeds the maximum supported size (%" G_GUINT64_FORMAT ")", size,
                   (uint64_t)QCOW2_MAX_BITMAP_DIRECTORY_BYTES);
    } else {
        e->has_bitmaps = true;
        e->nb_bitmaps = nb;
        e->bitmaps_size = size;
        e->bitmaps_offset = offset;
        return 0;
    }
    return -EINVAL;
}

static int parse_bitmaps(const ExtView *x, const Qcow2Header *h, Qcow2Extensions *e, Error **errp)
{
    if (x->len != BITMAPS_EXT_BYTES) {
        error_setg(errp, "bitmaps_ext: Invalid extension length");
        return -EINVAL;
    }
    if (!(h->autoclear & QCOW2_AUTOCLEAR_BITMAPS)) {
        e->stale_bitmaps = true;
        return 0;
    }
    return check_bitmaps(x, h, e, errp);
}

static void keep_unknown(const ExtView *x, Qcow2Extensions *e)
{
    Qcow2UnknownExt *u;

    e->unknown = g_renew(Qcow2UnknownExt, e->unknown, e->nb_unknown + 1);
    u = &e->unknown[e->nb_unknown++];
    *u = (Qcow2UnknownExt){ .magic = x->magic, .len = x->len, .data = g_memdup2(x->data, x->len) };
}

static int parse_one(const ExtView *x, const Qcow2Header *h, Qcow2Extensions *e, Error **errp)
{
    switch (x->magic) {
    case QCOW2_EXT_BACKING_FORMAT:
        return parse_backing_format(x, e, errp);
    case QCOW2_EXT_FEATURE_TABLE:
        return 0;                    /* written anew each time, needed for messages only */
    case QCOW2_EXT_CRYPTO:
        return parse_crypto(x, h, e, errp);
    case QCOW2_EXT_BITMAPS:
        return parse_bitmaps(x, h, e, errp);
    case QCOW2_EXT_DATA_FILE:
        g_free(e->data_file_name);
        e->data_file_name = g_strndup((const char *)x->data, x->len);
        return 0;
    default:
        keep_unknown(x, e);
        return 0;
    }
}

int qcow2_extensions_parse(const uint8_t *buf, size_t len, const Qcow2Header *h, Qcow2Extensions *e, Error **errp)
{
    size_t pos = h->header_length, end = ext_area_end(h, len);
    ExtView x;
    int ret;

    while ((ret = ext_next(buf, &pos, end, &x, errp)) > 0) {
        ret = parse_one(&x, h, e, errp);
        if (ret < 0) {
            break;
        }
    }
    if (ret == 0 && h->crypt_method == QCOW2_CRYPT_LUKS && !e->has_crypto) {
        error_setg(errp, "Missing CRYPTO header for crypt method %d", (int)h->crypt_method);
        ret = -EINVAL;
    }
    if (ret < 0) {
        qcow2_extensions_clear(e);
    }
    return ret;
}

char *qcow2_backing_name_parse(const uint8_t *buf, size_t len, const Qcow2Header *h, Error **errp)
{
    size_t cluster = (size_t)1 << h->cluster_bits;

    if (!h->backing_file_offset) {
        return g_strdup("");
    }
    if (h->backing_file_size > MIN(QCOW2_MAX_BACKING_NAME, cluster - h->backing_file_offset) ||
        h->backing_file_size > len - MIN(len, h->backing_file_offset)) {
        error_setg(errp, "Backing file name too long");
        return NULL;
    }
    return g_strndup((const char *)buf + h->backing_file_offset, h->backing_file_size);
}

/* Where the next bytes of a header under construction go. */
typedef struct HeaderWriter { uint8_t *buf; size_t len, pos; } HeaderWriter;

static bool put_bytes(HeaderWriter *w, const void *data, size_t n)
{
    if (n > w->len - w->pos) {
        return false;
    }
    if (n) {
        memcpy(w->buf + w->pos, data, n);
    }
    w->pos += n;
    return true;
}

static bool put_ext(HeaderWriter *w, uint32_t magic, const void *data, uint32_t n)
{
    static const uint8_t zeroes[8];
    uint8_t head[8];

    store_be32(head, magic);
    store_be32(head + 4, n);
    return put_bytes(w, head, 8) && put_bytes(w, data, n) && put_bytes(w, zeroes, -n & 7);
}

static bool put_feature_table(HeaderWriter *w)
{
    uint8_t table[G_N_ELEMENTS(feature_names) * FEATURE_ENTRY_BYTES] = { 0 };

    for (size_t i = 0; i < G_N_ELEMENTS(feature_names); i++) {
        uint8_t *entry = table + i * FEATURE_ENTRY_BYTES;

        entry[0] = feature_names[i].type;
        entry[1] = feature_names[i].bit;
        memcpy(entry + 2, feature_names[i].name, strlen(feature_names[i].name));
    }
    return put_ext(w, QCOW2_EXT_FEATURE_TABLE, table, sizeof(table));
}

static bool put_bitmaps(HeaderWriter *w, const Qcow2Extensions *e)
{
    uint8_t x[BITMAPS_EXT_BYTES] = { 0 };

    store_be32(x, e->nb_bitmaps);
    store_be64(x + 8, e->bitmaps_size);
    store_be64(x + 16, e->bitmaps_offset);
    return put_ext(w, QCOW2_EXT_BITMAPS, x, sizeof(x));
}

static bool put_crypto(HeaderWriter *w, const Qcow2Extensions *e)
{
    uint8_t x[CRYPTO_EXT_BYTES];

    store_be64(x, e->crypto_offset);
    store_be64(x + 8, e->crypto_len);
    return put_ext(w, QCOW2_EXT_CRYPTO, x, sizeof(x));
}

static bool put_extensions(HeaderWriter *w, const Qcow2Header *h, const Qcow2Extensions *e)
{
    bool ok = true;

    if (e->backing_format && *e->backing_format) {
        ok = ok && put_ext(w, QCOW2_EXT_BACKING_FORMAT, e->backing_format, strlen(e->backing_format));
    }
    if ((h->incompatible & QCOW2_INCOMPAT_DATA_FILE) && e->data_file_name) {
        ok = ok && put_ext(w, QCOW2_EXT_DATA_FILE, e->data_file_name, strlen(e->data_file_name));
    }
    if (e->has_crypto) {
        ok = ok && put_crypto(w, e);
    }
    /* What changes while an image is in use stands before the long table, in the sector that one write replaces. */
    if (e->has_bitmaps) {
        ok = ok && put_bitmaps(w, e);
    }
    if (h->version >= 3 && w->len >= FEATURE_TABLE_MIN_CLUSTER) {
        ok = ok && put_feature_table(w);
    }
    for (unsigned i = 0; i < e->nb_unknown; i++) {
        ok = ok && put_ext(w, e->unknown[i].magic, e->unknown[i].data, e->unknown[i].len);
    }
    return ok && put_ext(w, QCOW2_EXT_END, NULL, 0);
}

static void store_fixed_part(uint8_t *buf, const Qcow2Header *h)
{
    store_be32(buf, QCOW2_MAGIC);
    store_be32(buf + 4, h->version);
    store_be64(buf + 8, h->backing_file_offset);
    store_be32(buf + 16, h->backing_file_size);
    store_be32(buf + 20, h->cluster_bits);
    store_be64(buf + 24, h->size);
    store_be32(buf + 32, h->crypt_method);
    store_be32(buf + 36, h->l1_size);
    store_be64(buf + 40, h->l1_table_offset);
    store_be64(buf + 48, h->refcount_table_offset);
    store_be32(buf + 56, h->refcount_table_clusters);
    store_be32(buf + 60, h->nb_snapshots);
    store_be64(buf + 64, h->snapshots_offset);
    if (h->version >= 3) {
        store_be64(buf + 72, h->incompatible);
        store_be64(buf + 80, h->compatible);
        store_be64(buf + 88, h->autoclear);
        store_be32(buf + 96, h->refcount_order);
        store_be32(buf + 100, h->header_length);
        buf[104] = h->compression_type;
    }
}

size_t qcow2_header_used(const uint8_t *buf, size_t len)
{
    bool v3 = len >= QCOW2_HEADER_V3_BYTES && load_be32(buf + 4) >= 3;
    uint64_t pos = v3 ? load_be32(buf + 100) : QCOW2_HEADER_V2_BYTES, name = load_be64(buf + 8);
    uint64_t name_end = name && name < len ? name + load_be32(buf + 16) : 0;

    while (pos < len && len - pos >= 8) {
        uint32_t magic = load_be32(buf + pos), n = load_be32(buf + pos + 4);

        pos += 8 + ALIGN_UP((uint64_t)n, 8);
        if (magic == QCOW2_EXT_END) {
            break;
        }
    }
    return MIN(MAX(pos, name_end), len);
}

int qcow2_header_build(uint8_t *buf, size_t len, Qcow2Header *h, const uint8_t *unknown_fields, size_t unknown_len,
                       const Qcow2Extensions *e, const char *backing_file)
{
    HeaderWriter w = { .buf = buf, .len = len };
    size_t name_len = backing_file ? strlen(backing_file) : 0;

    if (name_len > QCOW2_MAX_BACKING_NAME) {
        return -EINVAL;
    }
    w.pos = h->version >= 3 ? QCOW2_HEADER_V3_BYTES : QCOW2_HEADER_V2_BYTES;
    if (h->version >= 3 && !put_bytes(&w, unknown_fields, unknown_len)) {
        return -ENOSPC;
    }
    h->header_length = w.pos;
    if (!put_extensions(&w, h, e)) {
        return -ENOSPC;
    }
    h->backing_file_offset = name_len ? w.pos : 0;
    h->backing_file_size = name_len;
    if (name_len && !put_bytes(&w, backing_file, name_len)) {
        return -ENOSPC;
    }
    store_fixed_part(buf, h);
    return 0;
}
