/*
 * The floppy disk controller and its drives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_FDC_H
#define HW_BLOCK_FDC_H

#include "hw/blockconf.h"
#include "hw/isa.h"

enum { FDC_TYPE_144, FDC_TYPE_288, FDC_TYPE_120, FDC_TYPE_NONE, FDC_TYPE_AUTO };

typedef struct FloppyDrive {
    Device dev;
    BlockConf conf;
    uint32_t unit;
    int type;                     /* property; the drive's kind once realized */
    uint8_t track, head, sect;
    uint8_t max_track, last_sect; /* of the medium */
    bool two_heads, media_changed, readonly;
} FloppyDrive;

#define FLOPPY_DRIVE(o) ((FloppyDrive *)(o))

typedef struct Fdc {
    Device dev;
    uint32_t iobase, irq, dma;
    int type_a, type_b, fallback;
    int32_t bootindex_a, bootindex_b;
    Bus *bus;
    FloppyDrive *drives[2];
    Irq *irq_line;
    IoRegion *io1, *io2;
    uint8_t sra, srb, dor, tdr, dsr, msr, status0, status1, status2, config, precomp, lock, perpendicular, timer0,
        timer1;
    uint8_t fifo[512];
    uint32_t pos, len;            /* of the phase: command or result bytes, or data of one sector */
    enum { FDC_COMMAND, FDC_EXECUTE, FDC_RESULT } phase;
    uint8_t command[9];
    int reset_sense;              /* drives still to be told of after a reset */
} Fdc;

#define FDC(o) ((Fdc *)(o))

/* Look at the medium: geometry. */
void floppy_revalidate(FloppyDrive *d, int fallback);
/* Bytes from the start of the disk, -1: no such sector. */
int64_t floppy_offset(const FloppyDrive *d, int track, int head, int sect);

#endif
