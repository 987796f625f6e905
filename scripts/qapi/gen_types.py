"""types-MODULE.h: the C structs.  types-MODULE.c: their descriptions.

SPDX-License-Identifier: GPL-2.0-or-later
"""
from output import Features, header, quoted, write
from schema import c_name

QTYPES = {"object": "QTYPE_DICT", "enum": "QTYPE_STRING", "array": "QTYPE_LIST"}
BUILTIN_QTYPES = {"str": "QTYPE_STRING", "null": "QTYPE_NULL", "bool": "QTYPE_BOOL", "number": "QTYPE_DOUBLE"}


def declare(type_, name):
    """One C declaration 'type name'."""
    text = type_.slot_type
    return f"{text}{name}" if text.endswith("*") else f"{text} {name}"


def embedded(type_, name):
    """A branch: objects by value."""
    return f"{type_.c} {name}" if type_.meta in ("object", "alternate") else declare(type_, name)


def enum_text(enum):
    lines = [f"typedef enum {enum.c} {{"]
    lines += [f"    {enum.constant(value)}," for value, _ in enum.values]
    lines += [f"    {enum.prefix}__MAX,", f"}} {enum.c};", f"QAPI_DECLARE_ENUM({enum.c})", ""]
    return "\n".join(lines)


def struct_text(struct):
    lines = [f"struct {struct.c} {{"]
    for member in struct.members:
        if member.has:
            lines.append(f"    bool has_{member.name.replace('-', '_').replace('.', '_')};")
        lines.append(f"    {declare(member.type, member.c)};")
    branches = [(value, type_) for value, type_ in struct.branches.items() if type_]
    if branches:
        lines.append("    union {")
        lines += [f"        {embedded(type_, c_name(value))};" for value, type_ in branches]
        lines.append("    } u;")
    if len(lines) == 1:
        lines.append("    char empty_;")
    return "\n".join(lines + ["};", f"QAPI_DECLARE_OBJECT({struct.c})", ""])


def alternate_text(alternate):
    lines = [f"struct {alternate.c} {{", "    QType type;", "    union {"]
    lines += [f"        {embedded(type_, c_name(name) if name != 'null' else 'null')};" for name, type_ in alternate.branches]
    return "\n".join(lines + ["    } u;", "};", f"QAPI_DECLARE_OBJECT({alternate.c})", ""])


def pointer_types(type_):
    """Names of struct types that the members of a type point to."""
    refs = []
    if type_.meta == "object":
        refs = [member.type for member in type_.members] + [branch for branch in type_.branches.values() if branch]
    elif type_.meta == "alternate":
        refs = [branch for _, branch in type_.branches]
    return [ref for ref in refs if ref.meta in ("object", "alternate", "array")]


def module_header(schema, module):
    types = schema.in_module(module)
    lists = [lst for lst in schema.lists.values() if lst.module == module]
    forward = {type_.c for type_ in types if type_.meta != "enum"} | {lst.c for lst in lists}
    for type_ in types:
        forward |= {ref.c for ref in pointer_types(type_)}
    for command in schema.commands:
        if command.module == module and command.returns and command.returns.meta in ("object", "array"):
            forward.add(command.returns.c)
    parts = ['#include "qapi/type.h"']
    parts += [f'#include "qapi/types-{include}.h"' for include in ["builtin"] + schema.includes[module]]
    parts.append("")
    parts += [f"typedef struct {name} {name};" for name in sorted(forward)]
    parts.append("")
    texts = {"enum": enum_text, "object": struct_text, "alternate": alternate_text}
    parts += [texts[type_.meta](type_) for type_ in types]
    parts += [f"QAPI_DECLARE_LIST({lst.c}, {lst.element.slot_type.strip()})" for lst in lists]
    return header(f"QAPI_TYPES_{module.upper().replace('-', '_')}_H", f"types of {module}", "\n".join(parts) + "\n")


def builtin_header(schema):
    lists = [lst for lst in schema.lists.values() if lst.module is None]
    lines = ['#include "qapi/type.h"', ""]
    for lst in lists:
        lines += [f"typedef struct {lst.c} {lst.c};", f"QAPI_DECLARE_LIST({lst.c}, {lst.element.slot_type.strip()})"]
    return header("QAPI_TYPES_BUILTIN_H", "lists of builtin types", "\n".join(lines) + "\n")


# Descriptions ---------------------------------------------------------------

