"""The operations that cuts.py interrupts, and the plain model that says what may be read afterwards.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import random

SECTOR = 512


class Model:
    """The virtual disk as bytes, with every value that each sector may hold after a cut.

    The guest's flushes part its writes into epochs.  A value seen of one epoch proves that the flushes
    before it came back, so that all earlier epochs have to be there in full.
    """

    def __init__(self, size):
        self.data = bytearray(size)
        self.history = {}          # sector -> [(epoch, value), ...] since settle(), what it held then first
        self.epoch = 0
        self.names = {}            # snapshot -> content
        self.atomic = False        # the whole disk changes at once (apply)
        self.sizes = {size}
        self.gone = {}             # snapshots deleted since settle(), with their content

    def freeze(self):
        return bytes(self.data), set(self.names)

    def settle(self):
        self.history.clear()
        self.epoch = 0
        self.gone.clear()
        self.sizes = {len(self.data)}

    def flush(self):
        self.epoch += 1

    def sector(self, s):
        return bytes(self.data[s * SECTOR:(s + 1) * SECTOR])

    def write(self, offset, length, byte):
        sectors = range(offset // SECTOR, (offset + length + SECTOR - 1) // SECTOR)
        for s in sectors:
            self.history.setdefault(s, [(-1, self.sector(s))])
        self.data[offset:offset + length] = bytes([byte]) * length
        for s in sectors:
            self.history[s].append((self.epoch, self.sector(s)))

    def resize(self, size):
        self.sizes.add(size)
        for s in range(size // SECTOR, len(self.data) // SECTOR):
            self.history.setdefault(s, [(-1, self.sector(s))]).append((self.epoch, bytes(SECTOR)))
        self.data = self.data[:size] + bytes(max(0, size - len(self.data)))

    def apply(self, name):
        self.atomic = True
        self.data = bytearray(self.names[name])

    def snapshot_content(self, name):
        return self.names.get(name, self.gone.get(name))

    def judge(self, raw, before, failure):
        old, now = before[0], bytes(self.data)
        if raw == now or raw == old:
            return
        if self.atomic:
            raise failure("content is neither the old nor the new state")
        if len(raw) not in self.sizes:
            raise failure(f"size {len(raw)} is none of {sorted(self.sizes)}")
        reached = -1               # the newest epoch of which a value is certain to have arrived
        for s in range(len(raw) // SECTOR):
            value = raw[s * SECTOR:(s + 1) * SECTOR]
            past = self.history.get(s) or [(-1, old[s * SECTOR:(s + 1) * SECTOR] or bytes(SECTOR))]
            epochs = [e for e, v in past if v == value]
            if not epochs:
                raise failure(f"sector {s} holds what was never written there: {value[:16].hex()}...")
            reached = max(reached, min(epochs))
        for s, past in self.history.items():
            value = raw[s * SECTOR:(s + 1) * SECTOR]
            durable = max(e for e, _ in past if e < max(reached, 0))
            if value and max(e for e, v in past if v == value) < durable:
                raise failure(f"sector {s} lost what was flushed in epoch {durable}, though epoch {reached} is seen")

    def judge_names(self, names, before, failure):
        if set(names) not in (before[1], set(self.names)) and len(set(self.names) ^ before[1]) == 1:
            raise failure(f"snapshots {names}: neither {sorted(before[1])} nor {sorted(self.names)}")
        unknown = set(names) - before[1] - set(self.names)
        if unknown:
            raise failure(f"unknown snapshots {unknown}")


class Context:
    """What an operation uses: the programs, the image under test, and the model that follows along."""

    def __init__(self, img, io, path, target, model, run):
        self.img, self.io, self.path, self.target, self.model, self.run = img, io, path, target, model, run
        self.pending = None        # commands of a batch, which one process will run

    def batch(self, *steps):
        """Call steps and run all of their commands in one process, so that none of them is closed and durable."""
        self.pending = []
        for step in steps:
            step(self)
        commands, self.pending = self.pending, None
        self.io_commands(*commands)

    def io_commands(self, *commands):
        if self.pending is not None:
            self.pending += commands
            return
        args = []
        for c in commands:
            args += ["-c", c]
        if self.target[0] == "-f":
            self.run([self.io, *self.target[:2], *args, self.target[2]])
        else:
            # Write back: only the flushes asked for, and those that the format needs for itself.
            self.run([self.io, "--image-opts", "-t", "writeback", *args, self.target[1]])

    def write(self, *spans, verb="write"):
        """spans: (offset, length, byte)."""
        self.io_commands(*[f"{verb} -P {b} {o} {n}" for o, n, b in spans])
        for o, n, b in spans:
            self.model.write(o, n, b)

    def zero(self, *spans, flags="-z"):
        self.io_commands(*[f"write {flags} {o} {n}" for o, n in spans])
        for o, n in spans:
            self.model.write(o, n, 0)

    def discard(self, *spans):
        """Whole clusters of an image without backing file: they read as zeroes afterwards."""
        self.io_commands(*[f"discard {o} {n}" for o, n in spans])
        for o, n in spans:
            self.model.write(o, n, 0)

    def flush(self):
        self.io_commands("flush")
        self.model.flush()

    def snapshot(self, verb, name):
        if self.target[0] == "-f":
            self.run([self.img, "snapshot", verb, name, self.path])
        else:
            self.run([self.img, "snapshot", verb, name, "--image-opts", self.target[1]])
        if verb == "-c":
            self.model.names[name] = bytes(self.model.data)
        elif verb == "-d":
            self.model.gone[name] = self.model.names.pop(name)
        else:
            self.model.apply(name)

    def resize(self, size, *flags):
        image = [self.path] if self.target[0] == "-f" else ["--image-opts", self.target[1]]
        fmt = ["-f", "qcow2"] if self.target[0] == "-f" else []
        self.run([self.img, "resize", "-q", *fmt, *flags, *image, str(size)])
        self.model.resize(size)

    def amend(self, options):
        image = [self.path] if self.target[0] == "-f" else ["--image-opts", self.target[1]]
        fmt = ["-f", "qcow2"] if self.target[0] == "-f" else []
        self.run([self.img, "amend", "-q", *fmt, "-o", options, *image])

    def repair(self):
        image = ["-f", "qcow2", self.path] if self.target[0] == "-f" else ["--image-opts", self.target[1]]
        self.run([self.img, "check", "-q", "-r", "all", *image])


M = 1 << 20
VARIANTS = [
    {"name": "v3-64k", "create": "compat=1.1", "cluster": 65536},
    {"name": "v2-64k", "create": "compat=0.10", "cluster": 65536, "v2": True},
    {"name": "v3-4k", "create": "compat=1.1,cluster_size=4k", "cluster": 4096},
    {"name": "v3-512", "create": "compat=1.1,cluster_size=512", "cluster": 512},
    {"name": "subclusters", "create": "extended_l2=on,cluster_size=16k", "cluster": 16384},
    {"name": "refcount-1", "create": "refcount_bits=1,cluster_size=4k", "cluster": 4096, "no_snapshots": True},
    {"name": "refcount-64", "create": "refcount_bits=64,cluster_size=4k", "cluster": 4096},
    {"name": "small-table", "create": "refcount_bits=64,cluster_size=512", "cluster": 512},
    {"name": "zstd", "create": "compression_type=zstd", "cluster": 65536},
]


class Operation:
    def __init__(self, name, setup, run, size=4 * M, needs=lambda v: True):
        self.name, self.setup, self.run, self.size, self.fits = name, setup, run, size, needs


def some_data(c):
    c.write((0, 300 << 10, 1), (1 * M, 200 << 10, 2), (3 * M, 128 << 10, 3))


def with_snapshot(c):
    some_data(c)
    c.snapshot("-c", "first")


def two_snapshots(c):
    with_snapshot(c)
    c.write((64 << 10, 256 << 10, 4), (2 * M, 64 << 10, 5))
    c.snapshot("-c", "second")
    c.write((0, 64 << 10, 6), (3 * M, 64 << 10, 7))


def snapshots_work(v):
    return not v.get("no_snapshots")


def overwrite_and_flush(c):
    """Flushes inside: what came before each must be there later."""
    c.batch(lambda c: c.write((0, 64 << 10, 0x11)), lambda c: c.flush(),
            lambda c: c.write((128 << 10, 64 << 10, 0x12)), lambda c: c.flush(),
            lambda c: c.write((2 * M, 96 << 10, 0x13)))


def churn(c):
    """Many changes of every kind in one process, with a flush now and then, so that clusters get new owners."""
    chance = random.Random(7)

    def step(c):
        at, length = chance.randrange(0, 3 * M, 64 << 10), chance.choice((4096, 32 << 10, 64 << 10, 128 << 10))
        kind = chance.choice(("write", "write", "write", "compressed", "zero", "unmap", "discard", "discard", "flush"))
        if kind == "write":
            c.write((at + 512 * chance.randrange(8), length, chance.randrange(1, 256)))
        elif kind == "compressed":
            c.write((at, 64 << 10, chance.randrange(1, 256)), verb="write -c")
        elif kind == "zero":
            c.zero((at, length))
        elif kind == "unmap":
            c.zero((at, 64 << 10), flags="-z -u")
        elif kind == "discard":
            c.discard((at, 128 << 10))
        else:
            c.flush()

    c.batch(*[step] * 40)


OPERATIONS = [
    Operation("write-allocate", lambda c: None, lambda c: c.write((0, 192 << 10, 0x21), (1 * M + 3000 // 512 * 512, 5120, 0x22), (3 * M, 300 << 10, 0x23))),
    Operation("write-over", some_data, overwrite_and_flush),
    Operation("write-after-snapshot", with_snapshot, lambda c: c.write((4096, 4096, 0x31), (100 << 10, 70 << 10, 0x32), (1 * M, 4096, 0x33)),
              needs=snapshots_work),
    Operation("write-compressed", some_data, lambda c: c.write((2 * M, 128 << 10, 0x41), verb="write -c"),
              needs=lambda v: v["cluster"] <= 65536),
    Operation("write-over-compressed", lambda c: c.write((0, 256 << 10, 0x42), verb="write -c"),
              lambda c: c.write((4096, 4096, 0x43), (128 << 10, 128 << 10, 0x44))),
    Operation("zero", some_data, lambda c: c.zero((0, 128 << 10), (1 * M, 64 << 10))),
    Operation("zero-unmap", some_data, lambda c: c.zero((0, 128 << 10), (1 * M, 64 << 10), flags="-z -u")),
    Operation("discard", some_data, lambda c: c.discard((0, 128 << 10), (3 * M, 64 << 10))),
    Operation("discard-then-write", some_data, lambda c: c.batch(
        lambda c: c.discard((0, 256 << 10)),
        lambda c: c.write((2 * M, 256 << 10, 0x51)))),
    Operation("discard-flush-write", some_data, lambda c: c.batch(
        lambda c: c.discard((0, 256 << 10)),
        lambda c: c.flush(),
        lambda c: c.write((2 * M, 256 << 10, 0x52)))),
    Operation("churn", some_data, churn),
    Operation("churn-after-snapshot", with_snapshot, churn, needs=snapshots_work),
    Operation("write-grows-refcount-table", lambda c: c.write((0, 1 * M, 1)), lambda c: c.write((1 * M, 1500 << 10, 0x24)),
              needs=lambda v: v["name"] == "small-table"),
    Operation("snapshot-create", some_data, lambda c: c.snapshot("-c", "new"), needs=snapshots_work),
    Operation("snapshot-create-second", two_snapshots, lambda c: c.snapshot("-c", "third"), needs=snapshots_work),
    Operation("snapshot-apply", two_snapshots, lambda c: c.snapshot("-a", "first"), needs=snapshots_work),
    Operation("snapshot-delete", two_snapshots, lambda c: c.snapshot("-d", "first"), needs=snapshots_work),
    Operation("snapshot-delete-last", with_snapshot, lambda c: c.snapshot("-d", "first"), needs=snapshots_work),
    Operation("resize-grow", some_data, lambda c: c.resize(16 * M)),
    Operation("resize-grow-l1", some_data, lambda c: c.resize(512 * M), needs=lambda v: v["cluster"] == 4096),
    Operation("resize-shrink", some_data, lambda c: c.resize(2 * M, "--shrink")),
    Operation("amend-to-v2", some_data, lambda c: c.amend("compat=0.10"), needs=lambda v: v["name"] in ("v3-64k", "v3-4k")),
    Operation("amend-to-v3", some_data, lambda c: c.amend("compat=1.1"), needs=lambda v: v.get("v2")),
    Operation("amend-refcount-bits", with_snapshot, lambda c: c.amend("refcount_bits=32"),
              needs=lambda v: v["name"] in ("v3-64k", "v3-4k", "refcount-64")),
]
