#!/usr/bin/env python3
"""Each kind of job, brought to each of its states, meets everything that drains its nodes or ends it: no command waits, the job
ends, all nodes can be taken away again, the program lives, images are good and the source holds what it should. `all`: every cell, not
one in 17; names: only the cells of these (kind, state, disturbance, iothread=1).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib import Emulator, QMPError

MIB = 1 << 20
PATIENCE = 60
NODES = ("src", "mid", "base", "dst")
MANUAL = {"auto-finalize": False, "auto-dismiss": False}
# command, arguments, is it ready some time, may it be finalized by hand
KINDS = {
    "backup": ("blockdev-backup", {"device": "src", "target": "dst", "sync": "full"}, False, True),
    "fleecing": ("blockdev-backup", {"device": "src", "target": "dst", "sync": "none"}, False, True),
    "mirror": ("blockdev-mirror", {"device": "src", "target": "dst", "sync": "full"}, True, True),
    "blocking": ("blockdev-mirror", {"device": "src", "target": "dst", "sync": "full", "copy-mode": "write-blocking"}, True, True),
    "commit": ("block-commit", {"device": "src", "top-node": "mid", "base-node": "base"}, False, True),
    "active": ("block-commit", {"device": "src", "base-node": "mid"}, True, True),
    "stream": ("block-stream", {"device": "src"}, False, True),
    "create": ("blockdev-create", {"options": {"driver": "qcow2", "file": "fresh-file", "size": MIB}}, False, False),
    "amend": ("x-blockdev-amend", {"node-name": "src", "options": {"driver": "qcow2"}, "force": False}, False, False),
    "save": ("snapshot-save", {"tag": "s", "vmstate": "src", "devices": ["src"]}, False, False),
    "load": ("snapshot-load", {"tag": "kept", "vmstate": "src", "devices": ["src"]}, False, False),
    "delete": ("snapshot-delete", {"tag": "kept", "devices": ["src"]}, False, False),
}
STATES = ("running", "throttled", "stopped", "paused", "ready", "standby", "waiting", "pending", "concluded")


def tool(*words, cwd=None):
    return subprocess.run([os.environ["QEMU_IMG"], *words], cwd=cwd, capture_output=True, text=True, check=False)


def make_images(folder):
    tool("create", "-q", "-f", "qcow2", "base", str(MIB), cwd=folder)
    for name, below in (("mid", "base"), ("src", "mid")):
        tool("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", name, cwd=folder)
    tool("create", "-q", "-f", "qcow2", "dst", str(MIB), cwd=folder)
    open(os.path.join(folder, "fresh"), "w", encoding="ascii").close()
    for name, words in (("base", "write -P 1 0 512k"), ("mid", "write -P 2 256k 512k"), ("src", "write -P 3 640k 128k")):
        subprocess.run([os.environ["QEMU_IO"], "-c", words, name], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    tool("snapshot", "-c", "mine", "src", cwd=folder)
    tool("create", "-q", "-f", "qcow2", "-b", "src", "-F", "qcow2", "overlay", cwd=folder)


def image(name, **more):
    return {"driver": "qcow2", "node-name": name, "file": {"driver": "file", "filename": name, "node-name": name + "-file"},
            "cache": {"no-flush": True}, **more}


class Cell:
    """One job in one state, in a program that may hold more of them one after another."""

    def __init__(self, vm, kind, state, iothread):
        self.vm, self.kind, self.state, self.iothread = vm, kind, state, iothread
        self.command, self.arguments, self.gets_ready, self.by_hand = KINDS[kind]
        self.slow = []

    def ask(self, command, **arguments):
        begun = time.monotonic()
        reply = self.vm.ask(command, {key.replace("_", "-"): value for key, value in arguments.items()})
        if reply is None:
            raise EOFError(f"the program ended at {command}")
        if time.monotonic() - begun > 5:
            self.slow.append(f"{command} took {time.monotonic() - begun:.1f} s")
        return reply

    def do(self, command, **arguments):
        reply = self.ask(command, **arguments)
        if "error" in reply:
            raise RuntimeError(f"{command} {arguments}: {reply['error']['desc']}")
        return reply["return"]

    def io(self, node, words):
        return self.ask("human-monitor-command", command_line=f'qemu-io {node} "{words}"')

    def nodes(self):
        """The chain src -> mid -> base, dst; a throttle or a fault where the state needs one."""
        bad = "bad" if self.state == "stopped" else None
        fault = {"driver": "blkdebug", "node-name": "bad",
                 "inject-error": [{"event": "none", "iotype": "read", "errno": 5, "once": True, "sector": 512 if self.kind != "active" else 1280}]}
        on_top = self.kind == "active"
        mid = image("mid", backing="base")
        self.do("blockdev-add", **image("base"))
        if self.kind in ("create",):
            self.do("blockdev-add", driver="file", filename="fresh", node_name="fresh-file")
        self.do("blockdev-add", **mid, read_only=True)
        below = "mid"
        if bad and not on_top:
            self.do("blockdev-add", **fault, image="mid", read_only=True)
            below = "bad"
        self.do("blockdev-add", **image("src", backing=below))
        if bad and on_top:
            self.do("blockdev-add", **fault, image="src")
        self.do("blockdev-add", **image("dst"))
        for name in ("other", "other-dst"):
            self.do("blockdev-add", driver="null-co", node_name=name, size=64 * MIB)
        if self.state == "throttled":
            self.do("object-add", qom_type="throttle-group", id="tg", limits={"bps-total": 65536})
            self.do("blockdev-add", driver="throttle", throttle_group="tg", file="dst", node_name="thr")
        if self.iothread:
            for node in ("src", "dst", "other"):
                self.ask("x-blockdev-set-iothread", node_name=node if not (bad and on_top and node == "src") else "bad", iothread="t0")

    def begin(self):
        arguments = {**self.arguments}
        state = self.state
        if state == "stopped":
            if self.kind in ("backup", "mirror", "blocking"):
                arguments["on-source-error"] = "stop"
            elif self.kind in ("commit", "active", "stream"):
                arguments["on-error"] = "stop"
            if self.kind == "active":
                arguments["device"] = "bad"
            if self.kind == "commit":
                arguments["top-node"] = "bad"
        if state == "throttled":
            arguments["target"] = "thr"
        if state in ("running", "paused") and self.by_hand and not self.kind == "fleecing":
            arguments["speed"] = 1
        if self.by_hand:
            arguments.update(MANUAL)
        if state == "waiting":
            self.do("transaction", properties={"completion-mode": "grouped"}, actions=[
                {"type": "blockdev-backup", "data": {"job-id": "j", **arguments}},
                {"type": "blockdev-backup", "data": {"job-id": "k", "device": "other", "target": "other-dst", "sync": "full", "speed": 1}}])
        elif self.kind in ("load", "delete"):
            self.do("snapshot-save", job_id="first", tag="kept", vmstate="src", devices=["src"])
            self.until("concluded", "first")
            self.do("job-dismiss", id="first")
            self.do(self.command, job_id="j", **arguments)
        else:
            self.do(self.command, job_id="j", **arguments)

    def status(self, job="j"):
        return next((one["status"] for one in self.do("query-jobs") if one["id"] == job), "null")

    def until(self, wanted, job="j"):
        end = time.monotonic() + PATIENCE
        while self.status(job) not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            if time.monotonic() > end:
                raise TimeoutError(f"job {job} is {self.status(job)}, not {wanted}")
            time.sleep(0.002)

    def reach(self):
        self.nodes()
        self.begin()
        state = self.state
        if state in ("running", "throttled"):
            self.until("running")
        elif state == "paused":
            self.until("running")
            self.do("job-pause", id="j")
            self.until("paused")
        elif state == "stopped":
            self.until("paused")
        elif state in ("ready", "standby"):
            self.until("ready")
            if state == "standby":
                self.do("job-pause", id="j")
                self.until("standby")
        elif state in ("waiting", "pending"):
            if self.gets_ready:
                self.until("ready")
                self.do("job-complete", id="j")
            self.until(state)
        elif state == "concluded":
            if self.gets_ready:
                self.until("ready")
                self.do("job-complete", id="j")
            if self.by_hand:
                self.until("pending")
                self.do("job-finalize", id="j")
            self.until("concluded")

    def bring_to_end(self):
        """Whatever has become of it."""
        end = time.monotonic() + PATIENCE
        while True:
            jobs = self.do("query-jobs")
            if not jobs:
                return
            if time.monotonic() > end:
                raise TimeoutError(f"does not end: {jobs}")
            for job in jobs:
                status, name = job["status"], job["id"]
                if status in ("paused", "standby"):
                    self.ask("job-resume", id=name)
                elif status == "ready":
                    self.ask("job-complete", id=name)
                elif status == "pending":
                    self.ask("job-finalize", id=name)
                elif status == "concluded":
                    self.error = job.get("error")
                    self.ask("job-dismiss", id=name)
                elif status == "running":
                    if self.state == "throttled":
                        self.ask("qom-set", path="/objects/tg", property="limits", value={"bps-total": 0})
                    self.ask("block-job-set-speed", device=name, speed=0)
                    if self.kind == "fleecing" or name == "k":
                        self.ask("job-cancel", id=name)
            time.sleep(0.002)


# --- what is done to it: each gets the cell --------------------------------------------------------

def verb(*names):
    def run(c):
        for name in names:
            words = name.split()
            block = words[0].startswith("block") and words[0] not in ("block-job-dismiss", "block-job-finalize")
            arguments = {"device" if block else "id": "j"}
            if "force" in words:
                arguments["force"] = True
            c.ask(words[0], **arguments)
    return run


def says(*commands):
    def run(c):
        for command, arguments in commands:
            c.ask(command, **arguments)
    return run


def reopen(c):
    for name, below in (("src", "mid"), ("dst", None), ("mid", "base")):
        more = {"lazy-refcounts": True} if name != "mid" else {}
        options = {**image(name), "file": name + "-file", **more, **({"backing": below} if below else {})}
        c.ask("blockdev-reopen", options=[options])
    c.ask("blockdev-reopen", options=[{**image("src"), "file": "src-file", "backing": "mid", "read-only": True}])
    c.ask("blockdev-reopen", options=[{**image("src"), "file": "src-file", "backing": None}])


def snapshot(c):
    """An overlay over the source, and one on the target."""
    c.ask("blockdev-add", **image("overlay", backing=None))
    c.ask("blockdev-snapshot", node="src", overlay="overlay")
    c.ask("blockdev-snapshot-sync", node_name="dst", snapshot_file="over2", snapshot_node_name="over2", format="qcow2")


def internal(c):
    for node in ("src", "dst", "mid"):
        c.ask("blockdev-snapshot-internal-sync", device=node, name="x")
        c.ask("blockdev-snapshot-delete-internal-sync", device=node, name="x")
    c.ask("blockdev-snapshot-apply-internal-sync", device="src", name="mine")


def group(c):
    c.ask("transaction", actions=[
        {"type": "block-dirty-bitmap-add", "data": {"node": "src", "name": "b"}},
        {"type": "blockdev-snapshot-internal-sync", "data": {"device": "src", "name": "y"}},
        {"type": "blockdev-backup", "data": {"device": "src", "target": "other-dst", "sync": "none", "job-id": "g"}},
        {"type": "abort", "data": {}}])


def iothreads(c):
    for thread in ("t1", None, "t0"):
        for node in ("src", "dst", "mid"):
            c.ask("x-blockdev-set-iothread", node_name=node, iothread=thread)
            c.ask("x-blockdev-set-iothread", node_name=node, iothread=thread, force=True)


def device(c):
    c.ask("device_add", driver="scsi-hd", drive="src", id="hd", bus="scsi.0", share_rw=True)
    c.ask("device_del", id="hd")


def export(c):
    c.ask("nbd-server-start", addr={"type": "unix", "data": {"path": "nbd"}})
    for node in ("src", "dst"):
        c.ask("block-export-add", type="nbd", id=node, node_name=node, writable=True, **({"iothread": "t0", "fixed-iothread": False} if c.iothread else {}))
        c.ask("block-export-del", id=node, mode="hard")
    c.ask("block-export-add", type="nbd", id="z", node_name="src")
    c.ask("nbd-server-stop")


def deletes(c):
    for node in ("src", "dst", "mid", "base", "src-file", "dst-file", "fresh-file"):
        c.ask("blockdev-del", node_name=node)


def resize(c):
    for node in ("src", "dst", "mid"):
        c.ask("block_resize", node_name=node, size=2 * MIB)
        c.ask("block_resize", node_name=node, size=MIB)


def other_jobs(c):
    for command, arguments in ((name, args) for name, args, *_ in KINDS.values()):
        c.ask(command, job_id="o", **arguments)
        c.ask("job-cancel", id="o")


def machine(c):
    c.ask("cont")
    c.ask("stop")
    c.ask("system_reset")
    c.ask("human-monitor-command", command_line="savevm z")
    c.ask("human-monitor-command", command_line="loadvm z")
    c.ask("human-monitor-command", command_line="delvm z")


def throttle(c):
    c.ask("object-add", qom_type="throttle-group", id="tg2", limits={"bps-total": 4096})
    c.ask("blockdev-add", driver="throttle", node_name="t2", throttle_group="tg2", file="src")
    c.ask("blockdev-del", node_name="t2")
    c.ask("object-del", id="tg2")


DISTURBANCES = {
    "nothing": lambda c: None,
    "cancel": verb("job-cancel"), "soft": verb("block-job-cancel"), "force": verb("block-job-cancel force"),
    "cancel twice": verb("block-job-cancel", "job-cancel", "block-job-cancel force"),
    "verbs": verb("job-pause", "job-complete", "job-finalize", "job-dismiss", "job-resume", "block-job-finalize", "block-job-dismiss"),
    "paused cancel": verb("job-pause", "job-cancel", "job-resume", "job-dismiss"),
    "complete cancel": verb("job-complete", "job-pause", "job-cancel", "job-finalize"),
    "finalize": verb("job-finalize", "job-cancel", "job-dismiss"),
    "dismiss": verb("job-dismiss"),
    "reopen": reopen, "snapshot": snapshot, "internal": internal, "group": group, "iothreads": iothreads, "device": device,
    "export": export, "deletes": deletes, "resize": resize, "other jobs": other_jobs, "machine": machine, "throttle": throttle,
    "bitmaps": says(("block-dirty-bitmap-add", {"node": "src", "name": "b", "persistent": True}), ("block-dirty-bitmap-clear", {"node": "src", "name": "b"}),
                    ("block-dirty-bitmap-remove", {"node": "src", "name": "b"})),
    "change": lambda c: [c.ask("change-backing-file", device=n, image_node_name=n, backing_file="base") for n in ("src", "mid")],
    "drain then cancel": lambda c: (iothreads(c), c.ask("job-cancel", id="j"), iothreads(c)),
    "writes": lambda c: [c.io(n, w) for n in ("src", "mid", "dst") for w in ("aio_write -P 3 640k 64k", "discard 0 64k" if n != "src" else "flush", "read 0 1M", "aio_flush")],
}

ONCE_WRONG = {("mirror", "pending", "throttle"),            # a filter opened over a drained node was told of it before it was open: crash
              ("mirror", "throttled", "quit"),              # the end took as long as the limit said
              ("backup", "throttled", "reopen"), ("mirror", "throttled", "group"),        # so did sections on other nodes of the job
              ("backup", "running", "snapshot")}            # a copy that was to pause fell asleep for hours
EVERYTHING = {**DISTURBANCES, "quit": "quit", "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}


def possible(kind, state):
    _, _, gets_ready, by_hand = KINDS[kind]
    return {"running": by_hand, "throttled": kind in ("backup", "mirror", "blocking"), "stopped": by_hand and kind != "fleecing",
            "paused": by_hand, "ready": gets_ready, "standby": gets_ready, "waiting": kind == "backup",
            "pending": by_hand and kind != "fleecing", "concluded": kind != "fleecing"}[state]


def cells():
    """Kind, state, name of what is done."""
    for kind in KINDS:
        for state in STATES:
            for name in EVERYTHING if possible(kind, state) else ():
                # A mirror that is to be finalized keeps its source drained: a synchronous request waits for ever, as with the peer.
                if not (name == "writes" and state == "pending" and KINDS[kind][2]):
                    yield kind, state, name


class Program:
    """An emulator that works one cell after the other, until one of them ends it."""

    def __init__(self, template, iothread):
        self.folder, self.template, self.iothread = tempfile.mkdtemp(prefix="cell.", dir=os.environ.get("TEST_DIR")), template, iothread
        self.output = open(os.path.join(self.folder, "output"), "w+", encoding="utf-8", errors="replace")
        self.renew()
        device = ["-device", "virtio-scsi-pci,id=scsi" + (",iothread=t0" if iothread else "")]
        self.vm = Emulator("ours", ["-object", "iothread,id=t0", "-object", "iothread,id=t1", "-m", "4", *device], machine="pc",
                           cwd=self.folder, stderr=self.output, stdout=self.output)

    def renew(self):
        for name in os.listdir(self.template):
            shutil.copyfile(os.path.join(self.template, name), os.path.join(self.folder, name))

    def clean(self, cell):
        """Everything that a cell made can be taken away again."""
        vm = self.vm
        for one in vm.cmd("query-block-exports"):
            vm.ask("block-export-del", {"id": one["id"], "mode": "hard"})
        vm.ask("nbd-server-stop")
        vm.ask("device_del", {"id": "hd"})
        end = time.monotonic() + PATIENCE
        while True:
            left = [node["node-name"] for node in vm.cmd("query-named-block-nodes", {"flat": True})]
            if not left:
                break
            for name in left:
                vm.ask("blockdev-del", {"node-name": name})
            if time.monotonic() > end:
                raise TimeoutError(f"nodes that stay: {left} {[vm.ask('blockdev-del', {'node-name': name}) for name in left]}")
        for name in ("tg", "tg2"):
            vm.ask("object-del", {"id": name})
        vm.events.clear()

    def work(self, kind, state, name, disturb):
        problems = []
        try:
            self.renew()
            cell = Cell(self.vm, kind, state, self.iothread)
            cell.reach()
            begun = time.monotonic()
            if callable(disturb):
                disturb(cell)
                cell.bring_to_end()
                self.clean(cell)
            elif disturb == "quit":
                problems += [f"exit status {status}" for status in (self.vm.quit(),) if status]
            else:
                self.vm.process.send_signal(disturb)
                problems += [f"exit status {status}" for status in (self.vm.process.wait(PATIENCE),) if status]
            if not callable(disturb) and time.monotonic() - begun > 5:
                problems.append(f"took {time.monotonic() - begun:.1f} s to end")
            problems += cell.slow
        except (EOFError, OSError, TimeoutError, RuntimeError, QMPError, subprocess.TimeoutExpired) as error:
            problems.append(f"{type(error).__name__} {error}, status {self.vm.process.poll()}")
        if problems or not callable(disturb):
            self.vm.kill()
            self.output.seek(0)
            text = self.output.read()
            if problems or "Sanitizer" in text or "runtime error" in text:
                problems.append(text[-3000:])
        for file in ("src", "dst", "mid"):
            done = tool("check", "-q", file, cwd=self.folder)
            if done.returncode:
                problems.append(f"check {file}: {done.stdout}{done.stderr}")
        done = subprocess.run([os.environ["QEMU_IO"], "-c", "read -P 3 640k 128k", "src"], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            problems.append(f"src: {done.stdout}{done.stderr}")
        return problems

    def close(self):
        self.vm.kill()
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    template = tempfile.mkdtemp(prefix="template.", dir=os.environ.get("TEST_DIR"))
    make_images(template)
    wanted = [word for word in sys.argv[1:] if word != "all"]
    tried = bad = 0
    for iothread in (False, True):
        program = None
        for at, (kind, state, name) in enumerate(cells()):
            if wanted and not all(word in (kind, state, name, f"iothread={int(iothread)}") for word in wanted):
                continue
            if not wanted and "all" not in sys.argv and (at + 7 * iothread) % 17 and (kind, state, name) not in ONCE_WRONG:
                continue
            tried += 1
            program = program or Program(template, iothread)
            problems = program.work(kind, state, name, EVERYTHING[name])
            if problems:
                bad += 1
                print(f"{kind}, {state}, {name}, iothread={int(iothread)}:", flush=True)
                for problem in problems:
                    print("    " + problem.replace("\n", "\n    "), flush=True)
            if program.vm.process.poll() is not None or problems:
                program.close()
                program = None
        if program:
            program.close()
    print(f"{tried} cells, {bad} bad")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
