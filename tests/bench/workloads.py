"""The workloads of bench.py: each work_NAME(bench) is one family of rows.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import shutil
import statistics
import struct
import subprocess
import time

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
        b.settle(b.path("ours"), b.path("stock"))
        figures = {verb: {"ours": [], "stock": []} for verb in "cad"}
        for r, sides in b.rounds(seconds=20):
            for side in sides:
                for verb in "cad":
                    b.settle(b.path("ours"), b.path("stock"))      # what the other left is not this one's to wait for
                    figures[verb][side.name].append(b.timed(side, "snapshot", f"-{verb}", "s", b.path(side.name)))
        check_clean(b, b.path("ours"))
        b.prepare("compare", b.path("ours"), b.path("stock"))
        what = "empty" if prealloc == "off" else "preallocated metadata"
        moved = 0 if prealloc == "off" else metadata_bytes(SIZES[size])
        for verb in "cad":
            # Each table is read and written anew, but apply touches only what differs.
            moves = (0, 0, 0, 2) if verb == "a" else (moved, moved, moved, 2)
            b.row(f"snapshot -{verb}, {size} {what}", figures[verb], moves=moves)
        if prealloc != "off":
            # Linear in the metadata: alike from the size on where flushes and starting a program no longer count.
            both = {side: [1000 * (c[0] + d[0]) / SIZES[size] for c, d in zip(figures["c"][side], figures["d"][side])]
                    for side in figures["c"]}
            b.row(f"- snapshot -c and -d, {size}, for each GiB", both, unit="ms")


def work_check(b):
    """check at 1 TiB; check -r all on ten million leaked clusters (quick: one million)"""
    base = b.path("base.qcow2")
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, "1T")
    b.pair("check, 1T preallocated metadata", lambda side, r: b.timed(side, "check", base), seconds=10,
           moves=(metadata_bytes(1024), 0, 0, 0))
    os.unlink(base)
    gib, what = (64, "1 million") if b.args.quick else (640, "10 million")
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, f"{gib}G")
    forget_l1(base)

    def repair(side, r):
        path = b.path(side.name)
        b.copy(base, path)
        t = b.timed(side, "check", "-q", "-r", "all", path, deaf=True, stop=90)
        if side is b.ours:
            check_clean(b, path)
        return t
    b.pair(f"check -r all, {what} leaked clusters", repair, most=1, moves=(0, 0, gib * (GiB // 65536) * 2, 1))


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
    base, most = b.path("base.qcow2"), 100 if b.args.quick else 1000
    b.prepare("create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", base, "16G")
    for side in (b.ours, b.stock):
        b.copy(base, b.path(side.name))
    moved = metadata_bytes(16)
    moves = (moved, moved, moved, 2)

    def one_by_one(verb, names, seconds):
        """In turn, until the time is over: side -> seconds of each."""
        figures, start = {"ours": [], "stock": []}, time.monotonic()
        for name in names:
            for side in (b.ours, b.stock):
                figures[side.name].append(b.timed(side, "snapshot", f"-{verb}", name, b.path(side.name))[0])
            if time.monotonic() - start > seconds:
                break
        return figures

    def part(figures, pick):
        return {side: [statistics.mean(pick(values))] for side, values in figures.items()}

    taken = one_by_one("c", [f"s{i}" for i in range(most)], 150)
    count = len(taken["ours"])
    tenth = max(count // 10, 1)
    b.row(f"each of {most:,} snapshots taken one after another, 16G", part(taken, lambda v: v), moves=moves, rounds=count)
    b.row("- the first tenth of them", part(taken, lambda v: v[:tenth]), moves=moves, rounds=tenth)
    b.row("- the last tenth of them", part(taken, lambda v: v[-tenth:]), moves=moves, rounds=tenth)
    b.pair(f"listing {most:,} snapshots", lambda side, r: b.timed(side, "snapshot", "-l", b.path(side.name)))
    every = b.path("every.qcow2")
    b.copy(b.path("ours"), every)
    b.settle(every)
    at_once = b.timed(b.ours, "snapshot", "-q", "-d", "--all", every)
    check_clean(b, every)
    deleted = one_by_one("d", [f"s{i}" for i in range(count)], 150)
    b.row(f"each of {most:,} snapshots deleted one after another", part(deleted, lambda v: v), moves=moves,
          rounds=len(deleted["ours"]))
    b.row(f"all {count:,} deleted: ours with one command, stock one after another",
          {"ours": [at_once], "stock": [statistics.mean(deleted["stock"]) * count]}, rounds=1)
    check_clean(b, b.path("ours"))
    b.prepare("compare", b.path("ours"), b.path("stock"))


def make_filesystem(path):
    """The largest of some folders that leaves the page cache in peace."""
    sizes = {}
    for folder in ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/include", "/usr/share"):
        if os.path.isdir(folder):
            sizes[folder] = int(subprocess.run(["du", "-sxm", folder], capture_output=True, text=True).stdout.split()[0])
    fitting = [f for f, megabytes in sizes.items() if megabytes <= 400] or ["/usr/share"]
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", max(fitting, key=sizes.get), path, "2G"], check=True,
                   stdout=subprocess.DEVNULL)


def make_random(path, megabytes):
    with open(path, "wb") as f:
        for _ in range(megabytes):
            f.write(os.urandom(1 << 20))


def work_convert(b):
    """convert between raw and qcow2, a real file system and random data"""
    fs, rnd = b.path("fs.raw"), b.path("random.raw")
    make_filesystem(fs)
    make_random(rnd, 256 if b.args.quick else 512)

    def once(*cmd, src, fmt, out):
        def convert(side, r):
            dst = b.path(side.name)
            if os.path.exists(dst):
                os.unlink(dst)
            t = b.timed(side, "convert", "-f", fmt, "-O", out, *cmd, src, dst)
            if r == 0:
                b.prepare("compare", "-f", fmt, "-F", out, src, dst)
            return t
        return convert
    for what, raw in (("file system", fs), ("random", rnd)):
        held = os.stat(raw).st_blocks * 512
        qcow = raw + ".qcow2"
        b.prepare("convert", "-O", "qcow2", raw, qcow)
        b.settle(raw, qcow)
        for name, src, fmt, out in ((f"convert raw->qcow2, {what}", raw, "raw", "qcow2"),
                                    (f"convert qcow2->raw, {what}", qcow, "qcow2", "raw"),
                                    (f"convert qcow2->qcow2, {what}", qcow, "qcow2", "qcow2")):
            b.pair(name, once(src=src, fmt=fmt, out=out), seconds=10, moves=(held, held, 0, 0))
    held = os.stat(fs).st_blocks * 512
    for comp in ("zlib", "zstd"):
        b.pair(f"convert -c {comp}, file system", once("-c", "-o", f"compression_type={comp}", src=fs, fmt="raw", out="qcow2"),
               seconds=20, moves=(held, held // 2, 0, 0))
        size = {side.name: [os.stat(b.path(side.name)).st_size / (1 << 20)] for side in (b.ours, b.stock)}
        b.row(f"- size of its result, {comp}", size, unit="MiB")


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
        count, step, size = 2000, 65536 * 3, "384M"
        how = ("-w", "-d", "16", "-t", cache)
        limit = b.speed["write_direct_64_strided"] if where == "disk" else None

        def fresh(side):
            path = os.path.join(folder, f"bench-{os.getpid()}-{side.name}.qcow2")
            if os.path.exists(path):
                os.unlink(path)
            b.prepare("create", "-q", "-f", "qcow2", path, size)
            subprocess.run([b.stock.io, "-f", "qcow2", "-c", f"write -P 1 0 {size}", path], check=True,
                           stdout=subprocess.DEVNULL)
            b.settle(path)
            return path

        def before(side, r):
            path = fresh(side)
            v = b.rate(side, count, *bench_cmd(path, count, *how, step=step))
            os.unlink(path)
            return v

        whole = {"ours": [], "stock": []}

        def after(side, r):
            path = fresh(side)
            b.prepare("snapshot", "-c", "s", path)
            b.settle(path)
            start = time.monotonic()
            v = b.rate(side, count, *bench_cmd(path, count, *how, step=step))
            whole[side.name].append(time.monotonic() - start)
            check_clean(b, path)
            os.unlink(path)
            return v
        b.pair(f"bench -w -d 16, allocated, {where}", before, seconds=15, most=5, unit="op/s", better="higher", limit=limit)
        b.pair(f"bench -w -d 16, first write after a snapshot, {where}", after, seconds=20, most=5, unit="op/s",
               better="higher", limit=limit)
        # What is put off is done at the end: a cluster is read and written for each of these writes, by whomever.
        moved = count * 65536
        b.row(f"- until the program has ended, {where}", whole, moves=(moved, moved, moved * 2 if where == "disk" else 0, 2))
        if shutil.which("strace"):
            def flushes(side, r):
                path = fresh(side)
                b.prepare("snapshot", "-c", "s", path)
                trace = b.path("trace")
                subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=fdatasync", side.img,
                                *bench_cmd(path, count, *how, step=step)], check=True, stdout=subprocess.DEVNULL)
                with open(trace) as f:
                    n = sum("fdatasync(" in line for line in f)
                os.unlink(path)
                return n
            b.pair(f"- fdatasync calls of {count} such writes, {where}", flushes, unit="", most=1)


# What is asked: name, options, step, key of the machine's limit.
SHAPES = (("read", [], None, "read"), ("read strided", [], 1 << 20, "read"), ("write", ["-w"], None, "write"),
          ("write strided", ["-w"], 1 << 20, "write"))


def bench_count(cache, depth, flush):
    """Requests that take some tenths of a second."""
    if flush:
        return 300 if depth == 1 else 6400
    return 4000 if cache == "none" and depth == 1 else 19200


def bench_rows(b, cache, engine, depth):
    kind = "direct" if cache == "none" else "cached"
    rows = [(name, opts, step, b.speed[f"{key}_{kind}_{depth}{'_strided' if step else ''}"], bench_count(cache, depth, False))
            for name, opts, step, key in SHAPES]
    rows.append((f"write flush {depth}", ["-w", "--flush-interval", str(depth)], None, b.speed[f"flush_{kind}_{depth}"],
                 bench_count(cache, depth, True)))
    for name, opts, step, limit, count in rows:
        opts = ["-d", str(depth), "-t", cache, "-i", engine, *opts]

        def allocated(side, r):
            # The folios of two files differ, whatever wrote them: the sides change files from round to round.
            path = b.path((side.name, "stock" if side is b.ours else "ours")[r % 2])
            return b.rate(side, count, *bench_cmd(path, count, *opts, step=step))

        def fresh(side, r):
            path = b.path("fresh." + side.name)
            b.forget(path)
            b.prepare("create", "-q", "-f", "qcow2", path, "1G")
            b.settle(path)
            v = b.rate(side, count, *bench_cmd(path, count, *opts, step=65536 if step else None))
            if r == 0:
                check_clean(b, path)
            return v
        b.pair(f"bench {name} -d {depth} {engine} {cache}", allocated, seconds=2.5, unit="op/s", better="higher", limit=limit)
        if name.startswith("write"):
            b.pair(f"bench {name} fresh -d {depth} {engine} {cache}", fresh, seconds=2.5, least=3, unit="op/s",
                   better="higher", limit=limit)


def work_bench(b):
    """bench 4 KiB: depth 1 and 64, read, write, flush, sequential and strided; three engines; cached and direct"""
    for side in (b.ours, b.stock):
        b.prepare("create", "-q", "-f", "qcow2", b.path(side.name), "512M")
        subprocess.run([b.stock.io, "-f", "qcow2", "-c", "write -P 1 0 512M", b.path(side.name)], check=True,
                       stdout=subprocess.DEVNULL)
    b.settle(b.path("ours"), b.path("stock"))
    for cache in ("writeback", "none"):
        for engine in ("threads", "native", "io_uring"):
            if engine == "native" and cache != "none":
                continue
            for depth in (1, 64):
                bench_rows(b, cache, engine, depth)
    b.prepare("compare", b.path("ours"), b.path("stock"))


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
    b.settle(base, top)
    b.pair(f"map, {n}", lambda s, r: b.timed(s, "map", "--output=json", top), moves=(extents * 8, 0, 0, 0))
    other, held = b.path("other.qcow2"), extents * 4096
    b.copy(top, other)
    b.settle(other)
    b.pair(f"compare, {n}", lambda s, r: b.timed(s, "compare", top, other), seconds=20, moves=(2 * held, 0, 0, 0))

    def on_copy(*cmd, src=top, below=base, content=None):
        """content: the file that must hold what the image showed before; default: the image."""
        def once(side, r):
            p, q = b.path(side.name + ".base"), b.path(side.name)
            b.copy(below, p)
            b.copy(src, q)
            b.prepare("rebase", "-u", "-b", p, "-F", "qcow2", q)
            b.settle(p, q)
            t = b.timed(side, *[q if c == "IMG" else p if c == "BASE" else c for c in cmd])
            check_clean(b, q)
            if r == 0:
                b.prepare("compare", src, p if content == "BASE" else q)
            return t
        return once
    b.pair(f"commit, {n}", on_copy("commit", "-q", "IMG", content="BASE"), seconds=20, moves=(held, held, held, 2))
    full = b.path("full.qcow2")
    b.copy(base, full)
    scatter(b, full, extents, 2, stride)
    empty = b.path("empty.qcow2")
    b.prepare("create", "-q", "-f", "qcow2", "-o", small, "-b", full, "-F", "qcow2", empty)
    b.pair(f"rebase to no backing file, {n}", on_copy("rebase", "-b", "", "IMG", src=empty, below=full), seconds=20,
           moves=(held, held, held, 2))
    b.pair(f"amend refcount_bits=64, {n}", on_copy("amend", "-f", "qcow2", "-o", "refcount_bits=64", "IMG"), seconds=15,
           moves=(0, 0, extents * 8, 3))
    b.pair(f"amend compat=0.10, {n}", on_copy("amend", "-f", "qcow2", "-o", "compat=0.10", "IMG"), seconds=15,
           moves=(extents * 8, 0, 0, 1))
