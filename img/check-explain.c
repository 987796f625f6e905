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

/* --- images that were not looked at ---------------------------------------------------------------------------- */

#define EVERYTHING "the whole disk and all snapshots: nothing of them can be reached"
#define NOT_DATA "not the disk's data, which is as it was; but it cannot be reached"
#define NO_REPAIR "no repair: -r changes nothing in an image that cannot be opened"

/* What the words of an error point at; the first that fits. */
static const struct { const char *words, *kind, *what, *touches, *repair; } causes[] = {
    { "Failed to get", "in-use", "another process has the image open", "nothing", "check again when it is done, or look now with -U (what is being "
      "written meanwhile may then look like damage)" },
    { "backing file", "backing-file", "the image stands on another file, and that one cannot be opened or its name is damaged",
      "what was never written to this image, and reads through to that file", "bring the file back, or name another one with rebase -u" },
    { "data-file", "data-file", "the image's data is in another file, and what the header says about that file contradicts itself", EVERYTHING, NO_REPAIR },
    { "key-secret", "encrypted", "the image is encrypted, and no passphrase was given", "nothing that is known of",
      "give it: --object secret,... --image-opts driver=qcow2,encrypt.key-secret=ID,..." },
    { "ncryption", "encryption-header", "the header of the encryption is damaged or of an unknown kind", EVERYTHING, NO_REPAIR },
    { "CRYPTO", "encryption-header", "the header of the encryption is missing or damaged", EVERYTHING, NO_REPAIR },
    { "LUKS", "encryption-header", "the header of the encryption is damaged", EVERYTHING, NO_REPAIR },
    { "eyslot", "encryption-header", "the header of the encryption is damaged", EVERYTHING, NO_REPAIR },
    { "itmap", "bitmap-directory", "the directory of dirty bitmaps, or a bitmap's table, is damaged", NOT_DATA,
      "no repair by check; with bit 0 of byte 95 of the file cleared (the mark that the bitmaps are up to date) programs pass over them" },
    { "L1 table", "mapping-table", "the header gives no usable place or size for the table that maps the disk", EVERYTHING, NO_REPAIR },
    { "too big", "size", "the header says that the disk is larger than an image can map", EVERYTHING, NO_REPAIR },
    { "eference count", "refcount-table", "the header gives no usable place, size or width for the counts of what is in use", NOT_DATA, NO_REPAIR },
    { "reference count", "refcount-table", "the header gives no usable place, size or width for the counts of what is in use", NOT_DATA, NO_REPAIR },
    { "napshot", "snapshot-table", "the header gives no usable place or size for the list of snapshots", "all snapshots", "-r all, if the image opens with it" },
    { "feature", "features", "the header asks for a feature that this program does not have: the image is of a newer program, or its header is damaged",
      EVERYTHING, "check it with the program that made it" },
    { "version", "version", "the header is of a version that this program does not have: the image is of a newer program, or its header is damaged",
      EVERYTHING, "check it with the program that made it" },
    { "ompression", "compression-type", "the header names no known way to compress, or contradicts itself about it", EVERYTHING, NO_REPAIR },
    { "cluster size", "cluster-size", "the header names a size of clusters that no image has", EVERYTHING, NO_REPAIR },
    { "xtension", "header-extension", "a part of the header is longer than there is room for it", EVERYTHING, NO_REPAIR },
    { "ext_backing_format", "header-extension", "the name of the backing file's format is longer than it can be", EVERYTHING, NO_REPAIR },
    { "header", "header", "the header says that it is shorter or longer than one can be", EVERYTHING, NO_REPAIR },
    { "not in qcow2 format", "magic", "the first bytes are not those of such an image: it is of another format, or its header was overwritten", EVERYTHING,
      NO_REPAIR },
    { "No such file", "missing", "there is no such file; the image may name it as where its data is", "everything in that file", "bring the file back" },
    { "ermission denied", "permission", "this user may not read the file", "nothing", "give the rights to read it (and with -r, to write)" },
    { "", "cannot-open", "the image cannot be opened, for the reason that is named above", EVERYTHING, NO_REPAIR },
};

void img_check_explain_unchecked(BdrvCheckResult *r, const char *why, const char *format)
{
    BdrvCheckFinding *f;
    size_t i = 0;

    if (!r->findings) {
        return;
    }
    f = g_new0(BdrvCheckFinding, 1);
    f->guest = g_array_new(false, false, sizeof(BdrvGuestRange));
    if (why) {
        while (!strstr(why, causes[i].words)) {
            i++;
        }
        f->kind = causes[i].kind;
        f->what = causes[i].what;
        f->structure = causes[i].touches;
        f->repair = causes[i].repair;
    } else {
        f->kind = "no-checks";
        f->what = !strcmp(format, "raw") ? "the file was taken as a raw disk, which has nothing that could be checked; if it should be an image, its "
            "first bytes were overwritten" : "images of this format have nothing that could be checked";
        f->repair = "none needed, or none possible";
    }
    g_ptr_array_add(r->findings, f);
}
