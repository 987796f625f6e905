/*
 * qemu-img check: consistency of an image, and its repair.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <unistd.h>
#include "img/check.h"

/* Exit codes that scripts rely on. */
enum { CHECK_CLEAN = 0, CHECK_FAILED = 1, CHECK_CORRUPT = 2, CHECK_LEAKS = 3, CHECK_UNSUPPORTED = 63 };

static QDict *check_to_json(const char *filename, const char *format, const BdrvCheckResult *r)
{
    const struct { const char *key; int64_t value; } optional[] = {
        { "image-end-offset", r->image_end_offset },
        { "total-clusters", r->total_clusters },
        { "corruptions", r->corruptions },
        { "corruptions-fixed", r->corruptions_fixed },
        { "leaks", r->leaks },
        { "leaks-fixed", r->leaks_fixed },
        { "allocated-clusters", r->allocated_clusters },
        { "fragmented-clusters", r->fragmented_clusters },
        { "compressed-clusters", r->compressed_clusters },
    };
    QDict *d = qdict_new();

    if (r->findings) {
        qdict_put(d, "explanations", img_check_explain_json(r));
    }
    qdict_put_str(d, "filename", filename);
    qdict_put_str(d, "format", format);
    qdict_put_int(d, "check-errors", r->check_errors);
    for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
        if (optional[i].value) {
            qdict_put_int(d, optional[i].key, optional[i].value);
        }
    }
    return d;
}

static void print_findings(const BdrvCheckResult *r)
{
    if (!(r->corruptions | r->leaks | r->check_errors)) {
        printf("No errors were found on the image.\n");
    }
    if (r->corruptions) {
        printf("\n%" PRId64 " errors were found on the image.\n"
               "Data may be corrupted, or further writes to the image may corrupt it.\n", r->corruptions);
    }
    if (r->leaks) {
        printf("\n%" PRId64 " leaked clusters were found on the image.\n"
               "This means waste of disk space, but no harm to data.\n", r->leaks);
    }
    if (r->check_errors) {
        printf("\n%" PRId64 " internal errors have occurred during the check.\n", r->check_errors);
    }
}

static double share(int64_t part, int64_t whole)
{
    return whole ? 100.0 * part / whole : 0;
}

static void print_statistics(const BdrvCheckResult *r)
{
    if (r->total_clusters && r->allocated_clusters) {
        printf("%" PRId64 "/%" PRId64 " = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed clusters\n",
               r->allocated_clusters, r->total_clusters, share(r->allocated_clusters, r->total_clusters),
               share(r->fragmented_clusters, r->allocated_clusters),
               share(r->compressed_clusters, r->allocated_clusters));
    }
    if (r->image_end_offset > 0) {
        printf("Image end offset: %" PRId64 "\n", r->image_end_offset);
    }
}

static int exit_code(const BdrvCheckResult *r)
{
    if (r->check_errors) {
        error_report("Check failed");
        return CHECK_FAILED;
    }
    return r->corruptions ? CHECK_CORRUPT : r->leaks ? CHECK_LEAKS : CHECK_CLEAN;
}

static bool parse_repair(const char *word, BdrvCheckFix *fix)
{
    if (!strcmp(word, "leaks")) {
        *fix = BDRV_FIX_LEAKS;
    } else if (!strcmp(word, "all")) {
        *fix = BDRV_FIX_LEAKS | BDRV_FIX_ERRORS;
    } else {
        return false;
    }
    return true;
}

static bool check_repair(const char *word)
{
    BdrvCheckFix fix = 0;

    if (!parse_repair(word, &fix)) {
        img_usage_error("Unknown option value for -r (expecting 'leaks' or 'all'): %s", word);
    }
    return true;
}

/* One pass; what it fixed is added to what earlier passes fixed.  0 or -errno after reporting. */
static int run_check(BlockDriverState *bs, BdrvCheckFix fix, BdrvCheckResult *r)
{
    BdrvCheckResult now = { .findings = r->findings };
    int ret = bdrv_check(bs, &now, fix);

    if (ret == -ENOTSUP) {
        error_report("This image format does not support checks");
    } else if (ret < 0) {
        error_report("Check failed: %s", strerror(-ret));
    }
    now.leaks_fixed += r->leaks_fixed;
    now.corruptions_fixed += r->corruptions_fixed;
    *r = now;
    return ret;
}

