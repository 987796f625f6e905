/*
 * Events on their way to whoever emits them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/dispatch.h"

/* Set once at start, before any thread may send. */
static void (*emitter)(const char *name, QDict *data);

void qapi_event_set_emitter(void (*emit)(const char *name, QDict *data))
{
    emitter = emit;
}

void qapi_event_emit(const QapiType *type, const char *name, const void *data)
{
    if (emitter) {
        emitter(name, type ? qapi_to_qobject(type, data) : NULL);
    }
}
