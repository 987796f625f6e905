/*
 * Jobs on images as such: blockdev-create and x-blockdev-amend.  Main thread; the caller starts the job.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_IMAGE_JOBS_H
#define BLOCK_IMAGE_JOBS_H

#include "block/graph.h"
#include "block/job.h"

/* options: a checked BlockdevCreateOptions as a dictionary (borrowed).  NULL + errp. */
Job *create_job_new(const char *id, const QDict *options, Error **errp);
/* options: a checked BlockdevAmendOptions. */
Job *amend_job_new(const char *id, BlockDriverState *bs, const QDict *options, bool force, Error **errp);

#endif
