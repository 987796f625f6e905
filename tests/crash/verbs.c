/*
 * Each verb that changes or reads an image, with one request to the disk failing, at each place in turn (once, or for good); with -a each large
 * allocation.
 *
 * A verb that fails says the cause; one that says it is done has done it.  In any case the image opens, is without corruption (one that was
 * damaged can be repaired), shows old or new content in each sector, keeps its snapshots and what they hold; and no memory is lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "alloccount.h"
#include "verbscript.h"

/* Something of everything. */
#define MIXED "w 0 64k 1;w 128k 32k 2;z 256k 64k;c 448k 16k 3;s s1;w 32k 64k 4;d 128k 16k;s s2;w 300k 12k 5;w 704k 64k 6"
#define LARGE "w 0 64k 1;w 128k 64k 2;z 256k 64k;c 448k 64k 3;s s1;w 32k 64k 4;d 128k 64k;s s2;w 300k 12k 5;w 704k 64k 6"
#define PLAIN "w 0 64k 1;w 128k 32k 2;z 256k 64k;w 704k 64k 6"

#define FIRST_PLACES 40                /* of a verb that takes memory again and again */

typedef struct Verb {
    const char *name, *options, *before, *verb;
    bool data_file, damaged;           /* damaged: `before` leaves something to repair */
    bool aborts, only_memory;          /* aborts: without memory of a fixed size: not with -a */
    const char *json;
} Verb;

