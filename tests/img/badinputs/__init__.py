"""The table of bad inputs to a qcow2 implementation: each field of each structure with each kind of bad value.

A row of the table is a field (Field); `bad_inputs` makes images from it, one for each value.  The values are zero, the
largest, off by one either way, misaligned, the place of every other structure, just past the end, and those whose product
with the entry size (or sum with the length) overflows 32 or 64 bits; besides them what the format itself forbids.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import dataclasses
import os
import shutil
import struct
import subprocess

from qcow2image import BACKING_FORMAT, BITMAPS, CRYPTO, DATA_FILE, FEATURES, STOCK, FIELDS, Image, run

WRITES = ("write -P 1 0 128k", "write -P 2 1M 64k", "write -z 2M 64k", "write -c -P 3 3M 64k")
OURS = os.environ.get("QEMU_IMG", "")


@dataclasses.dataclass
class Field:
    """A field of an image: where it is, how wide, what its number means."""
    row: int                      # of the table of classes
    name: str
    at: int                       # bytes from the start of the file
    width: int                    # bytes
    kind: str                     # offset, count, bytes, bits or exact
    entry: int = 1                # bytes that one counts for
    limits: tuple = ()            # values at which the answer changes; those beside them are tried, too
    extra: tuple = ()


@dataclasses.dataclass
class Input:
    """One bad input."""
    base: str
    row: int
    field: str
    value: str
    data: bytes                   # of the image file

    def __str__(self):
        return f"row {self.row} {self.base} {self.field} {self.value}"


def places(image):
    """Where the structures of an image are."""
    found = {"l1": image.field("l1_offset"), "l2": image.l2_offset(), "refcount table": image.field("table_offset"),
             "refcount block": image.block_offset()}
    if image.field("nb_snapshots"):
        found["snapshots"] = image.field("snapshots_offset")
        found["snapshot l1"] = image.u64(image.field("snapshots_offset"))
    return found


def offset_values(field, image, old):
    end = -(-len(image.data) // image.cluster) * image.cluster
    mask = field.entry                                     # flags kept on the entry: entry is the old flags' mask here
    yield "misaligned by one", old + 1
    yield "misaligned by a sector", old + 512
    yield "half a cluster on", old + image.cluster // 2
    for name, place in places(image).items():
        if place != old & 0x00FFFFFFFFFFFE00:
            yield f"on the {name}", place | (old & mask if mask != 1 else 0)
    yield "last cluster", end - image.cluster
    yield "end", end
    yield "past the end", end + image.cluster
    yield "low half right", (1 << 32) + old
    yield "2^55", 1 << 55
    yield "2^56", (1 << 56) + old
    yield "2^62", 1 << 62
    yield "2^63", 1 << 63
    yield "sum overflows", (1 << 64) - image.cluster


def count_values(field, old):
    for power in (31, 32, 63, 64):
        yield f"product 2^{power}", (1 << power) // field.entry
        yield f"product 2^{power} and right", (1 << power) // field.entry + old
    yield "2^31", 1 << 31
    yield "half of the largest", (1 << (8 * field.width - 1)) - 1


def values(field, image):
    """(name, number) of each bad value, once."""
    old = int.from_bytes(image.data[field.at:field.at + field.width], "big")
    largest = (1 << 8 * field.width) - 1
    found = [("zero", 0), ("one", 1), ("largest", largest)]
    if field.kind != "bits":
        found += [("one less", old - 1), ("one more", old + 1)]
    if field.kind == "offset":
        found += list(offset_values(field, image, old))
    elif field.kind in ("count", "bytes"):
        found += list(count_values(field, old))
    elif field.kind == "bits":
        found += [(f"bit {bit}", old | 1 << bit) for bit in range(8 * field.width) if bit < 8 or bit % 8 == 7 or bit in field.extra]
    for limit in field.limits:
        found += [(f"{limit}{d:+d}" if d else f"{limit}", limit + d) for d in (-1, 0, 1)]
    if field.kind != "bits":
        found += [(f"{v:#x}", v) for v in field.extra]
    seen = {old}
    for name, value in found:
        value &= largest
        if value not in seen:
            seen.add(value)
            yield name, value


def poke(image, field, value):
    bad = image.copy()
    bad.data[field.at:field.at + field.width] = value.to_bytes(field.width, "big")
    return bad


# --- images to damage -----------------------------------------------------------------------------------------------

def extension(image, magic):
    """Where the data of a header extension is."""
    at = image.field("header_length") if image.field("version") == 3 else 72
    while True:
        kind, length = struct.unpack_from(">II", image.data, at)
        if kind == magic:
            return at + 8
        assert kind, "no such extension"
        at += 8 + (length + 7) // 8 * 8


def with_bitmaps():
    image = Image.make("bitmaps.base", size="4M", commands=WRITES[:1])
    for name in ("one", "two"):
        assert run(STOCK, "bitmap", "--add", "bitmaps.base", name)[0] == 0
    del image
    with open("bitmaps.base", "rb") as file:
        return Image(file.read())


def with_luks():
    """Made by ours: making one with the peer may fail for want of processor time."""
    subprocess.run([OURS, "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=abc", "-o",
                    "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10", "luks.base", "1M"], check=True)
    with open("luks.base", "rb") as file:
        return Image(file.read())


def bases():
    """Sound images by name."""
    subprocess.run([STOCK, "create", "-q", "-f", "raw", "below.raw", "4M"], check=True)
    for folder in ("stock", "ours"):
        os.makedirs(folder, exist_ok=True)
        shutil.copyfile("below.raw", f"{folder}/below.raw")
    found = {
        "v3": Image.make("v3.base", commands=WRITES, snapshot=True),
        "v2": Image.make("v2.base", "compat=0.10", commands=WRITES, snapshot=True),
        "512": Image.make("512.base", "cluster_size=512", "4M", commands=WRITES, snapshot=True),
        "subclusters": Image.make("subclusters.base", "extended_l2=on", commands=WRITES, snapshot=True),
        "refcount1": Image.make("refcount1.base", "refcount_bits=1", commands=WRITES),
        "refcount64": Image.make("refcount64.base", "refcount_bits=64,cluster_size=4k", commands=WRITES, snapshot=True),
        "zstd": Image.make("zstd.base", "compression_type=zstd", commands=WRITES),
        "backing": Image.make("backing.base", "backing_file=below.raw,backing_fmt=raw", commands=WRITES[:1]),
        "bitmaps": with_bitmaps(),
        "luks": with_luks(),
    }
    found["data file"] = Image.make("data.base", "data_file=x.data", "1M", commands=["write -P 1 0 64k"])
    for folder in ("stock", "ours"):
        shutil.copyfile("x.data", f"{folder}/x.data")
    return found


# --- the rows -------------------------------------------------------------------------------------------------------

def header_field(row, name, kind, entry=1, limits=(), extra=()):
    at, form = FIELDS[name]
    return Field(row, name, at, struct.calcsize(form), kind, entry, limits, extra)


def header_rows():
    """Rows 1 to 22, on a v3 image with snapshots."""
    return [
        header_field(1, "magic", "exact", extra=(0x514649FA, 0xFB494651)),
        header_field(2, "version", "exact", extra=(4, 1 << 31)),
        header_field(3, "cluster_bits", "exact", limits=(9, 21), extra=(31, 32, 63, 64)),
        header_field(4, "header_length", "bytes", limits=(72, 104, 112), extra=(120,)),
        header_field(5, "header_length", "bytes", limits=(65536,)),
        header_field(6, "backing_offset", "offset", limits=(112, 65536)),
        header_field(7, "backing_size", "bytes", limits=(1023, 65536)),
        header_field(8, "incompatible", "bits", extra=(20, 40)),
        header_field(12, "refcount_order", "exact", limits=(6, 31)),
        header_field(13, "crypt", "exact", limits=(2,)),
        header_field(14, "table_clusters", "count", 65536, limits=(128,)),
        header_field(15, "table_offset", "offset"),
        header_field(17, "nb_snapshots", "count", 40, limits=(65536,)),
        header_field(18, "snapshots_offset", "offset"),
        header_field(19, "l1_size", "count", 8, limits=(4194304,)),
        header_field(20, "l1_offset", "offset"),
        header_field(22, "size", "bytes", limits=(512, 4 << 20, 512 << 20), extra=(1 << 51, 1 << 50, (1 << 61) + 512, 1 << 41)),
        header_field(25, "compression", "exact", limits=(2,)),
        header_field(26, "autoclear", "bits"),
        header_field(8, "compatible", "bits"),
    ]


def both_changed(image, **fields):
    bad = image.copy()
    for name, value in fields.items():
        bad.set_field(name, value)
    return bad


def header_pairs(found):
    """What needs two fields: rows 6, 7, 9 to 11, 16, 18, 21, 25, 26."""
    v3 = found["v3"]
    for offset, size in ((1024, 1023), (1024, 1024), (112, 10), (104, 10), (65530, 6), (65530, 7), (65535, 1), (65536, 1), (2**64 - 4, 8),
                         (1 << 32, 10)):
        yield 7, "backing name", f"{offset}+{size}", both_changed(v3, backing_offset=offset, backing_size=size)
    for bits in (1, 2, 3):
        yield 9, "dirty and corrupt", f"{bits}", both_changed(v3, incompatible=bits)
    for bits in (9, 12, 13, 14, 16):
        yield 11, "extended L2 with cluster bits", f"{bits}", both_changed(v3, incompatible=16, cluster_bits=bits)
    yield 16, "no refcount table", "nowhere", both_changed(v3, table_clusters=0, table_offset=0)
    for size, entries in ((512 << 20, 1), ((512 << 20) + 512, 1), (1 << 30, 1), (1 << 30, 2), (1 << 50, 4194304), (1 << 51, 4194304)):
        yield 21, "size with L1 entries", f"{size:#x} {entries}", both_changed(v3, size=size, l1_size=entries)
    for kind, bits in ((0, 8), (1, 0), (1, 8), (2, 8), (255, 8)):
        yield 25, "compression type and bit", f"{kind} {bits}", both_changed(v3, compression=kind, incompatible=bits)
    for bits, raw in ((4, 0), (0, 2), (4, 2)):
        yield 26, "data file bits", f"{bits} {raw}", both_changed(v3, incompatible=bits, autoclear=raw)
    for bits, raw in ((0, 0), (0, 2), (4, 2), (5, 0), (6, 0)):
        yield 26, "bits of one with a data file", f"{bits} {raw}", both_changed(found["data file"], incompatible=bits, autoclear=raw)
    c = found["512"]
    for bits in (9, 16, 21):
        yield 3, "cluster bits of a 512-byte image", f"{bits}", both_changed(c, cluster_bits=bits)


def extended(image, *extensions, **fields):
    bad = both_changed(image, **fields)
    bad.set_extensions(extensions)
    return bad


def extension_rows(found):
    """Rows 23, 24, 26, 27."""
    v3 = found["v3"]
    for length in (0, 1, 65536 - 121, 65536 - 120, 65536 - 119, 65536, 2**31, 2**32 - 8, 2**32 - 1):
        yield 23, "extension length", f"{length:#x}", extended(v3, (0x1234, length, b""))
    for length in (0, 1, 14, 15, 16, 17, 1023, 1024, 2**31, 2**32 - 1):
        yield 24, "backing format length", f"{length:#x}", extended(v3, (BACKING_FORMAT, length, b"raw"))
    for length in (0, 1, 47, 48, 49, 96, 2**31, 2**32 - 1):
        yield 24, "feature table length", f"{length:#x}", extended(v3, (FEATURES, length, b"\0\5" + b"x" * 46), incompatible=32)
    for name in (b"", b"x.data", b"missing", b"json:{}", b'json:{"driver":"file","filename":"/etc/passwd"}', b"nbd://127.0.0.1:1/",
                 b"nbd:unix:/none", b"fat:/etc", b"ssh://x/y", b"https://127.0.0.1:1/", b"file:x.data", b"x.data\0y", b"y" * 1023, b"y" * 1024,
                 b"\xff\xfe", b"/", b".", b"image"):
        yield 27, "data file name", repr(name[:30]), extended(found["data file"], (DATA_FILE, len(name), name))
    for name in (b"json:{}", b'json:{"driver":"file","filename":"below.raw"}', b"fat:.", b"nbd:unix:/none", b"x" * 1023, b"\xff", b"image", b"a\0b",
                 b"file:below.raw", b"nope:below.raw"):
        bad = found["backing"].copy()
        at = 4096
        bad.data[at:at + len(name)] = name
        bad.set_field("backing_offset", at)
        bad.set_field("backing_size", len(name))
        yield 27, "backing name", repr(name[:30]), bad


def bitmap_rows(image):
    """Rows 28 to 30 and what bitmap tables hold."""
    ext = extension(image, BITMAPS)
    directory = image.u64(ext + 16)
    table = image.u64(directory)
    return [
        Field(28, "bitmaps reserved", ext + 4, 4, "exact"),
        Field(29, "bitmaps extension length", ext - 4, 4, "bytes", limits=(24,)),
        Field(29, "bitmaps count", ext, 4, "count", 24, limits=(65535,)),
        Field(29, "bitmaps directory size", ext + 8, 8, "bytes", limits=(32, 64, 65535 * 1024)),
        Field(29, "bitmaps directory offset", ext + 16, 8, "offset"),
        Field(30, "bitmap table offset", directory, 8, "offset"),
        Field(30, "bitmap table entries", directory + 8, 4, "count", 8, limits=(1 << 27,)),
        Field(30, "bitmap flags", directory + 12, 4, "bits"),
        Field(30, "bitmap type", directory + 16, 1, "exact"),
        Field(30, "bitmap granularity", directory + 17, 1, "exact", limits=(9, 31), extra=(63, 64)),
        Field(30, "bitmap name length", directory + 18, 2, "bytes", limits=(1023,)),
        Field(30, "bitmap extra data", directory + 20, 4, "bytes", limits=(8,)),
        Field(44, "bitmap table entry", table, 8, "offset"),
    ]


def luks_rows(image):
    ext = extension(image, CRYPTO)
    return [
        Field(31, "crypto extension length", ext - 4, 4, "bytes", limits=(16,)),
        Field(31, "crypto header offset", ext, 8, "offset"),
        Field(31, "crypto header length", ext + 8, 8, "bytes", limits=(592, 4096)),
        Field(31, "crypt method", 32, 4, "exact"),
        Field(31, "luks magic", image.u64(ext), 4, "exact"),
        Field(31, "luks version", image.u64(ext) + 6, 2, "exact"),
        Field(31, "luks payload offset", image.u64(ext) + 104, 4, "count", 512),
        Field(31, "luks key bytes", image.u64(ext) + 108, 4, "bytes", limits=(64,)),
        Field(31, "luks slot offset", image.u64(ext) + 208 + 40, 4, "count", 512),
        Field(31, "luks slot stripes", image.u64(ext) + 208 + 44, 4, "count", 64),
    ]


def snapshot_rows(image):
    """Rows 32, 33, 35, 36 and 45: the first entry of the snapshot table."""
    at = image.field("snapshots_offset")
    extra = struct.unpack_from(">I", image.data, at + 36)[0]
    rows = [
        Field(35, "snapshot L1 offset", at, 8, "offset"),
        Field(36, "snapshot L1 entries", at + 8, 4, "count", 8, limits=(4194304,)),
        Field(33, "snapshot id length", at + 12, 2, "bytes"),
        Field(33, "snapshot name length", at + 14, 2, "bytes"),
        Field(45, "snapshot vm state size", at + 32, 4, "bytes"),
        Field(32, "snapshot extra data", at + 36, 4, "bytes", limits=(1024, 16, 24)),
        Field(36, "first entry of the snapshot L1", image.u64(at), 8, "offset", entry=1 << 63),
    ]
    if extra >= 16:
        rows += [Field(45, "snapshot 64-bit vm state size", at + 40, 8, "bytes"), Field(36, "snapshot disk size", at + 48, 8, "bytes", limits=(4 << 20,))]
    return rows


def table_rows(image):
    """Rows 37 to 43: entries of L1, L2, refcount table and block."""
    l1, l2, wide = image.field("l1_offset"), image.l2_offset(), image.field("version") == 3 and image.field("incompatible") & 16
    width, clusters = 16 if wide else 8, (1 << 20) // image.cluster
    order = image.field("refcount_order") if image.field("version") == 3 else 4
    count = max((1 << order) // 8, 1)
    rows = [
        Field(37, "L1 entry", l1, 8, "offset", entry=1 << 63),
        Field(38, "L2 entry", l2, 8, "offset", entry=1 << 63, extra=(1 << 63, (1 << 63) | 1, 513, (1 << 63) | 512)),
        Field(41, "refcount table entry", image.field("table_offset"), 8, "offset", extra=(256,)),
        Field(42, "refcount of the header", image.block_offset(), count, "exact"),
        Field(43, "refcount of the third cluster", image.block_offset() + (2 * count if order > 2 else 0), count, "exact"),
    ]
    compressed = l2 + 3 * clusters * width
    if image.cluster >= 4096 and compressed + 8 <= len(image.data) and image.u64(compressed) >> 62 == 1:
        rows.append(Field(40, "compressed descriptor", compressed, 8, "offset", entry=1 << 62, extra=(1 << 62, (1 << 63) - 1)))
        rows.append(Field(40, "compressed stream", image.u64(compressed) & 0xFFFFFFFFFF, 8, "exact"))
    if wide:
        rows.append(Field(38, "subcluster bits", l2 + 8, 8, "exact", extra=(1 << 32, (1 << 32) | 1, 0xFFFFFFFF << 32)))
    return rows


def cut_files(found):
    """Row 34: the file ends inside a structure."""
    for name in ("v3", "v2", "512", "subclusters", "bitmaps"):
        image = found[name]
        ends = {0, 3, 4, 71, 72, 103, 104, 111, 112, 200, 511, 512, image.cluster - 1, image.cluster, len(image.data) - 1}
        for place in places(image).values():
            ends |= {place, place + 1, place + 8, place + image.cluster - 1}
        for end in sorted(e for e in ends if e < len(image.data)):
            yield name, 34, "file cut", f"at {end}", bytes(image.data[:end])


def bad_inputs(found):
    """All of the table."""
    def each(base, fields):
        for field in fields:
            for name, value in values(field, found[base]):
                yield Input(base, field.row, field.name, name, bytes(poke(found[base], field, value).data))

    yield from each("v3", header_rows())
    for row, field, value, image in [*header_pairs(found), *extension_rows(found)]:
        yield Input("data file" if "data file" in field else "v3", row, field, value, bytes(image.data))
    yield from each("bitmaps", bitmap_rows(found["bitmaps"]))
    yield from each("luks", luks_rows(found["luks"]))
    for base in ("v3", "v2", "512", "subclusters", "refcount64"):
        yield from each(base, snapshot_rows(found[base]))
    for base in ("v3", "v2", "512", "subclusters", "refcount1", "refcount64", "zstd"):
        yield from each(base, table_rows(found[base]))
    for base, row, field, value, data in cut_files(found):
        yield Input(base, row, field, value, data)
