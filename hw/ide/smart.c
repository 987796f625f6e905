/*
 * SMART of a disk that never ails: switches, attributes with their thresholds, self-tests that end at once and their
 * log.
 *
 * What is switched stays so when the machine is reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "hw/ide/ide.h"
#include "util/cutils.h"

enum {
    READ_DATA = 0xd0, READ_THRESHOLDS = 0xd1, AUTOSAVE = 0xd2, SELF_TEST = 0xd4, READ_LOG = 0xd5, ENABLE = 0xd8,
    DISABLE = 0xd9, STATUS = 0xda,
    LOG_SUMMARY = 1, LOG_SELF_TEST = 6, TEST_EXTENDED = 2, TESTS = 21, LOG_ENTRY = 24, HOURS = 0x1234,
};

typedef struct Attribute {
    uint8_t id, flags, value, raw[6], threshold;       /* value: now, and the worst so far */
} Attribute;

static const Attribute attributes[] = {
    { 0x01, 3, 100, { 0 }, 6 },                        /* read errors */
    { 0x03, 3, 100, { 16 }, 0 },                       /* time to spin up */
    { 0x04, 2, 100, { 100 }, 20 },                     /* starts and stops */
    { 0x05, 3, 100, { 0 }, 36 },                       /* sectors moved elsewhere */
    { 0x09, 3, 100, { 1 }, 0 },                        /* hours */
    { 0x0c, 3, 100, { 0 }, 0 },                        /* times switched on */
    { 0xbe, 3, 69, { 31, 0, 31, 31 }, 50 },            /* temperature */
};

static void answer(IdeDrive *d)
{
    uint8_t sum = 0;

    for (int i = 0; i < 511; i++) {
        sum += d->pio[i];
    }
    d->pio[511] = -sum;
    ide_answer_sector(d);
}

static void clear(IdeDrive *d)
{
    memset(d->pio, 0, 512);
    d->pio[0] = 1;                                     /* version of the structure */
}

static void put_attributes(IdeDrive *d)
{
    static const struct { uint16_t at; uint8_t value; } rest[] = {
        { 364, 0x20 }, { 365, 0x01 },                  /* seconds that the offline collection takes */
        { 367, 0x19 },                                 /* it can: collect at once, be tested briefly and at length */
        { 368, 0x03 }, { 370, 0x01 },                  /* data is saved; there is an error log */
        { 372, 0x02 }, { 373, 0x36 }, { 374, 0x01 },   /* minutes of tests */
    };

    clear(d);
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        const Attribute *a = &attributes[i];
        uint8_t *at = d->pio + 2 + 12 * i;

        at[0] = a->id;
        at[1] = a->flags;
        at[3] = at[4] = a->value;
        memcpy(at + 5, a->raw, sizeof(a->raw));
    }
    d->pio[362] = 0x02 | (d->smart_autosave ? 0x80 : 0);           /* collected to the end */
    for (size_t i = 0; i < G_N_ELEMENTS(rest); i++) {
        d->pio[rest[i].at] = rest[i].value;
    }
    answer(d);
}

static void put_thresholds(IdeDrive *d)
{
    clear(d);
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        d->pio[2 + 12 * i] = attributes[i].id;
        d->pio[3 + 12 * i] = attributes[i].threshold;
    }
    answer(d);
}

static bool put_log(IdeDrive *d)
{
    if (d->sector != LOG_SUMMARY && d->sector != LOG_SELF_TEST) {
        return false;
    }
    clear(d);
    if (d->sector == LOG_SELF_TEST) {
        for (int i = 0; i < TESTS; i++) {
            uint8_t *at = d->pio + 2 + LOG_ENTRY * i;

            if (d->smart_tests[i]) {
                at[0] = d->smart_tests[i] - 1;
                at[2] = (uint8_t)HOURS;
                at[3] = HOURS >> 8;
            }
        }
        d->pio[508] = d->smart_last_test;
    }
    answer(d);
    return true;
}

static bool self_test(IdeDrive *d)
{
    if (d->sector > TEST_EXTENDED) {
        return false;
    }
    d->smart_last_test = d->smart_last_test % TESTS + 1;
    d->smart_tests[d->smart_last_test - 1] = d->sector + 1;
    ide_finish(d, IDE_READY | IDE_SEEK);
    return true;
}

static bool flip(IdeDrive *d, bool *flag, bool on)
{
    *flag = on;
    ide_finish(d, IDE_READY | IDE_SEEK);
    return true;
}

void ide_smart_init(IdeDrive *d) { d->smart = d->smart_autosave = true; }

bool ide_smart(IdeDrive *d)
{
    if (d->hcyl != 0xc2 || d->lcyl != 0x4f || (!d->smart && d->feature != ENABLE)) {
        return false;
    }
    switch (d->feature) {
    case ENABLE: return flip(d, &d->smart, true);
    case DISABLE: return flip(d, &d->smart, false);
    case AUTOSAVE: return (d->sector == 0 || d->sector == 0xf1) && flip(d, &d->smart_autosave, d->sector);
    case STATUS: ide_finish(d, IDE_READY | IDE_SEEK); return true;      /* the registers say: all is well */
    case SELF_TEST: return self_test(d);
    case READ_LOG: return put_log(d);
    case READ_DATA: put_attributes(d); return true;
    case READ_THRESHOLDS: put_thresholds(d); return true;
    default: return false;
    }
}