static const Verb verbs[] = {
    { "upgrade", "compat=0.10,cluster_size=4k", MIXED, "! amend -o compat=1.1 @" },
    { "downgrade", "cluster_size=4k", MIXED, "! amend -o compat=0.10 @" },
    { "downgrade zstd", "cluster_size=64k,compression_type=zstd", "w 0 64k 1;z 256k 64k", "! amend -o compat=0.10 @" },
    { "downgrade lazy", "cluster_size=64k,lazy_refcounts=on", "w 0 64k 1;z 256k 64k", "w 512k 64k 9;! amend -o compat=0.10 @" },
    { "downgrade with places", "cluster_size=4k", "w 0 64k 1;z 16k 16k;s s1;z 32k 16k;w 128k 8k 2;z 128k 8k", "! amend -o compat=0.10 @" },
    { "downgrade over another", "cluster_size=4k", "w 0 64k 1;z 256k 32k", "! amend -o compat=0.10 @",
      .json = ",\"backing\":{\"driver\":\"null-co\",\"size\":1048576,\"read-zeroes\":true}" },
    { "width 64", "cluster_size=4k", MIXED, "! amend -o refcount_bits=64 @" },
    { "width 8", "cluster_size=64k", LARGE, "! amend -o refcount_bits=8 @" },
    { "width 1", "cluster_size=512", PLAIN, "! amend -o refcount_bits=1 @" },
    { "lazy", "cluster_size=4k", MIXED, "! amend -o lazy_refcounts=on @" },
    { "not lazy", "cluster_size=4k,lazy_refcounts=on", PLAIN, "! amend -o lazy_refcounts=off @" },
    { "amend size", "cluster_size=4k", PLAIN, "! amend -o size=4M @" },
    { "other data file", "cluster_size=4k", PLAIN, "! amend -o data_file=other @", .data_file = true },
    { "grow", "cluster_size=4k", MIXED, "! resize -q @ +64M" },
    { "grow 512", "cluster_size=512", MIXED, "! resize -q @ +20M" },
    { "grow metadata", "cluster_size=4k", PLAIN, "! resize -q --preallocation=metadata @ +256k" },
    { "grow falloc", "cluster_size=64k", PLAIN, "! resize -q --preallocation=falloc @ +256k" },
    { "grow full", "cluster_size=4k", PLAIN, "! resize -q --preallocation=full @ +128k" },
    { "grow full with data file", "cluster_size=4k", PLAIN, "! resize -q --preallocation=full @ +128k", .data_file = true },
    { "shrink", "cluster_size=4k", PLAIN, "! resize -q --shrink @ 500k" },
    { "shrink with snapshots", "cluster_size=512", MIXED, "! resize -q --shrink @ 500k" },
    { "check", "cluster_size=4k", MIXED ";! bitmap --add @ b;w 512k 8k 7", "! check @" },
    { "explain", "cluster_size=64k", LARGE ";flag;twice 4;leak 2", "! check --explain @", .damaged = true },
    { "repair leaks", "cluster_size=4k", MIXED ";leak 3", "! check -r leaks @", .damaged = true },
    { "repair counts", "cluster_size=4k", MIXED ";leak 3;twice 9;flag", "! check -r all @", .damaged = true },
    { "repair a lost table", "cluster_size=4k", MIXED ";table", "! check -r all @", .damaged = true },
    { "repair a lost table, 64k", "cluster_size=64k", LARGE ";table", "! check -r all @", .damaged = true },
    { "repair a lost count", "cluster_size=64k", LARGE ";lost 5", "! check -r all @", .damaged = true },
    { "repair the list of snapshots", "cluster_size=4k", "w 0 64k 1;s s1;w 0 4k 2;thin", "! check -r all @", .damaged = true },
    { "add a bitmap", "cluster_size=4k", PLAIN, "! bitmap --add -g 64k @ b" },
    { "remove a bitmap", "cluster_size=4k", PLAIN ";! bitmap --add @ b;! bitmap --add @ c;w 0 4k 9", "! bitmap --remove @ b" },
    { "merge bitmaps", "cluster_size=64k", PLAIN ";! bitmap --add @ b;w 0 4k 9;! bitmap --add @ c", "! bitmap --merge b @ c" },
    { "write under bitmaps", "cluster_size=512", PLAIN ";! bitmap --add -g 512 @ b;w 0 4k 9", "w 512k 4k 8" },
    { "resize under bitmaps", "cluster_size=4k", PLAIN ";! bitmap --add -g 64k @ b;w 0 4k 9", "! resize -q @ +64k" },
    { "take a snapshot", "cluster_size=4k", MIXED, "! snapshot -c s3 @" },
    { "take a snapshot, 512", "cluster_size=512", MIXED, "! snapshot -c s3 @" },
    { "apply a snapshot", "cluster_size=4k", MIXED, "! snapshot -a s1 @" },
    { "apply a snapshot of another size", "cluster_size=4k", "w 0 64k 1;s s1;t 2M;w 1M 64k 2", "! snapshot -a s1 @" },
    { "delete a snapshot", "cluster_size=4k", MIXED, "! snapshot -d s1 @" },
    { "delete a snapshot, 64k", "cluster_size=64k", LARGE, "! snapshot -d s2 @" },
    { "create", "cluster_size=4k", "f", "+ cluster_size=4k,size=4M" },
    { "create preallocated", "cluster_size=4k", "f", "+ cluster_size=4k,preallocation=full,size=64k" },
    { "create with snapshots to come", "cluster_size=512", "f", "+ cluster_size=512,refcount_bits=64,size=16M" },
    { "create with data file", "cluster_size=4k", "f", "+ cluster_size=4k,size=1M,data_file_raw=on", .data_file = true },
    { "create encrypted", "cluster_size=4k,encrypt.format=luks,encrypt.key-secret=cut0,encrypt.iter-time=1,encrypt.cipher-alg=aes-128", "f",
      "+ cluster_size=4k,encrypt.format=luks,encrypt.key-secret=cut0,encrypt.iter-time=1,encrypt.cipher-alg=aes-128,size=1M",
      .json = ",\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"cut0\"}" },
    { "writes", "cluster_size=4k", MIXED, "w 40k 1536 7;f;w 100000 70000 8;w 512k 128k 9;f" },
    { "writes through few tables", "cluster_size=512", PLAIN, "w 512 512 7;w 200k 3k 8;w 520k 512 9;w 800k 512 10;f;w 900k 512 11",
      .json = ",\"l2-cache-size\":1024,\"refcount-cache-size\":1024" },
    { "subclusters", "cluster_size=16k,extended_l2=on", MIXED, "w 3000 512 7;w 140k 40k 8;z 270k 6k;u 320k 64k;d 704k 16k;c 512k 16k 9;f" },
    { "zero", "cluster_size=4k", MIXED, "u 0 100k;z 256k 200k;z 700k 6k;f" },
    { "discard", "cluster_size=4k", MIXED, "d 0 64k;d 440k 32k;f;w 512k 64k 9" },
    { "compressed", "cluster_size=64k", LARGE, "c 512k 128k 9;f" },
    { "zstd", "cluster_size=64k,compression_type=zstd", "w 0 64k 1;c 64k 64k 2", "c 512k 128k 9;w 64k 4k 3;f" },
    { "encrypted", "cluster_size=64k,encrypt.format=luks,encrypt.key-secret=cut0,encrypt.iter-time=1,encrypt.cipher-alg=aes-128", "w 0 64k 1;s s1",
      "w 4k 8k 2;w 512k 4k 3;z 600k 5k;f", .json = ",\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"cut0\"}" },
    { "lazy writes", "cluster_size=4k,lazy_refcounts=on", PLAIN, "w 0 64k 7;w 512k 64k 8;d 128k 32k;f" },
    { "data file", "cluster_size=4k", PLAIN, "w 40k 1536 7;z 256k 8k;u 320k 8k;d 128k 32k;w 512k 64k 8;f", .data_file = true },
    { "info", "cluster_size=4k", MIXED, "! info @" },
    { "map", "cluster_size=4k", MIXED, "! map @", .aborts = true },
    { "check many snapshots", "cluster_size=4k", "t 64k;w 0 4k 1;m 400", "! check @", .only_memory = true },
    { "list", "cluster_size=4k", MIXED, "! snapshot -l --output=json @" },
};

