/*
 * The qtest protocol: one command a line, one answer a line, and "IRQ raise N" / "IRQ lower N" at any time.
 *
 * Malformed numbers are answered with FAIL; lines are bounded; a length above MAX_BYTES is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include "accel/qtest.h"
#include "hw/irq.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "qom/object.h"
#include "util/aio.h"
#include "util/cutils.h"
#include "util/text.h"

#define MAX_BYTES (64 * MiB)
#define MAX_LINE (2 * MAX_BYTES + 256)
#define WORDS_MAX 8

typedef struct Qtest {
    CharBackend be;
    Text in;
    bool skipping;             /* the rest of a line for which there was no memory */
    FILE *log;
    struct timeval opened;
    Object *intercepted;       /* device whose lines are told */
    bool intercept_out;
    bool connected;
} Qtest;

static Qtest *server;
static bool enabled;
static int64_t clock_ns;       /* the virtual clock under -accel qtest */

static int64_t read_clock(void) { return __atomic_load_n(&clock_ns, __ATOMIC_RELAXED); }
static void set_clock(int64_t ns) { __atomic_store_n(&clock_ns, ns, __ATOMIC_RELAXED); }
bool qtest_enabled(void) { return enabled; }

void qtest_set_enabled(void)
{
    enabled = true;
    aio_clock_set_source(AIO_CLOCK_VIRTUAL, read_clock);
    aio_clock_set_standing(AIO_CLOCK_VIRTUAL, true);
    vm_clock_set_hook(set_clock);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void write_log(Qtest *q, char kind, const char *text)
{
    struct timeval now;

    if (!q->log) {
        return;
    }
    gettimeofday(&now, NULL);
    timersub(&now, &q->opened, &now);
    fprintf(q->log, "[%c %s%ld.%06ld] %s\n", kind, kind == 'I' && *text == 'O' ? "" : "+", (long)now.tv_sec,
            (long)now.tv_usec, text);
    fflush(q->log);
}

static void send_line(Qtest *q, const char *text)
{
    if (strlen(text) < 4096) {
        g_autofree char *line = g_strconcat(text, "\n", NULL);

        write_log(q, 'S', text);
        chr_fe_write_all(&q->be, (uint8_t *)line, strlen(line));
        return;
    }
    chr_fe_write_all(&q->be, (const uint8_t *)text, strlen(text));
    chr_fe_write_all(&q->be, (const uint8_t *)"\n", 1);
}

G_GNUC_PRINTF(2, 3)
static void sendf(Qtest *q, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = text_vformat(fmt, ap);
    va_end(ap);
    send_line(q, text);
}

/* --- interrupts ------------------------------------------------------------------------------------ */

void qtest_irq_changed(void *device, const char *gpio, bool out, int n, int level)
{
    if (server && server->connected && server->intercepted == device && server->intercept_out == out) {
        sendf(server, "IRQ %s %d", level ? "raise" : "lower", n);
    }
}

static void intercept(Qtest *q, const char *path, bool out)
{
    Object *o = object_resolve_path(path, NULL);

    if (!o || !object_is_a(o, "device")) {
        send_line(q, "FAIL Unknown device");
    } else if (q->intercepted && (q->intercepted != o || q->intercept_out != out)) {
        send_line(q, "FAIL IRQ intercept already enabled");
    } else {
        q->intercepted = o;
        q->intercept_out = out;
        send_line(q, "OK");
    }
}

/* set_irq_in DEVICE NAME N LEVEL: only global interrupts (the I/O APIC's inputs) can be driven from outside. */
static void set_irq_in(Qtest *q, char **w)
{
    Object *o = object_resolve_path(w[1], NULL);
    uint64_t n;
    int64_t level;

    if (!o || !object_is_a(o, "device")) {
        send_line(q, "FAIL Unknown device");
    } else if (parse_u64(w[3], 0, &n) < 0 || parse_i64(w[4], 0, &level) < 0 || n >= GSI_MAX
               || !object_is_a(o, "ioapic")) {
        send_line(q, "FAIL Unknown IRQ");
    } else {
        static Irq *sources[GSI_MAX];

        sources[n] = sources[n] ? sources[n] : gsi_source(n);
        irq_set(sources[n], level != 0);
        send_line(q, "OK");
    }
}

/* --- the clock -------------------------------------------------------------------------------------------- */

/* A far end may be years of ticks away: who wants the program to end does not wait for it. */
static void move_clock(int64_t to)
{
    AioContext *ctx = aio_main_context();

    while (!vm_shutdown_requested()) {
        int64_t next = aio_clock_next_expiry(ctx, AIO_CLOCK_VIRTUAL);

        if (next < 0 || next > to) {
            break;
        }
        clock_ns = MAX(clock_ns, next);
        aio_clock_moved(ctx, AIO_CLOCK_VIRTUAL);
        while (aio_poll(ctx, false)) {
        }
        if (aio_clock_next_expiry(ctx, AIO_CLOCK_VIRTUAL) == next) {
            break;
        }
    }
    clock_ns = MAX(clock_ns, to);
}

static void clock_command(Qtest *q, const char *word, const char *arg)
{
    bool step = !strcmp(word, "clock_step");
    int64_t value = 0;

    if (!enabled || (!step && !arg)) {
        sendf(q, "FAIL Unknown command '%s'", word);
        return;
    }
    if (arg && parse_i64(arg, 0, &value) < 0) {
        send_line(q, "FAIL invalid number");
        return;
    }
    if (!arg) {
        int64_t next = aio_clock_next_expiry(aio_main_context(), AIO_CLOCK_VIRTUAL);

        move_clock(next < 0 ? clock_ns : next);
    } else {
        move_clock(step ? clock_ns + value : value);
    }
    sendf(q, "OK %" PRId64, clock_ns);
}

/* --- memory and ports ------------------------------------------------------------------------------------------ */

static unsigned width(char letter) { return letter == 'b' ? 1 : letter == 'w' ? 2 : letter == 'l' ? 4 : 8; }

static bool port_command(Qtest *q, char **w, unsigned words)
{
    bool out = !strncmp(w[0], "out", 3);
    size_t len = strlen(w[0]);
    char letter = len ? w[0][len - 1] : 0;             /* the last one, whatever the word is */
    uint64_t port, value = 0;

    if ((!out && strncmp(w[0], "in", 2)) || len != (out ? 4 : 3) || !strchr("bwl", letter)) {
        return false;
    }
    if (words < (out ? 3 : 2) || parse_u64(w[1], 0, &port) < 0 || (out && parse_u64(w[2], 0, &value) < 0)) {
        send_line(q, "FAIL invalid number");
    } else if (out) {
        port_write(port, value, width(letter));
        send_line(q, "OK");
    } else {
        sendf(q, "OK 0x%04x", (unsigned)port_read(port, width(letter)));
    }
    return true;
}

static bool word_command(Qtest *q, char **w, unsigned words)
{
    bool wr = !strncmp(w[0], "write", 5);
    size_t len = strlen(w[0]);
    char letter = len ? w[0][len - 1] : 0;
    uint64_t addr, value = 0;

    if ((!wr && strncmp(w[0], "read", 4)) || len != (wr ? 6 : 5) || !strchr("bwlq", letter)) {
        return false;
    }
    if (words < (wr ? 3 : 2) || parse_u64(w[1], 0, &addr) < 0 || (wr && parse_u64(w[2], 0, &value) < 0)) {
        send_line(q, "FAIL invalid number");
    } else if (wr) {
        mem_write(addr, value, width(letter));
        send_line(q, "OK");
    } else {
        sendf(q, "OK 0x%016" PRIx64, mem_read(addr, width(letter)));
    }
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A'
           && c <= 'F' ? c - 'A' + 10 : 0;
}

/* len bytes, zero; NULL: the peer was told that there is no memory. */
static uint8_t *take_buffer(Qtest *q, uint64_t len)
{
    uint8_t *buf = g_try_malloc0(MAX(len, 1));

    if (!buf) {
        send_line(q, "ERR no memory");
    }
    return buf;
}

static void send_text(Qtest *q, Text *out)
{
    g_autofree char *text = text_take(out);

    send_line(q, text ? text : "ERR no memory");
}

static void read_hex(Qtest *q, uint64_t addr, uint64_t len)
{
    g_autofree uint8_t *buf = take_buffer(q, len);
    Text out = { 0 };

    if (!buf) {
        return;
    }
    mem_read_bytes(addr, buf, len);
    text_reserve(&out, 2 * len + 8);
    text_add_str(&out, "OK 0x");
    for (uint64_t i = 0; i < len; i++) {
        text_add_c(&out, "0123456789abcdef"[buf[i] >> 4]);
        text_add_c(&out, "0123456789abcdef"[buf[i] & 15]);
    }
    send_text(q, &out);
}

static void write_hex(Qtest *q, uint64_t addr, uint64_t len, const char *hex)
{
    g_autofree uint8_t *buf = NULL;
    size_t digits;

    if (!len) {
        send_line(q, "ERR invalid argument size");
        return;
    }
    buf = take_buffer(q, len);
    if (!buf) {
        return;
    }
    hex += strlen(hex) >= 2 ? 2 : strlen(hex);         /* "0x" */
    digits = strlen(hex);
    for (uint64_t i = 0; i < len && 2 * i + 1 < digits; i++) {
        buf[i] = hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]);
    }
    mem_write_bytes(addr, buf, len);
    send_line(q, "OK");
}

