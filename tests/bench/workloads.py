"""The workloads of bench.py: each work_NAME(bench) is one family of rows.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import struct
import subprocess

GiB = 1 << 30
SIZES = {"1G": 1, "64G": 64, "256G": 256, "1T": 1024}


def metadata_bytes(gib):
    """L2 tables and counts of so many GiB at 64 KiB clusters: 10 bytes a cluster."""
    return gib * (GiB // 65536) * 10


def check_clean(bench, path):
    bench.prepare("check", path)


def work_snapshot(b):
    """snapshot -c / -a / -d on preallocated metadata, and on an empty image"""
    sizes = [s for s in SIZES if not b.args.quick or s != "1T"]
    for size, prealloc in [(s, "metadata") for s in sizes] + [("1G", "off")]:
        base = b.path("base.qcow2")
        b.prepare("create", "-q", "-f", "qcow2", "-o", f"preallocation={prealloc}", base, size)
        for side in (b.ours, b.stock):
            b.copy(base, b.path(side.name))
        figures = {}

        def cycle(side, r):
            """One round times all three verbs; the figures are handed out row by row."""
            path = b.path(side.name)
            for verb in "cad":
                figures.setdefault((side.name, verb), []).append(b.timed(side, "snapshot", f"-{verb}", "s", path))

        rounds = b.args.rounds
        for r in range(rounds):
            for side in ((b.ours, b.stock) if r % 2 == 0 else (b.stock, b.ours)):
                cycle(side, r)
        check_clean(b, b.path("ours"))
        b.prepare("compare", b.path("ours"), b.path("stock"))
        what = "empty" if prealloc == "off" else "preallocated metadata"
        moved = 0 if prealloc == "off" else metadata_bytes(SIZES[size])
        for verb in "cad":
            # Each table is read and written anew, but apply touches only what differs.
            moves = (0, 0, 2) if verb == "a" else (2 * moved, moved, 2)
            b.pair(f"snapshot -{verb}, {size} {what}", lambda side, r: figures[(side.name, verb)][r], moves=moves)


def work_check(b):
    """check at 1 TiB; check -r all on ten million leaked clusters (quick: one million)"""
    base = b.path("base.qcow2")
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, "1T")
    b.pair("check, 1T preallocated metadata", lambda side, r: b.timed(side, "check", base), moves=(metadata_bytes(1024), 0, 0))
    os.unlink(base)
    gib, what = (64, "1 million") if b.args.quick else (640, "10 million")
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, f"{gib}G")
    forget_l1(base)

    def repair(side, r):
        path = b.path(side.name)
        b.copy(base, path)
        t = b.timed(side, "check", "-q", "-r", "all", path, deaf=True)
        check_clean(b, path)
        return t
    b.pair(f"check -r all, {what} leaked clusters", repair, rounds=1, moves=(0, gib * (GiB // 65536) * 2, 1))


def forget_l1(path):
    """Zero the L1 table: all that it mapped becomes leaked."""
    with open(path, "r+b") as f:
        header = f.read(104)
        entries, = struct.unpack(">I", header[36:40])
        offset, = struct.unpack(">Q", header[40:48])
        f.seek(offset)
        f.write(bytes(entries * 8))


def work_many_snapshots(b):
    """1,000 snapshots one after another on a 16 GiB image (quick: 100); listing; deleting all"""
    base, n = b.path("base.qcow2"), 100 if b.args.quick else 1000
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, "16G")
    for side in (b.ours, b.stock):
        b.copy(base, b.path(side.name))
    figures = {}

    def all_of(side, verb):
        if (side.name, verb) not in figures:
            figures[side.name, verb] = [b.timed(side, "snapshot", f"-{verb}", f"s{i}", b.path(side.name))[0] for i in range(n)]
        return figures[side.name, verb]

    tenth = n // 10
    moves = (2 * n * metadata_bytes(16), 0, 2 * n)
    b.pair(f"{n:,} snapshots taken one after another, 16G", lambda side, r: sum(all_of(side, "c")), rounds=1, moves=moves)
    b.pair("- the first tenth of them", lambda side, r: sum(all_of(side, "c")[:tenth]), rounds=1)
    b.pair("- the last tenth of them", lambda side, r: sum(all_of(side, "c")[-tenth:]), rounds=1)
    b.pair(f"listing {n:,} snapshots", lambda side, r: b.timed(side, "snapshot", "-l", b.path(side.name)))
    b.pair(f"deleting {n:,} snapshots", lambda side, r: sum(all_of(side, "d")), rounds=1, moves=moves)
    check_clean(b, b.path("ours"))


def make_filesystem(path):
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "/usr/share", path, "2G"], check=True)


def make_random(path, megabytes):
    with open(path, "wb") as f:
        for _ in range(megabytes):
            f.write(os.urandom(1 << 20))


def work_convert(b):
    """convert between raw and qcow2, a real file system and random data"""
    fs, rnd = b.path("fs.raw"), b.path("random.raw")
    make_filesystem(fs)
    make_random(rnd, 256 if b.args.quick else 1024)
    for what, raw in (("file system", fs), ("random", rnd)):
        held = os.stat(raw).st_blocks * 512
        qcow = raw + ".qcow2"
        b.prepare("convert", "-O", "qcow2", raw, qcow)
        for name, src, fmt, out in ((f"convert raw->qcow2, {what}", raw, "raw", "qcow2"),
                                    (f"convert qcow2->raw, {what}", qcow, "qcow2", "raw"),
                                    (f"convert qcow2->qcow2, {what}", qcow, "qcow2", "qcow2")):
            def once(side, r):
                dst = b.path(side.name)
                if os.path.exists(dst):
                    os.unlink(dst)
                t = b.timed(side, "convert", "-f", fmt, "-O", out, src, dst)
                b.prepare("compare", "-f", fmt, "-F", out, src, dst)
                return t
            # From the page cache and to it: two copies, each read and written.
            b.pair(name, once, rounds=min(3, b.args.rounds), moves=(2 * held, 0, 0))
    for comp in ("zlib", "zstd"):
        def once(side, r):
            dst = b.path(side.name)
            if os.path.exists(dst):
                os.unlink(dst)
            t = b.timed(side, "convert", "-c", "-O", "qcow2", "-o", f"compression_type={comp}", fs, dst)
            b.prepare("compare", fs, dst)
            return t
        b.pair(f"convert -c {comp}, file system", once, rounds=min(3, b.args.rounds))


def bench_cmd(path, count, *opts, size=4096, step=None):
    cmd = ["bench", "-c", str(count), "-f", "qcow2", "-s", str(size)]
    if step:
        cmd += ["-S", str(step)]
    return cmd + list(opts) + [path]


def work_first_write(b):
    """the first write to each cluster after a snapshot: 4 KiB, stride of a cluster, depth 16, direct"""
    folders = [("disk", b.dir)]
    if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
        folders.append(("tmpfs", "/dev/shm"))
    for where, folder in folders:
        cache = "none" if where == "disk" else "writeback"
        count, step = 2000, 65536 * 3

        def fresh(side):
            path = os.path.join(folder, f"bench-{os.getpid()}-{side.name}.qcow2")
            if os.path.exists(path):
                os.unlink(path)
            b.prepare("create", "-q", "-f", "qcow2", path, "1G")
            subprocess.run([b.stock.io, "-f", "qcow2", "-c", "write -P 1 0 1G", path], check=True, stdout=subprocess.DEVNULL)
            return path

        def before(side, r):
            path = fresh(side)
            v = b.rate(side, count, *bench_cmd(path, count, "-w", "-d", "16", "-t", cache, step=step))
            os.unlink(path)
            return v

        def after(side, r):
            path = fresh(side)
            b.prepare("snapshot", "-c", "s", path)
            v = b.rate(side, count, *bench_cmd(path, count, "-w", "-d", "16", "-t", cache, step=step))
            check_clean(b, path)
            os.unlink(path)
            return v
        b.pair(f"bench -w -d 16, allocated, {where}", before, unit="op/s", better="higher", rounds=3)
        b.pair(f"bench -w -d 16, first write after a snapshot, {where}", after, unit="op/s", better="higher", rounds=3)
        if shutil.which("strace"):
            def flushes(side, r):
                path = fresh(side)
                b.prepare("snapshot", "-c", "s", path)
                trace = b.path("trace")
                subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=fdatasync", side.img,
                                *bench_cmd(path, count, "-w", "-d", "16", "-t", cache, step=step)], check=True,
                               stdout=subprocess.DEVNULL)
                with open(trace) as f:
                    n = sum("fdatasync(" in line for line in f)
                os.unlink(path)
                return n
            b.pair(f"- fdatasync calls of {count} such writes, {where}", flushes, unit="", rounds=1)


def work_bench(b):
    """bench 4 KiB: depth 1 and 64, read, write, flush, sequential and strided; three engines; cached and direct"""
    path = b.path("b.qcow2")
    b.prepare("create", "-q", "-f", "qcow2", path, "1G")
    subprocess.run([b.stock.io, "-f", "qcow2", "-c", "write -P 1 0 1G", path], check=True, stdout=subprocess.DEVNULL)
    less, rounds = (6, 1) if b.args.quick else (1, 3)
    for cache in ("writeback", "none"):
        for engine in ("threads", "native", "io_uring"):
            if engine == "native" and cache != "none":
                continue
            for depth in (1, 64):
                for what, opts, step, count in (("read", [], None, 30000), ("read strided", [], 1 << 20, 30000),
                                                ("write", ["-w"], None, 30000), ("write strided", ["-w"], 1 << 20, 30000),
                                                ("write flush 64", ["-w", "--flush-interval", "64"], None, 10000)):
                    if "flush" in what and depth == 1:
                        opts, what = ["-w", "--flush-interval", "1"], "write flush 1"
                        count = 2000
                    count = count // less // 64 * 64

                    def once(side, r):
                        return b.rate(side, count, *bench_cmd(path, count, "-d", str(depth), "-t", cache, "-i", engine, *opts, step=step))
                    b.pair(f"bench {what} -d {depth} {engine} {cache}", once, unit="op/s", better="higher", rounds=rounds)

    def fresh(side, r):
        p = b.path(side.name)
        b.prepare("create", "-q", "-f", "qcow2", p, "1G")
        v = b.rate(side, 20000, *bench_cmd(p, 20000, "-w", "-d", "64", "-t", "none", "-i", "native"))
        check_clean(b, p)
        return v
    b.pair("bench write fresh -d 64 native none", fresh, unit="op/s", better="higher", rounds=3)


def scatter(b, path, extents, pattern, stride):
    """extents small writes, one every stride bytes."""
    for start in range(0, extents, 5000):
        cmds = []
        for i in range(start, min(start + 5000, extents)):
            cmds += ["-c", f"write -q -P {pattern} {i * stride} 4k"]
        subprocess.run([b.stock.io, "-t", "unsafe", "-f", "qcow2", *cmds, path], check=True, stdout=subprocess.DEVNULL)


def work_chains(b):
    """commit, rebase, amend, compare, map on 100,000 extents (quick: 10,000)"""
    # Clusters as large as the extents: else the file system's freeing of 100,000 fragments is what is measured.
    extents, stride, small = 10000 if b.args.quick else 100000, 8192, "cluster_size=4k"
    size, n = str(extents * stride), f"{extents:,} extents"
    base, top = b.path("base.qcow2"), b.path("top.qcow2")
    b.prepare("create", "-q", "-f", "qcow2", "-o", small, base, size)
    b.prepare("create", "-q", "-f", "qcow2", "-o", small, "-b", base, "-F", "qcow2", top)
    scatter(b, top, extents, 1, stride)
    b.pair(f"map, {n}", lambda s, r: b.timed(s, "map", "--output=json", top))
    other = b.path("other.qcow2")
    b.copy(top, other)
    b.pair(f"compare, {n}", lambda s, r: b.timed(s, "compare", top, other), moves=(2 * extents * 4096, 0, 0))

    def on_copy(*cmd):
        def once(side, r):
            p, q = b.path(side.name + ".base"), b.path(side.name)
            b.copy(base, p)
            b.copy(top, q)
            b.prepare("rebase", "-u", "-b", p, "-F", "qcow2", q)
            t = b.timed(side, *[q if c == "IMG" else p if c == "BASE" else c for c in cmd])
            check_clean(b, q)
            return t
        return once
    moves = (2 * extents * 4096, 0, 2)
    b.pair(f"commit, {n}", on_copy("commit", "-q", "IMG"), rounds=min(3, b.args.rounds), moves=moves)
    b.pair(f"rebase to no backing file, {n}", on_copy("rebase", "-b", "", "IMG"), rounds=min(3, b.args.rounds))
    b.pair(f"amend compat=0.10, {n}", on_copy("amend", "-f", "qcow2", "-o", "compat=0.10", "IMG"), rounds=min(3, b.args.rounds))
