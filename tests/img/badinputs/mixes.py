"""Images of random kinds with random contents, and several changes made to each at once.

`Kind` draws what an image is (version, clusters, counts, files beside it, snapshots, bitmaps, keys), `Maker.make` makes it with
the stock programs (LUKS: with ours), `change` damages a copy in one to four places: fields of the table of bad inputs with the
values that it has for them, and what takes more than a field (aliases, swapped entries, extensions in another order, ends cut).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import dataclasses
import os
import random
import struct
import subprocess

from badinputs import OURS, bitmap_rows, header_rows, luks_rows, poke, snapshot_rows, table_rows, values
from qcow2image import BITMAPS, CRYPTO, STOCK, STOCK_IO, Image

SECRET = ("--object", "secret,id=s,data=abc")


@dataclasses.dataclass
class Kind:
    """What an image is, and what the commands that made it were."""
    options: list
    size: int
    keys: str = ""                # luks, aes or none
    backing: str = ""             # the file below
    data_file: bool = False
    bitmaps: int = 0
    snapshots: int = 0

    def __str__(self):
        extra = [f"{name}={value}" for name, value in (("keys", self.keys), ("backing", self.backing), ("bitmaps", self.bitmaps),
                                                       ("snapshots", self.snapshots)) if value]
        return ",".join(self.options + [f"size={self.size}"] + extra)

    def words(self):
        """How a command of qemu-img or qemu-io names the image."""
        if self.keys:
            return [*SECRET, "--image-opts", "driver=qcow2,file.filename=image,encrypt.key-secret=s"]
        return ["image"]


def draw(chance):
    """A kind of image."""
    v3 = chance.random() < .8
    bits = chance.choice([9, 9, 10, 12, 12, 14, 15, 16, 16, 16, 17, 21])
    options = ["compat=1.1" if v3 else "compat=0.10", f"cluster_size={1 << bits}"]
    kind = Kind(options, chance.choice([1, 2, 4, 4, 7]) << 20)
    if v3:
        options.append(f"refcount_bits={chance.choice([1, 2, 4, 8, 16, 16, 16, 32, 64])}")
        if bits >= 14 and chance.random() < .3:
            options.append("extended_l2=on")
        if chance.random() < .3:
            options.append("compression_type=zstd")
        if chance.random() < .2:
            options.append("lazy_refcounts=on")
        kind.bitmaps = chance.choice([0, 0, 1, 3])
    special = chance.random()
    if special < .12 and v3:
        kind.data_file = True
        options.append("data_file=x.data")
        if chance.random() < .3:
            options.append("data_file_raw=on")
    elif special < .25 and bits >= 12:
        kind.keys = chance.choice(["luks", "aes"] if os.environ.get("LUKS") else ["aes"])      # LUKS headers are random
    elif special < .45:
        kind.backing = chance.choice(["below.raw", "below.qcow2"])
    if "refcount_bits=1" not in options and not kind.keys and not kind.data_file:
        kind.snapshots = chance.choice([0, 1, 1, 2, 3])
    return kind


class Maker:
    """Makes images in one folder."""

    def __init__(self, folder, seed):
        self.folder, self.seed = folder, seed
        os.makedirs(folder, exist_ok=True)
        self.need(STOCK, "create", "-q", "-f", "raw", "below.raw", "3M")
        self.need(STOCK_IO, "-f", "raw", "-c", "write -q -P 0x77 0 2M", "below.raw")
        self.need(STOCK, "convert", "-f", "raw", "-O", "qcow2", "below.raw", "below.qcow2")

    def need(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout} {done.stderr}")

    def requests(self, kind, chance):
        """Options of qemu-io: a few requests."""
        for _ in range(chance.randrange(1, 6)):
            at, length = chance.randrange(0, kind.size // 2, 4096), 4096 * chance.choice([1, 3, 16, 32])
            form = chance.choice(["write -q -P {} {} {}"] * 3 + ["write -q -z {1} {2}", "write -q -z -u {1} {2}", "write -q -c -P {} {} {}"])
            if "-c" in form:
                cluster = int(kind.options[1].split("=")[1])
                at, length = at // cluster * cluster, cluster
                if kind.data_file or cluster > 1 << 20:
                    continue
            yield from ("-c", form.format(chance.randrange(1, 256), at, length))

    def try_requests(self, io, kind, chance):
        """Not all can be done: compressed data goes into clusters that have none."""
        subprocess.run([*io, *self.requests(kind, chance)], cwd=self.folder, capture_output=True, check=False)

    def make(self, kind, chance):
        """The image's bytes."""
        options, create = list(kind.options), []
        if kind.keys:
            options += [f"encrypt.format={kind.keys}", "encrypt.key-secret=s"] + (["encrypt.iter-time=10"] if kind.keys == "luks" else [])
            create += SECRET
        if kind.backing:
            create += ["-b", kind.backing, "-F", kind.backing.split(".")[1]]
        self.need(OURS if kind.keys == "luks" else STOCK, "create", "-q", "-f", "qcow2", *create, "-o", ",".join(options), "image", str(kind.size))
        io = [STOCK_IO, *kind.words()]
        for number in range(kind.bitmaps):
            self.need(STOCK, "bitmap", "--add", *(["--disable"] if chance.random() < .3 else []), "-g", str(chance.choice([4, 64, 1024]) << 10),
                      *kind.words(), f"b{number}")
        self.try_requests(io, kind, chance)
        for number in range(kind.snapshots):
            done = subprocess.run([STOCK, "snapshot", "-c", f"s{number}", *kind.words()], cwd=self.folder, capture_output=True, check=False)
            if done.returncode:                        # counts of two bits are soon too narrow
                break
            if "compat=1.1" in kind.options and not kind.bitmaps and chance.random() < .4:
                kind.size += chance.choice([1, 8]) << 20
                self.need(STOCK, "resize", "-q", *kind.words(), str(kind.size))
            self.try_requests(io, kind, chance)
        if chance.random() < .15:                      # bitmaps in use, counts not written
            subprocess.run([*io, "-c", "write -q -P 9 0 64k", "-c", "flush", "-c", "sigraise 9"], cwd=self.folder, capture_output=True, check=False)
        with open(os.path.join(self.folder, "image"), "rb") as file:
            return Image(file.read())