static struct {
    unsigned most;                     /* places of a verb; 0: all */
    int64_t only_place;
    const char *only;
    bool verbose, memory;
} opt;
static uint64_t tried, told, failures;
static FILE *report;                   /* standard output is not looked at, */
static int errors;                     /* standard error is: a file */
static char *folder;

typedef struct Fault { int64_t at; bool lasting; } Fault;

static int usual;                      /* what the verb returns without a fault */
static CutImage saved[2];              /* of disk 0 and the data file, as `before` left them */

static void restore(void)
{
    cut_image_copy(&cut_disks[0], &saved[0]);
    cut_image_copy(&cut_disks[CUT_DISK_DATA], &saved[1]);
}

static ScriptImage image_of(const Verb *v) { return (ScriptImage){ v->json, v->data_file }; }

static void arm(const Fault *f)
{
    cut_requests = cut_trips = alloc_seen = alloc_trips = 0;
    cut_fail_errno = opt.memory ? ENOMEM : EIO;
    cut_fail_lasting = f->lasting;
    cut_length_counts = !opt.memory;
    *(opt.memory ? &alloc_fail_at : &cut_fail_at) = f->at;
}

static void disarm(void)
{
    cut_fail_at = alloc_fail_at = 0;
    cut_length_counts = false;
}

/* --- judging ------------------------------------------------------------------------------------- */

/* Each sector is old or new; in a data file it may show that it was discarded before that is known of it. */
static bool either(const Verb *v, const GByteArray *got, const GByteArray *old, const GByteArray *new)
{
    static const uint8_t zeroes[BDRV_SECTOR_SIZE];
    uint8_t hole[BDRV_SECTOR_SIZE];

    memset(hole, CUT_HOLE, sizeof(hole));

    for (guint at = 0; at < got->len; at += BDRV_SECTOR_SIZE) {
        const uint8_t *a = at < old->len ? old->data + at : zeroes, *b = at < new->len ? new->data + at : zeroes;

        if (memcmp(got->data + at, a, BDRV_SECTOR_SIZE) && memcmp(got->data + at, b, BDRV_SECTOR_SIZE) &&
            !(v->data_file && !memcmp(got->data + at, hole, BDRV_SECTOR_SIZE))) {
            return false;
        }
    }
    return got->len == old->len || got->len == new->len;
}

static const GByteArray *snapshot_of(const ImageView *v, const char *name)
{
    for (guint i = 0; i < v->names->len; i++) {
        if (!strcmp(v->names->pdata[i], name)) {
            return v->snapshots->pdata[i];
        }
    }
    return NULL;
}

