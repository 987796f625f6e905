#!/usr/bin/env python3
"""With all that -sandbox can deny denied, and as another user in another root folder: everything that the emulator can do works.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import subprocess
import sys
import tempfile

from lib import Emulator, QMPError, connect

ALL = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
IMG, NBD = os.environ["QEMU_IMG"], os.environ["QEMU_NBD"]
STOCK_IMG = os.environ["STOCK_QEMU_IMG"] or IMG
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"     # which takes a process and ptrace
NOBODY = 65534
STAY = ("blockdev-create", "x-blockdev-amend", "snapshot-save", "snapshot-load", "snapshot-delete")     # jobs that wait to be dismissed


def images(folder):
    """What must be there before."""
    for name, kind, options in (("a", "qcow2", []), ("threads", "qcow2", []), ("native", "qcow2", []), ("io_uring", "qcow2", []),
                                ("nbd", "raw", []), ("target", "raw", []),
                                ("luks", "luks", ["--object", "secret,id=s,data=word", "-o", "key-secret=s,iter-time=10"])):
        subprocess.run([IMG, "create", "-q", "-f", kind, *options, name, "16M"], cwd=folder, check=True)
    os.mkfifo(f"{folder}/pipe")
    os.mkdir(f"{folder}/keys")
    with open(f"{folder}/keys/keys.psk", "w", encoding="ascii") as f:
        f.write("friend:9f8fe5beaf2d5ed95b4c63edee3a2c7f\n")
    for name in ("mnt", "passed"):
        with open(f"{folder}/{name}", "w", encoding="ascii") as f:
            f.write("x" * 4096)


class Battery:
    def __init__(self, vm):
        self.vm, self.cmd = vm, vm.cmd
        self.jailed = os.readlink(f"/proc/{vm.process.pid}/root") != "/"

    def io(self, node, *commands):
        for command in commands:
            self.vm.hmp(f'qemu-io -d {node} "{command}"')

    def add(self, driver, name, **options):
        self.cmd("blockdev-add", {"driver": driver, "node-name": name, **options})

    def file(self, name, **options):
        return {"driver": "file", "filename": name, **options}

    def job(self, command, **arguments):
        """Start it and see it to its end."""
        self.cmd(command, {"job-id": "j", **arguments})
        if command == "blockdev-mirror":
            self.vm.wait_event("BLOCK_JOB_READY")
            self.cmd("job-complete", {"id": "j"})
        while True:
            data = self.vm.wait_event("JOB_STATUS_CHANGE", lambda d: d["id"] == "j" and d["status"] in ("concluded", "null"))["data"]
            jobs = self.cmd("query-jobs")
            assert not any("error" in job for job in jobs), jobs
            if data["status"] == "null":
                return
            if command in STAY:
                self.cmd("job-dismiss", {"id": "j"})

    # --- subjects ---------------------------------------------------------------------------------------------------------

    def engines(self):
        for aio in ("threads", "native", "io_uring"):
            cache = {"direct": aio != "threads", "no-flush": False}
            self.add("qcow2", aio, cache=cache, discard="unmap", file=self.file(aio, aio=aio, cache=cache))
            self.io(aio, "write -P 1 0 2M", "aio_write -P 2 2M 1M", "aio_flush", "write -z 4M 1M", "discard 5M 1M", "flush", "read -P 1 0 2M",
                    "read -P 2 2M 1M")
            self.cmd("blockdev-snapshot-internal-sync", {"device": aio, "name": "one"})
            self.io(aio, "write -P 3 0 1M")
            self.cmd("blockdev-snapshot-apply-internal-sync", {"device": aio, "name": "one"})
            self.io(aio, "read -P 1 0 1M")
            self.cmd("blockdev-snapshot-delete-internal-sync", {"device": aio, "name": "one"})
            self.cmd("blockdev-del", {"node-name": aio})

    def jobs(self):
        self.add("qcow2", "a", file=self.file("a"))
        self.io("a", "write -P 5 0 1M")
        self.job("blockdev-create", options={"driver": "file", "filename": "new.qcow2", "size": 0})
        self.add("file", "new-file", filename="new.qcow2")
        self.job("blockdev-create", options={"driver": "qcow2", "file": "new-file", "size": 16 << 20})
        self.add("qcow2", "top", file="new-file", backing=None)
        self.job("blockdev-create", options={"driver": "luks", "file": self.luks_file("new.luks"), "size": 1 << 20, "key-secret": "sec0",
                                             "iter-time": 10})
        self.add("raw", "target", file=self.file("target"))
        self.job("blockdev-backup", device="a", target="target", sync="full")
        self.job("blockdev-mirror", device="a", target="target", sync="full", **{"filter-node-name": "mirror"})
        self.cmd("blockdev-snapshot", {"node": "a", "overlay": "top"})
        self.io("top", "write -P 6 1M 1M")
        self.cmd("blockdev-reopen", {"options": [{"driver": "qcow2", "node-name": "a", "read-only": False, "file": {
            "driver": "file", "filename": "a", "node-name": self.child("a")}}]})
        self.job("block-stream", device="top")
        self.cmd("block-dirty-bitmap-add", {"node": "top", "name": "b", "persistent": True})
        self.cmd("block_resize", {"node-name": "top", "size": 32 << 20})
        self.cmd("blockdev-del", {"node-name": "top"})

    def child(self, node):
        graph = {n["node-name"]: n for n in self.cmd("query-named-block-nodes")}
        return next(name for name, n in graph.items() if n["drv"] == "file" and n["file"].endswith(graph[node]["file"]))

    def luks_file(self, name):
        self.job("blockdev-create", options={"driver": "file", "filename": name, "size": 0})
        self.add("file", "luks-file", filename=name)
        return "luks-file"

    def encryption(self):
        self.add("luks", "secretly", file=self.file("luks"), **{"key-secret": "sec0"})
        self.io("secretly", "write -P 9 0 1M", "read -P 9 0 1M")
        self.job("x-blockdev-amend", **{"node-name": "secretly", "options": {"driver": "luks", "state": "active", "new-secret": "sec0",
                                                                             "iter-time": 10}})
        self.cmd("blockdev-del", {"node-name": "secretly"})

    def network(self):
        self.add("nbd", "client", server={"type": "unix", "path": "peer"}, export="x", **{"tls-creds": "tls1", "tls-hostname": "h"})
        self.io("client", "write -P 4 0 1M", "flush", "read -P 4 0 1M")
        self.cmd("nbd-server-start", {"addr": {"type": "unix", "data": {"path": "served"}}, "tls-creds": "tls0"})
        self.cmd("block-export-add", {"type": "nbd", "id": "e", "node-name": "client", "iothread": "t0", "writable": True})
        shown = subprocess.run([IMG, "info", "--object", "tls-creds-psk,id=t,endpoint=client,username=friend,dir=keys", "--image-opts",
                                "driver=nbd,path=served,export=client,tls-creds=t"], cwd=self.vm.folder, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
        assert "virtual size: 16 MiB" in shown.stdout, shown.stdout
        self.cmd("nbd-server-stop")
        self.cmd("block-export-add", {"type": "vhost-user-blk", "id": "v", "node-name": "client", "addr": {"type": "unix", "path": "vhost"}})
        connect(f"{self.vm.folder}/vhost").close()
        self.cmd("block-export-del", {"id": "v"})
        self.vm.wait_event("BLOCK_EXPORT_DELETED", lambda d: d["id"] == "v")
        try:
            self.cmd("block-export-add", {"type": "fuse", "id": "f", "node-name": "client", "mountpoint": "mnt"})
            raise AssertionError("a sandbox cannot mount")
        except QMPError as error:
            assert "-sandbox denies it" in str(error) or "does not accept" in str(error) or "Invalid parameter" in str(error), error
        self.cmd("blockdev-del", {"node-name": "client"})

    def machine(self):
        """State and devices: a machine with a guest's memory."""
        self.add("qcow2", "disk", file=self.file("threads"))
        self.cmd("device_add", {"driver": "virtio-blk-pci", "id": "d", "drive": "disk", "iothread": "t0"})
        for name in ("snapshot-save", "snapshot-load", "snapshot-delete"):
            extra = {} if name == "snapshot-delete" else {"vmstate": "disk"}
            self.job(name, tag="whole", devices=["disk"], **extra)
        self.vm.hmp("savevm by-hand")
        self.vm.hmp("loadvm by-hand")
        self.vm.hmp("delvm by-hand")
        self.cmd("dump-guest-memory", {"paging": False, "protocol": "file:dump"})
        self.cmd("pmemsave", {"val": 0, "size": 4096, "filename": "memory"})
        self.cmd("device_del", {"id": "d"})
        self.cmd("system_reset")
        for kind, options in (("iothread", {}), ("secret", {"data": "x"}), ("throttle-group", {}), ("memory-backend-ram", {"size": 4096}),
                              ("memory-backend-file", {"size": 4096, "mem-path": "passed"}), ("authz-simple", {"identity": "x"})):
            self.cmd("object-add", {"qom-type": kind, "id": "late", **options})
            self.cmd("object-del", {"id": "late"})

    def chardevs(self):
        unix = {"type": "unix", "data": {"path": "char"}}
        inet = {"type": "inet", "data": {"host": "127.0.0.1", "port": "0"}}
        backends = [("file", {"out": "log"}), ("null", {}), ("ringbuf", {"size": 4096}), ("pty", {}), ("pipe", {"device": "pipe"}),
                    ("udp", {"remote": {"type": "inet", "data": {"host": "127.0.0.1", "port": "9"}}}),
                    ("socket", {"addr": unix, "server": True, "wait": False}),
                    ("socket", {"addr": inet, "server": True, "wait": False, "websocket": True})]
        for kind, data in backends:
            if kind == "pty" and self.jailed:
                continue                       # no devices there
            self.cmd("chardev-add", {"id": "c", "backend": {"type": kind, "data": data}})
            if kind == "socket" and data["addr"] is unix:
                self.cmd("chardev-add", {"id": "peer", "backend": {"type": "socket", "data": {"addr": unix, "server": False}}})
                self.cmd("chardev-remove", {"id": "peer"})
            self.cmd("query-chardev")
            self.cmd("chardev-remove", {"id": "c"})

    def questions(self):
        """Every command that only asks, and every `info`."""
        for command in self.cmd("query-commands"):
            if command["name"].startswith("query-"):
                assert self.vm.ask(command["name"]) is not None, command["name"]
        for line in self.vm.hmp("help info").splitlines():
            self.vm.hmp(line.split(" --")[0].split("[")[0].strip())
        for line in ("help", "log none", "stop", "cont", "print 1+1", "x /4xb 0", "info registers", "sum 0 64", "boot_set c", "sendkey a",
                     "qemu-io nothing", "commit all", "drive_add 0 if=none,id=h,driver=null-co", "drive_del h", "trace-event x off"):
            self.vm.hmp(line)
        with open(f"{self.vm.folder}/passed", "rb") as f:
            self.cmd("getfd", {"fdname": "f"}, [f.fileno()])
            self.cmd("closefd", {"fdname": "f"})
            self.cmd("add-fd", {"fdset-id": 7}, [f.fileno()])
            self.add("file", "by-fd", filename="/dev/fdset/7", **{"read-only": True})
            self.cmd("blockdev-del", {"node-name": "by-fd"})


