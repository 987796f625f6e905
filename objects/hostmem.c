/*
 * Memory backends: pages of this process that become guest RAM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "qom/object.h"
#include "objects/hostmem.h"
#include "util/cutils.h"

#define HOSTMEM(o) ((HostMem *)(o))

/* --- properties ------------------------------------------------------------------------------- */

static bool check_fixed(Object *o, const Property *p, int64_t v, Error **errp)
{
    if (HOSTMEM(o)->host) {
        error_setg(errp, "cannot change property %s of %s ", p->name, o->type->name);
        return false;
    }
    return true;
}

static bool set_size(Object *o, const Property *p, const QObject *value, Error **errp)
{
    uint64_t size = 0;
    int64_t i;

    if (!check_fixed(o, p, 0, errp)) {
        return false;
    }
    if (qobject_get_int(value, &i)) {
        size = i;
    } else if (!qobject_get_str(value) || parse_size(qobject_get_str(value), NULL, 'B', &size) < 0) {
        error_setg(errp, "Parameter 'size' expects a size");
        return false;
    }
    if (!size) {
        error_setg(errp, "property '%s' of %s doesn't take value '%d'", p->name, o->type->name, 0);
        return false;
    }
    HOSTMEM(o)->size = size;
    return true;
}

static QObject *get_size(Object *o, const Property *p, Error **errp) { return quint_new(HOSTMEM(o)->size); }

/* Nodes are kept and told; binding needs a host with several. */
static bool set_nodes(Object *o, const Property *p, const QObject *value, Error **errp)
{
    qobject_unref(HOSTMEM(o)->host_nodes);
    HOSTMEM(o)->host_nodes = qobject_type(value) == QTYPE_LIST ? qobject_clone(value) : qlist_new();
    return true;
}

static QObject *get_nodes(Object *o, const Property *p, Error **errp)
{
    return HOSTMEM(o)->host_nodes ? qobject_ref(HOSTMEM(o)->host_nodes) : qlist_new();
}

static QObject *get_context(Object *o, const Property *p, Error **errp) { return qstring_new(""); }

static const char *const policies[] = { "default", "preferred", "bind", "interleave", NULL };

#define H_BOOL(n, f, d, t) { .name = n, .kind = PROP_BOOL, .offset = offsetof(HostMem, f), .has_default = true, .def = d, .description = t }

static const Property hostmem_props[] = {
    H_BOOL("share", share, false, "Mark the memory as private to QEMU or shared"),
    { .name = "size", .type = "int", .kind = PROP_CUSTOM, .get = get_size, .set = set_size,
      .description = "Size of the memory region (ex: 500M)" },
    H_BOOL("dump", dump, true, "Set to 'off' to exclude from core dump"),
    { .name = "prealloc-threads", .type = "int", .kind = PROP_U32, .offset = offsetof(HostMem, prealloc_threads),
      .has_default = true, .def = 1,
      .description = "Number of CPU threads to use for prealloc" },
    H_BOOL("x-use-canonical-path-for-ramblock-id", canonical_id, false, NULL),
    { .name = "policy", .type = "HostMemPolicy", .kind = PROP_ENUM, .names = policies,
      .offset = offsetof(HostMem, policy),
      .has_default = true, .description = "Set the NUMA policy" },
    { .name = "prealloc-context", .type = "link<thread-context>", .kind = PROP_CUSTOM, .get = get_context,
      .description = "Context to use for creating CPU threads for preallocation" },
    H_BOOL("prealloc", prealloc, false, "Preallocate memory"),
    H_BOOL("reserve", reserve, true, "Reserve swap space (or huge pages) if applicable"),
    { .name = "host-nodes", .type = "int", .kind = PROP_CUSTOM, .get = get_nodes, .set = set_nodes,
      .description = "Binds memory to the list of NUMA host nodes" },
    H_BOOL("merge", merge, true, "Mark memory as mergeable"),
    { NULL }
};

static const char *const hostmem_required[] = { "size", NULL };
static const char *const hostmem_file_required[] = { "size", "mem-path", NULL };

/* --- mapping ------------------------------------------------------------------------------------ */

static bool map_pages(HostMem *m, int fd, Error **errp)
{
    int flags = (fd < 0 ? MAP_ANONYMOUS : 0) | (m->share ? MAP_SHARED : MAP_PRIVATE) | (m->reserve ? 0 : MAP_NORESERVE);
    void *host = m->size > (1ULL << 62) ? MAP_FAILED : mmap(NULL, m->size, PROT_READ | PROT_WRITE, flags, fd, 0);

    if (host == MAP_FAILED) {
        error_setg_errno(errp, m->size > (1ULL << 62) ? ENOMEM : errno, "cannot set up guest memory '%s'", m->obj.name);
        return false;
    }
    m->host = host;
    if (m->merge) {
        madvise(host, m->size, MADV_MERGEABLE);
    }
    if (!m->dump) {
        madvise(host, m->size, MADV_DONTDUMP);
    }
    for (uint64_t at = 0; m->prealloc && at < m->size; at += 4096) {
        m->host[at] = m->host[at];
    }
    return true;
}