/* Repair, then look again: the second pass tells the state that the exit code reports. */
static int check_and_recheck(BlockDriverState *bs, BdrvCheckFix fix, bool human, bool quiet, BdrvCheckResult *r)
{
    BdrvCheckResult first;
    int ret = run_check(bs, fix, r);

    if (ret < 0 || !(r->corruptions_fixed || r->leaks_fixed)) {
        return ret;
    }
    if (human) {
        img_say(quiet, "The following inconsistencies were found and repaired:\n\n    %" PRId64 " leaked clusters\n"
                "    %" PRId64 " corruptions\n\nDouble checking the fixed image now...\n",
                r->leaks_fixed, r->corruptions_fixed);
        fflush(stdout);
    }
    first = *r;
    r->findings = NULL;
    ret = run_check(bs, 0, r);
    r->findings = first.findings;      /* what was found at first is explained */
    r->findings_omitted = first.findings_omitted;
    r->findings_cut = first.findings_cut;
    return ret;
}

/* What is left to say of a check that did not come to its end. */
static int unfinished(const char *filename, const char *format, const ImgOpen *how, bool json, int code, const BdrvCheckResult *r)
{
    if (r->findings && json && !how->quiet) {
        g_autoptr(QObject) d = check_to_json(filename, format, r);

        img_print_json(d);
    } else if (r->findings && !how->quiet) {
        img_check_explain(r);
    }
    return code;
}

static int check_image(const char *filename, ImgOpen *how, BdrvCheckFix fix, bool json, bool explain)
{
    g_autofree char *why = NULL;
    AUTO_BLK blk = NULL;
    g_autoptr(GPtrArray) findings = explain ? g_ptr_array_new_with_free_func((GDestroyNotify)bdrv_check_finding_free) : NULL;
    BdrvCheckResult result = { .findings = findings };
    int ret;

    how->why = explain ? &why : NULL;
    blk = img_open(filename, how);
    if (!blk) {
        img_check_explain_unchecked(&result, why, "unknown");
        return unfinished(filename, "unknown", how, json, CHECK_FAILED, &result);
    }
    ret = check_and_recheck(blk_bs(blk), fix, !json, how->quiet, &result);
    if (ret < 0) {
        const char *format = bdrv_get_format_name(blk_bs(blk));

        if (ret == -ENOTSUP) {
            img_check_explain_unchecked(&result, NULL, format);
        }
        return unfinished(filename, format, how, json, ret == -ENOTSUP ? CHECK_UNSUPPORTED : CHECK_FAILED, &result);
    }
    if (json) {
        g_autoptr(QObject) d = check_to_json(filename, bdrv_get_format_name(blk_bs(blk)), &result);

        if (!how->quiet) {
            img_print_json(d);
        }
    } else if (!how->quiet) {
        print_findings(&result);
        print_statistics(&result);
        if (explain) {
            img_check_explain(&result);
        }
    }
    return exit_code(&result);
}

int img_check(int argc, char **argv)
{
    const char *output = NULL, *repair = NULL, *cache = "writeback", *filename;
    BdrvCheckFix fix = 0;
    ImgOpen how = { .flags = BDRV_O_CHECK };
    bool json, explain = false;
    const ImgOpt opts[] = {
        { 'f', "format", IMG_OPT_STR, &how.fmt },
        { 'r', "repair", IMG_OPT_STR, &repair, check_repair },
        { 0, "output", IMG_OPT_STR, &output },
        { 'T', NULL, IMG_OPT_STR, &cache },
        { 'q', NULL, IMG_OPT_FLAG, &how.quiet },
        { 0, "explain", IMG_OPT_FLAG, &explain },
        { 0, "object", IMG_OPT_OBJECT, NULL },
        { 0, "image-opts", IMG_OPT_FLAG, &how.image_opts },
        { 'U', "force-share", IMG_OPT_FLAG, &how.force_share },
        IMG_OPTS_END,
    };
    int i = img_parse(argc, argv, opts);

    if (repair) {
        parse_repair(repair, &fix);
    }
    how.flags |= fix ? BDRV_O_RDWR : 0;
    filename = img_one_filename(argc, argv, i);
    json = img_output_is_json(output);
    if (!img_cache_mode(cache, &how)) {
        error_report("Invalid source cache option: %s", cache);
        return EXIT_FAILURE;
    }
    if (img_format_conflict(how.image_opts, how.fmt)) {
        return EXIT_FAILURE;
    }
    /* A person is told what it means; programs get the plain text unless they ask. */
    explain |= !json && isatty(STDOUT_FILENO);
    return check_image(filename, &how, fix, json, explain);
}
