/*
 * As much of telnet (RFC 854) as a terminal program needs to switch off its line mode and echo.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "char-socket.h"

enum { IAC = 255, DONT = 254, DO = 253, WONT = 252, WILL = 251, SB = 250, SE = 240, BRK = 243, IP = 244, EOR = 239 };
enum { OPT_BINARY = 0, OPT_ECHO = 1, OPT_SGA = 3, OPT_TTYPE = 24, OPT_EOR = 25 };
enum { IN_DATA, SEEN_IAC, SEEN_COMMAND, IN_SUB, IN_SUB_IAC };

void telnet_greet(SocketChardev *s)
{
    static const uint8_t plain[] = {
        IAC, WILL, OPT_ECHO, IAC, WILL, OPT_SGA, IAC, WILL, OPT_BINARY, IAC, DO, OPT_BINARY,
    };
    static const uint8_t tn3270[] = {
        IAC, DO, OPT_EOR, IAC, WILL, OPT_EOR, IAC, DO, OPT_BINARY, IAC, WILL, OPT_BINARY, IAC, DO, OPT_TTYPE,
        IAC, SB, OPT_TTYPE, 1, IAC, SE,
    };

    s->telnet_in = (TelnetState){ IN_DATA };
    if (s->tn3270) {
        io_channel_write(s->c, tn3270, sizeof(tn3270), NULL);
    } else {
        io_channel_write(s->c, plain, sizeof(plain), NULL);
    }
}

int telnet_filter(SocketChardev *s, uint8_t *buf, int len)
{
    TelnetState *t = &s->telnet_in;
    int out = 0;

    for (int i = 0; i < len; i++) {
        uint8_t c = buf[i];

        switch (t->seen) {
        case IN_DATA:
            if (c == IAC) {
                t->seen = SEEN_IAC;
            } else {
                buf[out++] = c;
            }
            break;
        case SEEN_IAC:
            t->seen = c >= WILL && c < IAC ? SEEN_COMMAND : c == SB ? IN_SUB : IN_DATA;
            if (c == IAC) {
                buf[out++] = c;
            } else if (c == BRK) {
                chr_event(&s->chr, CHR_EVENT_BREAK);
            } else if (c == EOR && s->tn3270) {
                buf[out++] = IAC;
            }
            break;
        case IN_SUB:
            t->seen = c == IAC ? IN_SUB_IAC : IN_SUB;
            break;
        case IN_SUB_IAC:
            t->seen = c == SE ? IN_DATA : IN_SUB;
            break;
        default:
            t->seen = IN_DATA;
        }
    }
    return out;
}
