/*
 * Creating qcow2 images.
 *
 *   options -> CreatePlan     plan_parse(): every option checked before a file is touched
 *   plan    -> Layout         layout_compute(): where header, refcounts and L1 go (pure)
 *   layout  -> file           write_metadata(): refcounts and L1 first, the header last (S3)
 *   preallocation             by resizing the finished empty image through the driver
 *
 * The layout is the stock tools': header, refcount table, refcount block, L1; further blocks
 * behind the L1, and there the table too when it needs more than its one cluster.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "block/graph.h"
#include "crypto/secret.h"
#include "qcow2-crypt.h"
#include "qcow2-header.h"

#define DEFAULT_CLUSTER_SIZE 65536
#define MIN_EXTL2_CLUSTER 16384

/* In the order in which the "Formatting" line shows them. */
const OptDesc qcow2_create_options[] = {
    { "encryption", OPT_BOOL, "Encrypt the image with format 'aes'. (Deprecated in favor of encrypt.format=aes)", NULL },
    { "encrypt.format", OPT_STRING, "Encrypt the image, format choices: 'aes', 'luks'", NULL },
    { "encrypt.key-secret", OPT_STRING, "ID of secret providing qcow AES key or LUKS passphrase", NULL },
    { "encrypt.cipher-alg", OPT_STRING, "Name of encryption cipher algorithm", NULL },
    { "encrypt.cipher-mode", OPT_STRING, "Name of encryption cipher mode", NULL },
    { "encrypt.ivgen-alg", OPT_STRING, "Name of IV generator algorithm", NULL },
    { "encrypt.ivgen-hash-alg", OPT_STRING, "Name of IV generator hash algorithm", NULL },
    { "encrypt.hash-alg", OPT_STRING, "Name of encryption hash algorithm", NULL },
    { "encrypt.iter-time", OPT_NUMBER, "Time to spend in PBKDF in milliseconds", NULL },
    { "cluster_size", OPT_SIZE, "qcow2 cluster size", "65536" },
    { "extended_l2", OPT_BOOL, "Extended L2 tables", "off" },
    { "preallocation", OPT_STRING, "Preallocation mode (allowed values: off, metadata, falloc, full)", NULL },
    { "compression_type", OPT_STRING, "Compression method used for image cluster compression", "zlib" },
    { "size", OPT_SIZE, "Virtual disk size", NULL },
    { "compat", OPT_STRING, "Compatibility level (v2 [0.10] or v3 [1.1])", NULL },
    { "backing_file", OPT_STRING, "File name of a base image", NULL },
    { "backing_fmt", OPT_STRING, "Image format of the base image", NULL },
    { "data_file", OPT_STRING, "File name of an external data file", NULL },
    { "data_file_raw", OPT_BOOL, "The external data file must stay valid as a raw image", NULL },
    { "lazy_refcounts", OPT_BOOL, "Postpone refcount updates", "off" },
    { "refcount_bits", OPT_NUMBER, "Width of a reference count entry in bits", "16" },
    { NULL }
};

/* What is to be made; strings are borrowed from the options. */
typedef struct CreatePlan {
    const char *filename;
    uint64_t size;
    unsigned version, cluster_bits, refcount_order;
    bool lazy, extended_l2, data_file_raw;
    Qcow2Compression compression;
    PreallocMode prealloc;
    Qcow2Crypt crypt;
    uint64_t key_area;                   /* LUKS: bytes of header and key material */
    const char *backing_file, *backing_fmt, *data_file;
    const char *file_node, *data_node;   /* names of nodes that take the image; NULL: by file name */
    const QDict *opts;
} CreatePlan;

/* Places in the new file, in clusters. */
typedef struct Layout {
    uint64_t l1_entries, l1_clusters, l1_start;
    uint64_t key_start, key_clusters;    /* LUKS */
    uint64_t blocks, extra_start;        /* block 0 is cluster 2, the others follow here */
    uint64_t table_start, table_clusters;
    uint64_t end;                        /* clusters counted */
} Layout;

int qcow2_parse_compat(const char *s, unsigned *version, Error **errp)
{
    if (!s || !strcmp(s, "1.1") || !strcmp(s, "v3")) {
        *version = 3;
    } else if (!strcmp(s, "0.10") || !strcmp(s, "v2")) {
        *version = 2;
    } else {
        error_setg(errp, "Parameter 'version' does not accept value '%s'", s);
        return -EINVAL;
    }
    return 0;
}

