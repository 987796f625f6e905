/*
 * Proves that a file whose preallocation fails gets its old length back, but loses nothing that somebody else wrote behind the range
 * meanwhile (tables of an image, whose file is extended ahead of its data).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>
#include "block/backend.h"
#include "block/driver.h"
#include "block/graph.h"
#include "util/aio.h"
#include "util/cutils.h"

static int64_t written_at;             /* by somebody else, while the call runs; 0: nobody */

static int fail(int fd, int64_t offset, int64_t bytes)
{
    g_assert_cmpint(ftruncate(fd, offset + bytes / 2), ==, 0);         /* half of it was done */
    if (written_at) {
        g_assert_cmpint(pwrite(fd, "table", 5, written_at), ==, 5);
    }
    return ENOSPC;
}

/* In the place of the system's. */
int posix_fallocate(int fd, off_t offset, off_t bytes) { return fail(fd, offset, bytes); }

static void try(int64_t other, int64_t expected)
{
    g_autofree char *name = NULL;
    int fd = g_file_open_tmp("grow-XXXXXX", &name, NULL);
    QDict *options = qdict_new();
    char text[6] = "";
    BlockBackend *blk;

    g_assert_cmpint(ftruncate(fd, MiB), ==, 0);
    qdict_put_str(options, "driver", "file");
    qdict_put_str(options, "filename", name);
    blk = blk_open(NULL, NULL, options, BDRV_O_RDWR | BDRV_O_RESIZE, &error_abort);
    written_at = other;
    g_assert_cmpint(blk_truncate(blk, 3 * MiB, false, PREALLOC_FALLOC, 0, NULL), ==, -ENOSPC);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, expected);
    if (other) {
        g_assert_cmpint(pread(fd, text, 5, other), ==, 5);
        g_assert_cmpstr(text, ==, "table");
    }
    blk_unref(blk);
    g_unlink(name);
    close(fd);
}

static void test_length_comes_back(void) { try(0, MiB); }
static void test_others_lose_nothing(void) { try(4 * MiB, 4 * MiB + 5); }

int main(int argc, char **argv)
{
    aio_init_main();
    bdrv_init();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file-grow/length-comes-back", test_length_comes_back);
    g_test_add_func("/file-grow/others-lose-nothing", test_others_lose_nothing);
    return g_test_run();
}
