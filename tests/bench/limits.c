/*
 * What this machine can do, for reading the table of bench.py: the bare system calls that a copy or a request
 * cannot do without, on a file in the scratch folder.
 *
 *   limits FOLDER   prints "name value" lines: bytes a second (memory, disk, page_read, page_write) or
 *                   operations a second of 4 KiB (sync, read_cached_1, write_direct_64_strided, ...)
 *
 * Each figure is the best of a few short rounds, as a limit should be.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define FILE_SIZE (512 * MIB)
#define DURABLE_SIZE (64 * MIB)
#define BLOCK 4096
#define CHUNK (256 * 1024)
#define ROUNDS 3
#define DEPTH 64

static char *buffer;               /* DEPTH blocks or a chunk */

static void check(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int open_file(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CREAT | flags, 0600);

    check(fd >= 0, path);
    return fd;
}

static double memory_speed(void)
{
    size_t size = 64 * MIB;
    char *a = malloc(size), *b = malloc(size);
    double best = 0;

    memset(a, 1, size);
    memset(b, 2, size);
    for (int r = 0; r < 2 * ROUNDS; r++) {
        double start = now(), speed;

        memcpy(r % 2 ? a : b, r % 2 ? b : a, size);
        speed = size / (now() - start);
        best = speed > best ? speed : best;
    }
    free(a);
    free(b);
    return best;
}

/* The file anew, by large calls as the images under measurement are: in large folios a small write costs the kernel more. */
static void write_whole(const char *path)
{
    struct iovec piece[512];
    const size_t n = sizeof(piece) / sizeof(piece[0]);
    int fd = open_file(path, O_TRUNC);

    for (size_t i = 0; i < n; i++) {
        piece[i] = (struct iovec) { buffer, CHUNK };
    }
    for (size_t at = 0; at < FILE_SIZE; at += n * CHUNK) {
        check(pwritev(fd, piece, n, at) == (ssize_t)(n * CHUNK), path);
    }
    check(fdatasync(fd) == 0, "fdatasync");
    close(fd);
}

/* Bytes a second of large transfers: to new blocks through the page cache, or from there. */
static double stream_speed(const char *path, bool write)
{
    double best = 0;

    for (int r = 0; r < ROUNDS; r++) {
        int fd = open_file(path, write ? O_TRUNC : 0);
        double start = now(), speed;

        for (size_t at = 0; at < FILE_SIZE; at += CHUNK) {
            ssize_t n = write ? pwrite(fd, buffer, CHUNK, at) : pread(fd, buffer, CHUNK, at);

            check(n == CHUNK, path);
        }
        speed = FILE_SIZE / (now() - start);
        best = speed > best ? speed : best;
        close(fd);
    }
    return best;
}

/* Past the cache, so many chunks in flight. */
static bool write_past_cache(int fd, unsigned depth)
{
    struct io_uring ring;
    size_t sent = 0, done = 0;

    if (io_uring_queue_init(depth, &ring, 0) < 0) {
        return false;
    }
    while (done < DURABLE_SIZE) {
        struct io_uring_cqe *cqe;

        for (; sent < DURABLE_SIZE && sent - done < depth * CHUNK; sent += CHUNK) {
            struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

            io_uring_prep_write(sqe, fd, buffer, CHUNK, sent);
        }
        check(io_uring_submit_and_wait(&ring, 1) >= 0, "io_uring");
        while (io_uring_peek_cqe(&ring, &cqe) == 0) {
            check(cqe->res == CHUNK, "transfer");
            io_uring_cqe_seen(&ring, cqe);
            done += CHUNK;
        }
    }
    io_uring_queue_exit(&ring);
    return true;
}

/* Through the cache; each chunk is given to the disk at once. */
static void write_through_cache(int fd)
{
    for (size_t at = 0; at < DURABLE_SIZE; at += CHUNK) {
        check(pwrite(fd, buffer, CHUNK, at) == CHUNK, "transfer");
        check(sync_file_range(fd, at, CHUNK, SYNC_FILE_RANGE_WRITE) == 0, "sync_file_range");
    }
}

/* Bytes a second that become durable in blocks that are there: by the fastest of the ways. */
static double durable_speed(const char *path)
{
    static const unsigned depths[] = { 1, 4, 16, 0 };      /* 0: through the cache */
    double best = 0;

    for (int r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
            int fd = open_file(path, depths[i] ? O_DIRECT : 0);
            double start = now(), speed;
            bool here = true;

            if (depths[i]) {
                here = write_past_cache(fd, depths[i]);
            } else {
                write_through_cache(fd);
            }
            check(fdatasync(fd) == 0, "fdatasync");
            speed = DURABLE_SIZE / (now() - start);
            best = here && speed > best ? speed : best;
            close(fd);
        }
    }
    return best;
}