static int parse_enums(const QDict *opts, CreatePlan *p, Error **errp)
{
    const char *prealloc = opt_get_str(opts, "preallocation"), *compression = opt_get_str(opts, "compression_type");
    int ret = qcow2_parse_compat(opt_get_str(opts, "compat"), &p->version, errp);

    if (ret < 0) {
        return ret;
    }
    if (prealloc && !prealloc_mode_parse(prealloc, &p->prealloc)) {
        error_setg(errp, "Parameter 'preallocation' does not accept value '%s'", prealloc);
        return -EINVAL;
    }
    if (compression && !strcmp(compression, "zstd")) {
        p->compression = QCOW2_COMPRESSION_ZSTD;
    } else if (compression && strcmp(compression, "zlib")) {
        error_setg(errp, "Parameter 'compression-type' does not accept value '%s'", compression);
        return -EINVAL;
    }
    return 0;
}

int qcow2_parse_cluster_size(uint64_t bytes, bool extended_l2, unsigned *bits, Error **errp)
{
    uint64_t min = 1ULL << QCOW2_MIN_CLUSTER_BITS, max = 1ULL << QCOW2_MAX_CLUSTER_BITS;

    if (bytes < min || bytes > max || !IS_POW2(bytes)) {
        error_setg(errp, "Cluster size must be a power of two between %d and %dk", (int)min, (int)(max / KiB));
        return -EINVAL;
    }
    if (extended_l2 && bytes < MIN_EXTL2_CLUSTER) {
        error_setg(errp, "Extended L2 entries are only supported with cluster sizes of at least %u bytes",
                   MIN_EXTL2_CLUSTER);
        return -EINVAL;
    }
    *bits = __builtin_ctzll(bytes);
    return 0;
}

int qcow2_parse_refcount_bits(uint64_t bits, unsigned *order, Error **errp)
{
    if (bits > 64 || !IS_POW2(bits)) {
        error_setg(errp, "Refcount width must be a power of two and may not exceed 64 bits");
        return -EINVAL;
    }
    *order = __builtin_ctzll(bits);
    return 0;
}

/* What version 2 cannot hold. */
static int check_version(const CreatePlan *p, Error **errp)
{
    if (p->version >= 3) {
        return 0;
    }
    if (p->extended_l2) {
        error_setg(errp, "Extended L2 entries are only supported with compatibility level 1.1 and above "
                   "(use version=v3 or greater)");
    } else if (p->lazy) {
        error_setg(errp, "Lazy refcounts only supported with compatibility level 1.1 and above "
                   "(use version=v3 or greater)");
    } else if (p->refcount_order != 4) {
        error_setg(errp, "Different refcount widths than 16 bits require compatibility level 1.1 or above "
                   "(use version=v3 or greater)");
    } else if (p->data_file) {
        error_setg(errp, "External data files are only supported with compatibility level 1.1 and above "
                   "(use version=v3 or greater)");
    } else if (p->compression != QCOW2_COMPRESSION_ZLIB) {
        error_setg(errp, "Non-zlib compression type is only supported with compatibility level 1.1 and above "
                   "(use version=v3 or greater)");
    } else {
        return 0;
    }
    return -EINVAL;
}

/* Formats that a header may name for the backing file: also those that we do not read. */
static bool is_format_name(const char *name)
{
    static const char *const names[] = {
        "blkdebug", "blklogwrites", "blkreplay", "blkverify", "bochs", "cloop", "compress", "copy-before-write",
        "copy-on-read", "dmg", "file", "snapshot-access", "ftp", "ftps", "gluster", "host_cdrom", "host_device", "http",
        "https", "io_uring", "iscsi", "luks", "nbd", "nfs", "null-aio", "null-co", "nvme", "nvme-io_uring", "parallels",
        "preallocate", "qcow", "qcow2", "qed", "quorum", "raw", "rbd", "replication", "ssh", "throttle", "vdi", "vhdx",
        "virtio-blk-vfio-pci", "virtio-blk-vhost-user", "virtio-blk-vhost-vdpa", "vmdk", "vpc", "vvfat", NULL
    };

    return g_strv_contains(names, name);
}

