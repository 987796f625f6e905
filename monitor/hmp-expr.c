/*
 * Expressions of HMP: + -, then & | ^, then * / %, then unary + - ~, parentheses, numbers, 'c', $register.
 * (Sums bind weaker than the bit operators: that is the peer's order.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include "hmp-int.h"

#define DEPTH_MAX 500

typedef struct Scanner { Monitor *mon; const char *at; int depth; bool failed; } Scanner;

static int64_t sum(Scanner *s);

static int64_t fail(Scanner *s, const char *fmt, int c)
{
    if (!s->failed) {
        monitor_printf(s->mon, fmt, c);
    }
    s->failed = true;
    return 0;
}

static void skip_space(Scanner *s)
{
    while (g_ascii_isspace(*s->at)) {
        s->at++;
    }
}

static void next_char(Scanner *s)
{
    if (*s->at) {
        s->at++;
        skip_space(s);
    }
}

static int64_t number(Scanner *s)
{
    char *end;
    uint64_t value;

    errno = 0;
    value = g_ascii_isdigit(*s->at) ? strtoull(s->at, &end, 0) : 0;
    if (!g_ascii_isdigit(*s->at)) {
        return fail(s, "invalid char '%c' in expression\n", *s->at);
    }
    if (errno == ERANGE) {
        return fail(s, "number too large\n", 0);
    }
    s->at = end;
    skip_space(s);
    return value;
}

static int64_t character(Scanner *s)
{
    int64_t value;

    s->at++;
    if (!*s->at) {
        return fail(s, "character constant expected\n", 0);
    }
    value = *s->at++;
    if (*s->at != '\'') {
        return fail(s, "missing terminating \' character\n", 0);
    }
    next_char(s);
    return value;
}

static int64_t unary(Scanner *s)
{
    int64_t value;

    if (s->failed || ++s->depth > DEPTH_MAX) {
        return fail(s, "expression too deep\n", 0);
    }
    switch (*s->at) {
    case '+':
        next_char(s);
        value = unary(s);
        break;
    case '-':
        next_char(s);
        value = -unary(s);
        break;
    case '~':
        next_char(s);
        value = ~unary(s);
        break;
    case '(':
        next_char(s);
        value = sum(s);
        if (*s->at != ')') {
            return fail(s, "')' expected\n", 0);
        }
        next_char(s);
        break;
    case '\'':
        value = character(s);
        break;
    case '$':
        return fail(s, "unknown register\n", 0);
    case '\0':
        return fail(s, "unexpected end of expression\n", 0);
    default:
        value = number(s);
    }
    s->depth--;
    return value;
}

static int64_t product(Scanner *s)
{
    int64_t value = unary(s);

    while (!s->failed && (*s->at == '*' || *s->at == '/' || *s->at == '%')) {
        char op = *s->at;
        int64_t right;

        next_char(s);
        right = unary(s);
        if (op == '*') {
            value *= right;
        } else if (!right) {
            return fail(s, "division by zero\n", 0);
        } else if (right == -1) {
            value = op == '/' ? -value : 0;
        } else {
            value = op == '/' ? value / right : value % right;
        }
    }
    return value;
}

static int64_t bits(Scanner *s)
{
    int64_t value = product(s);

    while (!s->failed && (*s->at == '&' || *s->at == '|' || *s->at == '^')) {
        char op = *s->at;
        int64_t right;

        next_char(s);
        right = product(s);
        value = op == '&' ? value & right : op == '|' ? value | right : value ^ right;
    }
    return value;
}

static int64_t sum(Scanner *s)
{
    int64_t value = bits(s);

    while (!s->failed && (*s->at == '+' || *s->at == '-')) {
        char op = *s->at;
        int64_t right;

        next_char(s);
        right = bits(s);
        value = op == '+' ? value + right : value - right;
    }
    return value;
}

bool hmp_get_expression(Monitor *mon, const char **at, int64_t *value)
{
    Scanner s = { .mon = mon, .at = *at };

    skip_space(&s);
    *value = sum(&s);
    *at = s.at;
    return !s.failed;
}
