/*
 * HMP: virtio devices, their queues, what lies in these.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hmp-int.h"
#include "qapi/commands-virtio.h"

#pragma weak qmp_x_query_virtio
#pragma weak qmp_x_query_virtio_status
#pragma weak qmp_x_query_virtio_queue_status
#pragma weak qmp_x_query_virtio_queue_element
#pragma weak qmp_x_query_virtio_vhost_queue_status

static const char *yes(bool b) { return b ? "true" : "false"; }

void hmp_info_virtio(Monitor *mon, const QDict *args)
{
    Error *err = NULL;
    VirtioInfoList *list = qmp_x_query_virtio(&err);

    if (hmp_error(mon, err)) {
        return;
    }
    for (size_t i = 0; i < list->len; i++) {
        monitor_printf(mon, "%s [%s]\n", list->items[i]->path, list->items[i]->name);
    }
    if (!list->len) {
        monitor_printf(mon, "No VirtIO devices\n");
    }
    VirtioInfoList_free(list);
}

static void print_names(Monitor *mon, const strList *names)
{
    for (size_t i = 0; i < names->len; i++) {
        monitor_printf(mon, "\t%s%s", names->items[i], i + 1 < names->len ? ",\n" : "");
    }
    monitor_printf(mon, "\n");
}

static void print_features(Monitor *mon, const char *whose, const VirtioDeviceFeatures *f)
{
    monitor_printf(mon, "  %s features:\n", whose);
    print_names(mon, f->transports);
    if (f->dev_features && f->dev_features->len) {
        print_names(mon, f->dev_features);
    }
    if (f->has_unknown_dev_features) {
        monitor_printf(mon, "  unknown-features(0x%016" PRIx64 ")\n", f->unknown_dev_features);
    }
}

void hmp_info_virtio_status(Monitor *mon, const QDict *args)
{
    XQueryVirtioStatusArgs arg = { .path = (char *)qdict_get_str(args, "path") };
    Error *err = NULL;
    g_autoptr(VirtioStatus) s = qmp_x_query_virtio_status(&arg, &err);

    if (hmp_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "%s:\n  device_name:             %s %s\n  device_id:               %" PRId64 "\n", arg.path,
                   s->name,
                   s->vhost_dev ? "(vhost)" : "", s->device_id);
    monitor_printf(mon, "  vhost_started:           %s\n  bus_name:                %s\n", yes(s->vhost_started),
                   s->bus_name ? s->bus_name : "(null)");
    monitor_printf(mon, "  broken:                  %s\n  disabled:                %s\n  disable_legacy_check:    %s\n", yes(s->broken),
                   yes(s->disabled), yes(s->disable_legacy_check));
    monitor_printf(mon, "  started:                 %s\n  use_started:             %s\n  start_on_kick:           %s\n", yes(s->started),
                   yes(s->use_started), yes(s->start_on_kick));
    monitor_printf(mon, "  use_guest_notifier_mask: %s\n  vm_running:              %s\n",
                   yes(s->use_guest_notifier_mask),
                   yes(s->vm_running));
    monitor_printf(mon, "  num_vqs:                 %" PRId64 "\n  queue_sel:               %" PRId64 "\n  isr:                     %" PRId64 "\n",
                   s->num_vqs, s->queue_sel, s->isr);
    monitor_printf(mon, "  endianness:              %s\n  status:\n", s->device_endian);
    print_names(mon, s->status->statuses);
    if (s->status->has_unknown_statuses) {
        monitor_printf(mon, "  unknown-statuses(0x%016" PRIx64 ")\n", (uint64_t)s->status->unknown_statuses);
    }
    print_features(mon, "Guest", s->guest_features);
    print_features(mon, "Host", s->host_features);
    print_features(mon, "Backend", s->backend_features);
}

void hmp_info_virtio_queue_status(Monitor *mon, const QDict *args)
{
    XQueryVirtioQueueStatusArgs arg = {
        .path = (char *)qdict_get_str(args, "path"), .queue = qdict_get_int(args, "queue", 0),
    };
    Error *err = NULL;
    g_autoptr(VirtQueueStatus) s = qmp_x_query_virtio_queue_status(&arg, &err);

    if (hmp_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "%s:\n  device_name:          %s\n  queue_index:          %" PRId64 "\n  inuse:                %" PRId64 "\n",
                   arg.path, s->name, s->queue_index, s->inuse);
    monitor_printf(mon, "  used_idx:             %" PRId64 "\n  signalled_used:       %" PRId64 "\n  signalled_used_valid: %s\n", s->used_idx,
                   s->signalled_used, yes(s->signalled_used_valid));
    if (s->has_last_avail_idx) {
        monitor_printf(mon, "  last_avail_idx:       %" PRId64 "\n", s->last_avail_idx);
    }
    if (s->has_shadow_avail_idx) {
        monitor_printf(mon, "  shadow_avail_idx:     %" PRId64 "\n", s->shadow_avail_idx);
    }
    monitor_printf(mon, "  VRing:\n    num:          %" PRId64 "\n    num_default:  %" PRId64 "\n    align:        %" PRId64 "\n", s->vring_num,
                   s->vring_num_default, s->vring_align);
    monitor_printf(mon, "    desc:         0x%016" PRIx64 "\n    avail:        0x%016" PRIx64 "\n    used:         0x%016" PRIx64 "\n",
                   s->vring_desc, s->vring_avail, s->vring_used);
}

void hmp_info_virtio_queue_element(Monitor *mon, const QDict *args)
{
    XQueryVirtioQueueElementArgs arg = {
        .path = (char *)qdict_get_str(args, "path"), .queue = qdict_get_int(args, "queue", 0),
        .has_index = qdict_has(args, "index"),
        .index = qdict_get_int(args, "index", 0),
    };
    Error *err = NULL;
    g_autoptr(VirtioQueueElement) e = qmp_x_query_virtio_queue_element(&arg, &err);

    if (hmp_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "%s:\n  device_name: %s\n  index:   %" PRId64 "\n  desc:\n    descs:\n", arg.path, e->name,
                   e->index);
    for (size_t i = 0; i < e->descs->len; i++) {
        const VirtioRingDesc *d = e->descs->items[i];

        monitor_printf(mon, "        addr 0x%" PRIx64 " len %" PRId64, d->addr, d->len);
        for (size_t k = 0; k < d->flags->len; k++) {
            monitor_printf(mon, "%s%s%s", k ? ", " : " (", d->flags->items[k], k + 1 < d->flags->len ? "" : ")");
        }
        monitor_printf(mon, "%s\n", i + 1 < e->descs->len ? "," : "");
    }
    monitor_printf(mon, "  avail:\n    flags: %" PRId64 "\n    idx:   %" PRId64 "\n    ring:  %" PRId64 "\n",
                   e->avail->flags, e->avail->idx,
                   e->avail->ring);
    monitor_printf(mon, "  used:\n    flags: %" PRId64 "\n    idx:   %" PRId64 "\n", e->used->flags, e->used->idx);
}

/* No device here has its queues worked on by another process. */
void hmp_info_virtio_vhost_queue_status(Monitor *mon, const QDict *args)
{
    XQueryVirtioVhostQueueStatusArgs arg = {
        .path = (char *)qdict_get_str(args, "path"), .queue = qdict_get_int(args, "queue", 0),
    };
    Error *err = NULL;

    VirtVhostQueueStatus_free(qmp_x_query_virtio_vhost_queue_status(&arg, &err));
    hmp_error(mon, err);
}