static int check_combinations(const CreatePlan *p, Error **errp)
{
    if (p->backing_fmt && !is_format_name(p->backing_fmt)) {
        error_setg(errp, "Parameter 'backing-fmt' does not accept value '%s'", p->backing_fmt);
    } else if (p->prealloc != PREALLOC_OFF && p->backing_file && !p->extended_l2) {
        error_setg(errp, "Backing file and preallocation can only be used at the same time if extended_l2 is on");
    } else if (p->backing_fmt && !p->backing_file) {
        error_setg(errp, "Backing format cannot be used without backing file");
    } else if (p->data_file_raw && !p->data_file) {
        error_setg(errp, "data-file-raw requires data-file");
    } else if (p->data_file_raw && p->backing_file) {
        error_setg(errp, "Backing file and data-file-raw cannot be used at the same time");
    } else {
        return 0;
    }
    return -EINVAL;
}

/* The encryption that options ask for, checked as far as that goes without a file. */
static int parse_encryption(const QDict *opts, CreatePlan *p, Error **errp)
{
    static const char *const keys[] = { "encrypt.key-secret", "encrypt.cipher-alg", "encrypt.cipher-mode",
        "encrypt.ivgen-alg", "encrypt.ivgen-hash-alg", "encrypt.hash-alg", "encrypt.iter-time" };
    const char *format = opt_get_str(opts, "encrypt.format");

    if (format && qdict_has(opts, "encryption")) {
        error_setg(errp, "'encrypt.format' and its alias 'encryption' can't be used at the same time");
        return -EINVAL;
    }
    if (!format && opt_get_bool(opts, "encryption", false)) {
        format = "aes";
    }
    if (format && strcmp(format, "aes") && strcmp(format, "luks")) {
        error_setg(errp, "Parameter 'format' does not accept value '%s'", format);
        return -EINVAL;
    }
    p->crypt = !format ? QCOW2_CRYPT_NONE : !strcmp(format, "luks") ? QCOW2_CRYPT_LUKS : QCOW2_CRYPT_AES;
    for (size_t i = 0; p->crypt != QCOW2_CRYPT_LUKS && i < G_N_ELEMENTS(keys); i++) {
        if (qdict_has(opts, keys[i]) && (!format || i > 0)) {
            error_setg(errp, format ? "Parameter '%s' is unexpected" : "Parameter 'encrypt.format' is missing", keys[i]);
            return -EINVAL;
        }
    }
    return 0;
}

/* The secret must be there; what the key area will take. */
static int plan_encryption(const QDict *opts, CreatePlan *p, Error **errp)
{
    const char *secret_id = opt_get_str(opts, "encrypt.key-secret");
    char *secret;

    if (p->crypt == QCOW2_CRYPT_NONE) {
        return 0;
    }
    if (p->crypt == QCOW2_CRYPT_LUKS) {
        p->key_area = luks_header_bytes(opts, "encrypt.", errp);
        if (!p->key_area) {
            return -EINVAL;
        }
    }
    if (!secret_id) {
        error_setg(errp, "Parameter 'encrypt.key-secret' is required for cipher");
        return -EINVAL;
    }
    secret = secret_lookup_utf8(secret_id, errp);
    if (!secret) {
        return -EINVAL;
    }
    secret_wipe(secret, strlen(secret));
    return 0;
}

static int plan_parse(const char *filename, const QDict *opts, CreatePlan *p, Error **errp)
{
    uint64_t size = opt_get_size(opts, "size", 0);
    int ret;

    *p = (CreatePlan){
        .filename = filename, .opts = opts, .size = ALIGN_UP(size, BDRV_SECTOR_SIZE),
        .lazy = opt_get_bool(opts, "lazy_refcounts", false), .extended_l2 = opt_get_bool(opts, "extended_l2", false),
        .data_file_raw = opt_get_bool(opts, "data_file_raw", false), .data_file = opt_get_str(opts, "data_file"),
        .backing_file = opt_get_str(opts, "backing_file"), .backing_fmt = opt_get_str(opts, "backing_fmt"),
    };
    if (size > INT64_MAX || p->size > INT64_MAX) {
        error_setg(errp, "Could not resize image: Image size cannot be negative");
        return -EINVAL;
    }
    ret = parse_encryption(opts, p, errp);
    if (ret == 0) {
        ret = parse_enums(opts, p, errp);
    }
    if (ret == 0) {
        ret = qcow2_parse_cluster_size(opt_get_size(opts, "cluster_size", DEFAULT_CLUSTER_SIZE), false,
                                       &p->cluster_bits, errp);
    }
    if (ret == 0) {
        ret = qcow2_parse_refcount_bits(opt_get_number(opts, "refcount_bits", 16), &p->refcount_order, errp);
    }
    if (ret == 0) {
        ret = check_version(p, errp);
    }
    if (ret == 0) {
        ret = qcow2_parse_cluster_size(1ULL << p->cluster_bits, p->extended_l2, &p->cluster_bits, errp);
    }
    if (ret == 0) {
        ret = check_combinations(p, errp);
    }
    return ret == 0 ? plan_encryption(opts, p, errp) : ret;
}

