/*
 * The HTTP request with which a websocket begins (RFC 6455, section 4): parsed as text, answered as text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <time.h>
#include "util/version.h"
#include "websock.h"

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_CHARS 24                   /* of 16 bytes in base64 */
#define MAX_HEADERS 32

typedef struct Headers {
    const char *host, *upgrade, *connection, *key, *protocol, *version;
    unsigned n;
} Headers;

static void keep(Headers *h, const char *name, const char *value)
{
    const struct { const char *name; const char **slot; } known[] = {
        { "host", &h->host }, { "upgrade", &h->upgrade }, { "connection", &h->connection },
        { "sec-websocket-key", &h->key },
        { "sec-websocket-protocol", &h->protocol }, { "sec-websocket-version", &h->version },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!g_ascii_strcasecmp(name, known[i].name)) {
            *known[i].slot = value;
        }
    }
}

/* Cuts the lines behind the first one in place. */
static bool parse_headers(char **lines, Headers *h)
{
    for (; *lines; lines++) {
        char *colon = strchr(*lines, ':');

        if (!colon || ++h->n > MAX_HEADERS) {
            return false;
        }
        *colon = '\0';
        keep(h, g_strstrip(*lines), g_strstrip(colon + 1));
    }
    return true;
}

/* Is word one of the elements between commas? */
static bool has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);

    for (char **w = words; *w; w++) {
        if (!g_ascii_strcasecmp(g_strstrip(*w), word)) {
            return true;
        }
    }
    return false;
}

static const char *check_headers(const Headers *h)
{
    if (!h->host || !h->upgrade || !h->connection || !h->key || !h->version) {
        return "Missing websocket header";
    }
    if (h->protocol && !has_word(h->protocol, "binary")) {
        return "No 'binary' protocol is supported by client";
    }
    if (strcmp(h->version, "13")) {
        return "Version is not supported by server";
    }
    if (strlen(h->key) != KEY_CHARS) {
        return "Key length does not match";
    }
    if (!has_word(h->connection, "Upgrade")) {
        return "No connection upgrade requested";
    }
    return g_ascii_strcasecmp(h->upgrade, "websocket") ? "Incorrect upgrade method" : NULL;
}

static char *accept_key(const char *key)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize len = sizeof(digest);

    g_checksum_update(sum, (const guchar *)key, -1);
    g_checksum_update(sum, (const guchar *)GUID, -1);
    g_checksum_get_digest(sum, digest, &len);
    return g_base64_encode(digest, len);
}

static char *date(void)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    };
    time_t now = time(NULL);
    struct tm t;

    gmtime_r(&now, &t);
    return g_strdup_printf("%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
                           t.tm_year + 1900,
                           t.tm_hour, t.tm_min, t.tm_sec);
}

static char *refuse(const char *status, const char *more)
{
    g_autofree char *when = date();

    return g_strdup_printf("HTTP/1.1 %s\r\nServer: " PACKAGE_NAME "\r\nDate: %s\r\nConnection: close\r\n%s\r\n",
                           status, when, more);
}

char *websock_refuse_long(void)
{
    return refuse("403 Request Entity Too Large", "");
}

char *websock_answer(const char *request, Error **errp)
{
    g_auto(GStrv) lines = g_strsplit(request, "\r\n", -1);
    g_auto(GStrv) words = lines[0] ? g_strsplit(lines[0], " ", 3) : g_new0(char *, 1);
    g_autofree char *key = NULL, *when = NULL;
    Headers h = { 0 };
    const char *wrong = NULL;

    if (g_strv_length(words) != 3 || strcmp(words[0], "GET") || strcmp(words[2], "HTTP/1.1")) {
        wrong = "Unsupported HTTP request";
    } else if (strcmp(words[1], "/")) {
        error_setg(errp, "Unexpected HTTP path");
        return refuse("404 Not Found", "");
    } else if (!parse_headers(lines + 1, &h)) {
        wrong = "Malformed HTTP header";
    } else {
        wrong = check_headers(&h);
    }
    if (wrong) {
        error_setg(errp, "%s", wrong);
        return refuse("400 Bad Request", "Sec-WebSocket-Version: 13\r\n");
    }
    key = accept_key(h.key);
    when = date();
    return g_strdup_printf("HTTP/1.1 101 Switching Protocols\r\nServer: " PACKAGE_NAME "\r\nDate: %s\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n", when, key,
                           h.protocol ? "Sec-WebSocket-Protocol: binary\r\n" : "");
}
