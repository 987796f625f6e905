/*
 * Proves what a QMP session does, in one process: the main loop and the client take turns, while the
 * monitors' thread reads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "chardev/char.h"
#include "monitor/monitor.h"
#include "qapi/commands-job.h"
#include "qapi/events-machine.h"
#include "qapi/events-run-state.h"
#include "util/aio.h"
#include "util/fdset.h"
#include "util/yank.h"

#define HELLO "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 50, \"minor\": 2, \"major\": 7}, \"package\": \"Stillframe\"}, " \
              "\"capabilities\": [\"oob\"]}}"
#define NEGOTIATE "{'execute':'qmp_capabilities'}"

typedef struct Client {
    int fd;
    GString *in;
} Client;

static char *path;

static void turn(void)
{
    while (aio_poll(aio_main_context(), false)) {
    }
}

static Client *client_new(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    Client *c = g_new0(Client, 1);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    c->in = g_string_new(NULL);
    /* The queue of the listener may be full until the peer before was given up. */
    while (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        turn();
    }
    return c;
}

static void client_free(Client *c)
{
    close(c->fd);
    g_string_free(c->in, TRUE);
    g_free(c);
}

static void client_send(Client *c, const char *text)
{
    size_t len = strlen(text), at = 0;
    int64_t end = g_get_monotonic_time() + 20000000;

    while (at < len) {
        ssize_t n = write(c->fd, text + at, len - at);

        at += MAX(n, 0);
        g_assert_true(n >= 0 || errno == EAGAIN);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        turn();
    }
}

/* The next line, g_free; NULL when none comes within the time. */
static char *client_line(Client *c, int64_t timeout_ms)
{
    int64_t end = g_get_monotonic_time() + timeout_ms * 1000;

    do {
        char buf[4096], *eol;
        ssize_t n;

        turn();
        n = read(c->fd, buf, sizeof(buf));
        g_string_append_len(c->in, buf, MAX(n, 0));
        eol = strstr(c->in->str, "\r\n");
        if (eol) {
            char *line = g_strndup(c->in->str, eol - c->in->str);

            g_string_erase(c->in, 0, eol + 2 - c->in->str);
            return line;
        }
        g_usleep(n > 0 ? 0 : 500);
    } while (g_get_monotonic_time() < end);
    return NULL;
}

static void expect(Client *c, const char *line)
{
    g_autofree char *got = client_line(c, 60000);

    g_assert_cmpstr(got, ==, line);
}

static void expect_error(Client *c, const char *cls, const char *desc)
{
    g_autofree char *line = g_strdup_printf("{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}", cls, desc);

    expect(c, line);
}

static Client *client_ready(void)
{
    Client *c = client_new();

    expect(c, HELLO);
    client_send(c, NEGOTIATE);
    expect(c, "{\"return\": {}}");
    return c;
}

/* Polls, so that whatever else is waiting would get in between. */
static int depth, runs;
static bool block_until_yanked;
static int yanked;                  /* atomic */

static void on_yank(void *opaque)
{
    __atomic_store_n(&yanked, 1, __ATOMIC_SEQ_CST);
}

JobInfoList *qmp_query_jobs(Error **errp)
{
    while (block_until_yanked && !__atomic_load_n(&yanked, __ATOMIC_SEQ_CST)) {
        g_usleep(1000);
    }
    g_assert_cmpint(depth++, ==, 0);
    runs++;
    turn();
    depth--;
    return JobInfoList_new();
}