/* Preallocated images start empty and grow through the driver. */
static uint64_t initial_size(const CreatePlan *p)
{
    return p->prealloc == PREALLOC_OFF && !p->data_file_raw ? p->size : 0;
}

static int layout_compute(const CreatePlan *p, Layout *l, Error **errp)
{
    uint64_t cluster = 1ULL << p->cluster_bits, per_block = cluster * 8 >> p->refcount_order;

    *l = (Layout){ .l1_entries = qcow2_l1_entries(p->size, p->cluster_bits, p->extended_l2), .l1_start = 3,
                   .table_start = 1, .table_clusters = 1, .blocks = 1 };
    if (l->l1_entries > QCOW2_MAX_L1_BYTES / 8) {
        error_setg(errp, "Could not resize image: Failed to grow the L1 table: File too large");
        return -EFBIG;
    }
    l->l1_entries = qcow2_l1_entries(initial_size(p), p->cluster_bits, p->extended_l2);
    l->l1_clusters = DIV_UP(l->l1_entries * 8, cluster);
    l->key_start = l->l1_start + l->l1_clusters;
    l->key_clusters = DIV_UP(p->key_area, cluster);
    l->extra_start = l->key_start + l->key_clusters;
    /* Blocks count themselves and the table; a few rounds settle it, since each adds less than one per block. */
    for (;;) {
        uint64_t blocks, table;

        l->end = l->extra_start + l->blocks - 1 + (l->table_clusters > 1 ? l->table_clusters : 0);
        blocks = DIV_UP(l->end, per_block);
        table = DIV_UP(blocks * 8, cluster);
        if (blocks <= l->blocks && table <= l->table_clusters) {
            break;
        }
        l->blocks = MAX(l->blocks, blocks);
        l->table_clusters = MAX(l->table_clusters, table);
    }
    if (l->table_clusters > 1) {
        l->table_start = l->extra_start + l->blocks - 1;
    }
    return 0;
}

static uint64_t block_cluster(const Layout *l, uint64_t i)
{
    return i == 0 ? 2 : l->extra_start + i - 1;
}

/* The count of a cluster in the fresh image: all are used once but cluster 1 after the table moved away. */
static unsigned fresh_count(const Layout *l, uint64_t cluster)
{
    return cluster < l->end && (cluster != 1 || l->table_start == 1);
}

static void set_one(uint8_t *block, uint64_t index, unsigned order)
{
    if (order < 3) {
        block[index >> (3 - order)] |= 1u << ((index << order) & 7);
    } else {
        block[((index + 1) << (order - 3)) - 1] = 1;   /* big endian: the last byte of the entry */
    }
}

static int write_refcounts(BdrvChild *file, const CreatePlan *p, const Layout *l)
{
    uint64_t cluster = 1ULL << p->cluster_bits, per_block = cluster * 8 >> p->refcount_order;
    g_autofree uint8_t *block = g_malloc(cluster);
    g_autofree uint8_t *table = g_malloc0(l->table_clusters << p->cluster_bits);
    int ret = 0;

    for (uint64_t i = 0; i < l->blocks && ret == 0; i++) {
        memset(block, 0, cluster);
        for (uint64_t j = 0; j < per_block && i * per_block + j < l->end; j++) {
            if (fresh_count(l, i * per_block + j)) {
                set_one(block, j, p->refcount_order);
            }
        }
        store_be64(table + i * 8, block_cluster(l, i) << p->cluster_bits);
        ret = bdrv_write_buf(file, block_cluster(l, i) << p->cluster_bits, cluster, block, 0);
    }
    return ret < 0 ? ret : bdrv_write_buf(file, l->table_start << p->cluster_bits,
                                          l->table_clusters << p->cluster_bits, table, 0);
}

