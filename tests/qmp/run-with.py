#!/usr/bin/env python3
"""-run-with, -runas, -chroot, -async-teardown: the process has the user, the root folder and the helper that were asked for, and works.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess
import sys
import tempfile
import time

from lib import Emulator, program, skip

os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"     # which takes a process and ptrace
NOBODY = 65534


def facts(pid):
    """User, group and root folder of a process."""
    with open(f"/proc/{pid}/status") as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return fields["Uid"].split("\t"), fields["Gid"].split("\t"), os.readlink(f"/proc/{pid}/root")


def helpers(pid):
    """Pids of the processes that free its memory later."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/comm") as f:
                if f.read() == f"cleanup/{pid}\n":
                    found.append(int(name))
        except OSError:
            pass
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def work(vm):
    """Disks that were opened before go on working afterwards."""
    vm.hmp('qemu-io -d n "write -P 1 0 1M"')
    vm.cmd("blockdev-snapshot-internal-sync", {"device": "n", "name": "s"})
    assert vm.cmd("query-named-block-nodes")[0]


def start(folder, *args):
    image = os.path.join(folder, "a.qcow2")
    subprocess.run([os.environ["QEMU_IMG"], "create", "-q", "-f", "qcow2", image, "16M"], check=True)
    return Emulator("ours", ["-blockdev", f"qcow2,node-name=n,file.driver=file,file.filename={image}", *args], cwd=folder)


def rights():
    for args, user, root in ((["-run-with", "user=nobody"], True, False), (["-run-with", f"user={NOBODY}:{NOBODY}"], True, False),
                             (["-runas", "nobody"], True, False), (["-chroot", "ROOT"], False, True),
                             (["-run-with", "chroot=ROOT"], False, True), (["-run-with", "user=nobody,chroot=ROOT"], True, True),
                             (["-run-with", "user=root", "-run-with", "chroot=ROOT", "-run-with", "user=nobody"], True, True),
                             (["-run-with", "user=nobody,chroot=ROOT", "-sandbox", "on,elevateprivileges=deny,spawn=deny"], True, True)):
        with tempfile.TemporaryDirectory(dir=os.environ["TEST_DIR"]) as folder, tempfile.TemporaryDirectory() as jail:
            with start(folder, *[arg.replace("ROOT", jail) for arg in args]) as vm:
                uids, gids, seen = facts(vm.process.pid)
                ids = [str(NOBODY if user else 0)] * 4
                assert (uids, gids) == (ids, ids), (args, uids, gids)
                assert seen == (jail if root else "/"), (args, seen)
                work(vm)
            subprocess.run([os.environ["QEMU_IMG"], "check", "-q", os.path.join(folder, "a.qcow2")], check=True)


def teardown():
    for args, wanted in ((["-async-teardown"], 1), (["-run-with", "async-teardown=on"], 1), (["-run-with", "async-teardown=off"], 0),
                         (["-run-with", "async-teardown=on,user=nobody", "-sandbox", "on,spawn=deny"], 1)):
        with tempfile.TemporaryDirectory(dir=os.environ["TEST_DIR"]) as folder:
            with start(folder, *args) as vm:
                found = helpers(vm.process.pid)
                assert len(found) == wanted, (args, found)
                for pid in found:
                    assert not os.listdir(f"/proc/{pid}/fd"), "the helper holds files open"
                work(vm)
            end = time.monotonic() + 60
            while any(alive(pid) for pid in found):
                assert time.monotonic() < end, "the helper goes on without its program"
                time.sleep(0.02)


def wrong():
    expected = {
        "foo=bar": "-run-with foo=bar: Invalid parameter 'foo'",
        "async-teardown=maybe": "-run-with async-teardown=maybe: Parameter 'async-teardown' expects 'on' or 'off'",
        "user=no-such-user": '-run-with user=no-such-user: User "no-such-user" doesn\'t exist (and is not <uid>:<gid>)',
        "chroot=/no-such-folder": "chroot failed",
    }
    for text, message in expected.items():
        run = subprocess.run([program("ours"), "-machine", "none", "-display", "none", "-S", "-run-with", text], stderr=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, text=True, timeout=60, check=False)
        assert (run.returncode, run.stderr) == (1, f"qemu-system-x86_64: {message}\n"), (text, run)
    text = subprocess.run([program("ours"), "-help"], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    assert "-run-with [async-teardown=on|off][,chroot=dir][,user=username|uid:gid]" in text


def main():
    if os.getuid() != 0:
        skip("only root may change user and root folder")
    rights()
    teardown()
    wrong()


if __name__ == "__main__":
    sys.exit(main())