static bool complete_ram(Object *o, Error **errp) { return map_pages(HOSTMEM(o), -1, errp); }

static int open_file(HostMem *m, Error **errp)
{
    struct stat st;
    int fd;

    if (stat(m->path, &st) == 0 && S_ISDIR(st.st_mode)) {
        g_autofree char *name = g_strdup_printf("%s/stillframe_mem.XXXXXX", m->path);

        fd = mkstemp(name);
        if (fd >= 0) {
            unlink(name);
        }
    } else {
        fd = open(m->path, m->readonly ? O_RDONLY : O_RDWR | O_CREAT, 0644);
    }
    if (fd < 0) {
        error_setg_errno(errp, errno, "can't open backing store %s for guest RAM", m->path);
    }
    return fd;
}

static bool complete_file(Object *o, Error **errp)
{
    HostMem *m = HOSTMEM(o);
    struct stat st;
    bool ok;
    int fd = open_file(m, errp);

    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        if (st.st_size && (uint64_t)st.st_size < m->size) {
            error_setg(errp, "backing store size 0x%" PRIx64 " does not match 'size' option 0x%" PRIx64,
                       (uint64_t)st.st_size, m->size);
            close(fd);
            return false;
        }
        if (!st.st_size && ftruncate(fd, m->size) < 0) {
            error_setg_errno(errp, errno, "ftruncate");
        }
    }
    ok = map_pages(m, fd, errp);
    close(fd);
    return ok;
}

static bool complete_memfd(Object *o, Error **errp)
{
    HostMem *m = HOSTMEM(o);
    bool ok;
    int fd = memfd_create(o->name, MFD_CLOEXEC | (m->hugetlb ? MFD_HUGETLB : m->seal ? MFD_ALLOW_SEALING : 0));

    if (fd < 0 || ftruncate(fd, m->size) < 0) {
        error_setg_errno(errp, errno, "failed to create memfd");
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    ok = map_pages(m, fd, errp);
    close(fd);
    return ok;
}

static void finalize(Object *o)
{
    HostMem *m = HOSTMEM(o);

    if (m->host && !m->used) {        /* the pages of a machine stay until the program ends */
        munmap(m->host, m->size);
    }
    qobject_unref(m->host_nodes);
}

static bool can_delete(Object *o) { return !HOSTMEM(o)->used; }

static void memfd_init(Object *o) { HOSTMEM(o)->share = true; }

static const TypeInfo hostmem_type = {
    .name = "memory-backend", .abstract = true, .size = sizeof(HostMem), .props = hostmem_props, .finalize = finalize,
    .can_delete = can_delete,
};
QOM_TYPE(hostmem_type)

static const TypeInfo hostmem_ram_type = {
    .name = "memory-backend-ram", .parent = "memory-backend", .size = sizeof(HostMem), .user_creatable = true,
    .complete = complete_ram, .required = hostmem_required, .can_delete = can_delete,
};
QOM_TYPE(hostmem_ram_type)

static const Property file_props[] = {
    { .name = "mem-path", .type = "string", .kind = PROP_STRING, .offset = offsetof(HostMem, path) },
    { .name = "align", .type = "int", .kind = PROP_SIZE, .offset = offsetof(HostMem, align) },
    H_BOOL("readonly", readonly, false, NULL), H_BOOL("pmem", pmem, false, NULL),
    H_BOOL("discard-data", discard_data, false, NULL),
    { NULL }
};
static const TypeInfo hostmem_file_type = {
    .name = "memory-backend-file", .parent = "memory-backend", .size = sizeof(HostMem), .user_creatable = true,
    .props = file_props, .complete = complete_file, .required = hostmem_file_required, .can_delete = can_delete,
};
QOM_TYPE(hostmem_file_type)

static const Property memfd_props[] = {
    H_BOOL("hugetlb", hugetlb, false, "Use huge pages"), H_BOOL("seal", seal, true, "Seal growing & shrinking"),
    { .name = "hugetlbsize", .type = "int", .kind = PROP_SIZE, .offset = offsetof(HostMem, hugetlbsize),
      .description = "Huge pages size (ex: 2M, 1G)" },
    { NULL }
};
static const TypeInfo hostmem_memfd_type = {
    .name = "memory-backend-memfd", .parent = "memory-backend", .size = sizeof(HostMem), .user_creatable = true,
    .props = memfd_props, .init = memfd_init, .complete = complete_memfd, .required = hostmem_required,
    .can_delete = can_delete,
};
QOM_TYPE(hostmem_memfd_type)

uint8_t *memory_backend_host(Object *o, uint64_t *size)
{
    *size = HOSTMEM(o)->size;
    return HOSTMEM(o)->host;
}

const char *memory_backend_ram_name(Object *o) { return o->name; }
void memory_backend_set_used(Object *o, bool used) { HOSTMEM(o)->used = used; }