def enum_code(enum, feats):
    values = "".join(f"    {{ {quoted(value)}, {feats.use(names)} }},\n" for value, names in enum.values)
    return (f"static const QapiEnumValue values_{enum.c}[] = {{\n{values}}};\n"
            f"const QapiType {enum.descriptor} = {{\n"
            f"    .kind = QAPI_ENUM, .name = {quoted(enum.name)}, .size = sizeof({enum.c}), .features = {feats.use(enum.features)},\n"
            f"    .n_values = {len(enum.values)}, .values = values_{enum.c},\n}};\n")


def member_code(struct, member, feats):
    has = f"true, offsetof({struct.c}, has_{member.name.replace('-', '_').replace('.', '_')})" if member.has else "false, 0"
    return (f"    {{ {quoted(member.name)}, &{member.type.descriptor}, offsetof({struct.c}, {member.c}), "
            f"{'true' if member.optional else 'false'}, {has}, {feats.use(member.features)} }},\n")


def struct_code(struct, feats):
    text, fields = "", ""
    if struct.members:
        text += f"static const QapiMember members_{struct.c}[] = {{\n"
        text += "".join(member_code(struct, member, feats) for member in struct.members) + "};\n"
        fields += f"    .n_members = {len(struct.members)}, .members = members_{struct.c},\n"
    if struct.tag:
        tag = next(i for i, member in enumerate(struct.members) if member.name == struct.tag)
        text += f"static const QapiBranch branches_{struct.c}[] = {{\n"
        text += "".join(f"    {{ {quoted(value)}, {'&' + type_.descriptor if type_ else 'NULL'}, 0 }},\n"
                        for value, type_ in struct.branches.items()) + "};\n"
        u = f"offsetof({struct.c}, u)" if any(struct.branches.values()) else "0"
        fields += (f"    .tag = &members_{struct.c}[{tag}], .n_branches = {len(struct.branches)}, "
                   f".branches = branches_{struct.c}, .u_offset = {u},\n")
    return (f"{text}const QapiType {struct.descriptor} = {{\n"
            f"    .kind = QAPI_OBJECT, .name = {quoted(struct.name)}, .size = sizeof({struct.c}), "
            f".features = {feats.use(struct.features)},\n{fields}}};\n")


def qtype(type_):
    if type_.meta == "builtin":
        return BUILTIN_QTYPES.get(type_.name, "QTYPE_INT")
    return QTYPES[type_.meta]


def alternate_code(alternate, feats):
    branches = "".join(f"    {{ {quoted(name)}, &{type_.descriptor}, {qtype(type_)} }},\n" for name, type_ in alternate.branches)
    return (f"static const QapiBranch branches_{alternate.c}[] = {{\n{branches}}};\n"
            f"const QapiType {alternate.descriptor} = {{\n"
            f"    .kind = QAPI_ALTERNATE, .name = {quoted(alternate.name)}, .size = sizeof({alternate.c}), "
            f".features = {feats.use(alternate.features)},\n"
            f"    .n_branches = {len(alternate.branches)}, .branches = branches_{alternate.c}, "
            f".u_offset = offsetof({alternate.c}, u),\n}};\n")


def list_code(lst):
    return (f"const QapiType {lst.descriptor} = {{ .kind = QAPI_LIST, .name = {quoted(lst.name)}, .size = sizeof({lst.c}), "
            f".element = &{lst.element.descriptor} }};\n")


def module_source(schema, module):
    feats = Features()
    types = schema.in_module(module)
    lists = [lst for lst in schema.lists.values() if lst.module == module]
    texts = {"enum": enum_code, "object": struct_code, "alternate": alternate_code}
    body = "\n".join(texts[type_.meta](type_, feats) for type_ in types) + "".join(map(list_code, lists))
    others = set()
    for type_ in types:
        for ref in pointer_types(type_):
            if ref.module not in (module, None):
                others.add(ref.module)
    includes = "".join(f'#include "qapi/types-{name}.h"\n' for name in [module] + sorted(others))
    return f"/* Generated from qapi/{module}.json by scripts/qapi. */\n{includes}\n{feats.text()}\n{body}"


def generate(schema, folder):
    for module in schema.modules:
        write(folder, f"types-{module}.h", module_header(schema, module))
        write(folder, f"types-{module}.c", module_source(schema, module))
    write(folder, "types-builtin.h", builtin_header(schema))
    lists = "".join(list_code(lst) for lst in schema.lists.values() if lst.module is None)
    write(folder, "types-builtin.c", f'#include "qapi/types-builtin.h"\n\n{lists}')
    everything = "\n".join(f'#include "qapi/types-{module}.h"' for module in schema.modules)
    write(folder, "types.h", header("QAPI_TYPES_H", "all types", everything + "\n"))
