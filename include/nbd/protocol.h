/*
 * The NBD wire format: constants, headers packed and unpacked.  Pure; facts from the protocol
 * document of the NBD project (doc/proto.md).  All integers are big endian on the wire.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NBD_PROTOCOL_H
#define NBD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_INIT_MAGIC 0x4e42444d41474943ULL          /* "NBDMAGIC" */
#define NBD_OPTS_MAGIC 0x49484156454f5054ULL          /* "IHAVEOPT" */
#define NBD_OLD_MAGIC 0x00420281861253ULL             /* servers of before 2011 */
#define NBD_OPT_REPLY_MAGIC 0x0003e889045565a9ULL
#define NBD_REQUEST_MAGIC 0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC 0x67446698u
#define NBD_STRUCTURED_REPLY_MAGIC 0x668e33efu

#define NBD_MAX_STRING 4096                           /* names, descriptions */
#define NBD_MAX_PAYLOAD (32u * 1024 * 1024)           /* data of one request */

/* Handshake flags, both sides. */
#define NBD_FLAG_FIXED_NEWSTYLE 1
#define NBD_FLAG_NO_ZEROES 2

/* Transmission flags. */
enum {
    NBD_FLAG_HAS_FLAGS = 1 << 0, NBD_FLAG_READ_ONLY = 1 << 1, NBD_FLAG_SEND_FLUSH = 1 << 2, NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_ROTATIONAL = 1 << 4, NBD_FLAG_SEND_TRIM = 1 << 5, NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7, NBD_FLAG_CAN_MULTI_CONN = 1 << 8, NBD_FLAG_SEND_RESIZE = 1 << 9,
    NBD_FLAG_SEND_CACHE = 1 << 10, NBD_FLAG_SEND_FAST_ZERO = 1 << 11,
};

typedef enum NbdOption {
    NBD_OPT_EXPORT_NAME = 1, NBD_OPT_ABORT = 2, NBD_OPT_LIST = 3, NBD_OPT_STARTTLS = 5, NBD_OPT_INFO = 6, NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8, NBD_OPT_LIST_META_CONTEXT = 9, NBD_OPT_SET_META_CONTEXT = 10,
} NbdOption;

typedef enum NbdOptReply {
    NBD_REP_ACK = 1, NBD_REP_SERVER = 2, NBD_REP_INFO = 3, NBD_REP_META_CONTEXT = 4,
    NBD_REP_ERR_UNSUP = (int)0x80000001, NBD_REP_ERR_POLICY = (int)0x80000002, NBD_REP_ERR_INVALID = (int)0x80000003,
    NBD_REP_ERR_PLATFORM = (int)0x80000004, NBD_REP_ERR_TLS_REQD = (int)0x80000005, NBD_REP_ERR_UNKNOWN = (int)0x80000006,
    NBD_REP_ERR_SHUTDOWN = (int)0x80000007, NBD_REP_ERR_BLOCK_SIZE_REQD = (int)0x80000008, NBD_REP_ERR_TOO_BIG = (int)0x80000009,
} NbdOptReply;

typedef enum NbdInfo { NBD_INFO_EXPORT, NBD_INFO_NAME, NBD_INFO_DESCRIPTION, NBD_INFO_BLOCK_SIZE } NbdInfo;

typedef enum NbdCommand {
    NBD_CMD_READ, NBD_CMD_WRITE, NBD_CMD_DISC, NBD_CMD_FLUSH, NBD_CMD_TRIM, NBD_CMD_CACHE, NBD_CMD_WRITE_ZEROES,
    NBD_CMD_BLOCK_STATUS,
} NbdCommand;

/* Command flags. */
enum {
    NBD_CMD_FLAG_FUA = 1 << 0, NBD_CMD_FLAG_NO_HOLE = 1 << 1, NBD_CMD_FLAG_DF = 1 << 2, NBD_CMD_FLAG_REQ_ONE = 1 << 3,
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4,
};

/* Structured reply chunks. */
#define NBD_REPLY_FLAG_DONE 1
typedef enum NbdChunk {
    NBD_CHUNK_NONE = 0, NBD_CHUNK_OFFSET_DATA = 1, NBD_CHUNK_OFFSET_HOLE = 2, NBD_CHUNK_BLOCK_STATUS = 5,
    NBD_CHUNK_ERROR = 0x8001, NBD_CHUNK_ERROR_OFFSET = 0x8002,
} NbdChunk;

/* State bits of base:allocation. */
#define NBD_STATE_HOLE 1
#define NBD_STATE_ZERO 2
#define NBD_STATE_DIRTY 1                             /* qemu:dirty-bitmap:NAME */

typedef struct NbdRequest {
    uint16_t flags, type;
    uint64_t handle, from;
    uint32_t len;
} NbdRequest;

#define NBD_REQUEST_BYTES 28
#define NBD_SIMPLE_REPLY_BYTES 16
#define NBD_CHUNK_BYTES 20
#define NBD_OPT_HEADER_BYTES 16
#define NBD_OPT_REPLY_BYTES 20

static inline void nbd_put16(uint8_t *p, uint16_t v) { p[0] = v >> 8; p[1] = v; }
static inline void nbd_put32(uint8_t *p, uint32_t v) { nbd_put16(p, v >> 16); nbd_put16(p + 2, v); }
static inline void nbd_put64(uint8_t *p, uint64_t v) { nbd_put32(p, v >> 32); nbd_put32(p + 4, v); }
static inline uint16_t nbd_get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static inline uint32_t nbd_get32(const uint8_t *p) { return (uint32_t)nbd_get16(p) << 16 | nbd_get16(p + 2); }
static inline uint64_t nbd_get64(const uint8_t *p) { return (uint64_t)nbd_get32(p) << 32 | nbd_get32(p + 4); }

/* False when the magic is wrong. */
bool nbd_request_parse(const uint8_t buf[NBD_REQUEST_BYTES], NbdRequest *out);
void nbd_request_print(const NbdRequest *r, uint8_t buf[NBD_REQUEST_BYTES]);
void nbd_simple_reply_print(uint32_t error, uint64_t handle, uint8_t buf[NBD_SIMPLE_REPLY_BYTES]);
void nbd_chunk_print(uint16_t flags, NbdChunk type, uint64_t handle, uint32_t len, uint8_t buf[NBD_CHUNK_BYTES]);

/* errno (positive) to the number that the protocol has for it, and back; unknown ones are EINVAL and EIO. */
uint32_t nbd_error_from_errno(int os_errno);
int nbd_error_to_errno(uint32_t error);

/* Names for messages; "<unknown>" for others. */
const char *nbd_option_name(uint32_t option);
const char *nbd_option_reply_name(uint32_t reply);
const char *nbd_command_name(uint32_t type);

#endif
