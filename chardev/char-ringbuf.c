/*
 * A ring of bytes in memory: keeps the last `size` bytes written, read by command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include "char-int.h"
#include "util/text.h"

#define DEFAULT_SIZE 65536
#define MAX_SIZE (1ULL << 30)

typedef struct RingChardev { Chardev chr; uint8_t *bytes; size_t size, produced, consumed; } RingChardev;

static bool ring_parse(const QDict *options, QDict *data, Error **errp)
{
    return opt_copy_number(options, data, "size", "size", true, errp);
}

static bool ring_open(Chardev *chr, const QDict *data, bool *be_opened, Error **errp)
{
    RingChardev *r = (RingChardev *)chr;
    int64_t size = qdict_get_int(data, "size", 0);

    size = size ? size : DEFAULT_SIZE;
    if (size < 0 || (size & (size - 1))) {
        error_setg(errp, "size of ringbuf chardev must be power of two");
        return false;
    }
    r->bytes = (uint64_t)size <= MAX_SIZE ? g_try_malloc0(size) : NULL;
    if (!r->bytes) {
        error_setg(errp, "Cannot allocate a ringbuf of %" PRId64 " bytes", size);
        return false;
    }
    r->size = size;
    return true;
}

static int ring_write(Chardev *chr, const uint8_t *buf, int len)
{
    RingChardev *r = (RingChardev *)chr;

    for (int i = 0; i < len; i++) {
        r->bytes[r->produced++ & (r->size - 1)] = buf[i];
        if (r->produced - r->consumed > r->size) {
            r->consumed = r->produced - r->size;
        }
    }
    return len;
}

static void ring_close(Chardev *chr) { g_free(((RingChardev *)chr)->bytes); }

const ChardevClass chr_class_ringbuf = {
    .kind = "ringbuf", .size = sizeof(RingChardev), .parse = ring_parse, .open = ring_open, .write = ring_write,
    .close = ring_close,
};
const ChardevClass chr_class_memory = {
    .kind = "memory", .size = sizeof(RingChardev), .parse = ring_parse, .open = ring_open, .write = ring_write,
    .close = ring_close,
};

static RingChardev *find_ring(const char *label, Error **errp)
{
    Chardev *chr = chr_find(label);

    if (!chr) {
        error_setg(errp, "Device '%s' not found", label);
    } else if (chr->cls != &chr_class_ringbuf && chr->cls != &chr_class_memory) {
        error_setg(errp, "%s is not a ringbuf device", label);
        chr = NULL;
    }
    return (RingChardev *)chr;
}

bool chr_ringbuf_write(const char *label, const char *data, bool base64, Error **errp)
{
    RingChardev *r = find_ring(label, errp);
    g_autofree uint8_t *decoded = NULL;
    size_t len = strlen(data);

    if (!r) {
        return false;
    }
    if (base64) {
        if (strspn(data, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n") != len) {
            error_setg(errp, "Base64 data contains invalid characters");
            return false;
        }
        decoded = text_unbase64(data, len, &len);
        if (!decoded) {
            error_setg_errno(errp, ENOMEM, "Failed to write to device %s", label);
            return false;
        }
        data = (const char *)decoded;
    }
    if (ring_write(&r->chr, (const uint8_t *)data, len) < 0) {
        error_setg(errp, "Failed to write to device %s", label);
        return false;
    }
    return true;
}

/* UTF-8 only: what is not becomes U+FFFD; a sequence cut at the end of the ring's content too. */
char *chr_ringbuf_read(const char *label, int64_t size, bool base64, Error **errp)
{
    RingChardev *r = find_ring(label, errp);
    g_autofree uint8_t *out = NULL;
    char *text;
    size_t n = 0;

    if (!r) {
        return NULL;
    }
    if (size <= 0) {
        error_setg(errp, "size must be greater than zero");
        return NULL;
    }
    pthread_mutex_lock(&r->chr.write_lock);
    n = MIN((size_t)size, r->produced - r->consumed);
    out = g_try_malloc(n + 1);
    for (size_t i = 0; out && i < n; i++) {
        out[i] = r->bytes[(r->consumed + i) & (r->size - 1)];
    }
    text = !out ? NULL : base64 ? text_base64(out, n) : text_try_ndup((char *)out, n);
    r->consumed += text ? n : 0;
    pthread_mutex_unlock(&r->chr.write_lock);
    if (!text) {
        error_setg_errno(errp, ENOMEM, "Failed to read from device %s", label);
    }
    return text;
}
