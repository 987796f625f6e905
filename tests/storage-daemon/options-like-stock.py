#!/usr/bin/env python3
"""Wrong and odd options of the storage daemon get the stock daemon's words and exit code.

SPDX-License-Identifier: GPL-2.0-or-later
"""
import os
import subprocess
import sys

from lib import program

N = "--blockdev null-co,node-name=n "
VU = N + "--export vhost-user-blk,id=a,node-name=n"
VD = N + "--export vduse-blk,id=a,node-name=n"
CASES = """
foo
--nope
-x
--blockdev
--pidfile
--blockdev help
--blockdev driver=file
--blockdev {"driver":"file"
--blockdev [1]
--blockdev driver=file foo
--blockdev driver=file --nope
--blockdev driver=nope
--blockdev=driver=file
--blockd driver=file
--blockdev null-co,node-name=n,foo=bar
--blockdev null-co,node-name=n,size=x
--blockdev {"driver":"null-co","node-name":"n","size":"1"}
--blockdev null-co,node-name=a --blockdev null-co,node-name=a
--blockdev null-co
--blockdev driver=file,filename=nofile,node-name=f
--blockdev driver=qcow2,file.driver=file,file.filename=nofile,node-name=f
--chardev foo
--chardev null
--chardev foo,id=a
--chardev null,id=a --chardev null,id=a
--chardev socket,id=a,path=nofile
--chardev socket,id=a
--chardev null,id=a,nope=1
--chardev {"backend":"null"}
--monitor help
--monitor chardev=a
--monitor a,mode=readline
--monitor a,mode=foo
--monitor a,pretty=x
--monitor a,id=3
--monitor a=b=c
--monitor chardev=a,chardev=b
--monitor {"chardev":"a"}
--monitor {"chardev":"a","pretty":"on"}
--monitor {}
--chardev null,id=c --monitor c,mode=readline
--chardev null,id=c --monitor c --monitor c
--nbd-server help
--nbd-server foo
--nbd-server addr.type=unix
--nbd-server addr.type=foo
--nbd-server addr.type=unix,addr.path=/nonexistent/a
--nbd-server addr.type=inet,addr.host=localhost,addr.port=0,max-connections=x
--nbd-server addr.type=inet,addr.host=localhost,addr.port=0,tls-creds=t
--nbd-server addr.type=inet,addr.host=localhost,addr.port=0 --nbd-server addr.type=inet,addr.host=localhost,addr.port=0
--nbd-server {"addr":{"type":"unix"}}
--object secret
--object secret,id=a
--object foo,id=a
--object {"qom-type":"secret"}
--object {"qom-type":"secret","id":"a","data":1}
--object secret,id=a,data=x,foo=bar
--object secret,id=a,data=x --object secret,id=a,data=x
--object secret,id=1a,data=x
--object iothread,id=a,poll-max-ns=x
--object iothread,id=a,poll-max-ns=-1
--object rng-random,id=a
--object secret,id=a,data=x,loaded=on
--object secret,id=a,data.x=y
--object secret,help
--object iothread,help
--object throttle-group,help
--pidfile /nonexistent/x
--daemonize --pidfile /nonexistent/x
--trace foo=1
--trace file=/nonexistent/x
--trace events=/nonexistent/x
--trace nosuchevent --blockdev x
--export help
--export
--export type=nbd
--export foo,id=a
--export nbd,id=a,node-name=b
--export {"type":"nbd"}
--export type=nbd,id=a,node-name=b,foo=1
--export type=nbd,id=a,node-name=b,writable=maybe
--export vhost-user-blk,id=a
--export type=fuse,id=a,node-name=b
--export vduse-blk,id=a,node-name=b
""".strip().splitlines() + [
    N + "--export nbd,id=a,node-name=n",
    N + "--export nbd,id=9,node-name=n",
]


def run(kind, case):
    path = program(kind, "QEMU_STORAGE_DAEMON")
    done = subprocess.run(["qemu-storage-daemon", *case.split(" ")], executable=path, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def main():
    bad = 0
    for case in CASES:
        stock, ours = run("stock", case), run("ours", case)
        if stock != ours:
            bad += 1
            print(f"{case}\n  stock: {stock}\n  ours:  {ours}")
    for case in ("--help", "-V", "--trace nosuch* --version", "-hV"):
        status, text, errors = run("ours", case)
        if status or errors or "qemu-storage-daemon" not in text:
            bad += 1
            print(f"{case}: {status} {text!r} {errors!r}")
    # Each line of syntax in the stock help stands in ours.
    stock, ours = (set(run(kind, "--help")[1].splitlines()) for kind in ("stock", "ours"))
    fuse = any("fuse" in line for line in ours)
    for line in stock:
        words = line.strip()
        syntax = words.startswith("--") or words.startswith("[") or words.startswith(",")
        if syntax and line not in ours and not any(known.startswith(line.split("  ")[0]) for known in ours) \
                and (fuse or not ("fuse" in line or "allow-other" in line)) \
                and not any(known.split("   ")[0].strip() == words.split("   ")[0] for known in ours):
            bad += 1
            print(f"not in our help: {line}")
    print(f"{len(CASES)} command lines, {bad} differences")
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ.pop("QEMU_IMG_TRACE", None)
    sys.exit(main())
