/*
 * Commands and events of the schema at run time.
 *
 * The generated table refers to each command's body weakly: a command exists in a program when its
 * body (`qmp_NAME`) is linked, so rooms that hold bodies are linked whole.  An event exists when
 * something in the program sends it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_DISPATCH_H
#define QAPI_DISPATCH_H

#include "qapi/type.h"

typedef struct QmpCommand {
    const char *name;
    const QapiType *arguments;          /* NULL: none */
    const QapiType *returns;            /* NULL: nothing, sent as {} */
    /* Calls the body with what was read into `arguments` (raw: with the dict); NULL result: see errp, or {}. */
    QObject *(*call)(const void *arguments, Error **errp);
    void (*body)(void);                 /* NULL: not linked */
    const char *const *features;
    bool raw;                           /* the body takes the checked dict */
    bool unchecked;                     /* the dict is not even checked against `arguments` */
    bool oob;                           /* may run out of band */
    bool preconfig;                     /* may run before the machine exists */
} QmpCommand;

typedef struct QapiEvent {
    const char *name;
    const QapiType *data;               /* NULL: none */
    void (*body)(void);                 /* the sending function; NULL: not linked */
    const char *const *features;
} QapiEvent;

/* All of the schema in its order, linked or not; ends with a NULL name. */
extern const QmpCommand *const qapi_command_tables[];
extern const QapiEvent qapi_events[];

/*
 * Names of commands and events that this program does not offer though they are linked (patterns with '*'; ends with
 * NULL; kept).  Before the first session.
 */
void qmp_leave_out(const char *const *names);
bool qmp_is_left_out(const char *name);
/* Offered commands only; NULL if there is none of that name. */
const QmpCommand *qmp_find_command(const char *name);
void qmp_for_each_command(void (*fn)(const QmpCommand *cmd, void *opaque), void *opaque);

typedef enum QmpPhase {
    QMP_PHASE_NEGOTIATION,              /* only qmp_capabilities */
    QMP_PHASE_COMMANDS,                 /* all; qmp_capabilities itself refuses to be run again */
} QmpPhase;

/*
 * Run one request {"execute": ..., "arguments": ..., "id": ...} in the calling thread.  Any value is
 * accepted; the reply is {"return": ...} or {"error": {"class", "desc"}}, with the request's id.
 * oob: whether "exec-oob" is known (the capability is enabled).
 * Never within a coroutine: bodies may poll.
 */
QDict *qmp_dispatch(const QObject *request, QmpPhase phase, bool oob);
/* Does the request ask to run out of band?  (Whether it may is checked by qmp_dispatch.) */
bool qmp_is_oob(const QObject *request);
/* {"error": {"class": ..., "desc": ...}}; frees err. */
QDict *qmp_error_reply(Error *err);

/* Called before each command; false with an error refuses it (a machine not set up yet).  NULL: none. */
void qmp_set_guard(bool (*allow)(const QmpCommand *cmd, Error **errp));

/* Who gets events; called in the thread that sends.  data is NULL or owned by the emitter. */
void qapi_event_set_emitter(void (*emit)(const char *name, QDict *data));
/* For generated code. */
void qapi_event_emit(const QapiType *type, const char *name, const void *data);

/* The reply of query-qmp-schema: what this program has. */
QList *qapi_introspect(void);

/* For generated code: the call's result, or NULL with errp set; returned values are freed. */
QObject *qapi_result(const QapiType *type, void *value, Error *err, Error **errp);

#endif
