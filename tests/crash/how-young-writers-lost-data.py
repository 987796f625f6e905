#!/usr/bin/env python3
"""The four ways in which young writers of qcow2 are known to have destroyed data, each with a model of the content:
1. a cluster is handed out again before the last reference to it is durably gone; 2. a hole for a discard lands after the
cluster was given to somebody else; 3. the header is written from stale memory; 4. a cluster is leaked with each flush.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.environ["TEST_SRC"] + "/img")
from qcow2image import BACKING_FORMAT, BITMAPS, Image

IMG, IO, SYSTEM, BUILD = (os.environ[n] for n in ("QEMU_IMG", "QEMU_IO", "QEMU_SYSTEM", "BUILD_DIR"))
STOCK_IMG = os.environ.get("STOCK_QEMU_IMG") or IMG
SEED = int(os.environ.get("SEED", "1"))
failures = 0


def expect(what, good, more=""):
    global failures
    failures += not good
    print(f"{'ok  ' if good else 'FAIL'} {what} {more}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def powercut(what, *arguments):
    done = run(f"{BUILD}/tests/crash/powercut", "-c", "reuse", "-t", "0", "-s", str(SEED), *arguments)
    expect(what, done.returncode == 0, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:])


def reused_clusters():
    powercut("1: clusters that were given back and handed out again, after power cuts", "-l", "60", "-n", "40")
    # Weeks of load in a small image: everything is reused many times, content against a model after each round.
    rnd, model, cluster, clusters = random.Random(SEED), {}, 4096, 128
    run(IMG, "create", "-q", "-f", "qcow2", "-o", f"cluster_size={cluster}", "churn.qcow2", str(cluster * clusters))
    snapshots = []
    for turn in range(12):
        commands = []
        for _ in range(150):
            at, n, what = rnd.randrange(clusters), rnd.randint(1, 6), rnd.randrange(8)
            n = min(n, clusters - at)
            pattern = rnd.randrange(1, 256)
            if what < 5:
                commands.append(f"write -q -P {pattern} {at * cluster} {n * cluster}")
            elif what < 7:
                commands.append(f"write -q -z -u {at * cluster} {n * cluster}")
                pattern = 0
            else:
                commands.append("flush")
                continue
            model.update({c: pattern for c in range(at, at + n)})
        commands += [f"read -q -P {model.get(c, 0)} {c * cluster} {cluster}" for c in range(clusters)]
        done = run(IO, "-d", "unmap", *[w for c in commands for w in ("-c", c)], "churn.qcow2")
        assert done.returncode == 0 and "failed" not in done.stdout, done.stdout[-500:]
        if snapshots and rnd.random() < .6:
            run(IMG, "snapshot", "-d", snapshots.pop(rnd.randrange(len(snapshots)))[0], "churn.qcow2")
        run(IMG, "snapshot", "-c", f"s{turn}", "churn.qcow2")
        snapshots.append((f"s{turn}", dict(model)))
        for name, content in snapshots:
            assert run(IMG, "snapshot", "-a", name, "churn.qcow2").returncode == 0
            done = run(IO, "-r", *[w for c in range(clusters) for w in ("-c", f"read -q -P {content.get(c, 0)} {c * cluster} {cluster}")], "churn.qcow2")
            assert done.returncode == 0 and not done.stdout, (name, done.stdout[:300])
        model = dict(snapshots[-1][1])
    expect("1: 12 rounds of churn with snapshots", run(STOCK_IMG, "check", "churn.qcow2").returncode == 0)


def late_holes():
    for turns in (1, 5, 40):
        powercut(f"2: discards that take {turns} turns longer than writes", "-l", "40", "-n", "40", "-D", str(turns))


class Emulator:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([SYSTEM, "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        request = {"execute": command, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            if not line.startswith(b"{"):
                assert line, "the emulator is gone"
                continue                          # qemu-io prints
            reply = json.loads(line)
            if "return" in reply:
                return reply["return"]
            assert "error" not in reply, (request, reply)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def io(self, command):
        return self("human-monitor-command", command_line=f'qemu-io disk "{command}"')


def header_says(name):
    """What an image's header names, from its bytes."""
    with open(name, "rb") as file:
        image = Image(file.read())
    start = image.field("backing_offset")
    backing = image.data[start:start + int.from_bytes(image.data[16:20], "big")].decode()
    at, found = image.field("header_length"), {}
    while True:
        kind, length = (int.from_bytes(image.data[at + i:at + i + 4], "big") for i in (0, 4))
        if not kind:
            break
        found[kind] = bytes(image.data[at + 8:at + 8 + length])
        at += 8 + (length + 7) // 8 * 8
    return {"size": image.field("size"), "backing": backing, "format": found.get(BACKING_FORMAT, b"").decode(), "0x7777": found.get(0x7777),
            "snapshots": image.field("nb_snapshots"), "lazy": image.field("compatible") & 1,
            "bitmaps": int.from_bytes(found[BITMAPS][:4], "big") if BITMAPS in found else 0}


