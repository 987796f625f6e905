/*
 * Proves that generated types read and write JSON strictly, with the peer's texts, and that dispatch
 * answers any request.  Error texts were read off the stock monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/commands-block-core.h"
#include "qapi/commands-job.h"
#include "qapi/commands-qom.h"
#include "qapi/dispatch.h"
#include "qapi/events-block-core.h"
#include "qapi/types.h"

/* Bodies that this program has; the rest of the schema is not linked. */
void qmp_block_resize(const BlockResizeArgs *arg, Error **errp)
{
    if (arg->size < 0) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "too small");
    }
}

JobInfoList *qmp_query_jobs(Error **errp)
{
    JobInfoList *list = JobInfoList_new();
    JobInfo *job = JobInfo_new();

    job->id = g_strdup("a");
    job->type = JOB_TYPE_SNAPSHOT_SAVE;
    job->total_progress = INT64_MAX;
    JobInfoList_append(list, job);
    return list;
}

QObject *qmp_blockdev_add(const QDict *args, Error **errp)
{
    return qobject_clone(args);
}

QObject *qmp_qom_get(const QomGetArgs *arg, Error **errp)
{
    return qstring_new(arg->property);
}

static void check_options(const char *json, const char *error)
{
    g_autoptr(QObject) o = json_parse(json, &error_abort);
    Error *err = NULL;
    g_autoptr(BlockdevOptions) options = BlockdevOptions_from_qobject(o, &err);

    if (error) {
        g_assert_null(options);
        g_assert_cmpstr(error_get_pretty(err), ==, error);
        error_free(err);
    } else {
        g_autoptr(QObject) back = NULL;

        g_assert_null(err);
        back = BlockdevOptions_to_qobject(options);
        g_assert_true(qobject_equal(o, back));
    }
}

static void test_good(void)
{
    check_options("{'driver':'file','filename':'x','aio':'native','locking':'off'}", NULL);
    check_options("{'driver':'qcow2','file':{'driver':'raw','offset':512,'file':'n'},'backing':null,'cache':{'direct':false},"
                  "'overlap-check':{'template':'all','main-header':true},'l2-cache-size':9223372036854775807}", NULL);
    check_options("{'driver':'quorum','children':['a',{'driver':'null-co','size':1}],'vote-threshold':2}", NULL);
    check_options("{'driver':'blkdebug','image':'x','take-child-perms':['write','resize'],"
                  "'inject-error':[{'event':'flush_to_os','once':true}]}", NULL);
}

