/*
 * dump-guest-memory: RAM as an ELF core file, with a note of each processor (which stand at reset).
 *
 * File: ELF header, two section headers, program headers (notes, then a piece of RAM each), notes, memory, names of
 * sections. A detached dump goes on piece by piece between other work of the main loop; the machine is stopped
 * meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "hw/machine.h"
#include "machine/memory.h"
#include "machine/runstate.h"
#include "monitor/monitor.h"
#include "qapi/commands-dump.h"
#include "qapi/events-dump.h"
#include "util/aio.h"
#include "util/cutils.h"

#define STEP MiB
#define PRSTATUS_SIZE 144
#define CPU_NOTE_SIZE 440

typedef struct Piece { uint64_t base, size; } Piece;

static struct {
    DumpStatus status;
    uint64_t done, total;
    int fd;
    GArray *pieces;
    uint64_t piece, offset;      /* what comes next */
    bool was_running, detached;
    AioBh *bh;
} dump;

/* --- the head of the file ------------------------------------------------------------------------------- */

static void put32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }
static void put64(uint8_t *at, uint64_t v) { memcpy(at, &v, 8); }

static void add_note(GByteArray *out, const char *owner, uint32_t type, const uint8_t *data, uint32_t len)
{
    Elf64_Nhdr head = { strlen(owner) + 1, len, type };
    char name[8] = { 0 };

    memcpy(name, owner, strlen(owner));
    g_byte_array_append(out, (uint8_t *)&head, sizeof(head));
    g_byte_array_append(out, (uint8_t *)name, sizeof(name));
    g_byte_array_append(out, data, len);
}

enum { RESET_SIGNATURE = 0x60fb1, RESET_IP = 0xfff0, RESET_CS = 0xf000, RESET_FLAGS = 2 };

/* As debuggers know it: the registers of a 32-bit process, here those of a reset. */
static void add_prstatus(GByteArray *out, unsigned cpu)
{
    uint8_t s[PRSTATUS_SIZE] = { 0 };

    put32(s + 0x18, cpu + 1);
    put32(s + 0x50, RESET_SIGNATURE);
    put32(s + 0x78, RESET_IP);
    put32(s + 0x7c, RESET_CS);
    put32(s + 0x80, RESET_FLAGS);
    add_note(out, "CORE", NT_PRSTATUS, s, sizeof(s));
}

/* Version, size, registers; ten segments of selector, limit, flags, base; control registers. */
static void add_cpu_note(GByteArray *out)
{
    static const uint32_t flags[10] = { 0x9b00, 0x9300, 0x9300, 0x9300, 0x9300, 0x9300, 0x8200, 0x8b00, 0, 0 };
    uint8_t s[CPU_NOTE_SIZE] = { 0 };

    put32(s, 1);
    put32(s + 4, sizeof(s));
    put64(s + 0x20, RESET_SIGNATURE);
    put64(s + 0x88, RESET_IP);
    put64(s + 0x90, RESET_FLAGS);
    for (int i = 0; i < 10; i++) {
        uint8_t *segment = s + 0x98 + 24 * i;

        put32(segment, i ? 0 : RESET_CS);
        put32(segment + 4, 0xffff);
        put32(segment + 8, flags[i]);
        put64(segment + 16, i ? 0 : 0xffff0000);
    }
    put64(s + 0x188, 0x60000010);
    add_note(out, "QEMU", 0, s, sizeof(s));
}

static const char section_names[] = "\0.shstrtab";

