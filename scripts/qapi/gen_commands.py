"""commands-MODULE.h: prototypes of the bodies.  commands-MODULE.c: the table that refers to them weakly.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from output import Features, header, quoted, write


def return_type(command):
    if command.raw:
        return "QObject *"
    return command.returns.slot_type if command.returns else "void "


def prototype(command):
    if command.raw:
        arguments = "const QDict *args, "
    elif command.arguments:
        arguments = f"const {command.arguments.c} *arg, "
    else:
        arguments = ""
    return f"{return_type(command)}qmp_{command.c}({arguments}Error **errp)"


def call_code(command):
    """The thunk of one type for all bodies."""
    head = f"static QObject *call_{command.c}(const void *arguments, Error **errp)\n{{\n"
    pass_on = "arguments, " if command.raw or command.arguments else ""
    if command.raw:
        return head + f"    return qmp_{command.c}(arguments, errp);\n}}\n"
    if not command.returns:
        return head + f"    qmp_{command.c}({pass_on}errp);\n    return NULL;\n}}\n"
    return head + (f"    Error *err = NULL;\n    void *value = qmp_{command.c}({pass_on}&err);\n\n"
                   f"    return qapi_result(&{command.returns.descriptor}, value, err, errp);\n}}\n")


def entry(command, feats):
    def pointer(type_):
        return f"&{type_.descriptor}" if type_ else "NULL"
    flags = "".join(f", .{name} = true" for name, value in (
        ("raw", command.raw), ("unchecked", not command.checked), ("oob", command.oob), ("preconfig", command.preconfig)) if value)
    return (f"    {{ .name = {quoted(command.name)}, .arguments = {pointer(command.arguments)}, "
            f".returns = {pointer(command.returns)},\n      .call = call_{command.c}, "
            f".body = (void (*)(void))qmp_{command.c}, .features = {feats.use(command.features)}{flags} }},\n")


def module_files(schema, module, folder):
    commands = [command for command in schema.commands if command.module == module]
    body = f'#include "qapi/types-{module}.h"\n\n' + "".join(prototype(command) + ";\n" for command in commands)
    guard = f"QAPI_COMMANDS_{module.upper().replace('-', '_')}_H"
    write(folder, f"commands-{module}.h", header(guard, f"bodies of the commands of {module}", body))
    if not commands:
        return
    feats = Features()
    weak = "".join(f"#pragma weak qmp_{command.c}\n" for command in commands)
    code = "\n".join(call_code(command) for command in commands)
    rows = "".join(entry(command, feats) for command in commands)
    others = {type_.module for command in commands for type_ in (command.returns, command.arguments) if type_}
    includes = "".join(f'#include "qapi/types-{name}.h"\n' for name in sorted(others - {module, None}))
    table = f"qapi_commands_{module.replace('-', '_')}"
    write(folder, f"commands-{module}.c",
          f'/* Generated from qapi/{module}.json by scripts/qapi. */\n#include "qapi/dispatch.h"\n'
          f'#include "qapi/commands-{module}.h"\n{includes}\n{weak}\n{code}\n{feats.text()}\n'
          f"extern const QmpCommand {table}[];\nconst QmpCommand {table}[] = {{\n{rows}    {{ .name = NULL }},\n}};\n")


def generate(schema, folder):
    tables = []
    for module in schema.modules:
        module_files(schema, module, folder)
        if any(command.module == module for command in schema.commands):
            tables.append(f"qapi_commands_{module.replace('-', '_')}")
    externs = "".join(f"extern const QmpCommand {table}[];\n" for table in tables)
    rows = "".join(f"    {table},\n" for table in tables)
    write(folder, "command-tables.c",
          f'/* Generated from the schema by scripts/qapi. */\n#include "qapi/dispatch.h"\n\n{externs}\n'
          f"const QmpCommand *const qapi_command_tables[] = {{\n{rows}    NULL,\n}};\n")
    everything = "\n".join(f'#include "qapi/commands-{module}.h"' for module in schema.modules)
    write(folder, "commands.h", header("QAPI_COMMANDS_H", "bodies of all commands", everything + "\n"))