static void test_bad(void)
{
    static const char *const cases[][2] = {
        { "{}", "Parameter 'driver' is missing" },
        { "{'driver':'foo'}", "Parameter 'driver' does not accept value 'foo'" },
        { "{'driver':1}", "Invalid parameter type for 'driver', expected: string" },
        { "{'driver':'qcow2'}", "Parameter 'file' is missing" },
        { "{'driver':'qcow2','file':1}", "Invalid parameter type for 'file', expected: BlockdevRef" },
        { "{'driver':'qcow2','file':{}}", "Parameter 'file.driver' is missing" },
        { "{'driver':'qcow2','file':{'driver':'file','filename':1}}",
          "Invalid parameter type for 'file.filename', expected: string" },
        { "{'driver':'qcow2','file':{'driver':'file','filename':'1','bogus':1}}", "Parameter 'file.bogus' is unexpected" },
        { "{'driver':'qcow2','file':'x','cache':{'direct':1}}", "Invalid parameter type for 'cache.direct', expected: boolean" },
        { "{'driver':'qcow2','file':'x','overlap-check':{'template':'foo'}}", "Parameter 'template' does not accept value 'foo'" },
        { "{'driver':'quorum','children':[1]}", "Invalid parameter type for 'null', expected: BlockdevRef" },
        { "{'driver':'quorum','children':[{'driver':'file'}]}", "Parameter 'children[0].filename' is missing" },
        { "{'driver':'quorum','children':{}}", "Invalid parameter type for 'children', expected: array" },
        { "{'driver':'nbd','server':{'type':'inet','host':'a','port':'1','to':65536}}", "Parameter 'to' expects uint16_t" },
        { "{'driver':'nbd','server':{'type':'inet','host':'a','port':'1','to':-1}}", "Parameter 'to' expects uint16_t" },
        { "{'driver':'nbd','server':{'type':'inet','host':'a','port':'1','to':1.0}}", "Parameter 'server.to' expects uint64" },
        { "[]", "Invalid parameter type for '', expected: object" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_options(cases[i][0], cases[i][1]);
    }
}

/* A chain of a thousand filters in filters is read, written and freed. */
static void test_deep(void)
{
    GString *text = g_string_new("'n'");

    for (int i = 0; i < 1000; i++) {
        g_string_prepend(text, "{'driver':'raw','file':");
        g_string_append_c(text, '}');
    }
    check_options(text->str, NULL);
    g_string_free(text, TRUE);
}

static void test_values(void)
{
    BlockdevOnError v = BLOCKDEV_ON_ERROR_AUTO;
    StatusInfo info = { .running = true, .status = RUN_STATE_FINISH_MIGRATE };
    g_autoptr(QObject) o = StatusInfo_to_qobject(&info);

    g_assert_cmpstr(BlockdevOnError_str(BLOCKDEV_ON_ERROR_ENOSPC), ==, "enospc");
    g_assert_true(BlockdevOnError_parse("ignore", &v));
    g_assert_cmpint(v, ==, BLOCKDEV_ON_ERROR_IGNORE);
    g_assert_false(BlockdevOnError_parse("", &v));
    g_assert_null(BlockdevOnError_str(BLOCKDEV_ON_ERROR__MAX));
    g_assert_cmpstr(qdict_get_str(o, "status"), ==, "finish-migrate");
}

static void check_dispatch(const char *request, const char *reply)
{
    g_autoptr(QObject) in = json_parse(request, &error_abort);
    g_autoptr(QObject) expected = json_parse(reply, &error_abort);
    g_autoptr(QObject) out = qmp_dispatch(in, QMP_PHASE_COMMANDS, true);

    if (!qobject_equal(out, expected)) {
        g_autofree char *text = json_print(out, false);

        g_test_message("%s -> %s", request, text);
        g_test_fail();
    }
}

static void test_dispatch(void)
{
    check_dispatch("{'execute':'query-jobs','id':[1]}",
                   "{'return':[{'id':'a','type':'snapshot-save','status':'undefined','current-progress':0,"
                   "'total-progress':9223372036854775807}],'id':[1]}");
    check_dispatch("{'execute':'block_resize','arguments':{'size':-1}}",
                   "{'error':{'class':'DeviceNotFound','desc':'too small'}}");
    check_dispatch("{'execute':'block_resize','arguments':{'size':1,'node-name':'x'}}", "{'return':{}}");
    check_dispatch("{'execute':'block_resize'}", "{'error':{'class':'GenericError','desc':\"Parameter 'size' is missing\"}}");
    check_dispatch("{'execute':'query-jobs','arguments':{'a':1,'b':2}}",
                   "{'error':{'class':'GenericError','desc':\"Parameter 'b' is unexpected\"}}");
    check_dispatch("{'execute':'stop'}", "{'error':{'class':'CommandNotFound','desc':'The command stop has not been found'}}");
    check_dispatch("{'exec-oob':'query-jobs'}",
                   "{'error':{'class':'GenericError','desc':'The command query-jobs does not support OOB'}}");
    check_dispatch("{'execute':'blockdev-add','arguments':{'driver':'null-co'}}", "{'return':{'driver':'null-co'}}");
    check_dispatch("{'execute':'blockdev-add','arguments':{'driver':'null-co','x':1}}",
                   "{'error':{'class':'GenericError','desc':\"Parameter 'x' is unexpected\"}}");
    check_dispatch("{'execute':'qom-get','arguments':{'path':'/','property':'p'}}", "{'return':'p'}");
    check_dispatch("[]", "{'error':{'class':'GenericError','desc':'QMP input must be a JSON object'}}");
    check_dispatch("{'id':3}", "{'id':3,'error':{'class':'GenericError','desc':\"QMP input lacks member 'execute'\"}}");
}

static const char *seen_event;

static void note_event(const char *name, QDict *data)
{
    seen_event = name;
    g_assert_cmpint(qdict_get_int(data, "write-threshold", -1), ==, 7);
    qobject_unref(data);
}

static void test_event(void)
{
    BlockWriteThresholdEvent data = { .node_name = (char *)"n", .write_threshold = 7 };

    qapi_event_set_emitter(note_event);
    qapi_event_send_BLOCK_WRITE_THRESHOLD(&data);
    g_assert_cmpstr(seen_event, ==, "BLOCK_WRITE_THRESHOLD");
}

/* Only what is linked is told, and every type that is named is told once. */
static void test_introspect(void)
{
    g_autoptr(QObject) schema = qapi_introspect();
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    int commands = 0, events = 0;

    for (size_t i = 0; i < qlist_size(schema); i++) {
        QObject *entry = qlist_get(schema, i);

        g_assert_true(g_hash_table_add(names, (gpointer)qdict_get_str(entry, "name")));
        commands += strcmp(qdict_get_str(entry, "meta-type"), "command") == 0;
        events += strcmp(qdict_get_str(entry, "meta-type"), "event") == 0;
    }
    g_assert_cmpint(commands, ==, 4);
    g_assert_cmpint(events, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/good", test_good);
    g_test_add_func("/qapi/bad", test_bad);
    g_test_add_func("/qapi/deep", test_deep);
    g_test_add_func("/qapi/values", test_values);
    g_test_add_func("/qapi/dispatch", test_dispatch);
    g_test_add_func("/qapi/event", test_event);
    g_test_add_func("/qapi/introspect", test_introspect);
    return g_test_run();
}
