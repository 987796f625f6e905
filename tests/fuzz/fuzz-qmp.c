/*
 * Fuzzing entry: requests of a manager.  Each value of the input is read as QMP does; the arguments of any command of
 * the schema, linked here or not, are checked, turned into their C form and back; what is linked and harmless runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "fuzz.h"
#include "qapi/dispatch.h"
#include "util/aio.h"

static const QmpCommand *find(const char *name)
{
    for (const QmpCommand *const *table = qapi_command_tables; *table; table++) {
        for (const QmpCommand *c = *table; c->name; c++) {
            if (!strcmp(c->name, name)) {
                return c;
            }
        }
    }
    return NULL;
}

/* There and back; what was accepted once must be accepted again. */
static void convert(const QapiType *type, const QObject *value)
{
    void *c = qapi_from_qobject(type, value, NULL), *copy;
    g_autoptr(QObject) back = NULL;

    if (qapi_check(type, value, NULL) != !!c) {
        abort();
    }
    if (!c) {
        return;
    }
    copy = qapi_clone(type, c);
    back = qapi_to_qobject(type, copy);
    if (!qapi_check(type, back, NULL)) {
        abort();
    }
    qapi_free(type, copy);
    qapi_free(type, c);
}

static void run(const QObject *request)
{
    const QDict *dict = qobject_type(request) == QTYPE_DICT ? request : NULL;
    const char *name = dict ? qdict_get_str(dict, "execute") : NULL;
    const QmpCommand *command = name ? find(name) : NULL;
    const QObject *arguments = dict ? qdict_get(dict, "arguments") : NULL;
    QDict *reply;

    if (command && command->arguments && arguments) {
        convert(command->arguments, arguments);
    }
    qmp_is_oob(request);
    reply = qmp_dispatch(request, QMP_PHASE_COMMANDS, true);
    if (reply) {
        g_autofree char *text = json_print((QObject *)reply, false);

        qobject_unref(reply);
    }
}

/* A session: a request a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool started;

    if (!started) {
        error_init("fuzz-qmp");
        aio_init_main();
        started = true;
    }
    while (size) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t len = end ? (size_t)(end - data) : size;
        g_autoptr(QObject) request = json_parse_len((const char *)data, len, NULL);

        if (request) {
            run(request);
        }
        len += end ? 1 : 0;
        data += len;
        size -= len;
    }
    return 0;
}