static void read_b64(Qtest *q, uint64_t addr, uint64_t len)
{
    g_autofree uint8_t *buf = take_buffer(q, len);
    g_autofree char *text = NULL;
    Text out = { 0 };

    if (!buf) {
        return;
    }
    mem_read_bytes(addr, buf, len);
    text = text_base64(buf, len);
    text_add_str(&out, "OK ");
    text_add_str(&out, text ? text : "");
    out.failed |= !text;
    send_text(q, &out);
}

static void write_b64(Qtest *q, uint64_t addr, uint64_t len, const char *text)
{
    size_t got = 0;
    g_autofree uint8_t *buf = text_unbase64(text, strlen(text), &got);

    if (!buf) {
        send_line(q, "ERR no memory");
        return;
    }
    mem_write_bytes(addr, buf, MIN(got, len));
    send_line(q, "OK");
}

static void fill(Qtest *q, uint64_t addr, uint64_t len, uint64_t byte)
{
    g_autofree uint8_t *buf = take_buffer(q, len);

    if (!buf) {
        return;
    }
    memset(buf, byte, len);
    mem_write_bytes(addr, buf, len);
    send_line(q, "OK");
}

static bool range_command(Qtest *q, char **w, unsigned words)
{
    static const struct { const char *name; unsigned words; } names[] = {
        { "read", 3 }, { "write", 4 }, { "b64read", 3 }, { "b64write", 4 }, { "memset", 4 },
    };
    uint64_t addr, len, byte = 0;
    size_t kind;

    for (kind = 0; kind < G_N_ELEMENTS(names) && strcmp(names[kind].name, w[0]); kind++) {
    }
    if (kind == G_N_ELEMENTS(names)) {
        return false;
    }
    if (words < names[kind].words || parse_u64(w[1], 0, &addr) < 0 || parse_u64(w[2], 0, &len) < 0 || len > MAX_BYTES
        || (kind == 4 && parse_u64(w[3], 0, &byte) < 0)) {
        send_line(q, "FAIL invalid argument");
        return true;
    }
    switch (kind) {
    case 0: read_hex(q, addr, len); break;
    case 1: write_hex(q, addr, len, w[3]); break;
    case 2: read_b64(q, addr, len); break;
    case 3: write_b64(q, addr, len, w[3]); break;
    default: fill(q, addr, len, byte);
    }
    return true;
}

