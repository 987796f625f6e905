"""The checked model of the whole schema: types, commands, events, by module.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re

from parser import Parser, SchemaError

# name -> (C type of a value, QapiKind, shown by introspection as)
BUILTINS = {
    "str": ("char *", "QAPI_STR"), "int": ("int64_t", "QAPI_INT64"), "number": ("double", "QAPI_NUMBER"),
    "bool": ("bool", "QAPI_BOOL"), "size": ("uint64_t", "QAPI_UINT64"), "any": ("QObject *", "QAPI_ANY"),
    "null": ("QObject *", "QAPI_NULL"),
    "int8": ("int8_t", "QAPI_INT8"), "int16": ("int16_t", "QAPI_INT16"), "int32": ("int32_t", "QAPI_INT32"),
    "int64": ("int64_t", "QAPI_INT64"), "uint8": ("uint8_t", "QAPI_UINT8"), "uint16": ("uint16_t", "QAPI_UINT16"),
    "uint32": ("uint32_t", "QAPI_UINT32"), "uint64": ("uint64_t", "QAPI_UINT64"),
}
RESERVED = set("""auto break case char const continue default do double else enum extern float for goto if inline int
    long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    unix linux i386 errno asm typeof bool stdin stdout and or not xor""".split())


def c_name(name):
    """A name of the schema as a C identifier."""
    name = re.sub(r"[-.]", "_", name)
    if name in RESERVED or name[0].isdigit():
        return name + "_" if name in RESERVED else "_" + name
    return name


def upper(name):
    """CamelCase to SNAKE_CASE: BlockdevOnError -> BLOCKDEV_ON_ERROR, QMPCapability -> QMP_CAPABILITY."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[-.]", "_", name).upper()


def camel(name):
    """block_resize -> BlockResize, BLOCK_IO_ERROR -> BlockIoError."""
    return "".join(part[:1].upper() + (part[1:].lower() if name.isupper() else part[1:])
                   for part in re.split(r"[-_.]", name) if part)


class Builtin:
    meta, module, features = "builtin", None, []

    def __init__(self, name):
        self.name, self.c = name, None
        self.value_type, self.kind = BUILTINS[name]

    slot_type = property(lambda self: self.value_type)
    needs_free = property(lambda self: self.value_type.endswith("*"))
    descriptor = property(lambda self: f"qapi_type_{self.name}")


class Named:
    """Common to all types that a file defines."""
    needs_free = True

    def __init__(self, name, expression, c=None):
        self.name, self.expression = name, expression
        self.c = c or name
        self.module = expression.module if expression else None
        self.doc = expression.doc if expression else None
        self.features = []

    slot_type = property(lambda self: f"{self.c} *")
    descriptor = property(lambda self: f"qapi_type_{self.c}")


class Enum(Named):
    meta, needs_free = "enum", False
    slot_type = property(lambda self: self.c)

    def __init__(self, name, expression, c, prefix, values):
        super().__init__(name, expression, c)
        self.prefix = prefix or upper(self.c)
        self.values = values                  # [(name, features)]

    def constant(self, value):
        return f"{self.prefix}_{re.sub(r'[-.]', '_', value).upper()}"


class Member:
    def __init__(self, name, optional, typename, features):
        self.name, self.optional, self.typename, self.features = name, optional, typename, features
        self.c = c_name(name)
        self.type = None

    @property
    def has(self):
        return self.optional and not self.type.needs_free


class Struct(Named):
    """A struct or (with tag) a union; members include those of the base."""
    meta = "object"

    def __init__(self, name, expression, c, implicit=False):
        super().__init__(name, expression, c)
        self.base, self.own, self.members = None, [], []
        self.tag, self.branches = None, {}    # value -> type or None
        self.implicit = implicit              # no name in the schema: a command's arguments, an event's data
        self.resolved = False


class Alternate(Named):
    meta = "alternate"

    def __init__(self, name, expression, c, branches):
        super().__init__(name, expression, c)
        self.names = branches                 # [(name, typename)]
        self.branches = []                    # [(name, type)]