# --- changes --------------------------------------------------------------------------------------------------------

def extensions(image):
    """[(magic, bytes)] of the header, and where they begin."""
    start = at = image.field("header_length") if image.field("version") == 3 else 72
    found = []
    while at + 8 <= image.cluster:
        magic, length = struct.unpack_from(">II", image.data, at)
        if not magic:
            break
        found.append((magic, bytes(image.data[at + 8:at + 8 + length])))
        at += 8 + (length + 7) // 8 * 8
    return found, start


def put_extensions(image, found, start):
    """Where they fit between the header and the backing file's name, which moves to the end of the cluster."""
    raw = b"".join(struct.pack(">II", magic, len(data)) + data + bytes(-len(data) % 8) for magic, data in found) + bytes(8)
    name_at, size = image.field("backing_offset"), image.field("backing_size")
    name = bytes(image.data[name_at:name_at + size])
    if start + len(raw) + size > image.cluster:
        return
    image.data[start:start + len(raw)] = raw
    if name_at:
        image.data[start + len(raw):start + len(raw) + size] = name
        image.set_field("backing_offset", start + len(raw))


def odd_extensions(image, chance):
    found, start = extensions(image)
    how = chance.choice(["shuffle", "unknown", "twice", "drop", "cut"])
    if how == "shuffle":
        chance.shuffle(found)
    elif how == "unknown":
        found.insert(chance.randrange(len(found) + 1), (chance.getrandbits(32) | 1, bytes(chance.choice([0, 1, 8, 13, 40]))))
    elif found:
        at = chance.randrange(len(found))
        if how == "twice":
            found.append(found[at])
        elif how == "drop":
            del found[at]
        else:
            found[at] = (found[at][0], found[at][1][:-chance.choice([1, 8])])
    put_extensions(image, found, start)
    return f"extensions {how}"


def odd_bits(image, chance):
    if image.field("version") != 3:
        return None
    name, bit = chance.choice([("incompatible", 0), ("incompatible", 0), ("incompatible", 1), ("incompatible", 2), ("incompatible", 3),
                               ("incompatible", 4), ("compatible", 0), ("compatible", 5), ("autoclear", 0), ("autoclear", 0), ("autoclear", 1),
                               ("autoclear", 7)])
    image.set_field(name, image.field(name) ^ 1 << bit)
    return f"{name} bit {bit}"


