/*
 * What the files of the generic job share: state changes (job.c), the end and groups (finish.c), verbs (verbs.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_JOB_INTERNAL_H
#define BLOCK_JOB_INTERNAL_H

#include "block/job.h"

struct JobTxn {
    int refcnt;
    bool aborting;
    Job *jobs;                         /* newest first */
};

/* job.c */
void job_set_status(Job *job, JobStatus status);
/* Wake it when it sleeps and fn (NULL: always) agrees. */
void job_enter_if(Job *job, bool (*fn)(Job *job));
/* Sees to it that a failed or cancelled job is aborting and has a result and a text. */
void job_settle_result(Job *job);

/* finish.c */
void job_txn_add(JobTxn *txn, Job *job);
void job_txn_remove(Job *job);
/* run is over, or never began. */
void job_completed(Job *job);
void job_fail_group(Job *job);
void job_finalize_group(Job *job);
/* The last state: forget it. */
void job_forget(Job *job);

#endif