static void fill_header(const CreatePlan *p, const Layout *l, Qcow2Header *h)
{
    *h = (Qcow2Header){
        .version = p->version, .cluster_bits = p->cluster_bits, .size = initial_size(p), .refcount_order = p->refcount_order,
        .l1_size = l->l1_entries, .l1_table_offset = l->l1_entries ? l->l1_start << p->cluster_bits : 0,
        .refcount_table_offset = l->table_start << p->cluster_bits, .refcount_table_clusters = l->table_clusters,
        .compression_type = p->compression, .crypt_method = p->crypt,
        .incompatible = (p->data_file ? QCOW2_INCOMPAT_DATA_FILE : 0) | (p->extended_l2 ? QCOW2_INCOMPAT_EXTL2 : 0) |
                        (p->compression != QCOW2_COMPRESSION_ZLIB ? QCOW2_INCOMPAT_COMPRESSION : 0),
        .compatible = p->lazy ? QCOW2_COMPAT_LAZY_REFCOUNTS : 0,
        .autoclear = p->data_file_raw ? QCOW2_AUTOCLEAR_DATA_FILE_RAW : 0,
    };
}

static int write_metadata(BdrvChild *file, const CreatePlan *p, const Layout *l, Error **errp)
{
    Qcow2Extensions e = { .backing_format = (char *)p->backing_fmt, .data_file_name = (char *)p->data_file,
                          .has_crypto = p->key_area, .crypto_offset = l->key_start << p->cluster_bits,
                          .crypto_len = p->key_area };
    uint64_t cluster = 1ULL << p->cluster_bits;
    g_autofree uint8_t *header = g_malloc0(cluster);
    Qcow2Header h;
    int ret;

    fill_header(p, l, &h);
    ret = qcow2_header_build(header, cluster, &h, NULL, 0, &e, p->backing_file);
    if (ret < 0 && p->backing_file) {
        error_setg_errno(errp, -ret, "Could not assign backing file '%s' with format '%s'", p->backing_file,
                         p->backing_fmt ? p->backing_fmt : "unspecified");
        return ret;
    }
    if (ret == 0) {
        ret = write_refcounts(file, p, l);
    }
    if (ret == 0 && p->key_area) {
        ret = qcow2_crypt_create(file, l->key_start << p->cluster_bits, l->key_clusters << p->cluster_bits, p->opts, errp);
        if (ret < 0) {
            return ret;
        }
    }
    if (ret == 0 && l->l1_entries) {
        ret = bdrv_zero(file, l->l1_start << p->cluster_bits, l->l1_entries * 8, 0);
    }
    if (ret == 0) {
        ret = bdrv_write_buf(file, 0, cluster, header, 0);
    }
    if (ret == 0) {
        ret = bdrv_flush(file->bs);
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Could not write qcow2 header");
    }
    return ret;
}

/* --- the parts that touch files ---------------------------------------------- */

static char *create_parent_desc(BdrvChild *c) { return g_strdup("image creation"); }
static const BdrvChildOps create_ops = { .get_parent_desc = create_parent_desc };

/* The options that are not ours go to the protocol; size and preallocation mean the image, not the file. */
static int create_protocol_file(const CreatePlan *p, const char *filename, uint64_t size, Error **errp)
{
    g_autoptr(QObject) opts = qdict_new();

    qdict_join(opts, p->opts, false);
    qdict_del(opts, "preallocation");
    qdict_put_int(opts, "size", size);
    return bdrv_create_file(filename, opts, errp);
}

/* Open filename as driver (NULL: as a protocol) for writing and hold it by an edge of our own. */
static BdrvChild *open_for_create(const char *filename, const char *driver, const char *secret_id, Error **errp)
{
    const uint64_t perm = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE;
    const uint64_t shared = BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE_UNCHANGED;
    QDict *options = qdict_new();
    BlockDriverState *bs;

    if (driver) {
        qdict_put_str(options, "driver", driver);
    }
    if (secret_id) {
        qdict_put_str(options, "encrypt.key-secret", secret_id);
    }
    bs = bdrv_open(filename, NULL, options,
                   BDRV_O_RDWR | BDRV_O_RESIZE | (driver ? BDRV_O_NO_BACKING : BDRV_O_PROTOCOL), errp);
    return bs ? bdrv_root_attach(bs, "image-create", &create_ops, NULL, perm, shared, errp) : NULL;
}

