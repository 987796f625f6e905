#!/usr/bin/env python3
"""The k-th write, the k-th flush or any one read of an image fails (EIO, ENOSPC; once or from then on), for every k and every
operation that changes an image: an error, no hang, an image without errors for stock, content either old or new.

FAULT_STEP=1 tries every k (default: every one of the first few, then some).

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import random
import shutil
import subprocess
import sys

IMG, IO = os.environ["QEMU_IMG"], os.environ["QEMU_IO"]
STOCK_IMG, STOCK_IO = os.environ.get("STOCK_QEMU_IMG"), os.environ.get("STOCK_QEMU_IO")
STEP = int(os.environ.get("FAULT_STEP", "0"))
ONLY = os.environ.get("ONLY")
SIZE, SECTOR = 512 << 10, 512
EIO, ENOSPC = 5, 28
LONGEST = 80
failures, runs = 0, 0

GEOMETRIES = {
    "plain": "cluster_size=4k",
    "small": "cluster_size=512,refcount_bits=64",
    "subclusters": "cluster_size=16k,extended_l2=on",
    "lazy": "cluster_size=4k,lazy_refcounts=on",
}
# name: (program, arguments; IMAGE stands for the image's options)
OPERATIONS = {
    "write": (IO, ["-c", "write -P 9 1000 70000", "-c", "flush"]),
    "write shared": (IO, ["-c", "write -P 9 66048 8192", "-c", "flush"]),
    "writes": (IO, ["-c", "write -P 9 0 4k", "-c", "write -P 9 300k 100k", "-c", "flush", "-c", "write -P 9 200k 4k"]),
    "zero": (IO, ["-c", "write -z 0 200k", "-c", "flush"]),
    "unmap": (IO, ["-d", "unmap", "-c", "write -zu 0 300k"]),
    "discard": (IO, ["-d", "unmap", "-c", "discard 0 256k", "-c", "write -P 9 260k 50k"]),
    "compressed": (IO, ["-c", "write -c -P 9 384k 64k"]),
    "create snapshot": (IMG, ["snapshot", "-c", "new"]),
    "apply snapshot": (IMG, ["snapshot", "-a", "s1"]),
    "delete snapshot": (IMG, ["snapshot", "-d", "s1"]),
    "delete last": (IMG, ["snapshot", "-d", "s2"]),
    "grow": (IMG, ["resize", "+4M"]),
    "grow full": (IMG, ["resize", "--preallocation=full", "+64k"]),
    "shrink": (IMG, ["resize", "--shrink", "-128k"]),
    "amend": (IMG, ["amend", "-o", "lazy_refcounts=on"]),
    "bitmap": (IMG, ["bitmap", "--add", "b"]),
    "repair": (IMG, ["check", "-r", "all"]),
}


def run(program, *words, timeout=120):
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout + done.stderr


def must(program, *words):
    code, text = run(program, *words)
    if code:
        sys.exit(f"{program} {words}: {code} {text}")
    return text


def raw(*words):
    must(IMG, "convert", "-f", "qcow2", *words, "-O", "raw", "disk", "raw")
    with open("raw", "rb") as f:
        return f.read()


def content():
    """What is seen now, and at each snapshot."""
    names = [line.split()[1] for line in must(IMG, "snapshot", "-l", "disk").splitlines()[2:]]
    return raw(), {name: raw("-l", f"snapshot.name={name}") for name in names}


def make(options, operation):
    """An image with two snapshots and something of everything in it."""
    must(STOCK_IMG, "create", "-q", "-f", "qcow2", "-o", options, "base", str(SIZE))
    must(STOCK_IO, "-c", "write -P 1 0 128k", "-c", "write -P 2 256k 32k", "-c", "write -z 300k 20k", "base")
    must(STOCK_IO, "-c", "write -c -P 3 448k 16k", "base")
    must(STOCK_IMG, "snapshot", "-c", "s1", "base")
    must(STOCK_IO, "-c", "write -P 4 64k 64k", "-c", "discard 256k 16k", "base")
    must(STOCK_IMG, "snapshot", "-c", "s2", "base")
    must(STOCK_IO, "-c", "write -P 5 96k 16k", "-c", "write -P 6 160k 4k", "base")
    if operation in ("shrink", "amend", "grow full"):
        must(STOCK_IMG, "snapshot", "-d", "s1", "base")
        must(STOCK_IMG, "snapshot", "-d", "s2", "base")
    if operation == "repair":
        leak("base")


def leak(path):
    """Count the last few clusters that the refcount blocks there are can count; they are free."""
    with open(path, "r+b") as f:
        header = f.read(104)
        table, order = int.from_bytes(header[48:56], "big"), int.from_bytes(header[96:100], "big")
        cluster, width = 1 << int.from_bytes(header[20:24], "big"), (1 << order) // 8
        f.seek(table)
        entries = f.read(cluster)
        last = max(i for i in range(0, cluster, 8) if any(entries[i:i + 8]))
        block = int.from_bytes(entries[last:last + 8], "big")
        f.seek(block)
        counts = bytearray(f.read(cluster))
        for i in range(len(counts) // width - 3, len(counts) // width):
            counts[i * width + width - 1] = counts[i * width + width - 1] or 1
        f.seek(block)
        f.write(counts)


def fail_at(events, k, errno, once):
    """blkdebug rules: the k-th of these events starts the errors."""
    text = ""
    for event in events:
        for state in range(1, k):
            text += f'[set-state]\nevent = "{event}"\nstate = "{state}"\nnew_state = "{state + 1}"\n'
        iotype = "flush" if "flush" in event else "write-zeroes" if "zero" in event else "write"
        text += f'[inject-error]\nevent = "{event}"\nstate = "{k}"\nerrno = "{errno}"\niotype = "{iotype}"\nonce = "{once}"\n'
    return text


def image_options(rules):
    with open("rules", "w") as f:
        f.write(rules)
    return "driver=qcow2,file.driver=blkdebug,file.config=rules,file.image.filename=disk"


def command(operation, image):
    program, words = OPERATIONS[operation]
    if program == IO:
        return [program, "--image-opts", *words, image]
    last = words[-1:] if words[0] == "resize" or words[0] == "bitmap" else []
    return [program, words[0], "--image-opts", *words[1:len(words) - len(last)], image, *last]


def fault_free(operation):
    shutil.copy("base", "disk")
    code, text = run(*command(operation, "driver=qcow2,file.filename=disk"))
    if code and operation != "repair":
        sys.exit(f"{operation} fails without a fault: {text}")
    return content()


def either(got, old, new):
    """Each sector is as before or as after."""
    size = max(len(old), len(new))
    old, new = old.ljust(size, b"\0"), new.ljust(size, b"\0")
    got = got.ljust(size, b"\0")
    return all(got[i:i + SECTOR] in (old[i:i + SECTOR], new[i:i + SECTOR]) for i in range(0, size, SECTOR))


def is_dirty():
    with open("disk", "rb") as f:
        head = f.read(80)
    return head[7] == 3 and head[79] & 1


def judge(operation, code, text, before, after):
    """None, or what is wrong."""
    if code < 0 or code > 3:
        return f"ended with {code}"
    if is_dirty():                     # lazy refcounts: the counts may be old, and are to be found again
        run(STOCK_IMG, "check", "-q", "-r", "all", "disk")
    check, found = run(STOCK_IMG, "check", "disk")
    if check not in (0, 3):
        return f"stock check says {check}: {found}"
    now = content()
    if code == 0 and "rror" not in text and now != after and operation != "repair":
        return "said to be done, and is not"
    if not either(now[0], before[0], after[0]):
        return "content is neither old nor new"
    for name, data in now[1].items():
        if name in before[1] and not either(data, before[1][name], before[1][name]):
            return f"snapshot {name} has changed"
    if operation != "apply snapshot":
        lost = set(before[1]) & set(after[1]) - set(now[1])
        if lost:
            return f"snapshots {lost} are gone"
    return None


def attempt(label, operation, rules, before, after):
    """Whether the operation went through, as far as it says."""
    global failures, runs
    runs += 1
    shutil.copy("base", "disk")
    try:
        code, text = run(*command(operation, image_options(rules)))
        wrong = judge(operation, code, text, before, after)
    except subprocess.TimeoutExpired:
        code, text, wrong = 1, "", "hangs"
    except SystemExit as unreadable:
        code, text, wrong = 1, "", f"cannot be read afterwards: {unreadable}"
    if wrong:
        failures += 1
        print(f"{label}: {wrong}\n    {text.strip()[-300:]}")
        shutil.copy("disk", f"failed{failures}")
        shutil.copy("rules", f"failed{failures}.rules")
    return code == 0 and not wrong


def steps():
    k = 1
    while k < LONGEST:
        yield k
        k += STEP or 1 + k // 4


def every_fault(geometry, operation):
    before = content_of_base()
    after = fault_free(operation)
    kinds = [("write", ("pwritev", "pwritev_zero"), EIO, "off"), ("write", ("pwritev", "pwritev_zero"), ENOSPC, "on"),
             ("flush", ("flush_to_disk",), EIO, "on")]
    for what, events, errno, once in kinds:
        for k in steps():
            label = f"{geometry}, {operation}: {what} {k} fails with {errno}{'' if once == 'on' else ' and all later ones'}"
            if attempt(label, operation, fail_at(events, k, errno, once), before, after):
                break
    chance = random.Random(operation)
    places = list(range(0, os.path.getsize("base") // SECTOR, 8))
    for sector in places if STEP else chance.sample(places, 3):
        rules = f'[inject-error]\nevent = "none"\niotype = "read"\nerrno = "5"\nsector = "{sector}"\n'
        attempt(f"{geometry}, {operation}: sector {sector} cannot be read", operation, rules, before, after)


def content_of_base():
    shutil.copy("base", "disk")
    return content()


def main():
    if not STOCK_IMG or not STOCK_IO:
        print("skipped: needs the stock programs")
        return 77
    for geometry, options in GEOMETRIES.items():
        operations = list(OPERATIONS) if geometry == "plain" or STEP else random.Random(geometry).sample(list(OPERATIONS), 3)
        for operation in operations:
            if ONLY in (None, operation):
                make(options, operation)
                every_fault(geometry, operation)
    print(f"{runs} faults, {failures} failures")
    return 1 if failures else 0


os.chdir(os.environ["TEST_DIR"])
sys.exit(main())