/* The first words, apart by one space each, in place; no command has as many. */
static unsigned split_line(char *line, char **w)
{
    unsigned n = 0;

    while (line && (*line || n) && n < WORDS_MAX) {
        char *end = strchr(line, ' ');

        w[n++] = line;
        line = end ? end + 1 : NULL;
        if (end) {
            *end = '\0';
        }
    }
    w[n] = NULL;
    return n;
}

static void run_line(Qtest *q, char *line)
{
    char *w[WORDS_MAX + 1];
    unsigned words;

    if (strlen(line) < 4096) {
        write_log(q, 'R', line);
    }
    words = split_line(line, w);
    if (!words || !*w[0]) {
        send_line(q, "FAIL Unknown command ''");
    } else if ((!strcmp(w[0], "irq_intercept_in") || !strcmp(w[0], "irq_intercept_out")) && words > 1) {
        intercept(q, w[1], !strcmp(w[0], "irq_intercept_out"));
    } else if (!strcmp(w[0], "set_irq_in") && words > 4) {
        set_irq_in(q, w);
    } else if (!strcmp(w[0], "clock_step") || !strcmp(w[0], "clock_set")) {
        clock_command(q, w[0], words > 1 ? w[1] : NULL);
    } else if (!strcmp(w[0], "endianness")) {
        send_line(q, "OK little");
    } else if (!strcmp(w[0], "module_load")) {
        send_line(q, "FAIL");
    } else if (!port_command(q, w, words) && !word_command(q, w, words) && !range_command(q, w, words)) {
        sendf(q, "FAIL Unknown command '%s'", w[0]);
    }
}

/* --- the connection ----------------------------------------------------------------------------------------------- */

static int can_read(void *opaque)
{
    Qtest *q = opaque;

    return q->in.len > 2 * MAX_LINE ? 0 : 65536;
}

