"""Reads schema files: the JSON-like expressions and the doc block in front of each.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re

TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+) | (?P<newline>\n) | (?P<comment>\#[^\n]*) |
    (?P<string>'[^'\n\\]*') | (?P<word>true|false) | (?P<punct>[{}\[\]:,])
""", re.VERBOSE)


class SchemaError(Exception):
    """Something is wrong in a schema file; the text begins with the place."""


class Expression:
    """One top-level {...} with the place where it stands and its doc block (lines without '# ')."""

    def __init__(self, value, path, line, doc):
        self.value, self.path, self.line, self.doc = value, path, line, doc

    @property
    def module(self):
        return os.path.splitext(os.path.basename(self.path))[0]

    def fail(self, text):
        raise SchemaError(f"{self.path}:{self.line}: {text}")


class Parser:
    """One file. After construction: expressions, includes (base names of modules)."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.tokens = self.lex()
        self.at = 0
        self.expressions, self.includes = [], []
        self.parse()

    def fail(self, line, text):
        raise SchemaError(f"{self.path}:{line}: {text}")

    def lex(self):
        """List of (kind, text, line); a doc block is one token of its own."""
        tokens, pos, line = [], 0, 1
        block = None
        while pos < len(self.text):
            match = TOKEN.match(self.text, pos)
            if not match:
                self.fail(line, f"stray {self.text[pos]!r}")
            kind, text, pos = match.lastgroup, match.group(), match.end()
            if kind == "newline":
                line += 1
            elif kind == "comment":
                if text.rstrip() == "##":
                    if block is None:
                        block = []
                    else:
                        tokens.append(("doc", block, line))
                        block = None
                elif block is not None:
                    block.append(text[2:].rstrip())
            elif kind != "space":
                if block is not None:
                    self.fail(line, "doc block is not closed by '##'")
                tokens.append((kind, text, line))
        tokens.append(("end", "", line))
        return tokens

    def take(self, want=None):
        token = self.tokens[self.at]
        if want is not None and token[1] != want:
            self.fail(token[2], f"expected {want!r}, found {token[1]!r}")
        self.at += 1
        return token

    def value(self):
        kind, text, line = self.take()
        if kind == "string":
            return text[1:-1]
        if kind == "word":
            return text == "true"
        if text == "{":
            return self.members(line)
        if text == "[":
            items = []
            while self.tokens[self.at][1] != "]":
                items.append(self.value())
                if self.tokens[self.at][1] != "]":
                    self.take(",")
            self.take("]")
            return items
        return self.fail(line, f"expected a value, found {text!r}")

    def members(self, line):
        result = {}
        while self.tokens[self.at][1] != "}":
            kind, text, line = self.take()
            if kind != "string":
                self.fail(line, f"expected a name, found {text!r}")
            name = text[1:-1]
            if name in result:
                self.fail(line, f"'{name}' is there twice")
            self.take(":")
            result[name] = self.value()
            if self.tokens[self.at][1] != "}":
                self.take(",")
        self.take("}")
        return result

    def parse(self):
        doc = None
        while self.tokens[self.at][0] != "end":
            kind, text, line = self.tokens[self.at]
            if kind == "doc":
                doc = text
                self.at += 1
                continue
            value = self.value()
            if not isinstance(value, dict):
                self.fail(line, "expected an object")
            if "include" in value:
                self.includes.append(os.path.splitext(value["include"])[0])
            else:
                self.expressions.append(Expression(value, self.path, line, doc))
            doc = None