def stale_headers():
    """All that rewrites the header in a random order in one process: none takes back what another did."""
    for seed in range(SEED, SEED + 3):
        rnd = random.Random(seed)
        for name in ("a.img", "b.img"):
            run(IMG, "create", "-q", "-f", "qcow2", name, "8M")
        run(IMG, "create", "-q", "-f", "qcow2", "-b", "a.img", "-F", "qcow2", "head.qcow2", "1M")
        with open("head.qcow2", "rb") as file:                # an extension that nobody knows must survive, too
            image = Image(file.read())
        at = image.field("header_length")
        while int.from_bytes(image.data[at:at + 4], "big"):
            at += 8 + (int.from_bytes(image.data[at + 4:at + 8], "big") + 7) // 8 * 8
        name_at = image.field("backing_offset")
        name_bytes = bytes(image.data[name_at:name_at + 5])
        image.data[at:at + 32] = (0x7777).to_bytes(4, "big") + (8).to_bytes(4, "big") + b"unknown!" + bytes(16)
        image.data[at + 24:at + 29] = name_bytes
        image.set_field("backing_offset", at + 24)
        image.save("head.qcow2")
        want = {"size": 1 << 20, "backing": "a.img", "format": "qcow2", "0x7777": b"unknown!", "snapshots": 0, "lazy": 0, "bitmaps": 0}
        model, bitmaps, snapshots = {}, [], []
        with Emulator("-drive", "if=none,id=disk,file=head.qcow2,format=qcow2,node-name=n,discard=unmap") as vm:
            for step in range(60):
                what = rnd.randrange(7)
                if what == 0 and not snapshots:
                    want["size"] += 65536 * rnd.randint(1, 3)
                    vm("block_resize", device="disk", size=want["size"])
                elif what == 1:
                    snapshots.append(f"s{step}")
                    vm("blockdev-snapshot-internal-sync", device="disk", name=snapshots[-1])
                elif what == 2 and snapshots:
                    vm("blockdev-snapshot-delete-internal-sync", device="disk", name=snapshots.pop(rnd.randrange(len(snapshots))))
                elif what == 3:
                    bitmaps.append(f"b{step}")
                    vm("block-dirty-bitmap-add", node="n", name=bitmaps[-1], persistent=True)
                elif what == 4 and bitmaps:
                    vm("block-dirty-bitmap-remove", node="n", name=bitmaps.pop(rnd.randrange(len(bitmaps))))
                elif what == 5:
                    want["backing"] = rnd.choice(["a.img", "b.img"])
                    vm("change-backing-file", device="disk", image_node_name="n", backing_file=want["backing"])
                else:
                    at, pattern = rnd.randrange(16) * 65536, rnd.randrange(1, 256)
                    vm.io(f"write -P {pattern} {at} 65536")
                    vm.io("flush")
                    model[at] = pattern
                want["snapshots"] = len(snapshots)
                seen = header_says("head.qcow2")
                for field in ("size", "backing", "format", "0x7777", "snapshots", "lazy"):   # bitmaps are written at the end
                    assert seen[field] == want[field], (seed, step, field, seen, want)
            vm("quit")
            vm.process.wait(60)
        want["bitmaps"] = len(bitmaps)
        assert header_says("head.qcow2") == want, (header_says("head.qcow2"), want)
        done = run(IO, "-r", *[w for at, p in model.items() for w in ("-c", f"read -q -P {p} {at} 65536")], "head.qcow2")
        assert done.returncode == 0 and not done.stdout, done.stdout
        expect(f"3: 60 changes of the header in one process, seed {seed}", run(STOCK_IMG, "check", "head.qcow2").returncode == 0)
    run(IMG, "amend", "-o", "lazy_refcounts=on", "head.qcow2")
    expect("3: and one by another program", header_says("head.qcow2") == {**want, "lazy": 1})


def leaks_with_flushes():
    for name, options, commands in (
            ("in place", "cluster_size=64k", ["write -q -P 1 0 64k", "flush"]),
            ("new clusters", "cluster_size=4k", ["write -q -P {n} {at} 4k", "flush"]),
            ("discards", "cluster_size=4k", ["write -q -P {n} 0 64k", "flush", "discard -q 0 64k", "flush"]),
            ("zeroes", "cluster_size=4k", ["write -q -P {n} 0 64k", "flush", "write -q -z -u 0 64k", "flush"]),
            ("lazy", "cluster_size=4k,lazy_refcounts=on", ["write -q -P {n} {at} 4k", "flush", "discard -q {at} 4k", "flush"])):
        run(IMG, "create", "-q", "-f", "qcow2", "-o", options, "leak.qcow2", "4M")
        words = [w for n in range(250) for c in commands for w in ("-c", c.format(n=n % 255 + 1, at=n * 4096))]
        done = run(IO, "-d", "unmap", *words, "leak.qcow2")
        assert done.returncode == 0, done.stdout[-300:] + done.stderr[-300:]
        found = run(STOCK_IMG, "check", "leak.qcow2")
        length = os.path.getsize("leak.qcow2")
        expect(f"4: 250 times {name}: no leak, {length >> 10} KiB", found.returncode == 0 and "No errors" in found.stdout and length < 3 << 20,
               "" if found.returncode == 0 else found.stdout[-300:])


def main():
    os.chdir(os.environ["TEST_DIR"])
    for part in (reused_clusters, late_holes, stale_headers, leaks_with_flushes):
        part()
    return 1 if failures else 0


sys.exit(main())
