#!/usr/bin/env python3
"""hmp-commands*.hx -> C tables of the human monitor's commands, or a reference page.

    hmp.py table OUTPUT.c COMMANDS.hx INFO.hx
    hmp.py header OUTPUT.h COMMANDS.hx INFO.hx
    hmp.py page OUTPUT.md COMMANDS.hx INFO.hx

SPDX-License-Identifier: GPL-2.0-or-later
"""
import re
import sys

KEYS = {"args", "params", "help", "body", "complete", "table", "doc", "needs"}


def fail(path, number, text):
    sys.exit(f"{path}:{number}: {text}")


def read_blocks(path):
    """The commands of one file: dicts of KEYS plus name."""
    blocks = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line.strip() or line.startswith("#"):
                continue
            key, _, value = line.strip().partition(" ")
            value = value.strip(" ")
            if not line.startswith(" "):
                if key != "command" or not value:
                    fail(path, number, "'command NAME' expected")
                blocks.append({"name": value})
            elif key not in KEYS or not blocks:
                fail(path, number, f"unknown key '{key}'")
            elif key == "doc":
                blocks[-1]["doc"] = (blocks[-1].get("doc", "") + " " + value).strip()
            elif key in blocks[-1]:
                fail(path, number, f"'{key}' given twice")
            else:
                blocks[-1][key] = value
    for block in blocks:
        if "body" not in block or "help" not in block:
            sys.exit(f"{path}: command {block['name']} needs body and help")
        check_args(path, block)
    return sorted(blocks, key=lambda block: block["name"])


def check_args(path, block):
    for arg in filter(None, block.get("args", "").split(",")):
        if not re.fullmatch(r"[A-Za-z_0-9-]+:(-[a-zA-Z]s?|[sSFBilMob/O]\??)", arg):
            sys.exit(f"{path}: command {block['name']}: bad argument '{arg}'")


def quoted(text):
    """The text is C already but for quotes."""
    return '"' + text.replace('"', '\\"') + '"'


def table_lines(name, blocks):
    yield f"const HmpCommand {name}[] = {{"
    for block in blocks:
        fields = [quoted(block["name"]), quoted(block.get("args", "")), quoted(block.get("params", "")),
                  quoted(block["help"]), "hmp_" + block["body"],
                  "hmp_complete_" + block["complete"] if "complete" in block else "NULL",
                  f"hmp_{block['table']}_commands" if "table" in block else "NULL",
                  f"true, {block['needs']}" if "needs" in block else "false, NULL"]
        yield "    { " + ", ".join(fields) + " },"
    yield "    { NULL },"
    yield "};"


def write_table(output, commands, info):
    with open(output, "w", encoding="utf-8") as file:
        print("/* Made by scripts/hmp.py: do not edit. */", file=file)
        print('#include "monitor/hmp-int.h"\n', file=file)
        for body in sorted({block["body"] for block in commands + info}):
            print(f"#pragma weak hmp_{body}", file=file)
        for needed in sorted({block["needs"] for block in commands + info if "needs" in block}):
            print(f"void {needed}(void) __attribute__((weak));", file=file)
        for completer in sorted({block["complete"] for block in commands + info if "complete" in block}):
            print(f"#pragma weak hmp_complete_{completer}", file=file)
        for name, blocks in (("hmp_info_commands", info), ("hmp_commands", commands)):
            print("\n" + "\n".join(table_lines(name, blocks)), file=file)


def write_header(output, commands, info):
    with open(output, "w", encoding="utf-8") as file:
        print("/* Made by scripts/hmp.py: bodies of the commands. */", file=file)
        for body in sorted({block["body"] for block in commands + info}):
            print(f"HmpBody hmp_{body};", file=file)


def plain(text):
    return re.sub(r"\s+", " ", text.replace("\\n", " ").replace("\\t", " ")).strip()


def write_page(output, commands, info):
    with open(output, "w", encoding="utf-8") as file:
        print("# Commands of the human monitor\n", file=file)
        for title, prefix, blocks in (("Commands", "", commands), ("info", "info ", info)):
            print(f"## {title}\n", file=file)
            for block in blocks:
                usage = f"{prefix}{block['name']} {plain(block.get('params', ''))}".strip()
                print(f"`{usage}`\n: {plain(block['help'])}\n", file=file)
                if "doc" in block:
                    print(f"  {block['doc']}\n", file=file)


def main():
    kind, output, commands, info = sys.argv[1:5]
    {"table": write_table, "header": write_header, "page": write_page}[kind](output, read_blocks(commands), read_blocks(info))


main()
