/*
 * Locks on image files: open-file-description locks on single bytes, at the places that the stock
 * programs use (seen in their system calls), so that theirs and ours keep each other out.
 *
 * All locks are shared (read) locks: byte 100 + n says "I use permission n", byte 200 + n says "I do
 * not share permission n".  Whoever takes a lock then asks whether anybody holds the opposite byte.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "file.h"

#define PERM_BASE 100
#define UNSHARED_BASE 200
#define PERM_BITS 4

static const char *const perm_words[PERM_BITS] = { "consistent read", "write", "write unchanged", "resize" };

static int lock_byte(int fd, int64_t at, short type)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
    int ret;

    do {
        ret = fcntl(fd, F_OFD_SETLK, &fl);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : 0;
}

/* Would an exclusive lock be refused?  Then somebody else holds the byte. */
static bool held_by_other(int fd, int64_t at)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };

    return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

bool file_locks_supported(void)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0 && fcntl(fd, F_OFD_GETLK, &fl) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool wanted(uint64_t perm, uint64_t shared, int bit, bool unshared)
{
    return unshared ? !(shared & (1ULL << bit)) : perm & (1ULL << bit);
}

int file_lock_apply(FileState *s, int fd, uint64_t perm, uint64_t shared, bool exact, Error **errp)
{
    for (int unshared = 0; unshared < 2; unshared++) {
        for (int bit = 0; bit < PERM_BITS; bit++) {
            bool want = wanted(perm, shared, bit, unshared);
            int ret = 0;

            if (want) {
                ret = lock_byte(fd, (unshared ? UNSHARED_BASE : PERM_BASE) + bit, F_RDLCK);
            } else if (exact) {
                ret = lock_byte(fd, (unshared ? UNSHARED_BASE : PERM_BASE) + bit, F_UNLCK);
            }
            if (ret < 0 && want) {
                error_setg_errno(errp, -ret, "Failed to lock byte %d", (unshared ? UNSHARED_BASE : PERM_BASE) + bit);
                return ret;
            }
        }
    }
    return 0;
}

int file_lock_check(int fd, uint64_t perm, uint64_t shared, const char *filename, Error **errp)
{
    ERRP_GUARD();
    for (int bit = 0; bit < PERM_BITS; bit++) {
        if ((perm & (1ULL << bit)) && held_by_other(fd, UNSHARED_BASE + bit)) {
            error_setg(errp, "Failed to get \"%s\" lock", perm_words[bit]);
            error_append_hint(errp, "Is another process using the image [%s]?\n", filename);
            return -EAGAIN;
        }
    }
    for (int bit = 0; bit < PERM_BITS; bit++) {
        if (!(shared & (1ULL << bit)) && held_by_other(fd, PERM_BASE + bit)) {
            error_setg(errp, "Failed to get shared \"%s\" lock", perm_words[bit]);
            error_append_hint(errp, "Is another process using the image [%s]?\n", filename);
            return -EAGAIN;
        }
    }
    return 0;
}
