"""What the blockdev conversations share: names of commands as calls, images, and what may differ between two programs.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import re
import subprocess

VOLATILE = {"timestamp", "date-sec", "date-nsec", "vm-clock-sec", "vm-clock-nsec", "idle_time_ns", "actual-size",
            "wr_highest_offset", "discard-bytes-ok", "discard-nb-ok"}
STOCK_IMG = os.environ.get("STOCK_QEMU_IMG", "/usr/bin/qemu-img")


def image(folder, name, size="64M", fmt="qcow2", *options):
    subprocess.run([STOCK_IMG, "create", "-q", "-f", fmt, *options, name, *([size] if size else [])], cwd=folder, check=True)


def text(value):
    value = re.sub(r"#block\d+", "#blockN", value)
    return re.sub(r"vl\.\w{6}", "vl.X", value)


def masked(value):
    """Generated names by their pattern; what differs by time or by the layout inside an image file not at all."""
    if isinstance(value, dict):
        result = {key: None if key in VOLATILE else masked(item) for key, item in value.items()}
        if result.get("format") == "file" and "virtual-size" in result:
            result["virtual-size"] = None
        return result
    if isinstance(value, list):
        return [masked(item) for item in value]
    return text(value) if isinstance(value, str) else value


class Script(list):
    """script.blockdev_add(driver="raw", node_name="n") appends that command; "_" in names stands for "-"."""

    def __getattr__(self, command):
        def add(**arguments):
            arguments = {key.rstrip("_").replace("_", "-"): value for key, value in arguments.items()}
            self.append((command.replace("_", "-"), arguments or None))
        return add

    def named(self, command, **arguments):
        """A command whose own name or arguments have underscores."""
        self.append((command, arguments or None))

    def node(self, name, filename, driver="qcow2", **options):
        self.blockdev_add(driver=driver, node_name=name, file={"driver": "file", "filename": filename}, **options)

    def transaction_of(self, *actions, **properties):
        arguments = {"actions": [{"type": kind, "data": data} for kind, data in actions]}
        if properties:
            arguments["properties"] = {key.replace("_", "-"): value for key, value in properties.items()}
        self.append(("transaction", arguments))

    def nodes(self):
        self.query_named_block_nodes(flat=True)
