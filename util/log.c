/*
 * Items of the log, and its file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>
#include "util/log.h"
#include "util/trace.h"

static const struct { const char *name, *help; } log_items[] = {
    { "out_asm", "show generated host assembly code for each compiled TB" },
    { "in_asm", "show target assembly code for each compiled TB" },
    { "op", "show micro ops for each compiled TB" },
    { "op_opt", "show micro ops after optimization" },
    { "op_ind", "show micro ops before indirect lowering" },
    { "int", "show interrupts/exceptions in short format" },
    { "exec", "show trace before each executed TB (lots of logs)" },
    { "cpu", "show CPU registers before entering a TB (lots of logs)" },
    { "fpu", "include FPU registers in the 'cpu' logging" },
    { "mmu", "log MMU-related activities" },
    { "pcall", "x86 only: show protected mode far calls/returns/exceptions" },
    { "cpu_reset", "show CPU state before CPU resets" },
    { "unimp", "log unimplemented functionality" },
    { "guest_errors", "log when the guest OS does something invalid (eg accessing a\nnon-existent register)" },
    { "page", "dump pages at beginning of user mode emulation" },
    { "nochain", "do not chain compiled TBs so that \"exec\" and \"cpu\" show\ncomplete traces" },
    { "plugin", "output from TCG plugins\n" },
    { "strace", "log every user-mode syscall, its input, and its result" },
    { "tid", "open a separate log file per thread; filename must contain '%d'" },
};

char *log_items_text(void)
{
    GString *s = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        g_string_append_printf(s, "%-15s %s\n", log_items[i].name, log_items[i].help);
    }
    g_string_append(s, "trace:PATTERN   enable trace events\n");
    return g_string_free(s, FALSE);
}

static bool known_item(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (!strcmp(log_items[i].name, name)) {
            return true;
        }
    }
    return !strcmp(name, "all") || !*name;
}

bool log_set_items(const char *text)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);

    for (char **item = items; *item; item++) {
        if (g_str_has_prefix(*item, "trace:")) {
            trace_enable(*item + strlen("trace:"));
        } else if (!known_item(*item)) {
            return false;
        }
    }
    return true;
}

bool log_set_file(const char *filename, Error **errp)
{
    const char *percent = strchr(filename, '%');
    g_autofree char *name = NULL;

    if (percent && (percent[1] != 'd' || strchr(percent + 1, '%'))) {
        error_setg(errp, "Bad logfile template: %s", filename);
        return false;
    }
    name = percent ? g_strdup_printf("%.*s%d%s", (int)(percent - filename), filename, (int)getpid(), percent + 2)
           : g_strdup(filename);
    return trace_set_output(name, errp);
}
