/*
 * Runs a fuzzing entry without a fuzzer: once on each file that is named (or lies in a folder that is named), then on a
 * number of changed copies of them.  Seeds and past findings as a test that any compiler can build.
 *
 *   replay-NAME [-n CHANGED] [-s SEED] [-t SECONDS] FILE|FOLDER...
 *
 * The input at hand is written to crash-NAME-PID in TMPDIR when a signal ends the program; a sanitizer's report names
 * it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "fuzz.h"

#define INPUT_MAX_BYTES (1u << 20)
#define INPUT_SECONDS 60

#pragma weak LLVMFuzzerCustomMutator

static GPtrArray *inputs;              /* GBytes, in the order of their names */
static GRand *chance;
static uint8_t now[INPUT_MAX_BYTES];
static size_t now_size;
static char now_name[512];
static unsigned input_seconds = INPUT_SECONDS;
static int out = STDOUT_FILENO;        /* what entries print is not for the reader */

/* --- changing bytes ----------------------------------------------------------------------------------------------- */

static size_t insert(uint8_t *data, size_t size, size_t max, const uint8_t *what, size_t n)
{
    size_t at = g_rand_int(chance) % (size + 1);

    n = MIN(n, max - size);
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, what, n);
    return size + n;
}

/* A piece of another input. */
static size_t graft(uint8_t *data, size_t size, size_t max)
{
    gsize n;
    const uint8_t *other = g_bytes_get_data(inputs->pdata[g_rand_int(chance) % inputs->len], &n);
    size_t from = n ? g_rand_int(chance) % n : 0;

    return n ? insert(data, size, max, other + from, 1 + g_rand_int(chance) % MIN(n - from, 64)) : size;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    static const char *const pieces[] =
        { "0", "-1", "18446744073709551616", "9223372036854775807", "%s%n", "\"", "\\u0000", "\\", "[", "]", "{", "}",
                                          ":", ",", "=", ".", "\n", " ", "\xff", "\xc3\xa9", "0x", "true", "null",
                                              "1e999" };
    const char *piece = pieces[g_rand_int(chance) % G_N_ELEMENTS(pieces)];
    size_t at = size ? g_rand_int(chance) % size : 0, n;

    switch (g_rand_int(chance) % 6) {
    case 0:
        return insert(data, size, max, (const uint8_t *)piece, strlen(piece));
    case 1:
        return graft(data, size, max);
    case 2:
        n = size ? 1 + g_rand_int(chance) % MIN(size - at, 32) : 0;
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    case 3:
        return size > 1 && g_rand_int(chance) % 8 == 0 ? at : size;
    default:
        if (size) {
            data[at] = g_rand_boolean(chance) ? data[at] ^ 1u << g_rand_int(chance) % 8 : g_rand_int(chance);
        }
        return size;
    }
}

static size_t change(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    if (&LLVMFuzzerCustomMutator && g_rand_int(chance) % 8) {
        return LLVMFuzzerCustomMutator(data, size, max, seed);
    }
    for (int n = 1 + g_rand_int(chance) % 4; n; n--) {
        size = LLVMFuzzerMutate(data, size, max);
    }
    return size;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* Only what is safe in a handler. */
static void on_signal(int sig)
{
    int fd = open(now_name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    static const char text[] = "not ok 1 - ended by a signal; the input is ";

    if (write(fd, now, now_size) < 0 || write(out, text, sizeof(text) - 1) < 0 ||
        write(out, now_name, strlen(now_name)) < 0 || write(out, "\n", 1) < 0) {
        _exit(3);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

/* Of the processor's time, which does not depend on what else runs; who waits for ever is ended by the test's own
   timeout. */
static void set_limit(unsigned seconds)
{
    struct itimerval limit = { .it_value.tv_sec = seconds };

    setitimer(ITIMER_PROF, &limit, NULL);
}

static void run(const uint8_t *data, size_t size)
{
    /* A block of its own size, so that the address sanitizer sees reads past its end. */
    g_autofree uint8_t *copy = g_memdup2(data, size);

    memmove(now, data, size);
    now_size = size;
    set_limit(input_seconds);
    LLVMFuzzerTestOneInput(copy ? copy : now, size);
    set_limit(0);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void add_file(const char *path)
{
    char *data;
    gsize size;

    if (g_file_get_contents(path, &data, &size, NULL)) {
        g_ptr_array_add(inputs, g_bytes_new_take(data, MIN(size, INPUT_MAX_BYTES)));
    }
}

static void add(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_build_filename(path, name, NULL));
    }
    g_ptr_array_sort(names, by_name);
    for (guint i = 0; i < names->len; i++) {
        add_file(names->pdata[i]);
    }
    if (!dir) {
        add_file(path);
    }
}

int main(int argc, char **argv)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF };
    g_autofree char *me = g_path_get_basename(argv[0]);
    unsigned count = 0, seed = 1;
    int c;

    while ((c = getopt(argc, argv, "n:s:t:")) != -1) {
        if (c == 'n') {
            count = strtoul(optarg, NULL, 10);
        } else if (c == 's') {
            seed = strtoul(optarg, NULL, 10);
        } else if (c == 't') {
            input_seconds = strtoul(optarg, NULL, 10);
        } else {
            return 2;
        }
    }
    out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (!freopen("/dev/null", "w", stdout)) {
        return 2;
    }
    inputs = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (int i = optind; i < argc; i++) {
        add(argv[i]);
    }
    g_snprintf(now_name, sizeof(now_name), "%s/crash-%s-%d", g_get_tmp_dir(), me, (int)getpid());
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        signal(signals[i], on_signal);
    }
    for (guint i = 0; i < inputs->len; i++) {
        gsize size;
        const uint8_t *data = g_bytes_get_data(inputs->pdata[i], &size);

        run(data, size);
    }
    chance = g_rand_new_with_seed(seed);
    for (unsigned i = 0; i < count && inputs->len; i++) {
        static uint8_t changed[INPUT_MAX_BYTES];
        gsize size;
        const uint8_t *data = g_bytes_get_data(inputs->pdata[g_rand_int(chance) % inputs->len], &size);

        memcpy(changed, data, size);
        run(changed, change(changed, size, sizeof(changed), seed * 1000003 + i));
    }
    g_rand_free(chance);
    dprintf(out, "1..1\n%s 1 - %u inputs, %u changed ones\n", inputs->len ? "ok" : "not ok", inputs->len, count);
    g_ptr_array_unref(inputs);
    return 0;
}
