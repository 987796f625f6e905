/*
 * NBD headers, error numbers and names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib.h>
#include "nbd/protocol.h"

bool nbd_request_parse(const uint8_t buf[NBD_REQUEST_BYTES], NbdRequest *out)
{
    *out = (NbdRequest){ .flags = nbd_get16(buf + 4), .type = nbd_get16(buf + 6), .handle = nbd_get64(buf + 8),
                         .from = nbd_get64(buf + 16), .len = nbd_get32(buf + 24) };
    return nbd_get32(buf) == NBD_REQUEST_MAGIC;
}

void nbd_request_print(const NbdRequest *r, uint8_t buf[NBD_REQUEST_BYTES])
{
    nbd_put32(buf, NBD_REQUEST_MAGIC);
    nbd_put16(buf + 4, r->flags);
    nbd_put16(buf + 6, r->type);
    nbd_put64(buf + 8, r->handle);
    nbd_put64(buf + 16, r->from);
    nbd_put32(buf + 24, r->len);
}

void nbd_simple_reply_print(uint32_t error, uint64_t handle, uint8_t buf[NBD_SIMPLE_REPLY_BYTES])
{
    nbd_put32(buf, NBD_SIMPLE_REPLY_MAGIC);
    nbd_put32(buf + 4, error);
    nbd_put64(buf + 8, handle);
}

void nbd_chunk_print(uint16_t flags, NbdChunk type, uint64_t handle, uint32_t len, uint8_t buf[NBD_CHUNK_BYTES])
{
    nbd_put32(buf, NBD_STRUCTURED_REPLY_MAGIC);
    nbd_put16(buf + 4, flags);
    nbd_put16(buf + 6, type);
    nbd_put64(buf + 8, handle);
    nbd_put32(buf + 16, len);
}

static const struct { int os; uint32_t wire; } errors[] = {
    { EPERM, 1 }, { EROFS, 1 }, { EIO, 5 }, { ENOMEM, 12 }, { EINVAL, 22 }, { EDQUOT, 28 }, { EFBIG, 28 },
    { ENOSPC, 28 },
    { EOVERFLOW, 75 }, { ENOTSUP, 95 }, { ESHUTDOWN, 108 },
};

uint32_t nbd_error_from_errno(int os_errno)
{
    for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        if (errors[i].os == os_errno) {
            return errors[i].wire;
        }
    }
    return os_errno ? 22 : 0;
}

int nbd_error_to_errno(uint32_t error)
{
    static const struct { uint32_t wire; int os; } known[] = {
        { 0, 0 }, { 1, EPERM }, { 5, EIO }, { 12, ENOMEM }, { 22, EINVAL }, { 28, ENOSPC }, { 75, EOVERFLOW },
        { 95, ENOTSUP }, { 108, ESHUTDOWN },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (known[i].wire == error) {
            return known[i].os;
        }
    }
    return EINVAL;
}

const char *nbd_option_name(uint32_t option)
{
    static const char *const names[] = {
        [NBD_OPT_EXPORT_NAME] = "export name", [NBD_OPT_ABORT] = "abort", [NBD_OPT_LIST] = "list",
        [NBD_OPT_STARTTLS] = "starttls", [NBD_OPT_INFO] = "info", [NBD_OPT_GO] = "go",
        [NBD_OPT_STRUCTURED_REPLY] = "structured reply", [NBD_OPT_LIST_META_CONTEXT] = "list meta context",
        [NBD_OPT_SET_META_CONTEXT] = "set meta context",
    };

    return option < G_N_ELEMENTS(names) && names[option] ? names[option] : "<unknown>";
}

const char *nbd_option_reply_name(uint32_t reply)
{
    switch ((NbdOptReply)reply) {
    case NBD_REP_ACK: return "ack";
    case NBD_REP_SERVER: return "server";
    case NBD_REP_INFO: return "info";
    case NBD_REP_META_CONTEXT: return "meta context";
    case NBD_REP_ERR_UNSUP: return "unsupported";
    case NBD_REP_ERR_POLICY: return "denied by policy";
    case NBD_REP_ERR_INVALID: return "invalid";
    case NBD_REP_ERR_PLATFORM: return "platform lacks support";
    case NBD_REP_ERR_TLS_REQD: return "TLS required";
    case NBD_REP_ERR_UNKNOWN: return "export unknown";
    case NBD_REP_ERR_SHUTDOWN: return "server shutting down";
    case NBD_REP_ERR_BLOCK_SIZE_REQD: return "block size required";
    case NBD_REP_ERR_TOO_BIG: return "option payload too big";
    }
    return "<unknown>";
}

const char *nbd_command_name(uint32_t type)
{
    static const char *const names[] = {
        [NBD_CMD_READ] = "read", [NBD_CMD_WRITE] = "write", [NBD_CMD_DISC] = "disconnect", [NBD_CMD_FLUSH] = "flush",
        [NBD_CMD_TRIM] = "trim", [NBD_CMD_CACHE] = "cache", [NBD_CMD_WRITE_ZEROES] = "write zeroes",
        [NBD_CMD_BLOCK_STATUS] = "block status",
    };

    return type < G_N_ELEMENTS(names) ? names[type] : "<unknown>";
}
