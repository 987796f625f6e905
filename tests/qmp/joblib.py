"""Run block jobs in the stock program and in ours, on equal images, and compare what was said and what is on disk.

    def scenario(d):                     # d: Driver
        d.start("blockdev-mirror", device="top", target="t", sync="full")
        d.until("ready")
        d.io("top", "write -P 9 0 64k")
        d.cmd("job-complete", id="j")
        d.end()
    sys.exit(run({"mirror": scenario}))

Each scenario gets fresh images: base <- mid <- top (4 MiB, 1 MiB of data each), an empty target t, and the nodes of
these names.  Pauses that drained sections cause (paused, running) are left out: their number is an accident.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lib

STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG", ""), os.environ.get("STOCK_QEMU_IO", "")
SIZE = 4 << 20
IMAGES = ("base", "mid", "top", "t")


def shell(folder, *command):
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def make_images(folder):
    img = lambda *words: shell(folder, STOCK_IMG, *words)
    img("create", "-q", "-f", "qcow2", "base.qcow2", str(SIZE))
    img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "mid.qcow2")
    img("create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", "top.qcow2")
    img("create", "-q", "-f", "qcow2", "t.qcow2", str(SIZE))
    for name, write in (("base", "write -P 1 0 1M"), ("mid", "write -P 2 1M 1M"), ("top", "write -P 3 2M 1M"),
                        ("mid", "write -z 512k 64k"), ("top", "write -P 4 128k 64k")):
        shell(folder, STOCK_IO, "-f", "qcow2", "-c", write, f"{name}.qcow2")


def file_node(name):
    return {"driver": "file", "filename": f"{name}.qcow2", "node-name": f"{name}-file"}


def chain_options():
    node = lambda name, below: {"driver": "qcow2", "node-name": name, "file": file_node(name), "backing": below}
    return node("top", node("mid", {"driver": "qcow2", "node-name": "base", "file": file_node("base")}))


def mask(value):
    """Generated names, and numbers that depend on the moment."""
    return json.loads(re.sub(r"#block[0-9]+", "#block", json.dumps(lib.masked(value))))


def settled(events):
    """One job's events without drained pauses."""
    out = []
    for name, data in events:
        if out and data.get("status") in ("running", "ready") and out[-1][1].get("status") in ("paused", "standby") \
                and out[-1][1].get("id") == data.get("id"):
            out.pop()
            continue
        out.append((name, data))
    return out


class Driver:
    """One program working one scenario; .log is what is compared."""

    def __init__(self, vm):
        self.vm, self.log = vm, []
        self.cmd("blockdev-add", **chain_options())
        self.cmd("blockdev-add", **{"driver": "qcow2", "node-name": "t", "file": file_node("t")})

    def raw(self, name, arguments):
        reply = self.vm.ask(name, arguments)
        self.log.append((name, mask(reply.get("return", reply.get("error")))))
        return reply

    def cmd(self, command, **arguments):
        """Python names: _ stands for -, a trailing one is dropped."""
        return self.raw(command, {key.rstrip("_").replace("_", "-"): value for key, value in arguments.items()})

    def start(self, command, job_id="j", **arguments):
        return self.cmd(command, job_id=job_id, **arguments)

    def io(self, node, command):
        self.raw("human-monitor-command", {"command-line": f'qemu-io {node} "{command}"'})

    def until(self, status, job_id="j"):
        """Wait for the state (which may be past)."""
        self.vm.wait_event("JOB_STATUS_CHANGE", lambda data: data["status"] == status and data["id"] == job_id)

    def until_now(self, status, job_id="j"):
        """Wait for the state to be there and to last: a job that begins pauses for a moment while the graph changes."""
        self.until(status, job_id)
        while not any(job["status"] == status and job["id"] == job_id for job in self.vm.cmd("query-jobs")):
            time.sleep(0.01)

    def until_stopped(self, job_id="j"):
        """By an error; then what is shown."""
        self.vm.wait_event("BLOCK_JOB_ERROR")
        while [job["status"] for job in self.vm.cmd("query-jobs") if job["id"] == job_id] in (["running"], ["ready"]):
            time.sleep(0.01)
        self.query()

    def wait(self, event, **match):
        data = self.vm.wait_event(event, lambda data: all(data.get(key) == value for key, value in match.items()))
        self.log.append((event, data.get("data")))

    def end(self, job_id="j"):
        self.until("null", job_id)

    def query(self):
        self.raw("query-jobs", None)
        self.raw("query-block-jobs", None)

    def chain(self, node):
        """How the graph below node looks: (name, driver, backing name) of each image."""
        flat = {n["node-name"]: n for n in self.vm.cmd("query-named-block-nodes", {"flat": True})}
        self.log.append(("chain", [(n["node-name"], n["drv"], n.get("backing_file"), n["ro"])
                                   for n in flat.values() if not n["node-name"].startswith("#")]))


