#!/usr/bin/env python3
"""Objects and character devices can be made, listed and looked into as with the stock daemon.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from lib import Daemon, compare_conversations, differences, skip

# Of the stock daemon only: types of channels and of its own machinery that nobody can make or meet; threads for preallocation.
ABSENT = ("qio-", "thread-context")
TYPES = ["secret", "secret_keyring", "authz-simple", "authz-list", "authz-list-file", "pr-manager-helper", "tls-creds-x509",
         "tls-creds-anon", "tls-creds-psk", "tls-cipher-suites", "throttle-group", "iothread", "main-loop", "chardev-socket", "chardev-mux"]


def chardev(name, kind, **data):
    return "chardev-add", {"id": name, "backend": {"type": kind, "data": data}}


def unix(path):
    return {"type": "unix", "data": {"path": path}}


def types(vm):
    found = {entry["name"]: (entry.get("parent"), entry.get("abstract", False)) for entry in vm.cmd("qom-list-types", {"abstract": True})}
    return {name: entry for name, entry in found.items()
            if not name.startswith(ABSENT) and name.startswith(("chardev", "authz", "secret", "tls-", "pr-", "iothread", "main-loop"))}


def listed(path):
    """The properties of an object in any order."""
    def step(vm):
        reply = vm.ask("qom-list", {"path": path})
        return sorted(reply["return"], key=lambda entry: entry["name"]) if "return" in reply else reply
    return step


def of_type(name):
    def step(vm):
        reply = vm.ask("qom-list-properties", {"typename": name})
        return sorted(reply["return"], key=lambda entry: entry["name"]) if "return" in reply else reply
    return step


def add(kind, **props):
    return "object-add", {"qom-type": kind, "id": "o", **props}


def get(path, name):
    return "qom-get", {"path": path, "property": name}


SCRIPT = [
    types, *(of_type(name) for name in TYPES),
    chardev("s", "socket", addr=unix("s.sock"), wait=False), chardev("n", "null"), chardev("r", "ringbuf", size=16), chardev("n", "null"),
    chardev("x", "socket", addr=unix("s.sock"), server=False), listed("/chardevs/n"), listed("/chardevs/s"), listed("/chardevs/none"),
    get("/chardevs/s", "connected"), get("/chardevs/x", "connected"), get("/chardevs/s", "addr"), get("/chardevs/x", "addr"),
    get("/chardevs/n", "connected"), get("/chardevs/n", "type"), ("qom-set", {"path": "/chardevs/s", "property": "connected", "value": True}),
    ("chardev-remove", {"id": "n"}), listed("/chardevs/n"), listed("/objects"), ("chardev-change", {"id": "r", "backend": {"type": "null", "data": {}}}),
    get("/chardevs/r", "type"),
    add("authz-list", rules=[{"match": "a*", "policy": "allow", "format": "glob"}, {"match": "b", "policy": "deny"}]), listed("/objects/o"),
    get("/objects/o", "rules"), get("/objects/o", "policy"), ("qom-set", {"path": "/objects/o", "property": "policy", "value": "allow"}),
    get("/objects/o", "policy"), ("object-del", {"id": "o"}),
    add("authz-list", policy="maybe"), add("authz-list", rules=[{"match": "a"}]), add("authz-list", rules=[{"policy": "deny"}]),
    add("authz-list", rules={}), add("authz-list-file", filename="x"), add("authz-simple"), add("authz-simple", identity="x"),
    get("/objects/o", "identity"), ("object-del", {"id": "o"}),
    add("secret_keyring"), add("secret_keyring", serial=1), add("secret_keyring", serial="x"), add("secret_keyring", serial=1 << 40),
    add("secret", data="x", loaded=True), add("secret", data="x"), listed("/objects/o"), get("/objects/o", "loaded"), ("object-del", {"id": "o"}),
    add("pr-manager-helper"), add("pr-manager-helper", path="/nonexistent/x"), add("tls-cipher-suites"),
    add("tls-cipher-suites", priority="NORMAL"), listed("/objects/o"), ("object-del", {"id": "o"}),
    ("blockdev-add", {"driver": "file", "filename": "img", "node-name": "f", "pr-manager": "nope"}), add("secret", data="x"),
    ("blockdev-add", {"driver": "file", "filename": "img", "node-name": "f", "pr-manager": "o"}),
]


def prepare(folder):
    pathlib.Path(folder, "img").write_bytes(bytes(65536))


def helper(kind):
    """A connection to the stock helper for persistent reservations."""
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    prepare(folder)
    process = subprocess.Popen([shutil.which("qemu-pr-helper"), "-k", f"{folder}/pr", "-f", f"{folder}/pid"])
    try:
        while not os.path.exists(f"{folder}/pid") or not os.path.exists(f"{folder}/pr"):
            assert process.poll() is None
            time.sleep(0.01)
        with Daemon(kind, cwd=folder) as vm:
            return [vm.ask(*add("pr-manager-helper", path="pr")), vm.ask(*get("/objects/o", "path")), listed("/objects/o")(vm),
                    vm.ask("blockdev-add", {"driver": "file", "filename": "img", "node-name": "f", "pr-manager": "o"}),
                    vm.ask("object-del", {"id": "o"})]
    finally:
        process.terminate()
        process.wait()


def main():
    if not os.environ.get("STOCK_QEMU_STORAGE_DAEMON"):
        skip("the stock qemu-storage-daemon is not installed")
    different = compare_conversations(SCRIPT, prepare=prepare)
    if shutil.which("qemu-pr-helper"):
        for line in differences(helper("stock"), helper("ours"), "helper"):
            different += 1
            print(line)
    with Daemon("ours") as vm:                 # what the stock program cannot make over QMP for a slip in its names
        pathlib.Path(vm.folder, "rules").write_text('{"policy": "allow"}')
        assert vm.ask("object-add", {"qom-type": "authz-listfile", "id": "a", "filename": "rules"}) == {"return": {}}
        assert "error" in vm.ask("object-add", {"qom-type": "authz-listfile", "id": "b", "filename": "none"})
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