static GByteArray *make_head(void)
{
    GByteArray *out = g_byte_array_new(), *notes = g_byte_array_new();
    unsigned cpus = machine_class(machine_current())->default_cpu_type ? machine_current()->smp.cpus : 0;
    Elf64_Ehdr e = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT }, .e_type = ET_CORE, .e_machine = EM_386,
        .e_version = EV_CURRENT, .e_shoff = sizeof(e), .e_phoff = sizeof(e) + 2 * sizeof(Elf64_Shdr), .e_ehsize = 8,
        .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1 + dump.pieces->len, .e_shentsize = sizeof(Elf64_Shdr),
        .e_shnum = 2, .e_shstrndx = 1,
    };
    Elf64_Shdr sections[2] = { { 0 }, { .sh_name = 1, .sh_type = SHT_STRTAB, .sh_size = sizeof(section_names) } };
    Elf64_Phdr p = { .p_type = PT_NOTE, .p_offset = e.e_phoff + e.e_phnum * sizeof(p) };

    for (unsigned i = 0; i < cpus; i++) {
        add_prstatus(notes, i);
    }
    for (unsigned i = 0; i < cpus; i++) {
        add_cpu_note(notes);
    }
    p.p_filesz = p.p_memsz = notes->len;
    sections[1].sh_offset = p.p_offset + notes->len + dump.total;
    g_byte_array_append(out, (uint8_t *)&e, sizeof(e));
    g_byte_array_append(out, (uint8_t *)sections, sizeof(sections));
    g_byte_array_append(out, (uint8_t *)&p, sizeof(p));
    p = (Elf64_Phdr) { .p_type = PT_LOAD, .p_offset = p.p_offset + notes->len };
    for (guint i = 0; i < dump.pieces->len; i++) {
        const Piece *piece = &g_array_index(dump.pieces, Piece, i);

        p.p_paddr = p.p_vaddr = piece->base;
        p.p_filesz = p.p_memsz = piece->size;
        g_byte_array_append(out, (uint8_t *)&p, sizeof(p));
        p.p_offset += piece->size;
    }
    g_byte_array_append(out, notes->data, notes->len);
    g_byte_array_unref(notes);
    return out;
}

/* --- writing ---------------------------------------------------------------------------------------------- */

static bool write_all(const void *data, uint64_t len, Error **errp)
{
    const uint8_t *at = data;

    while (len) {
        ssize_t n = write(dump.fd, at, MIN(len, 1u << 30));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            error_setg_errno(errp, n ? errno : EIO, "dump: failed to save memory");
            return false;
        }
        at += n;
        len -= n;
    }
    return true;
}

/* Up to STEP bytes; *more tells whether there are others. */
static bool write_step(bool *more, Error **errp)
{
    const Piece *p = &g_array_index(dump.pieces, Piece, dump.piece);
    uint64_t n = MIN((uint64_t)STEP, p->size - dump.offset), len = n;
    const void *host = mem_ram_ptr(p->base + dump.offset, &len, false, false);

    if (!host) {
        error_setg(errp, "dump: memory at 0x%" PRIx64 " is gone", p->base + dump.offset);
        return false;
    }
    if (!write_all(host, n, errp)) {
        return false;
    }
    dump.done += n;
    dump.offset += n;
    if (dump.offset == p->size) {
        dump.piece++;
        dump.offset = 0;
    }
    *more = dump.piece < dump.pieces->len;
    return *more || write_all(section_names, sizeof(section_names), errp);
}

static void finish(const Error *err)
{
    DumpQueryResult result = { .completed = dump.done, .total = dump.total };
    DumpCompletedEvent event = { .result = &result, .error = err ? (char *)error_get_pretty(err) : NULL };

    close(dump.fd);
    g_array_unref(dump.pieces);
    result.status = dump.status = err ? DUMP_STATUS_FAILED : DUMP_STATUS_COMPLETED;
    qapi_event_send_DUMP_COMPLETED(&event);
    if (dump.was_running) {
        vm_start();
    }
}

static void detached_step(void *opaque)
{
    Error *err = NULL;
    bool more = false;

    if (write_step(&more, &err) && more) {
        aio_bh_schedule(dump.bh);
        return;
    }
    finish(err);
    error_free(err);
}

static void run(Error **errp)
{
    ERRP_GUARD();
    g_autoptr(GByteArray) head = make_head();
    bool more = true;

    if (!write_all(head->data, head->len, errp)) {
        finish(*errp);
        return;
    }
    if (dump.detached) {
        dump.bh = dump.bh ? dump.bh : aio_bh_new(aio_main_context(), detached_step, NULL);
        aio_bh_schedule(dump.bh);
        return;
    }
    while (more && write_step(&more, errp)) {
    }
    finish(*errp);
}