class Recorder(lib.Emulator):
    """Keeps every event in order, besides those that are waited for."""

    def read(self):
        message = super().read()
        if message and "event" in message:
            self.__dict__.setdefault("seen", []).append((message["event"], message.get("data", {})))
        return message


def info(folder, name):
    text = shell(folder, STOCK_IMG, "info", "-U", "--output=json", f"{name}.qcow2")
    facts = json.loads(text)
    return {key: facts.get(key) for key in ("virtual-size", "format", "backing-filename", "backing-filename-format",
                                            "cluster-size")}


def one(kind, scenario, options):
    folder = tempfile.mkdtemp(prefix=f"{kind}.", dir=os.environ.get("TEST_DIR"))
    make_images(folder)
    with open(os.path.join(folder, "output"), "w+", encoding="utf-8", errors="replace") as output:
        with Recorder(kind, options, cwd=folder, stdout=output, stderr=subprocess.DEVNULL) as vm:
            driver = Driver(vm)
            scenario(driver)
            vm.cmd("query-status")       # what is on its way has come
        output.seek(0)
        said = [line for line in output if " ops; " not in line]      # qemu-io: what was read, without times
    return folder, driver.log + [("output", said)], vm.__dict__.get("seen", [])


def compare_disks(folders, same):
    """same: the content is to be equal, not only in order."""
    problems = []
    names = sorted(f[:-6] for f in os.listdir(folders["ours"]) if f.endswith(".qcow2"))
    for name in names:
        ours, stock = (os.path.join(folders[kind], f"{name}.qcow2") for kind in ("ours", "stock"))
        for command in [(STOCK_IMG, "check", "-q", ours)] + [(STOCK_IMG, "compare", "-q", ours, stock)] * same:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                problems.append(f"{' '.join(command[1:2])} {name}: {done.stdout}{done.stderr}")
        a, b = info(folders["ours"], name), info(folders["stock"], name)
        if a != b:
            problems.append(f"info {name}: {a} instead of {b}")
    return problems


def per_job(events):
    """Events of different jobs may interleave as time has it: order within each job counts."""
    jobs = {}
    for name, data in events:
        jobs.setdefault(data.get("id", data.get("device", "")), []).append((name, mask(data)))
    return {job: settled(seen) for job, seen in jobs.items()}


def failed(events):
    return any("error" in data or name == "BLOCK_JOB_CANCELLED" for name, data in events)


def without_offsets(value):
    """How far a job was when one of its parallel requests failed is an accident."""
    return json.loads(re.sub(r'"(offset|len|current-progress|total-progress)": [0-9]+', r'"\1": 0', json.dumps(value)))


def differences(scenario, offsets=True, options=()):
    folders, logs, events = {}, {}, {}
    for kind in ("stock", "ours"):
        folders[kind], logs[kind], events[kind] = one(kind, scenario, list(options))
    problems = []
    seen = without_offsets if not offsets else lambda value: value
    for a, b in zip(logs["stock"], logs["ours"]):
        if seen(a) != seen(b):
            problems.append(f"{a[0]}:\n  stock: {a[1]}\n  ours:  {b[1]}")
    a, b = per_job(events["stock"]), per_job(events["ours"])
    if seen(a) != seen(b):
        problems.append(f"events:\n  stock: {a}\n  ours:  {b}")
    problems += compare_disks(folders, same=not failed(events["ours"]))
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
    return problems


def run(scenarios, offsets=True):
    if not STOCK_IMG or not STOCK_IO:
        lib.skip("the stock tools are not there")
    wanted = sys.argv[1:]
    bad = 0
    for name, scenario in scenarios.items():
        if wanted and name not in wanted:
            continue
        problems = differences(scenario, offsets)
        bad += bool(problems)
        print(f"{'FAIL' if problems else 'ok'} {name}")
        for problem in problems:
            print("   ", problem)
    return 1 if bad else 0
