#!/usr/bin/env python3
"""A node as a file: programs that read, write, resize, punch and seek in it see what they see through the stock daemon.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import ctypes
import errno
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

from lib import Daemon, differences, program, skip

LIBC = ctypes.CDLL(None, use_errno=True)
N = ["--blockdev", "null-co,node-name=n,size=1048576"]


def attempt(fn, *args, **more):
    try:
        return fn(*args, **more)
    except OSError as error:
        return errno.errorcode[error.errno]


def fallocate(fd, mode, offset, length):
    done = LIBC.fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))
    return 0 if done == 0 else errno.errorcode[ctypes.get_errno()]


def work(path):
    """What can be seen of the file and done to it; changes it."""
    def size():
        return os.stat(path).st_size
    st = os.stat(path)
    yield oct(st.st_mode), st.st_size, st.st_blocks, st.st_blksize, st.st_ino, st.st_nlink, st.st_uid, abs(st.st_mtime - time.time()) < 60
    yield [line.split(" ", 2)[2] for line in open("/proc/mounts", encoding="utf-8") if line.split(" ")[1] == path]
    fd = attempt(os.open, path, os.O_RDWR)
    yield "read", os.pread(fd, 1 << 20, 0), len(os.pread(fd, 100, st.st_size - 1)), os.pread(fd, 100, st.st_size), os.pread(fd, 1, 1 << 40)
    yield "write", attempt(os.pwrite, fd, b"x" * 100, 10), attempt(os.pwrite, fd, b"y" * 1000, 199900), size(), \
        attempt(os.pwrite, fd, b"z" * 10, 300000), size()
    for whence in (os.SEEK_DATA, os.SEEK_HOLE):
        yield "seek", whence, [attempt(os.lseek, fd, at, whence) for at in (0, 1000, 65536, 70000, 131072, 199999, 200000, 250000)]
    for mode in (0, 1, 2, 3, 0x10, 0x11, 0x8, 0x20, 0x40):
        yield "fallocate", mode, fallocate(fd, mode, 0, 4096), fallocate(fd, mode, 70000, 100000), size(), \
            fallocate(fd, mode, 400000, 1000), size(), fallocate(fd, mode, 900000, 100), size()
    yield "truncate", attempt(os.ftruncate, fd, 100000), size(), attempt(os.truncate, path, 250000), size()
    for mode in (0o600, 0o400, 0o444, 0o4755, 0o600):
        yield "chmod", oct(mode), attempt(os.chmod, path, mode), oct(os.stat(path).st_mode)
    yield "chown", attempt(os.chown, path, 5, 6), os.stat(path).st_uid, os.stat(path).st_gid
    yield "other", attempt(os.utime, path, (1, 2)), attempt(os.fsync, fd), attempt(os.getxattr, path, "user.x"), attempt(os.stat, path + "/x"), \
        attempt(os.unlink, path), attempt(os.rename, path, path + "2"), attempt(os.link, path, path + "3")
    yield "content", os.pread(fd, 1 << 20, 0)
    os.close(fd)


def folder():
    path = pathlib.Path(tempfile.mkdtemp(dir=os.environ["TEST_DIR"]))
    (path / "img").write_bytes(bytes(range(256)) * 256)
    with open(path / "img", "r+b") as file:
        file.truncate(200000)
        os.fsync(file.fileno())                # what is allocated is known then
    (path / "mnt").touch()
    return path


def unmount(path):
    subprocess.run(["umount", "-l", str(path)], stderr=subprocess.DEVNULL, check=False)


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.hex() if isinstance(value, bytes) else value


def look(kind, options, driver="raw"):
    place = folder()
    if driver != "raw":
        subprocess.run([os.environ["QEMU_IMG"], "convert", "-O", driver, str(place / "img"), str(place / "img2")], check=True)
        (place / "img2").rename(place / "img")
    mnt = str(place / "mnt")
    try:
        with Daemon(kind, ["--blockdev", "file,filename=img,node-name=f,discard=unmap", "--blockdev", f"{driver},file=f,node-name=n,discard=unmap",
                           "--export", f"fuse,id=e,node-name=n,mountpoint={mnt}{options}"], cwd=str(place)) as vm:
            seen = list(work(mnt))
            seen.append(vm.cmd("query-block-exports"))
            fd = os.open(mnt, os.O_RDONLY)             # the file is gone though somebody has it open
            seen.append(vm.ask("block-export-del", {"id": "e"}))
            seen.append(vm.wait_event("BLOCK_EXPORT_DELETED")["data"])
            seen.append((attempt(os.pread, fd, 1, 0), attempt(os.close, fd)))
            seen.append(os.stat(mnt).st_size)
            # Once more, and then in vain (this takes the stock daemon's mount away: last).
            seen.append(vm.ask("block-export-add", {"type": "fuse", "id": "e", "node-name": "n", "mountpoint": mnt}))
            seen.append(vm.ask("block-export-add", {"type": "fuse", "id": "e2", "node-name": "n", "mountpoint": mnt}))
        seen.append(os.stat(mnt).st_size)
        seen.append((place / "img").stat().st_size if driver == "raw" else None)
        return json.loads(json.dumps(plain(seen)).replace(str(place), ""))
    finally:
        unmount(mnt)


def refusals(kind):
    for options in (f"mountpoint={os.environ['TEST_DIR']}/none", f"mountpoint={os.environ['TEST_DIR']}", "mountpoint=/dev/null",
                    "growable=on", "mountpoint=x,allow-other=maybe", "mountpoint=x,foo=1"):
        done = subprocess.run(["qemu-storage-daemon", *N, "--export", f"fuse,id=a,node-name=n,{options}"], text=True,
                              executable=program(kind, "QEMU_STORAGE_DAEMON"), capture_output=True, timeout=60, check=False)
        yield options, done.returncode, done.stdout, done.stderr


def cannot_mount(kind):
    """None; or what is said when nothing can be mounted here."""
    place = folder()
    process = subprocess.Popen(["qemu-storage-daemon", *N, "--export", f"fuse,id=a,node-name=n,mountpoint={place}/mnt", "--pidfile", f"{place}/pid"],
                               executable=program(kind, "QEMU_STORAGE_DAEMON"), stderr=subprocess.PIPE, text=True)
    while not (place / "pid").exists() and process.poll() is None:
        time.sleep(0.01)
    if process.poll() is None:
        process.terminate()
        process.communicate()
        return None
    return process.returncode, process.communicate()[1].replace(str(place), "")


def many_at_once():
    """Threads that write and read back their own parts, while the file also grows; in an I/O thread."""
    place = folder()
    mnt = str(place / "mnt")
    errors = []

    def one(number):
        fd = os.open(mnt, os.O_RDWR)
        for turn in range(40):
            at, data = (number * 40 + turn) * 8192, bytes([number * 16 + turn % 16]) * 8192
            if os.pwrite(fd, data, at) != 8192 or os.pread(fd, 8192, at) != data:
                errors.append((number, turn))
        os.close(fd)
    try:
        with Daemon("ours", ["--object", "iothread,id=io", "--blockdev", "file,filename=img,node-name=f", "--blockdev", "raw,file=f,node-name=n",
                             "--export", f"fuse,id=e,node-name=n,mountpoint={mnt},writable=on,growable=on,iothread=io"], cwd=str(place)) as vm:
            threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            content = (place / "mnt").read_bytes()
            unmount(mnt)                       # behind the daemon's back
            assert vm.cmd("query-block-exports")[0]["id"] == "e"
            vm.cmd("block-export-del", {"id": "e"})
            vm.wait_event("BLOCK_EXPORT_DELETED")
        if (place / "img").read_bytes() != content:
            errors.append("content")
    finally:
        unmount(mnt)
    return errors


def main():
    if not os.environ.get("STOCK_QEMU_STORAGE_DAEMON"):
        skip("the stock qemu-storage-daemon is not installed")
    if "fuse" not in subprocess.run([os.environ["QEMU_STORAGE_DAEMON"], "--help"], capture_output=True, text=True, check=True).stdout:
        skip("built without libfuse3")
    bad = 0
    for stock, ours in zip(refusals("stock"), refusals("ours")):
        if stock != ours:
            bad += 1
            print(f"stock: {stock}\nours:  {ours}")
    stock, ours = cannot_mount("stock"), cannot_mount("ours")
    if stock != ours:
        print(f"mounting: stock {stock}, ours {ours}")
        return 1
    if stock:
        if bad:
            return 1
        skip(f"nothing can be mounted here: {stock[1].splitlines()[0]}")
    cases = [("", "raw"), (",writable=on", "raw"), (",writable=on,growable=on", "raw"), (",writable=on,allow-other=off", "raw"),
             (",writable=on,growable=on,allow-other=on", "qcow2")]
    for options, driver in cases:
        for line in differences(look("stock", options, driver), look("ours", options, driver), f"{driver}{options}"):
            bad += 1
            print(line[:1500])
    errors = many_at_once()
    if errors:
        bad += 1
        print(f"many at once: {errors[:10]}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
