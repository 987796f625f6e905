#!/usr/bin/env python3
"""-sandbox: a forbidden system call made by a thread of any kind ends the program or fails; one that is not goes through.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import errno
import os
import signal
import subprocess
import sys
import time

from lib import Emulator, skip
from ptracelib import Ended, Traced, ptrace, ATTACH, DETACH, WAIT_ALL

ALL = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"     # which takes a process and ptrace
GETPID, PRLIMIT, CLONE3, SIGCHLD = 39, 302, 435, 17
# Arguments by which each does nothing or fails, should it be let through.
ENDS = {"fork": (57,), "vfork as clone": (56, SIGCHLD), "execve": (59, 0, 0, 0), "execveat": (322, -1, 0, 0, 0, 0), "unshare": (272, 0),
        "setns": (308, -1, 0), "setuid": (105, -1), "setgid": (106, -1), "setresuid": (117, -1, -1, -1), "setgroups": (116, -1, 0),
        "setsid": (112,), "setpgid": (109, -1, -1), "capset": (126, 0, 0), "mount": (165, 0, 0, 0, 0, 0), "umount": (166, 0, 0),
        "ptrace": (101, -1, 0, 0, 0), "uselib": (134, 0), "sysfs": (139, 99), "fsopen": (430, 0, 0), "bpf": (321, -1, 0, 0)}
FAILS = {"setpriority": (141, -1, 0, 0), "sched_setaffinity": (203, 0, 0, 0), "sched_setscheduler": (144, 0, -1, 0),
         "setrlimit": (160, -1, 0), "prlimit": (PRLIMIT, 0, -1, 1, 0), "ioprio_set": (251, -1, 0, 0)}
EVERYWHERE = ("execve", "fork", "vfork as clone", "setuid", "mount")


def threads(vm):
    return {int(name) for name in os.listdir(f"/proc/{vm.process.pid}/task")}


def new_thread(vm, action):
    """The thread that there is after the action and was not there before."""
    before = threads(vm)
    action()
    made = threads(vm) - before
    return max(made) if made else None


class Machine:
    """A program with a thread of each kind, by name in .tids."""

    def __init__(self, extra=()):
        image = os.path.join(os.environ["TEST_DIR"], "image")
        with open(image, "wb") as f:
            f.truncate(1 << 20)
        self.vm = vm = Emulator("ours", ["-sandbox", ALL, "-object", "iothread,id=t0", "-blockdev",
                                         f"file,node-name=n,filename={image}", *extra])
        iothreads = {t["id"]: t["thread-id"] for t in vm.cmd("query-iothreads")}
        self.tids = {"main": vm.process.pid, "iothread": iothreads["t0"]}
        others = sorted(threads(vm) - set(self.tids.values()))
        for number, tid in enumerate(others):
            self.tids[f"other of the start {number}"] = tid
        vm.cmd("object-add", {"qom-type": "iothread", "id": "t1"})
        self.tids["iothread added later"] = {t["id"]: t["thread-id"] for t in vm.cmd("query-iothreads")}["t1"]
        worker = new_thread(vm, lambda: vm.cmd("blockdev-create", {"job-id": "j", "options": {
            "driver": "file", "filename": os.path.join(vm.folder, "new"), "size": 65536}}))
        if worker:
            self.tids["worker made later"] = worker

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.vm.kill()
        self.vm.close()


def check_filter(machine):
    for tid in threads(machine.vm):
        with open(f"/proc/{machine.vm.process.pid}/task/{tid}/status") as f:
            assert "Seccomp:\t2\n" in f.read(), f"thread {tid} has no filter"


def attempt(machine, kind, call):
    """The result, or how the program ended; None: an idle worker had ended before."""
    try:
        with Traced(machine.vm.process.pid, machine.tids[kind]) as thread:
            return thread.call(*call)
    except ProcessLookupError:
        assert machine.vm.process.poll() is None, f"{kind}: the program has ended"
        return None
    except Ended as end:
        return f"signal {end.signal}" if end.signal else None


def stopped(kind, name):
    seen = None
    while seen is None:
        with Machine() as machine:
            if kind not in machine.tids:
                return
            seen = attempt(machine, kind, ENDS[name])
    assert seen == f"signal {int(signal.SIGSYS)}", f"{name} in {kind}: {seen}"


def refused(kinds):
    """Calls that fail and do no harm, and calls that go through: all in one program."""
    calls = [((GETPID,), None), ((PRLIMIT, 0, 3, 0, 0), 0), ((CLONE3, 0, 0), -errno.ENOSYS)]
    calls += [(call, -errno.EPERM) for call in FAILS.values()]
    with Machine() as machine:
        for kind in kinds:
            for call, wanted in calls:
                seen = attempt(machine, kind, call)
                assert seen in (None, machine.vm.process.pid if wanted is None else wanted), (kind, call, seen)
        machine.vm.cmd("query-status")


def can_trace():
    """May this process trace a child at all?"""
    child = subprocess.Popen(["sleep", "60"])
    try:
        ptrace(ATTACH, child.pid)
        os.waitpid(child.pid, WAIT_ALL)
        ptrace(DETACH, child.pid)
        return True
    except OSError:
        return False
    finally:
        child.kill()
        child.wait()


def filters(vm):
    with open(f"/proc/{vm.process.pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("Seccomp_filters:")))


def before_the_machine():
    """A filter is there before the machine is; the helper of -async-teardown comes all the same, and a second one after it."""
    with Emulator("ours", ["-preconfig", "-sandbox", ALL, "-async-teardown"]) as vm:
        assert filters(vm) == 1
        vm.cmd("x-exit-preconfig")
        end = time.monotonic() + 60
        while filters(vm) < 2:
            assert time.monotonic() < end, "there is no second filter"
            time.sleep(0.01)


def main():
    if os.uname().machine != "x86_64":
        skip("numbers of system calls are those of x86_64")
    if not can_trace():
        skip("no right to trace a child")
    before_the_machine()
    with Machine() as machine:
        check_filter(machine)
        kinds = list(machine.tids)
    print("threads:", ", ".join(kinds))
    assert len(kinds) >= 4, kinds
    refused(kinds)
    for kind in kinds:
        for name in ENDS if kind == "main" else EVERYWHERE:
            stopped(kind, name)


if __name__ == "__main__":
    sys.exit(main())
