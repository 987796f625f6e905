#!/usr/bin/env python3
"""-numa and set-numa-node take, refuse and describe nodes as stock does, and memory of several nodes is one piece to the guest.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import re
import subprocess
import sys

from qtestlib import Machine, program, skip

PC, HMAT = "-M pc -m 128 -smp 4", "-M pc,hmat=on -m 128 -smp 4"
TWO = " -object memory-backend-ram,id=m0,size=64M -object memory-backend-ram,id=m1,size=64M"
NODES = TWO + " -numa node,memdev=m0 -numa node,memdev=m1"
THREE = "-M pc -m 160 -smp 4" + NODES + " -object memory-backend-ram,id=m2,size=32M -numa node,memdev=m2"
ONE = PC + " -object memory-backend-ram,id=m0,size=128M"
REACH = HMAT + TWO + " -numa node,memdev=m0,cpus=0-3 -numa node,memdev=m1,initiator=0"
SPEED = " -numa hmat-lb,initiator=0,target=0,hierarchy=memory,data-type=access-"
KNOWN = REACH + SPEED + "bandwidth,bandwidth=5M" + SPEED + "latency,latency=5"
CACHE = " -numa hmat-cache,node-id=0,associativity=direct,policy=write-back,line=8"
CASES = [PC + rest for rest in """ -numa node
 -numa node,nodeid=0,cpus=0-1,mem=64M -numa node,nodeid=1,cpus=2-3,mem=64M
 -numa node,memdev=nope
 -numa node,nodeid=128
 -numa node,nodeid=0 -numa node,nodeid=0
 -numa node,cpus=7
 -numa node,cpus=9-2
 -numa node,cpus=x
 -numa node,cpus=0-1 -numa node,cpus=1-2
 -numa node,nodeid=1
 -numa node,cpus=0-1,foo=1
 -numa foo
 -numa help
 -numa node,nodeid=0 -numa cpu,node-id=1,socket-id=0
 -numa node,nodeid=0 -numa cpu,node-id=0,socket-id=7
 -numa node,nodeid=0 -numa cpu,socket-id=0
 -numa node,nodeid=0 -numa cpu,node-id=0,socket-id=0,die-id=3
 -numa node,nodeid=0 -numa cpu,node-id=0,socket-id=0,cluster-id=3
 -numa node,nodeid=0 -numa node,nodeid=1 -numa cpu,node-id=0,socket-id=0 -numa cpu,node-id=1,socket-id=0
 -numa cpu,node-id=0,socket-id=0
 -numa node,nodeid=0 -numa node,nodeid=1 -numa dist,src=0,dst=1,val=5
 -numa node,nodeid=0 -numa node,nodeid=1 -numa dist,src=0,dst=0,val=20
 -numa node,nodeid=0 -numa node,nodeid=1 -numa dist,src=0,dst=2,val=20
 -numa node,nodeid=0 -numa node,nodeid=1 -numa dist,src=0,dst=200,val=20
 -numa node,nodeid=0 -numa node,nodeid=1 -numa dist,src=0,dst=1,val=300
 -numa node,nodeid=0 -numa node,nodeid=1,initiator=0
 -numa hmat-cache,node-id=1,associativity=direct,policy=write-back,line=8,size=10K,level=1
 -numa dist""".splitlines()] + [
    ONE + " -numa node,memdev=m0", ONE + " -numa node,memdev=m0 -numa node,memdev=m0", ONE + " -numa node,memdev=m0,mem=128M",
    PC + NODES, PC + TWO + " -numa node,memdev=m0,cpus=0 -numa node,memdev=m1", PC + TWO + " -numa node,memdev=m0 -numa node,mem=64M",
    PC + TWO + " -numa node,nodeid=0,memdev=m0,cpus=0,cpus=1 -numa node,nodeid=1,memdev=m1,cpus=2-3",
    PC + TWO + " -numa node,nodeid=1,memdev=m0,cpus=0-1 -numa node,nodeid=0,memdev=m1,cpus=2-3",
    "-M pc -m 128 -smp 4,sockets=2,cores=2" + NODES, "-M pc -m 128 -smp 2,sockets=2,cores=2,maxcpus=4" + NODES,
    "-M q35 -m 128 -smp 8,sockets=2,dies=2,cores=2" + NODES,
    "-M q35 -m 128 -smp 8,sockets=2,dies=2,cores=2" + NODES + " -numa cpu,node-id=1,socket-id=0,die-id=1 -numa cpu,node-id=0,socket-id=1",
    PC + NODES + " -numa cpu,node-id=0,socket-id=0,core-id=0 -numa cpu,node-id=1,core-id=1,thread-id=0", PC + NODES + " -numa cpu,node-id=0",
    PC + NODES + " -numa dist,src=0,dst=1,val=20", PC + NODES + " -numa dist,src=0,dst=1,val=20 -numa dist,src=1,dst=0,val=30",
    THREE, THREE + " -numa dist,src=0,dst=1,val=20",
    THREE + " -numa dist,src=0,dst=1,val=20 -numa dist,src=1,dst=0,val=30 -numa dist,src=0,dst=2,val=20",
    THREE + " -numa dist,src=0,dst=1,val=20 -numa dist,src=1,dst=0,val=30 -numa dist,src=0,dst=2,val=20 -numa dist,src=1,dst=2,val=20",
    THREE + " -numa dist,src=0,dst=1,val=20 -numa dist,src=0,dst=2,val=30 -numa dist,src=1,dst=2,val=20",
    HMAT + NODES, REACH, HMAT + TWO + " -numa node,memdev=m0,cpus=0-3,initiator=1 -numa node,memdev=m1,initiator=0",
    HMAT + TWO + " -numa node,memdev=m0,cpus=0-3 -numa node,memdev=m1,initiator=1",
    HMAT + TWO + " -numa node,memdev=m0,cpus=0-3 -numa node,memdev=m1,initiator=7",
    *(REACH + SPEED + rest for rest in ("latency,latency=5", "latency,bandwidth=5M", "latency", "bandwidth", "bandwidth,latency=4",
                                        "bandwidth,bandwidth=5", "bandwidth,bandwidth=5M", "latency,latency=5,foo=1", "foo,latency=5")),
    REACH + SPEED + "latency,latency=5" + SPEED + "latency,latency=6",
    REACH + " -numa hmat-lb,initiator=1,target=0,hierarchy=memory,data-type=access-latency,latency=5",
    REACH + " -numa hmat-lb,initiator=0,target=7,hierarchy=memory,data-type=access-latency,latency=5",
    *(KNOWN + CACHE + rest for rest in (",size=10K,level=1", ",size=10K,level=0", ",size=10K,level=4", ",size=10K,level=2",
                                        ",size=10K,level=1" + CACHE + ",size=10K,level=1", ",size=10K,level=1" + CACHE + ",size=9K,level=2",
                                        ",size=10K,level=1" + CACHE + ",size=20K,level=2")),
    REACH + CACHE + ",size=10K,level=1", "-M none -numa node", "-M pc -m 64,slots=2,maxmem=1G -smp 2",
    "-M pc,memory-backend=mm -m 128 -object memory-backend-ram,id=mm,size=128M -numa node,memdev=mm",
    "-M pc,memory-backend=mm -m 64 -object memory-backend-ram,id=mm,size=128M", "-M pc,memory-backend=nn -m 128",
]
COMMANDS = [{"type": "node", "nodeid": 0, "memdev": "m0"}, {"type": "node", "nodeid": 0}, {"type": "node", "nodeid": 1, "mem": 5},
            {"type": "cpu", "node-id": 0, "socket-id": 0}, {"type": "cpu", "node-id": 0, "socket-id": 0}, {"type": "cpu", "node-id": 3},
            {"type": "dist", "src": 0, "dst": 0, "val": 5}, {"type": "dist", "src": 0, "dst": 0, "val": 500}, {"type": "foo"}, {},
            {"type": "node", "cpus": [0, "x"]}]


def run(stock, arguments, requests):
    """What a program says over QMP on stdio until it ends, and on stderr; paths of processors are left out."""
    command = [program(stock), "-accel", "tcg" if stock else "qtest", "-display", "none", "-nodefaults", "-S", "-qmp", "stdio", *arguments]
    text = "".join(json.dumps(r) + "\n" for r in [{"execute": "qmp_capabilities"}, *requests, {"execute": "quit"}])
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=90)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    replies = [r for r in replies if "QMP" not in r and "event" not in r]
    errors = re.sub(r"(?m)^\S*qemu-system-x86_64: ", "", done.stderr)
    if done.returncode:
        replies = []                       # how far it came before it ended is a race
    return done.returncode, re.sub(r"device\[\d+\]", "D", json.dumps(replies, sort_keys=True)), errors


def guest_sees_one_piece():
    """A pattern across the border of two nodes, and one above it, is read back from the right backends."""
    with Machine(*(TWO + " -numa node,memdev=m1 -numa node,memdev=m0").split(), memory="128") as m:
        for at in (0x1000, (64 << 20) - 512, (128 << 20) - 512):
            m.write(at, bytes(range(256)) * 2)
        for at in (0x1000, (64 << 20) - 512, (128 << 20) - 512):
            assert m.read(at, 512) == bytes(range(256)) * 2
        m.write((64 << 20) - 4, b"abcdefgh")
        assert m.read((64 << 20) - 4, 8) == b"abcdefgh"
        assert "m1" in m.hmp("info ramblock") and "pc.ram" not in m.hmp("info ramblock")


def main():
    if not program(stock=True):
        skip("there is no stock emulator")
    bad = 0
    info = [{"execute": "human-monitor-command", "arguments": {"command-line": "info numa"}}, {"execute": "x-query-numa"},
            {"execute": "query-hotpluggable-cpus"}, {"execute": "set-numa-node", "arguments": {"type": "node"}}]
    early = [{"execute": "set-numa-node", "arguments": a} for a in COMMANDS]
    early += [{"execute": "query-hotpluggable-cpus"}, {"execute": "x-exit-preconfig"}, {"execute": "query-status"}]
    conversations = [(case.split(), info) for case in CASES]
    conversations.append((["-preconfig", *"-M pc -m 128 -smp 2 -object memory-backend-ram,id=m0,size=128M".split()], early + info))
    conversations.append((["-preconfig", "-M", "none"], early[:1] + early[-3:]))
    for arguments, requests in conversations:
        ours, stock = run(False, arguments, requests), run(True, arguments, requests)
        if ours != stock:
            bad += 1
            print(*arguments, ours, stock, sep="\n  ")
    guest_sees_one_piece()
    return 1 if bad else 0


sys.exit(main())
