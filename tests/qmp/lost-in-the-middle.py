#!/usr/bin/env python3
"""A client that is killed while its command is at work (a transaction, a job in each phase, the end of a node, snapshots of the machine,
a long answer), resets, sends half a request or does not read: the command is done whole or not at all, nothing of it stays behind,
the next client is welcome, and the images check clean.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import socket
import subprocess
import sys
import time

from lib import Client, Emulator, connect

IMG = os.environ["QEMU_IMG"]
DISKS = ("a", "b", "c")
PATIENCE = 120


def image(vm, name):
    return os.path.join(vm.folder, name)


def start(folder):
    args = []
    for name in DISKS:
        subprocess.run([IMG, "create", "-q", "-f", "qcow2", os.path.join(folder, name), "16M"], check=True)
        args += ["-blockdev", f"driver=qcow2,node-name={name},file.driver=file,file.filename={name}"]
    return Emulator("ours", args + ["-device", "virtio-blk-pci,drive=a"], machine="pc", monitors=2, cwd=folder)


def lose(vm, requests, how):
    """A client on the second monitor that says this and is gone before it is answered."""
    sock = connect(vm.sockets[1])
    words = b"".join(json.dumps(one).encode() + b"\n" for one in [{"execute": "qmp_capabilities"}, *requests])
    if how == "half":
        words += b'{"execute": "quit", "arguments": {"x": "'
    sock.sendall(words)
    if how == "reset":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    elif how == "shut":
        sock.shutdown(socket.SHUT_WR)
    elif how == "read a little":
        sock.settimeout(PATIENCE)
        sock.recv(1)
    sock.close()


def until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def settled(vm):
    """The lost one's monitor is free again, so all that it said was taken or dropped; who looks is the next client there."""
    sock = connect(vm.sockets[1])
    client = Client(sock)
    client.cmd("query-status")
    client.close()


def jobs(vm):
    return {job["id"]: job["status"] for job in vm.cmd("query-jobs")}


def snapshots(vm, name):
    """Names of the internal snapshots of a disk."""
    info = next(node for node in vm.cmd("query-named-block-nodes") if node.get("node-name") == name)
    return {one["name"] for one in info["image"].get("snapshots", [])}


def command(name, **arguments):
    return {"execute": name, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}


def transaction(vm, how):
    actions = [{"type": "blockdev-snapshot-internal-sync", "data": {"device": name, "name": f"s-{how}"}} for name in DISKS]
    lose(vm, [command("transaction", actions=actions)], how)
    settled(vm)
    have = [f"s-{how}" in snapshots(vm, name) for name in DISKS]
    assert have in ([True] * 3, [False] * 3), have
    return have[0]


def failing_transaction(vm, how):
    actions = [{"type": "blockdev-snapshot-internal-sync", "data": {"device": name, "name": f"f-{how}"}} for name in DISKS]
    actions += [{"type": "blockdev-snapshot-internal-sync", "data": {"device": "nobody", "name": "f"}}]
    lose(vm, [command("transaction", actions=actions)], how)
    settled(vm)
    assert not any(f"f-{how}" in snapshots(vm, name) for name in DISKS)


def nodes(vm, how):
    """Made and taken away; a node with a user stays."""
    lose(vm, [command("blockdev-add", driver="null-co", node_name="n"), command("blockdev-del", node_name="n"),
              command("blockdev-add", driver="null-co", node_name="n"), command("blockdev-del", node_name="a"),
              command("blockdev-del", node_name="n")], how)
    settled(vm)
    have = {node["node-name"] for node in vm.cmd("query-named-block-nodes")}
    assert have >= set(DISKS), have
    if "n" in have:
        vm.cmd("blockdev-del", {"node-name": "n"})


def backup(vm, how):
    """Running, paused, ready to be ended, concluded: whoever comes next sees it and ends it."""
    for state in ("running", "paused", "pending", "concluded"):
        more = {"speed": 1} if state in ("running", "paused") else {}
        vm.cmd("blockdev-add", {"driver": "null-co", "node-name": "target", "size": 16 << 20})
        words = [command("blockdev-backup", job_id="j", device="b", target="target", sync="full", auto_finalize=state != "pending",
                         auto_dismiss=False, **more)]
        lose(vm, words + [command("job-pause", id="j")] * (state == "paused"), how)
        settled(vm)
        if "j" in jobs(vm):
            if state in ("pending", "concluded"):
                until(lambda state=state: jobs(vm)["j"] == state, state)
            else:
                vm.cmd("job-cancel", {"id": "j"})
            if state == "pending":
                lose(vm, [command("job-finalize", id="j")], how)
                settled(vm)
                if jobs(vm)["j"] == "pending":
                    vm.cmd("job-finalize", {"id": "j"})
            until(lambda: jobs(vm)["j"] == "concluded", "end")
            vm.cmd("job-dismiss", {"id": "j"})
        vm.cmd("blockdev-del", {"node-name": "target"})


def machine(vm, how):
    lose(vm, [command("snapshot-save", job_id="save", tag=f"m-{how}", vmstate="a", devices=list(DISKS))], how)
    settled(vm)
    if "save" in jobs(vm):
        until(lambda: jobs(vm)["save"] == "concluded", "save")
        job = next(job for job in vm.cmd("query-jobs") if job["id"] == "save")
        assert "error" not in job, job
        vm.cmd("job-dismiss", {"id": "save"})
        assert all(f"m-{how}" in snapshots(vm, name) for name in DISKS)
        lose(vm, [command("snapshot-delete", job_id="delete", tag=f"m-{how}", devices=list(DISKS))], how)
        settled(vm)
        if "delete" in jobs(vm):
            until(lambda: jobs(vm)["delete"] == "concluded", "delete")
            vm.cmd("job-dismiss", {"id": "delete"})
            assert not any(f"m-{how}" in snapshots(vm, name) for name in DISKS)


def savevm(vm, how):
    lose(vm, [command("human-monitor-command", command_line=f"savevm h-{how}"), command("human-monitor-command", command_line="info block")], how)
    settled(vm)
    have = [f"h-{how}" in snapshots(vm, name) for name in DISKS]
    assert have in ([True] * 3, [False] * 3), have
    vm.hmp(f"delvm h-{how}")


def long_answers(vm, how):
    lose(vm, [{"execute": "query-qmp-schema"}] * 20 + [command("human-monitor-command", command_line="info qtree")] * 20, how)
    settled(vm)


CASES = (transaction, failing_transaction, nodes, backup, machine, savevm, long_answers)


def main():
    folder = os.path.join(os.environ["TEST_DIR"], "m")
    os.mkdir(folder)
    with start(folder) as vm:
        settled(vm)
        before = None
        for how in ("close", "reset", "half", "shut", "read a little"):
            for case in CASES:
                case(vm, how)
                assert jobs(vm) == {}, (case, how, jobs(vm))
            open_files = len(os.listdir(f"/proc/{vm.process.pid}/fd"))
            nodes_now = sorted(node.get("node-name") for node in vm.cmd("query-named-block-nodes") if not node["node-name"].startswith("#"))
            before = before or (open_files, nodes_now)
            assert (open_files, nodes_now) == before, (how, before, open_files, nodes_now)
    for name in DISKS:
        subprocess.run([IMG, "check", "-q", os.path.join(folder, name)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