static off_t place(int i, off_t step)
{
    return i * step % (off_t)FILE_SIZE;
}

/* One request after the other; every flush_every-th is followed by a flush. */
static double plain_rate(int fd, bool write, off_t step, int flush_every, int count)
{
    double best = 0;

    for (int r = 0; r < ROUNDS; r++) {
        double start = now(), rate;

        for (int i = 0; i < count; i++) {
            off_t at = place(i, step);
            ssize_t n = write ? pwrite(fd, buffer, BLOCK, at) : pread(fd, buffer, BLOCK, at);

            check(n == BLOCK, "transfer");
            if (flush_every && (i + 1) % flush_every == 0) {
                check(fdatasync(fd) == 0, "fdatasync");
            }
        }
        rate = count / (now() - start);
        best = rate > best ? rate : best;
    }
    return best;
}

static void submit(struct io_uring *ring, int fd, bool write, off_t at, int slot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (write) {
        io_uring_prep_write(sqe, fd, buffer + slot * BLOCK, BLOCK, at);
    } else {
        io_uring_prep_read(sqe, fd, buffer + slot * BLOCK, BLOCK, at);
    }
    sqe->user_data = slot;
}

/* DEPTH requests in flight.  0: no io_uring here. */
static double deep_rate(int fd, bool write, off_t step, int count)
{
    struct io_uring ring;
    double best = 0;

    if (io_uring_queue_init(DEPTH, &ring, 0) < 0) {
        return 0;
    }
    for (int r = 0; r < ROUNDS; r++) {
        double start = now(), rate;
        int sent = 0, done = 0;

        for (; sent < DEPTH; sent++) {
            submit(&ring, fd, write, place(sent, step), sent);
        }
        while (done < count) {
            struct io_uring_cqe *cqe;

            check(io_uring_submit_and_wait(&ring, 1) >= 0, "io_uring");
            while (io_uring_peek_cqe(&ring, &cqe) == 0) {
                int slot = cqe->user_data;

                check(cqe->res == BLOCK, "transfer");
                io_uring_cqe_seen(&ring, cqe);
                done++;
                if (sent < count) {
                    submit(&ring, fd, write, place(sent++, step), slot);
                }
            }
        }
        rate = count / (now() - start);
        best = rate > best ? rate : best;
    }
    io_uring_queue_exit(&ring);
    return best;
}

static void requests(const char *path, bool direct)
{
    static const struct { const char *name; off_t step; } shape[] = { { "", BLOCK }, { "_strided", MIB } };
    int fd = open_file(path, direct ? O_DIRECT : 0);
    const char *cache = direct ? "direct" : "cached";

    for (int write = 0; write < 2; write++) {
        const char *what = write ? "write" : "read";

        for (int i = 0; i < 2; i++) {
            printf("%s_%s_1%s %.0f\n", what, cache, shape[i].name,
                   plain_rate(fd, write, shape[i].step, 0, direct ? 2000 : 20000));
            printf("%s_%s_64%s %.0f\n", what, cache, shape[i].name,
                   direct ? deep_rate(fd, write, shape[i].step, 10000) : plain_rate(fd, write, shape[i].step, 0, 20000));
        }
    }
    printf("flush_%s_1 %.0f\n", cache, plain_rate(fd, true, BLOCK, 1, 200));
    printf("flush_%s_64 %.0f\n", cache, plain_rate(fd, true, BLOCK, 64, 6400));
    close(fd);
}

int main(int argc, char **argv)
{
    char path[4096];
    int fd;

    if (argc != 2) {
        fprintf(stderr, "usage: limits FOLDER\n");
        return 1;
    }
    snprintf(path, sizeof(path), "%s/limit", argv[1]);
    check(posix_memalign((void **)&buffer, BLOCK, CHUNK) == 0, "memory");
    memset(buffer, 1, CHUNK);
    printf("memory %.0f\n", memory_speed());
    printf("page_write %.0f\n", stream_speed(path, true));
    printf("page_read %.0f\n", stream_speed(path, false));
    printf("disk %.0f\n", durable_speed(path));
    fd = open_file(path, 0);
    printf("sync %.0f\n", plain_rate(fd, true, BLOCK, 1, 100));
    close(fd);
    write_whole(path);
    requests(path, false);
    requests(path, true);
    unlink(path);
    return 0;
}
