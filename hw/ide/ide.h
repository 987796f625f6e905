/*
 * ATA: drives, channels, and what a channel needs of its controller.
 *
 * A drive holds the task file and runs commands.  Data moves in one of two ways: through the data port (a buffer that
 * the guest reads or fills), or through the controller's scatter list (IdeHost.map), which is read once and mapped
 * before a request begins.  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_IDE_H
#define HW_IDE_IDE_H

#include "hw/blockconf.h"
#include "hw/irq.h"
#include "machine/runstate.h"

typedef struct IdeDrive IdeDrive;
typedef struct IdeChannel IdeChannel;

enum {
    IDE_ERR = 0x01, IDE_DRQ = 0x08, IDE_SEEK = 0x10, IDE_READY = 0x40, IDE_BUSY = 0x80, IDE_ABORT = 0x04,
    IDE_MCR = 0x08,
};
#define IDE_PIO_MAX 65536

typedef struct IdeHost {
    void (*set_irq)(void *opaque, int level);
    /* Map the controller's list for a transfer; false: not ready yet (IdeHost calls ide_dma_ready later), or broken
       list. */
    bool (*dma_started)(void *opaque);
    /* Up to `bytes` of guest memory; the size mapped may be less, -1: bad list. */
    int64_t (*map)(void *opaque, IoVec *v, uint64_t bytes, bool to_memory);
    /* The command's data is done; more: the guest's list was longer. */
    void (*dma_done)(void *opaque, bool more);
    /* A command ended (registers are final), before its interrupt; NULL: nothing to do. */
    void (*command_done)(void *opaque);
    bool no_port;                     /* data commands without DMA use map too (AHCI) */
} IdeHost;

struct IdeChannel {
    Bus *bus;
    IdeDrive *drives[2];
    int unit;                         /* selected */
    uint8_t control;                  /* device control: bit 1 no interrupt, bit 2 reset */
    int id, first_serial;             /* number of the channel; made-up serial number of its unit 0 */
    const IdeHost *host;
    void *opaque;
};

struct IdeDrive {
    Device dev;
    BlockConf conf;
    char *version, *serial, *model;
    uint64_t wwn;
    uint32_t unit;
    uint16_t rotation_rate;
    int chs_trans;
    bool is_cd;
    IdeChannel *ch;
    VmListener *listener;
    /* task file; hob: the previous values of the two-deep registers */
    uint8_t feature, error, nsector, sector, lcyl, hcyl, select, status;
    uint8_t hob_feature, hob_nsector, hob_sector, hob_lcyl, hob_hcyl;
    bool lba48;
    uint8_t mult;
    uint8_t udma, mwdma, sdma, pio_mode;      /* mode set by the guest, 0xff none */
    bool reset_reverts;
    bool smart, smart_autosave;       /* switched on */
    /* kinds of self-test + 1 in the order of the log; place of the last one from 1, 0: none */
    uint8_t smart_tests[21], smart_last_test;
    /* transfer through the data port */
    uint8_t *pio;
    uint32_t pio_pos, pio_end;
    void (*pio_done)(IdeDrive *d);
    /* command that is running */
    uint8_t command;
    uint64_t lba;
    uint32_t count;                   /* sectors still to move */
    IoVec iov;
    bool busy, dma_waiting, acct, more;
    uint32_t trim_at, trim_len;
    BlockAcctCookie cookie;
    void (*dma_fn)(IdeDrive *d);      /* waits for the controller to start */
    void (*retry)(IdeDrive *d);       /* waits for the machine to run */
    uint32_t serial_number;           /* of the command: late completions of aborted ones are dropped */
    /* ATAPI */
    uint8_t packet[12];
    uint8_t sense_key, asc;
    bool tray_open, tray_locked, media_changed, event_new, event_eject, atapi_dma;
    uint32_t packet_bytes, packet_left, packet_at;      /* all, still to move, position in the buffer */
    uint32_t cd_sector_size, packet_limit;
    int media_step;
    uint8_t *packet_buf;
};

#define IDE_DRIVE(o) ((IdeDrive *)(o))

/* A channel's bus under a controller; bus number n is part of its name (ide.n). */
void ide_channel_init(IdeChannel *ch, Device *controller, int id, int units, const IdeHost *host, void *opaque);
uint8_t ide_read(IdeChannel *ch, unsigned reg);                     /* 1..7 */
void ide_write(IdeChannel *ch, unsigned reg, uint8_t value);
uint8_t ide_status(IdeChannel *ch);                                 /* without acknowledging */
void ide_control(IdeChannel *ch, uint8_t value);
uint32_t ide_data_read(IdeChannel *ch, unsigned size);
void ide_data_write(IdeChannel *ch, uint32_t value, unsigned size);
void ide_dma_ready(IdeChannel *ch);                                 /* the controller was started */
void ide_cancel(IdeChannel *ch);                                    /* the controller was stopped */
void ide_channel_reset(IdeChannel *ch);

/* core.c, for the commands */
void ide_start_command(IdeDrive *d, uint8_t command);
void ide_abort(IdeDrive *d);
void ide_finish(IdeDrive *d, uint8_t status);                       /* status, interrupt */
void ide_irq(IdeDrive *d);
void ide_reset_drive(IdeDrive *d);
/* Offer len bytes (already in d->pio, to be read or written by the guest); done runs when all were moved. */
void ide_pio_start(IdeDrive *d, uint32_t len, void (*done)(IdeDrive *d));
uint64_t ide_get_lba(const IdeDrive *d);
void ide_set_lba(IdeDrive *d, uint64_t lba);
/* True: go on. False: the request failed and was answered, or waits. */
bool ide_check_result(IdeDrive *d, int ret, bool is_read, void (*retry)(IdeDrive *d));
void ide_signature(IdeDrive *d);

/* ata.c */
bool ide_ata_command(IdeDrive *d, uint8_t command);
bool ide_common_command(IdeDrive *d, uint8_t command);
/* Hand out the sector in d->pio. */
void ide_answer_sector(IdeDrive *d);
void ide_dma_begin(IdeDrive *d, void (*fn)(IdeDrive *d));
/* identify.c */
void ide_identify(IdeDrive *d, uint8_t *buf);
void ide_identify_packet(IdeDrive *d, uint8_t *buf);
/* smart.c; false: no such sub-command */
bool ide_smart(IdeDrive *d);
void ide_smart_init(IdeDrive *d);
/* atapi.c */
void ide_packet(IdeDrive *d);
void ide_cd_media_ops_init(IdeDrive *d);
extern const BlockDevOps ide_cd_ops, ide_hd_ops;

#endif