static bool started;                 /* the machine is there and was reset */

/* Cut off the first line, n bytes long, and run it. */
static void take_line(Qtest *q, size_t n)
{
    g_autofree char *line = text_try_ndup(q->in.s, n);

    q->in.len -= n + 1;
    memmove(q->in.s, q->in.s + n + 1, q->in.len + 1);
    if (!line) {
        send_line(q, "FAIL no memory");
        return;
    }
    if (n && line[n - 1] == '\r') {
        line[n - 1] = '\0';
    }
    run_line(q, line);
}

/* Not while somebody polls in the middle of his own work: the guest waits outside drained sections and resets. */
static void run_lines(Qtest *q)
{
    const char *nl;

    while (started && !aio_poll_nested() && q->in.len && (nl = memchr(q->in.s, '\n', q->in.len))) {
        take_line(q, nl - q->in.s);
    }
    if (!aio_poll_nested() && q->in.len > MAX_LINE) {
        text_clear(&q->in);
        send_line(q, "FAIL line too long");
    }
}

/* A line for which there is no memory is answered, and passed over to its end. */
static void do_read(void *opaque, const uint8_t *buf, int size)
{
    Qtest *q = opaque;
    const uint8_t *nl = q->skipping ? memchr(buf, '\n', size) : NULL;

    if (q->skipping) {
        q->skipping = nl == NULL;
        size -= nl ? (nl + 1 - buf) : size;
        buf = nl ? nl + 1 : buf;
    }
    text_add(&q->in, (const char *)buf, size);
    if (q->in.failed) {
        nl = memchr(buf, '\n', size);
        text_clear(&q->in);
        q->skipping = nl == NULL;
        send_line(q, "FAIL no memory");
        text_add(&q->in, nl ? (const char *)nl + 1 : "", nl ? buf + size - nl - 1 : 0);
    }
    run_lines(q);
}

static void run_lines_bh(void *opaque)
{
    run_lines(server);
    chr_fe_accept_input(&server->be);
}

void qtest_server_start(void)
{
    started = true;
    if (server) {
        aio_bh_oneshot(aio_main_context(), run_lines_bh, NULL);
    }
}

static void on_unnested(void)
{
    if (server && server->in.len) {
        aio_bh_oneshot(aio_main_context(), run_lines_bh, NULL);
    }
}

static void on_event(void *opaque, ChrEvent event)
{
    Qtest *q = opaque;

    if (event == CHR_EVENT_OPENED) {
        gettimeofday(&q->opened, NULL);
        q->connected = true;
        text_clear(&q->in);
        q->skipping = false;
        write_log(q, 'I', "OPENED");
    } else if (event == CHR_EVENT_CLOSED && q->connected) {
        q->connected = false;
        q->intercepted = NULL;
        write_log(q, 'I', "CLOSED");
    }
}

static QObject *get_chardev(Object *o, const Property *p, Error **errp)
{
    return qstring_new(server && server->be.chr ? chr_label(server->be.chr) : "");
}

static QObject *get_log(Object *o, const Property *p, Error **errp) { return qstring_new(""); }

static const Property qtest_props[] = {
    { .name = "chardev", .type = "string", .kind = PROP_CUSTOM, .get = get_chardev },
    { .name = "log", .type = "string", .kind = PROP_CUSTOM, .get = get_log },
    { NULL }
};
static const TypeInfo qtest_type = { .name = "qtest", .size = sizeof(Object), .props = qtest_props };
QOM_TYPE(qtest_type)
static const TypeInfo accel_type = { .name = "accel", .abstract = true, .size = sizeof(Object) };
QOM_TYPE(accel_type)
static const TypeInfo qtest_accel_type = { .name = "qtest-accel", .parent = "accel", .size = sizeof(Object) };
QOM_TYPE(qtest_accel_type)

bool qtest_server_init(Chardev *chr, const char *log, Error **errp)
{
    Qtest *q = g_new0(Qtest, 1);
    Object *o = object_new(&qtest_type);

    if (!chr_fe_init(&q->be, chr, errp)) {
        g_free(q);
        object_unref(o);
        return false;
    }
    q->log = !log ? stderr : strcmp(log, "none") ? fopen(log, "w+") : NULL;
    server = q;
    object_add_child(object_container("/machine"), "qtest", o);
    object_unref(o);
    aio_add_unnest_hook(on_unnested);
    chr_fe_set_handlers(&q->be, can_read, do_read, on_event, NULL, q, NULL, true);
    return true;
}