class List:
    meta, needs_free, features = "array", True, []

    def __init__(self, element):
        self.element = element
        base = element.c or {"str": "str", "any": "any"}.get(element.name, element.name)
        self.name, self.c, self.module = f"[{element.name}]", f"{base}List", element.module

    slot_type = property(lambda self: f"{self.c} *")
    descriptor = property(lambda self: f"qapi_type_{self.c}")


class Command:
    def __init__(self, name, expression):
        self.name, self.expression, self.module, self.doc = name, expression, expression.module, expression.doc
        self.c = c_name(name)
        self.arguments, self.returns, self.features = None, None, []
        self.raw = self.checked = False
        self.oob = self.preconfig = False


class Event:
    def __init__(self, name, expression):
        self.name, self.expression, self.module, self.doc = name, expression, expression.module, expression.doc
        self.c, self.data, self.features = c_name(name), None, []


KEYS = {
    "struct": {"struct", "data", "base", "features"},
    "enum": {"enum", "data", "prefix", "features"},
    "union": {"union", "base", "discriminator", "data", "features"},
    "alternate": {"alternate", "data", "features"},
    "command": {"command", "data", "returns", "features", "allow-oob", "allow-preconfig", "coroutine", "raw", "gen", "boxed"},
    "event": {"event", "data", "features", "boxed"},
    "pragma": {"pragma"},
}


