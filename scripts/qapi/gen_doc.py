"""The reference: every command, event and type with its prose and members, as Markdown.

SPDX-License-Identifier: GPL-2.0-or-later
"""


def check(definitions):
    """Each definition has a doc block that begins with its name."""
    for item in definitions:
        if not item.doc or item.doc[0] != f"@{item.name}:" or not any(item.doc[1:]):
            item.expression.fail(f"'{item.name}' has no doc block of its own")


def type_name(type_):
    if type_.meta == "array":
        return f"list of {type_name(type_.element)}"
    return f"`{type_.name}`" if type_.meta == "builtin" else f"[`{type_.name}`](#{anchor(type_)})"


def anchor(item):
    return item.name.lower().replace(".", "")


def prose(item):
    return "\n".join(item.doc[1:]).strip()


def marks(features):
    return f" ({', '.join(features)})" if features else ""


def member_line(member):
    optional = ", optional" if member.optional else ""
    return f"- `{member.name}`: {type_name(member.type)}{optional}{marks(member.features)}"


def struct_lines(struct):
    lines = [member_line(member) for member in struct.members]
    for value, branch in struct.branches.items():
        if branch:
            lines.append(f"- where `{struct.tag}` is `{value}`: the members of {type_name(branch)}")
    return lines


def type_lines(type_):
    if type_.meta == "enum":
        return [f"- `{value}`{marks(features)}" for value, features in type_.values]
    if type_.meta == "alternate":
        return [f"- {type_name(branch)}" for _, branch in type_.branches]
    return struct_lines(type_)


def arguments(struct):
    if not struct:
        return []
    if struct.implicit:
        return struct_lines(struct)
    return [f"- the members of {type_name(struct)}"]


def command_text(command):
    lines = [f"### {command.name}", "", f"Command{marks(command.features)}. {prose(command)}", ""]
    lines += arguments(command.arguments)
    if command.returns:
        lines += ["", f"Result: {type_name(command.returns)}"]
    if command.oob:
        lines += ["", "May be run out of band."]
    return lines + [""]


def event_text(event):
    return [f"### {event.name}", "", f"Event{marks(event.features)}. {prose(event)}", ""] + arguments(event.data) + [""]


def type_text(type_):
    kinds = {"enum": "Values", "alternate": "One of several types", "object": "Object"}
    return [f"#### {type_.name}", "", f"{kinds[type_.meta]}{marks(type_.features)}. {prose(type_)}", ""] + type_lines(type_) + [""]


def generate(schema, path):
    types = [type_ for type_ in schema.types.values() if type_.meta != "builtin" and not getattr(type_, "implicit", False)]
    check(types + schema.commands + schema.events)
    lines = ["# QMP reference", "", "Generated from the schema. A program has those commands and events that it lists in",
             "`query-commands` and `query-qmp-schema`.", ""]
    for module in schema.modules:
        lines += [f"## {module}", ""]
        for command in schema.commands:
            lines += command_text(command) if command.module == module else []
        for event in schema.events:
            lines += event_text(event) if event.module == module else []
        for type_ in types:
            lines += type_text(type_) if type_.module == module else []
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