def l2_places(image):
    """The offsets of some entries of the first tables that lie in the file."""
    wide = 16 if image.field("version") == 3 and image.field("incompatible") & 16 else 8
    found = []
    for index in range(min(image.field("l1_size"), 4)):
        table = image.l2_offset(index)
        if table and table + image.cluster <= len(image.data):
            found += [table + n * wide for n in range(min(image.cluster // wide, 64)) if image.u64(table + n * wide)]
    return found


def odd_entries(image, chance):
    """Two entries of L2 tables that name the same, or that changed places; flags."""
    places = l2_places(image)
    if not places:
        return None
    one, two = chance.choice(places), chance.choice(places)
    how = chance.choice(["alias", "swap", "flag", "zero flag", "gone", "moved"])
    first, second = image.u64(one), image.u64(two)
    if how == "alias":
        image.set_u64(two, first)
    elif how == "swap":
        image.set_u64(one, second)
        image.set_u64(two, first)
    elif how == "flag":
        image.set_u64(one, first ^ chance.choice([1 << 63, 1 << 62]))
    elif how == "zero flag":
        image.set_u64(one, first ^ 1)
    elif how == "gone":
        image.set_u64(one, 0)
    else:
        image.set_u64(one, (first + image.cluster * chance.choice([-1, 1, 2])) & (2**64 - 1))
    return f"L2 {how} {one:#x}"


def odd_l1(image, chance):
    at = image.field("l1_offset") + 8 * chance.randrange(min(image.field("l1_size"), 4) or 1)
    if at + 16 > len(image.data):
        return None
    how = chance.choice(["alias", "flag", "gone"])
    image.set_u64(at, {"alias": image.u64(at + 8), "flag": image.u64(at) ^ 1 << 63, "gone": 0}[how])
    return f"L1 {how} {at:#x}"


def odd_counts(image, chance):
    """Some bytes of the first block of counts."""
    at = image.block_offset() + chance.randrange(64)
    if at + 8 > len(image.data):
        return None
    how = chance.choice(["one", "all zero", "ones"])
    if how == "one":
        image.data[at] = chance.choice([0, 1, 2, 3, 127, 255])
    else:
        start = image.block_offset()
        image.data[start:start + chance.choice([8, 64, 512])] = b""
        image.data[start:start] = bytes([how == "ones"] * (image.cluster - (len(image.data) % image.cluster)))
    return f"counts {how} {at:#x}"


def odd_length(image, chance):
    how = chance.choice(["cut to a cluster", "cut", "sector more", "clusters more"])
    if how == "cut to a cluster":
        del image.data[max(len(image.data) - image.cluster * chance.choice([1, 2, 3]), image.cluster):]
    elif how == "cut":
        del image.data[chance.randrange(512, len(image.data)):]
    elif how == "sector more":
        image.data += bytes(512)
    else:
        image.data += bytes(image.cluster * chance.choice([1, 5, 100]))
    return f"{how}: {len(image.data)}"


def rows(image, chance, kind):
    """Fields of the table that this image has, more of the deeper ones."""
    choice = chance.random()
    if choice < .15:
        return header_rows()
    if choice < .4 and image.field("nb_snapshots"):
        return snapshot_rows(image)
    if choice < .6 and kind.bitmaps:
        found = [magic for magic, _ in extensions(image)[0]]
        if BITMAPS in found:
            return bitmap_rows(image)
    if choice < .65 and kind.keys == "luks" and CRYPTO in [magic for magic, _ in extensions(image)[0]]:
        return luks_rows(image)
    return table_rows(image)


def odd_field(image, chance, kind):
    """One of the values that the table has for one of its fields."""
    field = chance.choice(rows(image, chance, kind))
    if field.at + field.width > len(image.data):
        return None
    name, value = chance.choice(list(values(field, image)))
    image.data[:] = poke(image, field, value).data
    return f"{field.name} {name}"


def change(image, chance, kind):
    """(a damaged copy, what was done).  An earlier change may have made the place of a later one unreachable."""
    bad, done = image.copy(), []
    kinds = [odd_field] * 6 + [odd_entries] * 3 + [odd_l1, odd_counts, odd_counts, odd_bits, odd_extensions, odd_length]
    for _ in range(chance.choice([1, 2, 2, 2, 3, 4])):
        what = chance.choice(kinds)
        try:
            done.append(what(bad, chance, kind) if what is odd_field else what(bad, chance))
        except (struct.error, IndexError, ValueError, OverflowError):
            pass
    return bad, [d for d in done if d]


def images(folder, seed, first, last, per_kind=12):
    """(number, kind, damaged image, changes): each number is always the same image, whatever numbers come before."""
    maker = Maker(folder, seed)
    kind = image = None
    for number in range(first, last):
        if number % per_kind == 0 or image is None:
            chance = random.Random(seed * 1000003 + number // per_kind)
            kind = draw(chance)
            image = maker.make(kind, chance)
        yield number, kind, *change(image, random.Random(f"{seed} {number}"), kind)