static void test_negotiation(void)
{
    Client *c = client_new();

    expect(c, HELLO);
    client_send(c, "{'execute':'query-commands'}");
    expect_error(c, "CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
    client_send(c, "{'execute':'qmp_capabilities','arguments':{'enable':['bogus']}}");
    expect_error(c, "GenericError", "Parameter 'null' does not accept value 'bogus'");
    client_send(c, "{'exec-oob':'qmp_capabilities'}");
    expect_error(c, "GenericError", "QMP input member 'exec-oob' is unexpected");
    client_send(c, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']},'id':'q'}");
    expect(c, "{\"return\": {}, \"id\": \"q\"}");
    client_send(c, NEGOTIATE);
    expect_error(c, "CommandNotFound", "Capabilities negotiation is already complete, command ignored");
    client_send(c, "{'exec-oob':'query-version'}");
    expect_error(c, "GenericError", "The command query-version does not support OOB");
    client_free(c);
}

static void test_bad_input(void)
{
    Client *c = client_ready();

    client_send(c, "[}\n{'execute':'query-jobs','id':1}");
    expect_error(c, "GenericError", "JSON parse error, expecting value");
    expect(c, "{\"return\": [], \"id\": 1}");
    client_send(c, "$$$\n3 'x' {'execute':'query-jobs','id':18446744073709551615}");
    expect_error(c, "GenericError", "JSON parse error, stray '$'");
    expect_error(c, "GenericError", "QMP input must be a JSON object");
    expect_error(c, "GenericError", "QMP input must be a JSON object");
    expect(c, "{\"return\": [], \"id\": 18446744073709551615}");
    client_send(c, "{'execute':'query-jobs','id':'\xc3'}");
    expect_error(c, "GenericError", "JSON parse error, invalid UTF-8 sequence in string");
    for (int i = 0; i < 1100; i++) {
        client_send(c, "[");
    }
    client_send(c, "\n");
    expect_error(c, "GenericError", "JSON nesting depth limit exceeded");
    client_free(c);
}

/* Out of band a command runs although the main thread is stuck, and what it does may free that. */
static void test_out_of_band(void)
{
    Client *c = client_new();

    expect(c, HELLO);
    client_send(c, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}");
    expect(c, "{\"return\": {}}");
    yank_add(YANK_BLOCK_NODE, "n");
    yank_add_fn(YANK_BLOCK_NODE, "n", on_yank, NULL);
    block_until_yanked = true;
    client_send(c, "{'execute':'query-jobs','id':1}{'execute':'query-jobs','id':2}"
                   "{'exec-oob':'yank','arguments':{'instances':[{'type':'block-node','node-name':'x'}]}}"
                   "{'exec-oob':'yank','arguments':{'instances':[{'type':'block-node','node-name':'n'}]},'id':3}");
    expect_error(c, "DeviceNotFound", "Instance not found");
    /* The yank lets the first query go on, in another thread: either may be answered first. */
    for (int i = 0, seen[4] = { 0 }; i < 3; i++) {
        g_autofree char *line = client_line(c, 60000);
        int id;

        g_assert_nonnull(line);
        id = strstr(line, "\"id\": 3}") ? 3 : strstr(line, "\"id\": 2}") ? 2 : 1;
        g_assert_nonnull(strstr(line, id == 3 ? "{\"return\": {}, \"id\": " : "{\"return\": [], \"id\": "));
        g_assert_cmpint(seen[id]++, ==, 0);
        g_assert_true(id != 2 || seen[1]);
    }
    block_until_yanked = false;
    client_send(c, "{'execute':'query-yank'}");
    expect(c, "{\"return\": [{\"type\": \"chardev\", \"id\": \"q\"}, {\"node-name\": \"n\", \"type\": \"block-node\"}]}");
    yank_remove_fn(YANK_BLOCK_NODE, "n", on_yank, NULL);
    yank_remove(YANK_BLOCK_NODE, "n");
    client_free(c);
}

/* Commands in one go are answered in order, one at a time, and none is lost. */
static void test_pipeline(void)
{
    Client *a = client_ready(), *b = NULL;
    GString *text = g_string_new(NULL);

    for (int i = 0; i < 500; i++) {
        g_string_append_printf(text, "{'execute':'query-jobs','id':%d}%s", i, i % 3 ? "" : "\n");
    }
    client_send(a, text->str);
    for (int i = 0; i < 500; i++) {
        g_autofree char *want = g_strdup_printf("{\"return\": [], \"id\": %d}", i);

        expect(a, want);
    }
    g_string_free(text, TRUE);
    client_free(a);
    /* The device takes one peer at a time; the next is greeted afresh. */
    b = client_ready();
    client_send(b, "{'execute':'query-jobs'}");
    expect(b, "{\"return\": []}");
    client_free(b);
}

/* A peer that leaves in the middle of a command, or before the reply, harms nobody. */
static void test_cut(void)
{
    for (int i = 0; i < 200; i++) {
        Client *c = client_new();

        if (i % 2) {
            client_send(c, NEGOTIATE "{'execute':'query-jobs'}{'execute':'quer");
        }
        if (i % 3) {
            turn();
            g_usleep(i % 7 * 100);
        }
        client_free(c);
    }
    client_free(client_ready());
}

/* Only so much is taken from a peer that does not read, and what it sent is answered when it does. */
static void test_no_reader(void)
{
    Client *c = client_ready();
    int sent = 0, done = runs, answered = 0;
    static const char text[] = "{'execute':'query-commands'}{'execute':'query-jobs'}\n";

    for (int idle = 0; idle < 200;) {
        ssize_t n = write(c->fd, text, sizeof(text) - 1);

        /* A part of the text may go; then the rest must follow. */
        for (size_t at = MAX(n, 0); n > 0 && at < sizeof(text) - 1; turn()) {
            ssize_t more = write(c->fd, text + at, sizeof(text) - 1 - at);

            if (more < 0) {
                shutdown(c->fd, SHUT_WR);
                break;
            }
            at += more;
        }
        sent += n > 0;
        idle = n > 0 ? 0 : idle + 1;
        turn();
        g_usleep(n > 0 ? 0 : 1000);
        g_assert_cmpint(sent, <, 1000000);
    }
    done = runs - done;
    g_assert_cmpint(done, <, sent);
    for (;;) {
        g_autofree char *line = client_line(c, answered < done ? 60000 : 300);

        if (!line) {
            break;
        }
        answered += strcmp(line, "{\"return\": []}") == 0;
    }
    g_assert_cmpint(answered, >=, done);
    client_free(c);
}

static void test_events(void)
{
    Client *c = client_ready();
    g_autofree char *first = NULL, *second = NULL;
    BalloonChangeEvent data = { 0 };

    qapi_event_send_STOP();
    first = client_line(c, 60000);
    g_assert_true(g_regex_match_simple("^\\{\"timestamp\": \\{\"seconds\": \\d+, \"microseconds\": \\d+\\}, \"event\": \"STOP\"\\}$",
                                       first, 0, 0));
    for (data.actual = 1; data.actual <= 50; data.actual++) {
        qapi_event_send_BALLOON_CHANGE(&data);
    }
    second = client_line(c, 60000);
    g_assert_nonnull(strstr(second, "\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": 1}}"));
    g_free(second);
    second = client_line(c, 60000);
    g_assert_nonnull(strstr(second, "{\"actual\": 50}}"));
    client_free(c);
}

static void send_fd(Client *c, const char *text, int fd)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(c->fd, &msg, 0), ==, (ssize_t)strlen(text));
}

