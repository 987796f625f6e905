#!/usr/bin/env python3
"""The commands of the export family answer as the stock program does, and stock clients work on a live disk.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import subprocess
import sys

from lib import Emulator, compare_conversations, skip


def prepare(folder):
    img = os.environ["QEMU_IMG"]
    subprocess.run([img, "create", "-q", "-f", "qcow2", f"{folder}/a.qcow2", "8M"], check=True)
    subprocess.run([img, "create", "-q", "-f", "raw", f"{folder}/b.raw", "1M"], check=True)


def unix(path):
    return {"type": "unix", "data": {"path": path}}


def export(ident, node, **more):
    return ("block-export-add", {"type": "nbd", "id": ident, "node-name": node, **more})


SCRIPT = [
    export("e0", "nope"),
    ("blockdev-add", {"driver": "qcow2", "node-name": "n0", "file": {"driver": "file", "filename": "a.qcow2"}}),
    ("blockdev-add", {"driver": "raw", "node-name": "r0", "read-only": True, "file": {"driver": "file", "filename": "b.raw"}}),
    export("e0", "n0"),
    ("nbd-server-add", {"device": "n0"}),
    ("nbd-server-remove", {"name": "n0"}),
    ("nbd-server-stop", None),
    ("nbd-server-start", {"addr": unix("nbd"), "tls-creds": "foo"}),
    ("nbd-server-start", {"addr": unix("/nonexistent/nbd")}),
    ("nbd-server-start", {"addr": {"type": "fd", "data": {"str": "nope"}}}),
    ("nbd-server-start", {"addr": {"type": "inet", "data": {"host": "256.1.1.1", "port": "0"}}}),
    ("nbd-server-start", {"addr": unix("nbd"), "max-connections": 7}),
    ("nbd-server-start", {"addr": unix("nbd")}),
    export("1x", "n0"),
    export("e0", "n0", writable=True),
    export("e0", "n0"),
    export("e1", "n0"),
    export("e1", "n0", name="foo", iothread="x"),
    ("object-add", {"qom-type": "iothread", "id": "t0"}),
    export("e1", "n0", name="foo", iothread="t0"),
    export("e2", "r0", writable=True),
    export("e2", "n0", name="bm", bitmaps=["b0"]),
    ("block-dirty-bitmap-add", {"node": "n0", "name": "b0"}),
    export("e2", "n0", name="bm", bitmaps=["b0"]),
    export("e3", "n0", name="bm3", writable=True, bitmaps=["b0"]),
    ("block-dirty-bitmap-disable", {"node": "n0", "name": "b0"}),
    ("block-dirty-bitmap-remove", {"node": "n0", "name": "b0"}),
    ("nbd-server-add", {"device": "n0", "name": "old"}),
    ("nbd-server-add", {"device": "n0", "name": "old"}),
    ("nbd-server-add", {"device": "r0", "writable": True}),
    ("nbd-server-add", {"device": "qq"}),
    ("query-block-exports", None),
    ("nbd-server-remove", {"name": "zzz"}),
    ("nbd-server-remove", {"name": "old"}),
    ("block-export-del", {"id": "zzz"}),
    ("block-export-del", {"id": "e1", "mode": "hard"}),
    ("object-del", {"id": "t0"}),
    export("e4", "n0", name="A" * 4097),
    export("e4", "n0", name="x", description="D" * 4097),
    ("block_resize", {"node-name": "n0", "size": 16777216}),
    ("blockdev-del", {"node-name": "n0"}),
    ("nbd-server-stop", None),
    ("query-block-exports", None),
    ("blockdev-del", {"node-name": "n0"}),
]


def work_on_a_live_disk():
    """A disk in use is written and read over NBD; what was copied is what the image holds."""
    with Emulator("ours") as vm:
        prepare(vm.folder)
        path = f"{vm.folder}/a.qcow2"
        socket = f"{vm.folder}/nbd"
        uri = f"nbd+unix:///disk?socket={socket}"
        vm.cmd("blockdev-add", {"driver": "qcow2", "node-name": "n0", "file": {"driver": "file", "filename": path}})
        vm.cmd("nbd-server-start", {"addr": unix(socket)})
        vm.cmd(*export("e0", "n0", name="disk", writable=True))
        subprocess.run([os.environ["STOCK_QEMU_IO"], "-f", "raw", "-c", "write -P 17 0 2M", uri], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["nbdcopy", uri, f"{vm.folder}/copy.raw"], check=True)
        # A client holds the export: only "hard" takes it away.
        held = subprocess.Popen([os.environ["STOCK_QEMU_IO"], "-f", "raw", uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        held.stdin.write(b"read 0 512\n")
        held.stdin.flush()
        held.stdout.readline()
        reply = vm.ask("block-export-del", {"id": "e0"})
        assert reply["error"]["desc"] == "export 'e0' still in use", reply
        vm.cmd("block-export-del", {"id": "e0", "mode": "hard"})
        vm.wait_event("BLOCK_EXPORT_DELETED")
        held.communicate()
    out = subprocess.run([os.environ["STOCK_QEMU_IMG"], "compare", "-f", "raw", "-F", "qcow2", f"{vm.folder}/copy.raw", path],
                         stdout=subprocess.PIPE, text=True, check=False)
    assert out.returncode == 0, out.stdout


def main():
    if not shutil.which("nbdcopy"):
        skip("needs nbdcopy")
    different = compare_conversations(SCRIPT, prepare=prepare)
    work_on_a_live_disk()
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