/* The finished image over the nodes that it was created in. */
static BdrvChild *open_over_nodes(const CreatePlan *p, Error **errp)
{
    const char *secret_id = opt_get_str(p->opts, "encrypt.key-secret");
    QDict *options = qdict_new();
    BlockDriverState *bs;

    qdict_put_str(options, "driver", "qcow2");
    qdict_put_str(options, "file", p->file_node);
    if (p->data_node) {
        qdict_put_str(options, "data-file", p->data_node);
    }
    if (secret_id) {
        qdict_put_str(options, "encrypt.key-secret", secret_id);
    }
    bs = bdrv_open(NULL, NULL, options, BDRV_O_RDWR | BDRV_O_RESIZE | BDRV_O_NO_BACKING, errp);
    return bs ? bdrv_root_attach(bs, "image-create", &create_ops, NULL,
                                 BLK_PERM_CONSISTENT_READ | BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, errp) : NULL;
}

static int preallocate(const CreatePlan *p, Error **errp)
{
    BdrvChild *image = p->file_node ? open_over_nodes(p, errp)
        : open_for_create(p->filename, "qcow2", opt_get_str(p->opts, "encrypt.key-secret"), errp);
    int ret;

    if (!image) {
        return -EIO;
    }
    ret = initial_size(p) == p->size ? 0 : bdrv_truncate(image, p->size, false, p->prealloc, 0, errp);
    if (ret < 0) {
        error_prepend(errp, "Could not resize image: ");
    } else {
        ret = bdrv_flush(image->bs);
    }
    bdrv_root_detach(image);
    return ret;
}

static int fill_file(const CreatePlan *p, const Layout *l, Error **errp)
{
    BdrvChild *file;
    int ret;

    if (p->data_file) {
        ret = create_protocol_file(p, p->data_file, initial_size(p), errp);
        if (ret < 0) {
            return ret;
        }
    }
    file = open_for_create(p->filename, NULL, NULL, errp);
    if (!file) {
        return -EIO;
    }
    ret = write_metadata(file, p, l, errp);
    bdrv_root_detach(file);
    return ret < 0 || initial_size(p) == p->size ? ret : preallocate(p, errp);
}

/* A file that could not be created may be somebody else's, in use: only one that we made is removed again. */
static int create_files(const CreatePlan *p, const Layout *l, Error **errp)
{
    int ret = create_protocol_file(p, p->filename, 0, errp);

    if (ret < 0) {
        return ret;
    }
    ret = fill_file(p, l, errp);
    if (ret < 0) {
        bdrv_remove_created_file(p->filename);
    }
    return ret;
}

int qcow2_create_on(BlockDriverState *file, BlockDriverState *data_file, QDict *opts, Error **errp)
{
    CreatePlan p;
    Layout l;
    BdrvChild *c;
    int ret;

    if (data_file) {
        qdict_put_str(opts, "data_file", data_file->filename);
    }
    ret = plan_parse(file->filename, opts, &p, errp);
    if (ret == 0) {
        ret = layout_compute(&p, &l, errp);
    }
    if (ret < 0) {
        return ret;
    }
    p.file_node = bdrv_get_node_name(file);
    p.data_node = data_file ? bdrv_get_node_name(data_file) : NULL;
    bdrv_ref(file);
    c = bdrv_root_attach(file, "image-create", &create_ops, NULL, BLK_PERM_WRITE | BLK_PERM_RESIZE, BLK_PERM_ALL, errp);
    if (!c) {
        return -EPERM;
    }
    ret = write_metadata(c, &p, &l, errp);
    bdrv_root_detach(c);
    return ret < 0 ? ret : preallocate(&p, errp);      /* opens it: what was written can be read */
}

typedef struct CreateJob {
    const CreatePlan *plan;
    const Layout *layout;
    Error **errp;
    int ret;
} CreateJob;

static void create_outside(void *opaque)
{
    CreateJob *j = opaque;

    j->ret = create_files(j->plan, j->layout, j->errp);
}

int coroutine_fn qcow2_co_create(const BlockDriver *drv, const char *filename, QDict *opts, Error **errp)
{
    CreatePlan plan;
    Layout layout;
    CreateJob job = { .plan = &plan, .layout = &layout, .errp = errp };
    int ret = plan_parse(filename, opts, &plan, errp);

    if (ret == 0) {
        ret = layout_compute(&plan, &layout, errp);
    }
    if (ret < 0) {
        return ret;
    }
    aio_run_outside(create_outside, &job);
    return job.ret;
}