static void test_fds(void)
{
    Client *c = client_ready();
    int fd = open("/dev/null", O_RDONLY), copy;
    g_autofree char *added = NULL;

    client_send(c, "{'execute':'getfd','arguments':{'fdname':'a'}}");
    expect_error(c, "GenericError", "No file descriptor supplied via SCM_RIGHTS");
    send_fd(c, "{'execute':'getfd','arguments':{'fdname':'a'}}", fd);
    expect(c, "{\"return\": {}}");
    client_send(c, "{'execute':'closefd','arguments':{'fdname':'a'}}");
    expect(c, "{\"return\": {}}");
    client_send(c, "{'execute':'closefd','arguments':{'fdname':'a'}}");
    expect_error(c, "GenericError", "File descriptor named 'a' not found");
    send_fd(c, "{'execute':'add-fd','arguments':{'fdset-id':7}}", fd);
    added = client_line(c, 60000);
    g_assert_nonnull(strstr(added, "\"fdset-id\": 7"));
    g_assert_cmpint(fdset_open("/dev/fdset/7", O_RDWR, 0, NULL), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(fdset_open("/dev/fdset/8", O_RDONLY, 0, NULL), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    copy = fdset_open("/dev/fdset/7", O_RDONLY, 0, NULL);
    g_assert_cmpint(copy, >=, 0);
    fdset_close(copy);
    close(fd);
    client_free(c);
}

static void start_server(const char *dir)
{
    g_autofree char *text = NULL;
    MonitorOptions options = { .chardev = "q", .mode = MONITOR_MODE_CONTROL };
    bool help = false;

    path = g_build_filename(dir, "q", NULL);
    text = g_strdup_printf("socket,id=q,path=%s,server=on,wait=off", path);
    g_assert_nonnull(chr_new_from_text(text, &help, &error_abort));
    g_assert_cmpint(monitor_init(&options, &error_abort), ==, 0);
}

int main(int argc, char **argv)
{
    g_autofree char *dir = g_dir_make_tmp("test-monitor-XXXXXX", NULL);
    int rc;

    g_test_init(&argc, &argv, NULL);
    aio_init_main();
    start_server(dir);
    g_test_add_func("/monitor/negotiation", test_negotiation);
    g_test_add_func("/monitor/bad-input", test_bad_input);
    g_test_add_func("/monitor/out-of-band", test_out_of_band);
    g_test_add_func("/monitor/pipeline", test_pipeline);
    g_test_add_func("/monitor/cut", test_cut);
    g_test_add_func("/monitor/no-reader", test_no_reader);
    g_test_add_func("/monitor/events", test_events);
    g_test_add_func("/monitor/fds", test_fds);
    rc = g_test_run();
    unlink(path);
    rmdir(dir);
    return rc;
}
