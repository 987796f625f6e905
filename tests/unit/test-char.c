/*
 * Channels and character devices: sockets with passed descriptors, muxes, rings, short forms.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "chardev/char.h"
#include "io/socket.h"

typedef struct User { CharBackend be; GString *got; int room; int events[5]; } User;

static int user_can_read(void *opaque) { return ((User *)opaque)->room; }
static void user_read(void *opaque, const uint8_t *buf, int n) { g_string_append_len(((User *)opaque)->got, (char *)buf, n); }
static void user_event(void *opaque, ChrEvent event) { ((User *)opaque)->events[event]++; }

static void user_start(User *u, Chardev *chr)
{
    memset(u, 0, sizeof(*u));
    u->got = g_string_new(NULL);
    u->room = 1000;
    g_assert_true(chr_fe_init(&u->be, chr, &error_abort));
    chr_fe_set_handlers(&u->be, user_can_read, user_read, user_event, NULL, u, NULL, true);
}

static void user_end(User *u)
{
    chr_fe_deinit(&u->be, false);
    g_string_free(u->got, TRUE);
}

static void turn(int times)
{
    while (times--) {
        aio_poll(aio_main_context(), false);
        g_usleep(1000);
    }
}

static Chardev *make(const char *text)
{
    bool help;
    Chardev *chr = chr_new_from_text(text, &help, &error_abort);

    g_assert_nonnull(chr);
    return chr;
}

static IOChannel *connect_to(const char *path)
{
    g_autofree char *text = g_strdup_printf("unix:%s", path);
    g_autoptr(IOAddress) a = io_address_parse(text, &error_abort);

    return io_socket_connect(a, &error_abort);
}

static void test_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("char-XXXXXX", NULL), *path = g_strdup_printf("%s/s", dir);
    g_autofree char *text = g_strdup_printf("socket,id=s,path=%s,server=on,wait=off", path);
    Chardev *chr = make(text);
    IOChannel *c;
    User u;
    int fd = open("/dev/null", O_RDONLY), got;
    char buf[16];

    user_start(&u, chr);
    g_assert_cmpint(u.events[CHR_EVENT_OPENED], ==, 0);
    for (int round = 0; round < 3; round++) {
        c = connect_to(path);
        turn(5);
        g_assert_cmpint(u.events[CHR_EVENT_OPENED], ==, round + 1);
        g_assert_cmpint(io_channel_write_fds(c, "hello", 5, &fd, 1, &error_abort), ==, 5);
        turn(5);
        g_assert_cmpstr(u.got->str, ==, "hello");
        got = chr_fe_get_msgfd(&u.be);
        g_assert_cmpint(got, >=, 0);
        close(got);
        g_assert_cmpint(chr_fe_write_all(&u.be, (uint8_t *)"abc", 3), ==, 3);
        g_assert_cmpint(io_channel_read(c, buf, sizeof(buf), &error_abort), ==, 3);
        u.room = 0;
        io_channel_write(c, "x", 1, &error_abort);
        turn(5);
        g_assert_cmpstr(u.got->str, ==, "hello");
        u.room = 10;
        chr_fe_accept_input(&u.be);
        turn(5);
        g_assert_cmpstr(u.got->str, ==, "hellox");
        io_channel_unref(c);
        turn(5);
        g_assert_cmpint(u.events[CHR_EVENT_CLOSED], ==, round + 1);
        g_string_truncate(u.got, 0);
    }
    user_end(&u);
    close(fd);
    g_assert_true(chr_remove("s", &error_abort));
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    rmdir(dir);
}

static void test_ring(void)
{
    User u;
    g_autofree char *all = NULL;
    Chardev *chr = make("ringbuf,id=r,size=8");

    user_start(&u, chr);
    chr_fe_write_all(&u.be, (uint8_t *)"0123456789", 10);
    all = chr_ringbuf_read("r", 100, false, &error_abort);
    g_assert_cmpstr(all, ==, "23456789");
    g_assert_false(chr_remove("r", NULL));
    user_end(&u);
    g_assert_true(chr_remove("r", &error_abort));
}

static void test_mux(void)
{
    g_autofree char *dir = g_dir_make_tmp("char-XXXXXX", NULL), *path = g_strdup_printf("%s/s", dir);
    g_autofree char *text = g_strdup_printf("socket,id=m,path=%s,server=on,wait=off,mux=on", path);
    Chardev *chr = make(text);
    IOChannel *c;
    User a, b;

    user_start(&a, chr);
    user_start(&b, chr);
    chr_machine_ready();
    c = connect_to(path);
    turn(5);
    io_channel_write(c, "to-b\001cto-a\001\001", 12, &error_abort);
    turn(5);
    g_assert_cmpstr(b.got->str, ==, "to-b");
    g_assert_cmpstr(a.got->str, ==, "to-a\001");
    io_channel_unref(c);
    turn(5);
    g_assert_cmpint(a.events[CHR_EVENT_CLOSED], ==, 1);
    user_end(&a);
    user_end(&b);
    chr_cleanup();
    rmdir(dir);
}

static void test_addresses(void)
{
    static const struct { const char *text, *shown, *error; } cases[] = {
        { "localhost:80", "tcp:localhost:80", NULL }, { "[::1]:80,ipv6", "tcp:[::1]:80", NULL },
        { ":5,to=9", "tcp::5", NULL }, { "unix:/a", "unix:/a", NULL }, { "vsock:1:2", "vsock:1:2", NULL },
        { "foo", NULL, "error parsing address 'foo'" }, { "[::1", NULL, "error parsing IPv6 address '[::1'" },
        { "a:1,to=x", NULL, "error parsing to= argument" }, { "unix:", NULL, "invalid Unix socket address" },
        { "a:1,ipv4=maybe", NULL, "error parsing 'ipv4' flag '=maybe'" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Error) err = NULL;
        g_autoptr(IOAddress) a = io_address_parse(cases[i].text, &err);
        g_autofree char *shown = a ? io_address_to_string(a) : NULL;

        g_assert_cmpstr(shown, ==, cases[i].shown);
        g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==, cases[i].error);
    }
}

static void test_listener_port_range(void)
{
    g_autoptr(IOAddress) any = io_address_parse("127.0.0.1:0", &error_abort), first = NULL, second = NULL, got = NULL;
    IOListener *a = io_listener_new(any, 1, &error_abort), *b;
    g_autofree char *text = NULL;

    first = io_listener_address(a, &error_abort);
    text = g_strdup_printf("127.0.0.1:%s,to=65535", first->port);
    second = io_address_parse(text, &error_abort);
    b = io_listener_new(second, 1, &error_abort);
    got = io_listener_address(b, &error_abort);
    g_assert_cmpstr(got->port, !=, first->port);
    io_listener_free(a);
    io_listener_free(b);
}

int main(int argc, char **argv)
{
    aio_init_main();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/char/socket", test_socket);
    g_test_add_func("/char/ring", test_ring);
    g_test_add_func("/char/mux", test_mux);
    g_test_add_func("/io/addresses", test_addresses);
    g_test_add_func("/io/port-range", test_listener_port_range);
    return g_test_run();
}