/* --- commands ------------------------------------------------------------------------------------------------ */

typedef struct Range { bool given; uint64_t begin, length; } Range;

static void add_piece(const RamBlock *block, uint64_t offset, uint64_t base, uint64_t size, void *opaque)
{
    const Range *r = opaque;
    uint64_t end = base + size;

    if (r->given) {
        uint64_t last = r->length > UINT64_MAX - r->begin ? UINT64_MAX : r->begin + r->length;

        base = MAX(base, r->begin);
        end = MIN(end, last);
    }
    if (base < end) {
        Piece p = { base, end - base };

        g_array_append_val(dump.pieces, p);
        dump.total += p.size;
    }
}

static bool check(const DumpGuestMemoryArgs *arg, Error **errp)
{
    bool elf = !arg->has_format || arg->format == DUMP_GUEST_MEMORY_FORMAT_ELF;

    if (vm_state() == VM_INMIGRATE) {
        error_setg(errp, "Dump not allowed during incoming migration.");
    } else if (dump.status == DUMP_STATUS_ACTIVE) {
        error_setg(errp, "There is a dump in process, please wait.");
    } else if (!elf && (arg->paging || arg->has_begin || arg->has_length)) {
        error_setg(errp, "kdump-compressed format doesn't support paging or filter");
    } else if (arg->has_begin && !arg->has_length) {
        error_setg(errp, "Parameter 'length' is missing");
    } else if (!arg->has_begin && arg->has_length) {
        error_setg(errp, "Parameter 'begin' is missing");
    } else if (!elf) {
        error_setg(errp, "%s is not available now", DumpGuestMemoryFormat_str(arg->format));
    } else {
        return true;
    }
    return false;
}

static int open_target(const char *protocol, Error **errp)
{
    int fd;

    if (g_str_has_prefix(protocol, "fd:")) {
        return monitor_get_fd(monitor_cur(), protocol + 3, errp);
    }
    if (!g_str_has_prefix(protocol, "file:")) {
        error_setg(errp, "Invalid parameter 'protocol'");
        return -1;
    }
    fd = open(protocol + 5, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", protocol + 5);
    }
    return fd;
}

void qmp_dump_guest_memory(const DumpGuestMemoryArgs *arg, Error **errp)
{
    Range range = { arg->has_begin, arg->begin, arg->length };
    int fd;

    if (!check(arg, errp)) {
        return;
    }
    fd = open_target(arg->protocol, errp);
    if (fd < 0) {
        return;
    }
    dump.pieces = g_array_new(false, false, sizeof(Piece));
    dump.done = dump.total = dump.piece = dump.offset = 0;
    ram_foreach_piece(add_piece, &range);
    if (!dump.total) {
        error_setg(errp, "dump: no guest memory to dump");
        g_array_unref(dump.pieces);
        close(fd);
        return;
    }
    dump.fd = fd;
    dump.status = DUMP_STATUS_ACTIVE;
    dump.detached = arg->has_detach && arg->detach;
    dump.was_running = vm_running();
    if (dump.was_running) {
        vm_stop(VM_SAVE_VM);
    }
    run(errp);
}

DumpQueryResult *qmp_query_dump(Error **errp)
{
    DumpQueryResult *r = DumpQueryResult_new();

    r->status = dump.status;
    r->completed = dump.done;
    r->total = dump.total;
    return r;
}

DumpGuestMemoryCapability *qmp_query_dump_guest_memory_capability(Error **errp)
{
    DumpGuestMemoryCapability *c = DumpGuestMemoryCapability_new();

    c->formats = DumpGuestMemoryFormatList_new();
    DumpGuestMemoryFormatList_append(c->formats, DUMP_GUEST_MEMORY_FORMAT_ELF);
    return c;
}
