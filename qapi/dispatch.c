/*
 * One request in, one reply out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "qapi/compat.h"
#include "qapi/dispatch.h"

static bool (*guard)(const QmpCommand *cmd, Error **errp);

void qmp_set_guard(bool (*allow)(const QmpCommand *cmd, Error **errp))
{
    guard = allow;
}

static const char *const *left_out;

void qmp_leave_out(const char *const *names)
{
    left_out = names;
}

bool qmp_is_left_out(const char *name)
{
    for (const char *const *p = left_out; p && *p; p++) {
        if (g_pattern_match_simple(*p, name)) {
            return true;
        }
    }
    return false;
}

static bool is_offered(const QmpCommand *cmd)
{
    return cmd->body && !qmp_is_left_out(cmd->name);
}

const QmpCommand *qmp_find_command(const char *name)
{
    for (size_t t = 0; qapi_command_tables[t]; t++) {
        for (const QmpCommand *cmd = qapi_command_tables[t]; cmd->name; cmd++) {
            if (strcmp(cmd->name, name) == 0) {
                return is_offered(cmd) ? cmd : NULL;
            }
        }
    }
    return NULL;
}

void qmp_for_each_command(void (*fn)(const QmpCommand *cmd, void *opaque), void *opaque)
{
    for (size_t t = 0; qapi_command_tables[t]; t++) {
        for (const QmpCommand *cmd = qapi_command_tables[t]; cmd->name; cmd++) {
            if (is_offered(cmd)) {
                fn(cmd, opaque);
            }
        }
    }
}

QObject *qapi_result(const QapiType *type, void *value, Error *err, Error **errp)
{
    QObject *o;

    if (err) {
        error_propagate(errp, err);
        if (type->kind == QAPI_STR) {
            g_free(value);
        } else if (type->kind == QAPI_ANY) {
            qobject_unref(value);
        } else {
            qapi_free(type, value);
        }
        return NULL;
    }
    if (type->kind == QAPI_ANY) {
        return value ? value : qnull_new();
    }
    if (type->kind == QAPI_STR) {
        return qstring_new_take(value ? value : g_strdup(""));
    }
    compat_monitor(true);
    o = qapi_slot_to_qobject(type, &value);
    compat_monitor(false);
    qapi_free(type, value);
    return o;
}

/* What a request says, checked for its form. */
typedef struct Request {
    const char *name;
    const QDict *arguments;         /* NULL: none */
    bool oob;
} Request;

static bool request_name(Request *r, const char *key, const QObject *value, Error **errp)
{
    if (r->name) {
        error_setg(errp, "QMP input member '%s' clashes with '%s'", r->oob ? "exec-oob" : "execute", key);
        return false;
    }
    r->name = qobject_get_str(value);
    if (!r->name) {
        error_setg(errp, "QMP input member '%s' must be a string", key);
        return false;
    }
    r->oob = strcmp(key, "exec-oob") == 0;
    return true;
}

static bool request_member(Request *r, const char *key, const QObject *value, bool oob, Error **errp)
{
    if (strcmp(key, "execute") == 0 || (oob && strcmp(key, "exec-oob") == 0)) {
        return request_name(r, key, value, errp);
    }
    if (strcmp(key, "arguments") == 0) {
        if (qobject_type(value) != QTYPE_DICT) {
            error_setg(errp, "QMP input member '%s' must be an object", key);
            return false;
        }
        r->arguments = value;
        return true;
    }
    if (strcmp(key, "id") == 0) {
        return true;
    }
    error_setg(errp, "QMP input member '%s' is unexpected", key);
    return false;
}

static bool parse_request(Request *r, const QObject *o, bool oob, Error **errp)
{
    if (qobject_type(o) != QTYPE_DICT) {
        error_setg(errp, "QMP input must be a JSON object");
        return false;
    }
    for (size_t i = 0; i < qdict_size(o); i++) {
        if (!request_member(r, qdict_key_at(o, i), qdict_value_at(o, i), oob, errp)) {
            return false;
        }
    }
    if (!r->name) {
        error_setg(errp, "QMP input lacks member 'execute'");
        return false;
    }
    return true;
}

static const QmpCommand *choose_command(const Request *r, QmpPhase phase, Error **errp)
{
    const QmpCommand *cmd = qmp_find_command(r->name);

    if (phase == QMP_PHASE_NEGOTIATION && strcmp(r->name, "qmp_capabilities") != 0) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "Expecting capabilities negotiation with 'qmp_capabilities'");
        return NULL;
    }
    if (!cmd) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "The command %s has not been found", r->name);
        return NULL;
    }
    if (r->oob && !cmd->oob) {
        error_setg(errp, "The command %s does not support OOB", r->name);
        return NULL;
    }
    if (!compat_accepts(cmd->features, "command", cmd->name, ERROR_CLASS_COMMAND_NOT_FOUND, errp)) {
        return NULL;
    }
    return guard && !guard(cmd, errp) ? NULL : cmd;
}

static QObject *run_command(const QmpCommand *cmd, const QDict *arguments, Error **errp)
{
    static const QapiType no_arguments = { .kind = QAPI_OBJECT, .name = "no arguments", .size = 1 };
    const QapiType *type = cmd->arguments ? cmd->arguments : &no_arguments;
    QObject *result;
    void *value;

    if (cmd->raw) {
        bool ok;

        compat_monitor(true);
        ok = cmd->unchecked || qapi_check(type, arguments, errp);
        compat_monitor(false);
        return ok ? cmd->call(arguments, errp) : NULL;
    }
    compat_monitor(true);
    value = qapi_from_qobject(type, arguments, errp);
    compat_monitor(false);
    if (!value) {
        return NULL;
    }
    result = cmd->call(value, errp);
    qapi_free(type, value);
    return result;
}

/* Its string is data that goes where it belongs without a copy. */
static bool takes_data(const QmpCommand *cmd) { return !strcmp(cmd->name, "ringbuf-write"); }

static QObject *execute(const QObject *request, QmpPhase phase, bool oob, Error **errp)
{
    g_autoptr(QObject) none = qdict_new();
    Request r = { 0 };
    const QmpCommand *cmd;

    if (!parse_request(&r, request, oob, errp)) {
        return NULL;
    }
    cmd = choose_command(&r, phase, errp);
    if (!cmd || (r.arguments && !takes_data(cmd) && !qobject_check_bounds(r.arguments, "arguments", errp))) {
        return NULL;
    }
    return run_command(cmd, r.arguments ? r.arguments : none, errp);
}

bool qmp_is_oob(const QObject *request)
{
    return qobject_type(request) == QTYPE_DICT && qdict_has(request, "exec-oob") && !qdict_has(request, "execute");
}

QDict *qmp_error_reply(Error *err)
{
    QDict *reply = qdict_new(), *error = qdict_new();

    qdict_put_str(error, "class", error_class_name(error_get_class(err)));
    qdict_put(error, "desc", qstring_new_take(error_take_text(err)));
    qdict_put(reply, "error", error);
    return reply;
}

QDict *qmp_dispatch(const QObject *request, QmpPhase phase, bool oob)
{
    Error *err = NULL;
    QObject *result = execute(request, phase, oob, &err);
    const QObject *id = qobject_type(request) == QTYPE_DICT ? qdict_get(request, "id") : NULL;
    QDict *reply;

    if (err) {
        qobject_unref(result);
        reply = qmp_error_reply(err);
    } else {
        reply = qdict_new();
        qdict_put(reply, "return", result ? result : qdict_new());
    }
    if (id) {
        qdict_put(reply, "id", qobject_ref((QObject *)id));
    }
    return reply;
}
