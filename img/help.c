/*
 * The help text of qemu-img: every command's syntax, what the parameters mean, the formats built in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/common.h"
#include "img/commands.h"

static const char options_text[] =
    "usage: qemu-img [standard options] command [command options]\n"
    "QEMU disk image utility\n"
    "\n"
    "    '-h', '--help'       display this help and exit\n"
    "    '-V', '--version'    output version information and exit\n"
    "    '-T', '--trace'      [[enable=]<pattern>][,events=<file>][,file=<file>]\n"
    "                         specify tracing options\n"
    "\n"
    "Command syntax:\n";

static const char parameters_text[] =
    "\n"
    "Command parameters:\n"
    "  'filename' names a disk image\n"
    "  'objectdef' defines an object that other options refer to by id, as on the\n"
    "    emulator's command line. Mostly a 'secret', which carries a password or an\n"
    "    encryption key.\n"
    "  'fmt' is the format of the disk image. Without it the format is guessed\n"
    "  'cache' says how the output image is cached when it is written: 'none',\n"
    "    'writeback' (default, except for convert), 'writethrough', 'directsync' or\n"
    "    'unsafe' (default for convert)\n"
    "  'src_cache' is the same for the images that are read\n"
    "  'size' is a number of bytes. It may end in\n"
    "    'k' or 'K' (kilobyte, 1024), 'M' (megabyte, 1024k), 'G' (gigabyte, 1024M),\n"
    "    'T' (terabyte, 1024G), 'P' (petabyte, 1024T) or 'E' (exabyte, 1024P).\n"
    "    'b' is ignored.\n"
    "  'output_filename' names the disk image to write\n"
    "  'output_fmt' is its format\n"
    "  'options' is a list name=value,name=value of options of the format in use;\n"
    "    -o help prints those that it has\n"
    "  'snapshot_param' selects an internal snapshot:\n"
    "    'snapshot.id=[ID],snapshot.name=[NAME]', or\n"
    "    '[ID_OR_NAME]'\n"
    "  '-c' compresses the target image (qcow format only)\n"
    "  '-u' does not look at backing files. For rebase: only the reference is\n"
    "       changed, old and new backing file are taken to be equal, and neither has\n"
    "       to be there. For create: the backing file is not opened.\n"
    "  '-h' with or without a command shows this help and lists the supported formats\n"
    "  '-p' shows progress (only certain commands)\n"
    "  '-q' prints nothing but errors\n"
    "  '-S' is the number of consecutive zero bytes (default 4k) that convert turns\n"
    "       into a hole. With 0 the source is not scanned for zeroes and the target\n"
    "       is fully allocated\n"
    "  '--output' chooses the form of the output (human or json)\n"
    "  '-n' does not create the target volume (it must exist)\n"
    "\n"
    "Parameters to bitmap subcommand:\n"
    "  'bitmap' is the name of the bitmap to work on, by one or more of the\n"
    "       actions '--add', '--remove', '--clear', '--enable', '--disable'\n"
    "       and '--merge source'\n"
    "  '-g granularity' is the granularity for '--add'\n"
    "  '-b source' and '-F src_fmt' name the file that holds the bitmaps for '--merge'\n"
    "\n"
    "Parameters to check subcommand:\n"
    "  '-r' repairs what the check finds.\n"
    "       '-r leaks' frees leaked clusters only, '-r all' repairs every kind of\n"
    "       error and may choose wrongly or hide damage that is already done.\n"
    "  '--explain' tells what each finding means, which parts of the disk it touches and\n"
    "       what a repair does; on a terminal it is told anyway\n"
    "\n"
    "Parameters to convert subcommand:\n"
    "  '--bitmaps' copies the persistent bitmaps of the top image too\n"
    "  '-m' is the number of requests in flight (default 8)\n"
    "  '-W' allows the target to be written out of order\n"
    "\n"
    "Parameters to snapshot subcommand:\n"
    "  'snapshot' is the name of the snapshot to create, apply or delete\n"
    "  '-a' applies a snapshot (the disk goes back to the saved state)\n"
    "  '-c' creates a snapshot\n"
    "  '-d' deletes a snapshot\n"
    "  '-l' lists the snapshots of the image\n"
    "\n"
    "Parameters to compare subcommand:\n"
    "  '-f' first image format\n"
    "  '-F' second image format\n"
    "  '-s' Strict mode - images of different size or allocation are different\n"
    "\n"
    "Parameters to dd subcommand:\n"
    "  'bs=BYTES' size of a block (default: 512)\n"
    "  'count=N' copy N blocks at most\n"
    "  'if=FILE' read from FILE\n"
    "  'of=FILE' write to FILE\n"
    "  'skip=N' leave out N blocks at the start of the input\n";

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_formats(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const BlockDriver *drv;

    for (int i = 0; (drv = bdrv_driver_at(i)); i++) {
        if (!g_ptr_array_find_with_equal_func(names, drv->name, g_str_equal, NULL)) {
            g_ptr_array_add(names, (void *)drv->name);
        }
    }
    g_ptr_array_sort(names, compare_names);
    printf("\nSupported formats:");
    for (guint i = 0; i < names->len; i++) {
        printf(" %s", (const char *)names->pdata[i]);
    }
    printf("\n");
}

void img_help(void)
{
    printf("%s%s", img_version_text, options_text);
    for (const ImgCommand *c = img_commands; c->name; c++) {
        printf("  %s %s\n", c->name, c->syntax);
    }
    fputs(parameters_text, stdout);
    print_formats();
    exit(EXIT_SUCCESS);
}
