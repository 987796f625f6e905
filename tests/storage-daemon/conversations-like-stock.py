#!/usr/bin/env python3
"""A manager that works disks, jobs, objects and exports over QMP gets the stock daemon's replies and events.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from lib import Daemon, compare_conversations, connect, masked, program


def prepare(folder):
    for name in ("a.qcow2", "b.qcow2"):
        subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", f"{folder}/{name}", "1M"], check=True)


ARGS = ["--object", "iothread,id=io0", "--blockdev", "file,filename=a.qcow2,node-name=f",
        "--blockdev", "qcow2,file=f,node-name=a", "--nbd-server", "addr.type=unix,addr.path=nbd.sock",
        "--export", "nbd,id=e0,node-name=a,name=disk,writable=on"]


def node(name, **more):
    return "blockdev-add", {"driver": "qcow2", "node-name": name, "file": {"driver": "file", "filename": f"{name}.qcow2"}, **more}


def delete(ident, **more):
    """Delete an export and wait until it is gone."""
    def step(vm):
        reply = vm.ask("block-export-del", {"id": ident, **more})
        return reply, "error" in reply or masked(vm.wait_event("BLOCK_EXPORT_DELETED"))
    return step


def create(vm):
    """A job from its begin to its end."""
    replies = [vm.ask("blockdev-create", {"job-id": "j", "options": {"driver": "file", "filename": "new", "size": 65536}})]
    for status in ("created", "running", "waiting", "pending", "concluded"):
        vm.wait_event("JOB_STATUS_CHANGE", lambda data, wanted=status: data["status"] == wanted)
    replies += [vm.ask("query-jobs"), vm.ask("job-dismiss", {"id": "j"})]
    vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == "null")
    return replies


SCRIPT = [
    ("query-status", None), ("query-version", {"x": 1}), ("query-block-exports", None), ("query-jobs", None),
    ("query-block", None), ("cont", None), ("device_add", {}), ("human-monitor-command", {"command-line": "x"}),
    ("getfd", {"fdname": "a"}), ("query-yank", None), ("query-iothreads", None),
    node("b"), node("b"), ("blockdev-del", {"node-name": "a"}),
    ("blockdev-add", {"driver": "nope"}),
    ("block_resize", {"node-name": "b", "size": 2097152}), ("block_resize", {"node-name": "a", "size": 2097152}),
    ("blockdev-snapshot-internal-sync", {"device": "b", "name": "s"}),
    ("object-add", {"qom-type": "throttle-group", "id": "t0"}), ("object-add", {"qom-type": "throttle-group", "id": "t0"}),
    ("object-add", {"qom-type": "rng-random", "id": "r"}), ("object-add", {"qom-type": "foo", "id": "r"}),
    ("object-del", {"id": "t0"}), ("object-del", {"id": "t0"}), ("object-del", {"id": "io0"}),
    ("block-export-add", {"type": "nbd", "id": "e1", "node-name": "b", "iothread": "io0"}),
    ("block-export-add", {"type": "nbd", "id": "e1", "node-name": "b"}),
    ("block-export-add", {"type": "nbd", "id": "e2", "node-name": "b", "iothread": "nope"}),
    ("block-export-add", {"type": "nbd", "id": "e2", "node-name": "b", "iothread": "io0", "fixed-iothread": True, "name": "e2"}),
    ("object-del", {"id": "io0"}), ("query-block-exports", None),
    ("x-blockdev-set-iothread", {"node-name": "b", "iothread": None}),
    delete("e2"), delete("e2", mode="hard"), delete("e1"),
    create,
    ("job-dismiss", {"id": "nope"}), ("nbd-server-stop", None), ("query-block-exports", None), ("nbd-server-stop", None),
    ("chardev-add", {"id": "c", "backend": {"type": "null", "data": {}}}), ("chardev-remove", {"id": "c"}),
    ("transaction", {"actions": [{"type": "block-dirty-bitmap-add", "data": {"node": "b", "name": "m"}},
                                 {"type": "block-dirty-bitmap-add", "data": {"node": "b", "name": "m"}}]}),
    ("qom-list", {"path": "/objects"}), ("qom-list-properties", {"typename": "nope"}),
]


def ends(kind, how):
    """What is left and what is said when the program ends by a command or a signal."""
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    prepare(folder)
    with Daemon(kind, ARGS + ["--pidfile", "pid"], cwd=folder) as vm:
        while not (pathlib.Path(folder) / "pid").exists():
            time.sleep(0.01)
        pid = int((pathlib.Path(folder) / "pid").read_text()) == vm.process.pid
        vm.events.clear()
        if how == "quit":
            vm.send({"execute": "quit", "id": 7})
        else:
            vm.process.send_signal(how)
        seen = []
        try:
            while (message := vm.read()) is not None:
                seen.append(masked(message))
        except ConnectionResetError:
            pass                    # input that nobody read
        status = vm.process.wait(20)
    return pid, seen, status, sorted(path.name for path in pathlib.Path(folder).iterdir() if path.suffix != ".sock")


def daemonized(kind):
    folder = tempfile.mkdtemp(dir=os.environ["TEST_DIR"])
    # Relative names stay right: all is opened before the folder changes.
    done = subprocess.run([program(kind, "QEMU_STORAGE_DAEMON"), "--chardev", "socket,id=q,path=q.sock,server=on,wait=off",
                           "--monitor", "q", "--pidfile", f"{folder}/pid", "--daemonize"], cwd=folder, capture_output=True,
                          text=True, timeout=60, check=False)
    pid = int((pathlib.Path(folder) / "pid").read_text())
    sock = connect(f"{folder}/q.sock")
    hello = sock.recv(4096)
    folder_of = os.readlink(f"/proc/{pid}/cwd")
    sock.close()
    os.kill(pid, signal.SIGTERM)
    while (pathlib.Path(folder) / "pid").exists():
        time.sleep(0.01)
    return done.returncode, done.stdout, done.stderr, b"QMP" in hello, folder_of


def main():
    different = compare_conversations(SCRIPT, ARGS, prepare=prepare)
    for what, fn, more in [(how, ends, (how,)) for how in ("quit", signal.SIGTERM, signal.SIGINT, signal.SIGHUP)] \
            + [("daemonize", daemonized, ())]:
        stock, ours = fn("stock", *more), fn("ours", *more)
        if stock != ours:
            different += 1
            print(f"{what}\n  stock: {stock}\n  ours:  {ours}")
    print(f"{len(SCRIPT)} steps, {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
