/*
 * What the job commands share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCKDEV_JOB_INTERNAL_H
#define BLOCKDEV_JOB_INTERNAL_H

#include "block/graph.h"
#include "block/job.h"

static inline int job_flags(bool has_finalize, bool finalize, bool has_dismiss, bool dismiss)
{
    return (has_finalize && !finalize ? JOB_MANUAL_FINALIZE : 0) | (has_dismiss && !dismiss ? JOB_MANUAL_DISMISS : 0);
}

#endif