/* In both before and after: still there; wherever it comes from, it holds what it should (shown in the present size, as by stock). */
static char *judge_snapshots(const ImageView *now, const ImageView *old, const ImageView *new)
{
    for (guint i = 0; i < old->names->len; i++) {
        const char *name = old->names->pdata[i];

        if (snapshot_of(new, name) && !snapshot_of(now, name)) {
            return g_strdup_printf("snapshot %s is lost", name);
        }
    }
    for (guint i = 0; i < now->names->len; i++) {
        const char *name = now->names->pdata[i];
        const GByteArray *is = now->snapshots->pdata[i], *a = snapshot_of(old, name), *b = snapshot_of(new, name);

        if (!a && !b) {
            return g_strdup_printf("snapshot %s comes from nowhere", name);
        }
        if (memcmp(is->data, a ? a->data : b->data, MIN(is->len, a ? a->len : b->len))) {
            return g_strdup_printf("snapshot %s has changed", name);
        }
    }
    return NULL;
}

static char *judge_check(const Verb *v)
{
    ScriptImage im = image_of(v);
    g_autofree char *name = script_image_name(&im);
    Error *err = NULL;
    BlockBackend *blk = blk_open(name, NULL, NULL, BDRV_O_RDWR | BDRV_O_RESIZE, &err);
    BdrvCheckResult res = { 0 };
    char *why = NULL;
    int ret;

    if (!blk) {
        why = g_strdup_printf("cannot be opened: %s", error_get_pretty(err));
        error_free(err);
        return why;
    }
    if (v->damaged) {
        bdrv_check(blk_bs(blk), &res, BDRV_FIX_LEAKS | BDRV_FIX_ERRORS);
        res = (BdrvCheckResult){ 0 };
    }
    ret = bdrv_check(blk_bs(blk), &res, 0);
    blk_unref(blk);
    if (ret < 0 || res.corruptions || res.check_errors || (v->damaged && res.leaks)) {
        why = g_strdup_printf("check: %d, %" PRId64 " corruptions, %" PRId64 " leaks, %" PRId64 " errors", ret, res.corruptions, res.leaks, res.check_errors);
    }
    return why;
}

/* A new image over an old one: before its header is written nothing may be there. */
static bool is_creation(const Verb *v) { return v->verb[0] == '+'; }

static char *judge(const Verb *v, int ret, const char *said, const ImageView *old, const ImageView *new)
{
    const char *cause = strerror(cut_fail_errno);
    ScriptImage im = image_of(v);
    char *why = NULL;
    ImageView *now;

    told += ret < 0;
    if (ret < 0 && !usual && !strstr(said, cause)) {
        return g_strdup_printf("it says \"%s\", and %s was the cause", said, cause);
    }
    if (ret < 0 && is_creation(v)) {
        return NULL;
    }
    why = judge_check(v);
    now = why ? NULL : script_view(&im, &why);
    if (ret == 0 && strstr(said, cause)) {
        ret = -1;                      /* told, by a program that goes on (a bitmap is lost at the close) */
    }
    if (now && !either(v, now->disk, ret < 0 ? old->disk : new->disk, new->disk)) {
        why = g_strdup(ret < 0 ? "the content is neither old nor new" : "it says that it is done, and is not");
    }
    if (now && !why) {
        why = judge_snapshots(now, old, new);
    }
    if (now && !why && ret == 0 && (now->names->len != new->names->len || now->bitmaps->len != new->bitmaps->len)) {
        why = g_strdup("it says that it is done, and snapshots or bitmaps are not");
    }
    g_clear_pointer(&now, image_view_free);
    return why;
}

/* --- running ------------------------------------------------------------------------------------- */

/* What was said by way of standard error since this was called the last time; with `text` before it, which is freed. */
static char *with_errors(char *text)
{
    char more[4096];                   /* the last of it */
    off_t len = lseek(errors, 0, SEEK_END);
    ssize_t n = pread(errors, more, sizeof(more) - 1, MAX(len - (off_t)sizeof(more) + 1, 0));
    char *all;

    more[MAX(n, 0)] = 0;
    all = g_strconcat(text ? text : "", more, NULL);
    g_free(text);
    if (ftruncate(errors, 0) < 0 || lseek(errors, 0, SEEK_SET) < 0) {
        abort();
    }
    return all;
}

static int run_verb(const Verb *v, const Fault *f, char **said)
{
    ScriptImage im = image_of(v);
    int ret;

    restore();
    arm(f);
    g_free(with_errors(NULL));
    ret = script_run(&im, v->verb, said);
    disarm();
    *said = with_errors(*said);
    return ret;
}