def run(jail):
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:       # short: sockets are in it
        images(folder)
        if jail:
            for name in [".", *os.listdir(folder)]:
                shutil.chown(os.path.join(folder, name), NOBODY, NOBODY)
        peer = subprocess.Popen([NBD, "-t", "-k", f"{folder}/peer", "-f", "raw", "-x", "x", "-e", "4", "--object",
                                 f"tls-creds-psk,id=t,endpoint=server,dir={folder}/keys", "--tls-creds", "t", f"{folder}/nbd"])
        connect(f"{folder}/peer").close()
        if jail:
            shutil.chown(f"{folder}/peer", NOBODY, NOBODY)
        try:
            drop = ["-run-with", f"user=nobody,chroot={folder},async-teardown=on"] if jail else []
            with Emulator("ours", ["-sandbox", ALL, *drop, "-object", "iothread,id=t0", "-object", "secret,id=sec0,data=word", "-object",
                                   f"tls-creds-psk,id=tls0,endpoint=server,dir=keys", "-object",
                                   f"tls-creds-psk,id=tls1,endpoint=client,username=friend,dir=keys"],
                          machine="pc", cwd=folder) as vm:
                battery = Battery(vm)
                for subject in (battery.engines, battery.jobs, battery.encryption, battery.network, battery.machine, battery.chardevs,
                                battery.questions):
                    subject()
        finally:
            peer.terminate()
            peer.wait(60)
        for name in ("a", "threads", "native", "io_uring", "new.qcow2"):
            subprocess.run([STOCK_IMG, "check", "-q", os.path.join(folder, name)], check=True)


if __name__ == "__main__":
    run(False)
    if os.getuid() == 0:
        run(True)
    sys.exit(0)