class Schema:
    def __init__(self, paths):
        self.modules, self.includes = [], {}
        self.types = {name: Builtin(name) for name in BUILTINS}
        self.lists, self.commands, self.events = {}, [], []
        self.c_names = {}
        expressions = []
        for path in paths:
            parsed = Parser(path)
            module = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
            self.modules.append(module)
            self.includes[module] = parsed.includes
            expressions += parsed.expressions
        for expression in expressions:
            self.c_names.update(expression.value.get("pragma", {}).get("c-names", {}))
        for expression in expressions:
            self.define(expression)
        self.resolve()

    # Definition -------------------------------------------------------------

    def define(self, expression):
        value = expression.value
        kind = next((key for key in KEYS if key in value), None)
        if not kind:
            expression.fail("no known kind of definition")
        extra = set(value) - KEYS[kind]
        if extra:
            expression.fail(f"unknown keys {sorted(extra)}")
        getattr(self, "define_" + kind)(expression, value)

    def define_pragma(self, expression, value):
        pass

    def add_type(self, expression, type_):
        if type_.name in self.types:
            expression.fail(f"'{type_.name}' is defined twice")
        self.types[type_.name] = type_
        type_.features = features(expression.value.get("features", []))
        return type_

    def c_of(self, name):
        return self.c_names.get(name, name)

    def define_enum(self, expression, value):
        values = [(item, []) if isinstance(item, str) else (item["name"], features(item.get("features", [])))
                  for item in value["data"]]
        self.add_type(expression, Enum(value["enum"], expression, self.c_of(value["enum"]), value.get("prefix"), values))

    def define_struct(self, expression, value):
        struct = self.add_type(expression, Struct(value["struct"], expression, self.c_of(value["struct"])))
        struct.base, struct.own = value.get("base"), members(value["data"])

    def define_union(self, expression, value):
        union = self.add_type(expression, Struct(value["union"], expression, self.c_of(value["union"])))
        union.base, union.tag = value["base"], value["discriminator"]
        union.branches = dict(value["data"])

    def define_alternate(self, expression, value):
        self.add_type(expression, Alternate(value["alternate"], expression, self.c_of(value["alternate"]),
                                            list(value["data"].items())))

    def inline_or_named(self, expression, data, name):
        if data is None:
            return None
        if isinstance(data, str):
            return data
        struct = Struct(name, expression, None, implicit=True)
        if name in self.types:
            expression.fail(f"'{name}' is defined twice")
        self.types[name] = struct
        struct.own = members(data)
        return name

    def define_command(self, expression, value):
        command = Command(value["command"], expression)
        command.arguments = self.inline_or_named(expression, value.get("data"), camel(command.name) + "Args")
        command.returns = value.get("returns")
        command.features = features(value.get("features", []))
        command.checked = value.get("gen", True)
        command.raw = value.get("raw", False) or not command.checked
        command.oob, command.preconfig = value.get("allow-oob", False), value.get("allow-preconfig", False)
        self.commands.append(command)

    def define_event(self, expression, value):
        event = Event(value["event"], expression)
        event.data = self.inline_or_named(expression, value.get("data"), camel(event.name) + "Event")
        event.features = features(value.get("features", []))
        self.events.append(event)

    # Resolution -------------------------------------------------------------

    def lookup(self, expression, typename):
        if isinstance(typename, list):
            element = self.lookup(expression, typename[0])
            if element.name not in self.lists:
                self.lists[element.name] = List(element)
            return self.lists[element.name]
        if typename not in self.types:
            expression.fail(f"unknown type '{typename}'")
        return self.types[typename]

    def resolve(self):
        for type_ in list(self.types.values()):
            if type_.meta == "object":
                self.resolve_struct(type_)
            elif type_.meta == "alternate":
                type_.branches = [(name, self.lookup(type_.expression, ref)) for name, ref in type_.names]
        for type_ in list(self.types.values()):
            if type_.meta == "object" and not type_.implicit:
                self.lookup(type_.expression, [type_.name])
            elif type_.meta in ("enum", "alternate"):
                self.lookup(type_.expression, [type_.name])
        for command in self.commands:
            command.arguments = command.arguments and self.lookup(command.expression, command.arguments)
            command.returns = command.returns and self.lookup(command.expression, command.returns)
        for event in self.events:
            event.data = event.data and self.lookup(event.expression, event.data)

    def resolve_struct(self, struct):
        if struct.resolved:
            return
        struct.resolved = True
        expression = struct.expression
        if isinstance(struct.base, dict):
            struct.own = members(struct.base)
        elif struct.base:
            base = self.lookup(expression, struct.base)
            if base.meta != "object" or base.tag:
                expression.fail(f"'{struct.base}' cannot be a base")
            self.resolve_struct(base)
            struct.members = list(base.members)
        for member in struct.own:
            member.type = self.lookup(expression, member.typename)
            if any(other.name == member.name for other in struct.members):
                expression.fail(f"member '{member.name}' is there twice")
            struct.members.append(member)
        if struct.tag:
            self.resolve_branches(struct)

    def resolve_branches(self, union):
        tag = next((member for member in union.members if member.name == union.tag), None)
        if not tag or tag.type.meta != "enum" or tag.optional:
            union.expression.fail(f"'{union.tag}' is no enum in the base")
        values = [value for value, _ in tag.type.values]
        for name in union.branches:
            if name not in values:
                union.expression.fail(f"'{name}' is no value of {tag.type.name}")
        union.branches = {value: self.lookup(union.expression, union.branches[value]) if value in union.branches else None
                          for value in values}
        union.order = list(union.expression.value["data"])

    def in_module(self, module):
        """Types of a module so that what is embedded comes before what embeds it."""
        done, order = set(), []

        def visit(type_):
            if type_ is None or type_.name in done or type_.module != module or type_.meta == "builtin":
                return
            done.add(type_.name)
            if type_.meta == "object":
                for member in type_.members:
                    if member.type.meta == "enum":
                        visit(member.type)
                for branch in type_.branches.values():
                    visit(branch)
            elif type_.meta == "alternate":
                for _, branch in type_.branches:
                    visit(branch)
            order.append(type_)

        for meta in ("enum", "object", "alternate"):
            for type_ in self.types.values():
                if type_.meta == meta:
                    visit(type_)
        return order


def features(items):
    return [item if isinstance(item, str) else item["name"] for item in items]


def members(data):
    result = []
    for name, spec in data.items():
        optional = name.startswith("*")
        typename, feats = spec, []
        if isinstance(spec, dict):
            typename, feats = spec["type"], features(spec.get("features", []))
        result.append(Member(name.lstrip("*"), optional, typename, feats))
    return result


__all__ = ["Schema", "SchemaError", "c_name", "upper", "camel"]
