/*
 * SCSI: the bus between a host adapter and its devices, and requests on it.
 *
 * A request is parsed by the bus (length and direction of the data), the adapter checks that its buffers fit and
 * starts it; the device completes it once.
 *
 * Threads: an adapter may look devices up, make and start requests in an I/O thread of its own.  There run only the
 * commands that move blocks; all others, and those that a pending unit attention or a drained section holds up, go on
 * in the main thread.  `complete` is called in either.  Plug, unplug, reset, media: main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_H
#define HW_SCSI_H

#include <pthread.h>
#include "hw/device.h"
#include "util/aio.h"
#include "util/iov.h"

typedef struct ScsiDevice ScsiDevice;
typedef struct ScsiReq ScsiReq;

/* key, code, qualifier */
typedef struct ScsiSense { uint8_t key, asc, ascq; } ScsiSense;
extern const ScsiSense scsi_no_sense, scsi_invalid_opcode, scsi_invalid_field, scsi_lun_not_supported, scsi_lba_range,
    scsi_no_medium, scsi_reset, scsi_write_protected, scsi_invalid_param_len, scsi_invalid_param, scsi_saving_not_supported,
    scsi_removal_prevented,
    scsi_incompatible_format, scsi_medium_changed, scsi_no_medium_ua, scsi_io_error, scsi_space_alloc_failed,
        scsi_target_failure;

enum { SCSI_GOOD = 0, SCSI_CHECK_CONDITION = 2, SCSI_BUSY = 8, SCSI_TASK_ABORTED = 0x40 };
enum { SCSI_TYPE_DISK = 0, SCSI_TYPE_ROM = 5 };
typedef enum ScsiDirection { SCSI_XFER_NONE, SCSI_FROM_DEV, SCSI_TO_DEV } ScsiDirection;

struct ScsiReq {
    ScsiDevice *dev;                /* a reference while the request lives */
    uint32_t lun;
    uint64_t tag;
    uint8_t cdb[16];
    uint64_t lba;
    uint64_t xfer;                  /* bytes that the command moves */
    ScsiDirection direction;
    IoVec *data;                    /* the initiator's buffers, at least xfer bytes once started */
    /* result */
    uint8_t status;
    uint8_t sense[18];
    int sense_len;
    uint32_t residual;
    void (*complete)(ScsiReq *r);   /* the adapter's */
    void *adapter;
    void *device;                   /* the device's own */
    bool started;
    bool cancelled;                 /* atomic: nobody waits any more */
    ScsiReq *next;                  /* in dev->requests */
};

typedef struct ScsiClass {
    DeviceClass dev;
    bool (*realize)(ScsiDevice *d, Error **errp);
    void (*unrealize)(ScsiDevice *d);
    void (*execute)(ScsiReq *r);    /* completes now or later */
    void (*reset)(ScsiDevice *d);
    /* May r be executed in the adapter's thread now?  After true follows execute, then `leave`. */
    bool (*enter)(ScsiReq *r);
    void (*leave)(ScsiDevice *d);
    /* complete those of the cancelled that wait for the machine to run */
    void (*cancelled)(ScsiDevice *d);
    void (*set_context)(ScsiDevice *d, AioContext *ctx);
} ScsiClass;

struct ScsiDevice {
    Device dev;
    uint32_t channel, id, lun;
    uint8_t type;
    uint32_t blocksize;
    void (*ua_reported)(ScsiDevice *d);
    pthread_mutex_t lock;                             /* guards what follows; a leaf */
    ScsiSense unit_attention, sense;         /* key 0: none */
    ScsiReq *requests;
};

#define SCSI_DEVICE(o) ((ScsiDevice *)(o))
bool scsi_device_realize(Device *d, Error **errp);
void scsi_device_unrealize(Device *d);
void scsi_device_reset(Device *d);
#define SCSI_CLASS_DEV(...) { .bus_type = "SCSI", .category = DEVICE_STORAGE, .realize = scsi_device_realize, \
                              .unrealize = scsi_device_unrealize, .reset = scsi_device_reset, __VA_ARGS__ }

typedef struct ScsiBusInfo {
    uint32_t max_channel, max_target, max_lun;
    void (*plugged)(void *adapter, ScsiDevice *d);
    void (*unplugged)(void *adapter, ScsiDevice *d);
    void (*attention)(void *adapter, ScsiDevice *d, ScsiSense sense);    /* parameters or medium changed */
    AioContext *(*context)(void *adapter);  /* absent or NULL: the main thread's */
    void (*settle)(void *adapter);          /* on return, what was looked up before is a request or forgotten */
} ScsiBusInfo;

Bus *scsi_bus_new(Device *adapter, const ScsiBusInfo *info);
/* The device at the address; if only the target has devices, *target_only is one of them.  Any thread: see `settle`. */
ScsiDevice *scsi_find(Bus *bus, uint32_t channel, uint32_t id, uint32_t lun, ScsiDevice **target_only);
/* dev: the device, or (dev->lun != lun) any of the same target. Parses the CDB. */
ScsiReq *scsi_req_new(ScsiDevice *dev, uint32_t lun, uint64_t tag, const uint8_t *cdb, void (*complete)(ScsiReq *),
                      void *adapter);
void scsi_req_start(ScsiReq *r, IoVec *data);
void scsi_req_free(ScsiReq *r);
/* For devices. */
void scsi_req_complete(ScsiReq *r, uint8_t status);
void scsi_req_fail(ScsiReq *r, ScsiSense sense);
/* Completes with len bytes of buf (at most xfer are moved). */
void scsi_req_answer(ScsiReq *r, const void *buf, uint64_t len);
void scsi_set_attention(ScsiDevice *d, ScsiSense sense);
/* Tell the requests (with a tag, or NULL: all) that nobody waits any more. */
void scsi_cancel(ScsiDevice *d, const uint64_t *tag);
typedef bool ScsiReqTest(const ScsiReq *r, const void *opaque);
void scsi_cancel_if(ScsiDevice *d, ScsiReqTest *test, const void *opaque);
bool scsi_pending_if(ScsiDevice *d, ScsiReqTest *test, const void *opaque);
/* Is there such a request, or one that is cancelled and not over yet? */
bool scsi_pending(ScsiDevice *d, const uint64_t *tag, bool cancelled);
static inline bool scsi_req_cancelled(const ScsiReq *r) { return __atomic_load_n(&r->cancelled, __ATOMIC_SEQ_CST); }
/* Poll until the device has no requests. */
void scsi_wait_idle(ScsiDevice *d);

#endif
