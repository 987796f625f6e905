/*
 * Named options: `key=value,key=value` lists, dotted keys, and typed tables.
 *
 * Flow: text -> QDict of strings (opts_parse_keyval) -> checked against a table
 * (opts_absorb) -> typed reads (opt_get_*).  Block-open options stay a flat
 * QDict ("file.driver") until each driver absorbs its own keys; whatever is
 * left at the end is an error that names the key.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_OPTIONS_H
#define UTIL_OPTIONS_H

#include "util/qobject.h"

typedef enum OptType { OPT_STRING, OPT_BOOL, OPT_NUMBER, OPT_SIZE } OptType;

typedef struct OptDesc {
    const char *name;      /* NULL ends a table */
    OptType type;
    const char *help;      /* one line; NULL hides it from listings */
    const char *def;       /* default as text, NULL for none; shown in listings */
} OptDesc;

/*
 * "a=1,b=x,,y" with ",," for a literal comma; "flag" means flag=on, "noflag" flag=off (both
 * as the stock parser does); implied_key, when given, names a first element without '='.
 * Repeated keys: the last wins.  Sets *help_wanted (if non-NULL) for "help" or "?".
 */
QDict *opts_parse_list(const char *text, const char *implied_key, bool *help_wanted, Error **errp);
/* As opts_parse_list for text that a person typed: warns on stderr about bare flags. */
QDict *opts_parse_list_noisy(const char *text, const char *implied_key, bool *help_wanted, Error **errp);
/* As opts_parse_list_noisy for lists that may carry an "id" (-drive): it must be well-formed and is dropped. */
QDict *opts_parse_cmdline(const char *text, const char *implied_key, bool *help_wanted, Error **errp);
/* The stricter grammar of -object/-blockdev: dotted keys nest, no bare flags, key charset checked. Result is nested. */
QDict *opts_parse_keyval(const char *text, const char *implied_key, bool *help_wanted, Error **errp);

/*
 * Move every key that descs names out of dict into a new dict of checked, typed values
 * (sizes and numbers become ints, "on/off/yes/no/true/false/y/n" booleans; JSON values
 * of the right type are taken as they are); defaults are filled in.  Errors are the peer's
 * ("Parameter 'size' expects a non-negative number below 2^64", ...).
 */
QDict *opts_absorb(QDict *dict, const OptDesc *descs, Error **errp);
/* As opts_absorb for a whole list: an unknown key fails with "Invalid parameter 'KEY'". dict is emptied. */
QDict *opts_check_all(QDict *dict, const OptDesc *descs, Error **errp);
/* opts_parse_list and opts_check_all: values that a later one of the same name replaces are looked at, too. */
QDict *opts_parse_list_checked(const char *text, const OptDesc *descs, Error **errp);
/* Listing as the stock tools print for `-o help`: "  name=<size>  - help" sorted, one a line, the first of a name; g_free it. */
char *opts_format_help(const OptDesc *const *tables, const char *title);

/* Typed reads of a dict made by opts_absorb; def where the key is absent. */
uint64_t opt_get_size(const QDict *opts, const char *name, uint64_t def);
uint64_t opt_get_number(const QDict *opts, const char *name, uint64_t def);
bool opt_get_bool(const QDict *opts, const char *name, bool def);
const char *opt_get_str(const QDict *opts, const char *name);

/* Text to number with the peer's rules and messages; name goes into the message. */
bool opt_parse_size(const char *name, const char *value, uint64_t *out, Error **errp);
bool opt_parse_number(const char *name, const char *value, uint64_t *out, Error **errp);
bool opt_parse_bool(const char *name, const char *value, bool *out, Error **errp);

#endif
