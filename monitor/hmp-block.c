/*
 * HMP: block devices: size, limits, media, jobs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hmp-int.h"
#include "qapi/commands-block-core.h"
#include "qapi/commands-block.h"

#pragma weak qmp_block_resize
#pragma weak qmp_block_set_io_throttle
#pragma weak qmp_eject
#pragma weak qmp_blockdev_change_medium
#pragma weak qmp_block_stream
#pragma weak qmp_block_job_set_speed
#pragma weak qmp_block_job_cancel
#pragma weak qmp_block_job_pause
#pragma weak qmp_block_job_resume
#pragma weak qmp_block_job_complete
#pragma weak qmp_drive_mirror
#pragma weak qmp_drive_backup

static char *str(const QDict *args, const char *name) { return (char *)qdict_get_str(args, name); }

void hmp_block_resize(Monitor *mon, const QDict *args)
{
    BlockResizeArgs a = { .device = str(args, "device"), .size = qdict_get_int(args, "size", 0) };
    Error *err = NULL;

    qmp_block_resize(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_set_io_throttle(Monitor *mon, const QDict *args)
{
    BlockIOThrottle a = {
        .device = str(args, "device"),
        .bps = qdict_get_int(args, "bps", 0),
        .bps_rd = qdict_get_int(args, "bps_rd", 0),
        .bps_wr = qdict_get_int(args, "bps_wr", 0),
        .iops = qdict_get_int(args, "iops", 0),
        .iops_rd = qdict_get_int(args, "iops_rd", 0),
        .iops_wr = qdict_get_int(args, "iops_wr", 0),
    };
    Error *err = NULL;

    qmp_block_set_io_throttle(&a, &err);
    hmp_error(mon, err);
}

void hmp_eject(Monitor *mon, const QDict *args)
{
    EjectArgs a = {
        .device = str(args, "device"), .has_force = true, .force = qdict_get_bool(args, "force", false),
    };
    Error *err = NULL;

    qmp_eject(&a, &err);
    hmp_error(mon, err);
}

void hmp_change(Monitor *mon, const QDict *args)
{
    const char *mode = qdict_get_str(args, "read-only-mode");
    BlockdevChangeMediumArgs a = {
        .device = str(args, "device"), .filename = str(args, "target"), .format = str(args, "arg"),
        .has_force = true, .force = qdict_get_bool(args, "force", false),
    };
    Error *err = NULL;

    if (mode) {
        a.has_read_only_mode = true;
        if (!BlockdevChangeReadOnlyMode_parse(mode, &a.read_only_mode)) {
            error_setg(&err, "invalid parameter value: %s", mode);
            hmp_error(mon, err);
            return;
        }
    }
    qmp_blockdev_change_medium(&a, &err);
    hmp_error(mon, err);
}

/* --- jobs ---------------------------------------------------------------------------------- */

void hmp_block_stream(Monitor *mon, const QDict *args)
{
    BlockStreamArgs a = {
        .job_id = str(args, "device"), .device = str(args, "device"), .base = str(args, "base"),
        .has_speed = qdict_has(args, "speed"), .speed = qdict_get_int(args, "speed", 0),
        .has_on_error = true, .on_error = BLOCKDEV_ON_ERROR_REPORT,
    };
    Error *err = NULL;

    qmp_block_stream(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_job_set_speed(Monitor *mon, const QDict *args)
{
    BlockJobSetSpeedArgs a = { str(args, "device"), qdict_get_int(args, "speed", 0) };
    Error *err = NULL;

    qmp_block_job_set_speed(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_job_cancel(Monitor *mon, const QDict *args)
{
    BlockJobCancelArgs a = {
        .device = str(args, "device"), .has_force = true, .force = qdict_get_bool(args, "force", false),
    };
    Error *err = NULL;

    qmp_block_job_cancel(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_job_pause(Monitor *mon, const QDict *args)
{
    BlockJobPauseArgs a = { str(args, "device") };
    Error *err = NULL;

    qmp_block_job_pause(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_job_resume(Monitor *mon, const QDict *args)
{
    BlockJobResumeArgs a = { str(args, "device") };
    Error *err = NULL;

    qmp_block_job_resume(&a, &err);
    hmp_error(mon, err);
}

void hmp_block_job_complete(Monitor *mon, const QDict *args)
{
    BlockJobCompleteArgs a = { str(args, "device") };
    Error *err = NULL;

    qmp_block_job_complete(&a, &err);
    hmp_error(mon, err);
}

void hmp_drive_mirror(Monitor *mon, const QDict *args)
{
    DriveMirror a = {
        .device = str(args, "device"), .target = str(args, "target"), .format = str(args, "format"),
        .sync = qdict_get_bool(args, "full", false) ? MIRROR_SYNC_MODE_FULL : MIRROR_SYNC_MODE_TOP,
        .has_mode = true,
        .mode = qdict_get_bool(args, "reuse", false) ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
        .has_unmap = true, .unmap = true,
    };
    Error *err = NULL;

    qmp_drive_mirror(&a, &err);
    hmp_error(mon, err);
}

void hmp_drive_backup(Monitor *mon, const QDict *args)
{
    DriveBackup a = {
        .device = str(args, "device"), .target = str(args, "target"), .format = str(args, "format"),
        .sync = qdict_get_bool(args, "full", false) ? MIRROR_SYNC_MODE_FULL : MIRROR_SYNC_MODE_TOP,
        .has_mode = true,
        .mode = qdict_get_bool(args, "reuse", false) ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
        .has_compress = true, .compress = qdict_get_bool(args, "compress", false),
    };
    Error *err = NULL;

    qmp_drive_backup(&a, &err);
    hmp_error(mon, err);
}