static void try(const Verb *v, Fault f, const ImageView *old, const ImageView *new)
{
    char *said, *why;
    int ret = run_verb(v, &f, &said);

    why = cut_trips || alloc_trips ? judge(v, ret, said, old, new) : NULL;
    tried++;
    if (why) {
        failures++;
        fprintf(report, "FAIL: %s, place %" PRId64 "%s: %s\n", v->name, f.at, f.lasting ? " and all after it" : "", why);
        fflush(report);
    } else if (opt.verbose) {
        fprintf(report, "%s, place %" PRId64 "%s: %d %s\n", v->name, f.at, f.lasting ? " and all after it" : "", ret, said);
    }
    g_free(why);
    g_free(said);
}

static bool make(const Verb *v)
{
    static const CutGeometry plain = { .name = "plain" }, with_data = { .name = "data", .data_file = true };
    CutRun r = { .geometry = v->data_file ? &with_data : &plain, .folder = folder };
    ScriptImage im = image_of(v);
    g_autofree char *said = NULL;
    int ret = cut_make_image(&r, 0, v->options, cut_sectors) ? script_run(&im, v->before, &said) : -EIO;

    cut_image_copy(&saved[0], &cut_disks[0]);
    cut_image_copy(&saved[1], &cut_disks[CUT_DISK_DATA]);
    if (ret < 0) {
        fprintf(report, "FAIL: %s: no image: %s\n", v->name, said);
        failures++;
    }
    return ret == 0;
}

static void run_all(const Verb *v)
{
    ScriptImage im = image_of(v);
    g_autofree char *said = NULL;
    ImageView *old, *new = NULL;
    char *why = NULL;
    int64_t places, stride;

    if (!make(v)) {
        return;
    }
    old = script_view(&im, &why);
    if (old) {
        usual = run_verb(v, &(Fault){ 0 }, &said);
        places = v->only_memory ? MIN(alloc_seen, FIRST_PLACES) : opt.memory ? alloc_seen : cut_requests;
        new = script_view(&im, &why);
    }
    if (!new) {
        fprintf(report, "FAIL: %s: without a fault: %s %s\n", v->name, said, why);
        failures++;
        g_clear_pointer(&old, image_view_free);
        return;
    }
    stride = opt.most ? MAX(places / opt.most, 1) : 1;
    for (int64_t k = opt.only_place ? opt.only_place : 1; k <= (opt.only_place ? opt.only_place : places); k += stride) {
        try(v, (Fault){ k, false }, old, new);
        if (!opt.memory) {
            try(v, (Fault){ k, true }, old, new);
        }
    }
    image_view_free(old);
    image_view_free(new);
}

static void parse(int argc, char **argv)
{
    int c;

    while ((c = getopt(argc, argv, "m:k:c:av")) != -1) {
        switch (c) {
        case 'm': opt.most = atoi(optarg); break;
        case 'k': opt.only_place = atoll(optarg); break;
        case 'c': opt.only = optarg; break;
        case 'a': opt.memory = true; break;
        case 'v': opt.verbose = true; break;
        default:
            fprintf(stderr, "usage: verbs [-a: memory] [-m places of a verb, 0: all] [-c verb] [-k place] [-v]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *rm = NULL;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    parse(argc, argv);
    folder = g_dir_make_tmp("verbs.XXXXXX", NULL);
    rm = g_strdup_printf("rm -rf '%s'", folder);
    report = fdopen(dup(STDOUT_FILENO), "w");
    errors = memfd_create("errors", MFD_CLOEXEC);
    dup2(null, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    cut_init(argv[0]);
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if ((!opt.only || !strcmp(opt.only, verbs[i].name)) && (opt.memory ? !verbs[i].aborts : !verbs[i].only_memory)) {
            run_all(&verbs[i]);
        }
    }
    fprintf(report, "%" PRIu64 " failures of %s in %zu verbs, %" PRIu64 " times told: %" PRIu64 " wrong\n", tried, opt.memory ? "memory" : "requests",
            G_N_ELEMENTS(verbs), told, failures);
    fclose(report);
    bdrv_close_all();
    return system(rm) != 0 || failures ? 1 : 0;
}
