/*
 * Inside hw/scsi.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_INT_H
#define HW_SCSI_INT_H

#include "hw/scsi.h"

int scsi_cdb_length(uint8_t opcode);
/* Fills lba, xfer, direction from cdb and the device. */
void scsi_parse_cdb(ScsiReq *r);


void scsi_bus_gone(Bus *bus);

#endif
