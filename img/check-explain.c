/*
 * qemu-img check: the findings in words, for a person and as JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "img/check.h"

static void print_range(const BdrvGuestRange *r, bool first)
{
    g_autofree char *size = size_to_str(r->bytes);

    printf("%s0x%" PRIx64 " to 0x%" PRIx64 " (%s)", first ? "" : ", ", r->offset, r->offset + r->bytes - 1, size);
}

/* The disk first, then each snapshot with its name. */
static void print_touched(const BdrvCheckFinding *f)
{
    const char *name = NULL;

    if (!f->guest->len) {
        printf("   Touches: %s\n", f->structure ? f->structure : "nothing that the guest sees");
        return;
    }
    printf("   Touches: %s%s", f->structure ? f->structure : "", f->structure ? "; " : "");
    for (guint i = 0; i < f->guest->len; i++) {
        const BdrvGuestRange *r = &g_array_index(f->guest, BdrvGuestRange, i);
        bool begins = i == 0 || g_strcmp0(r->snapshot, name);

        if (begins && r->snapshot) {
            printf("%ssnapshot '%s' at ", i ? "; " : "", r->snapshot);
        } else if (begins) {
            printf("the disk at ");
        }
        print_range(r, begins);
        name = r->snapshot;
    }
    if (f->guest_omitted) {
        printf(", and %" PRIu64 " more places", f->guest_omitted);
    }
    printf("\n");
}

void img_check_explain(const BdrvCheckResult *r)
{
    if (!r->findings->len) {
        return;
    }
    printf("\nWhat was found:\n");
    for (guint i = 0; i < r->findings->len; i++) {
        const BdrvCheckFinding *f = r->findings->pdata[i];

        printf("\n%u. ", i + 1);
        if (f->host_bytes) {
            g_autofree char *size = size_to_str(f->host_bytes);

            printf("0x%" PRIx64 " to 0x%" PRIx64 " in the file (%s): ", f->host_offset, f->host_offset + f->host_bytes - 1, size);
        }
        printf("%s.\n", f->what);
        print_touched(f);
        printf("   Repair:  %s\n", f->repair);
    }
    if (r->findings_omitted) {
        printf("\n%" PRId64 " more findings are not explained.\n", r->findings_omitted);
    }
    if (r->findings_cut) {
        printf("\nThe image has too many tables to look through: more of the disk and its snapshots may be touched.\n");
    }
}

QObject *img_check_explain_json(const BdrvCheckResult *r)
{
    QObject *list = qlist_new();

    for (guint i = 0; i < r->findings->len; i++) {
        const BdrvCheckFinding *f = r->findings->pdata[i];
        QDict *d = qdict_new();
        QObject *guest = qlist_new();

        qdict_put_str(d, "kind", f->kind);
        qdict_put_str(d, "description", f->what);
        qdict_put_str(d, "repair", f->repair);
        if (f->host_bytes) {
            qdict_put_int(d, "host-offset", f->host_offset);
            qdict_put_int(d, "host-length", f->host_bytes);
        }
        if (f->structure) {
            qdict_put_str(d, "structure", f->structure);
        }
        for (guint j = 0; j < f->guest->len; j++) {
            const BdrvGuestRange *range = &g_array_index(f->guest, BdrvGuestRange, j);
            QDict *one = qdict_new();

            qdict_put_int(one, "offset", range->offset);
            qdict_put_int(one, "length", range->bytes);
            if (range->snapshot) {
                qdict_put_str(one, "snapshot", range->snapshot);
            }
            qlist_append(guest, one);
        }
        qdict_put(d, "guest", guest);
        if (f->guest_omitted) {
            qdict_put_int(d, "guest-omitted", f->guest_omitted);
        }
        qlist_append(list, d);
    }
    return list;
}
