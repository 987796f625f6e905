/*
 * Runs a fuzzing entry once on each file of the folders named, without a fuzzer: seeds and past findings as a test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdio.h>
#include <glib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

int main(int argc, char **argv)
{
    int n = 0;

    for (int i = 1; i < argc; i++) {
        g_autoptr(GDir) dir = g_dir_open(argv[i], 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
            g_autofree char *path = g_build_filename(argv[i], name, NULL);
            g_autofree char *data = NULL;
            gsize size;

            if (g_file_get_contents(path, &data, &size, NULL)) {
                LLVMFuzzerTestOneInput((const guint8 *)data, size);
                n++;
            }
        }
    }
    printf("1..1\n%s 1 - %d inputs\n", n ? "ok" : "not ok", n);
    return n ? 0 : 1;
}
