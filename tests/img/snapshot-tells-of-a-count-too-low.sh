#!/bin/bash
# Two entries of the L1 table name one L2 table: a snapshot is refused with the cause and what to do, and works when that was done.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu
"$QEMU_IMG" create -q -f qcow2 image 2G
"$QEMU_IO" -c 'write -P 1 0 64k' -c 'write -P 2 512M 64k' image >/dev/null
python3 - <<'END'
import struct
with open("image", "r+b") as f:
    header = f.read(104)
    at = struct.unpack(">Q", header[40:48])[0]
    f.seek(at)
    first = f.read(8)
    f.seek(at + 8)
    f.write(first)
END
cp image before
if out=$("$QEMU_IMG" snapshot -c s image 2>&1); then echo "a snapshot was taken of what is damaged"; exit 1; fi
grep -q "Refcount of cluster at 0x40000 is too low.*'qemu-img check -r all' counts anew" <<<"$out" || { echo "$out"; exit 1; }
grep -q "Could not create snapshot 's'" <<<"$out"
"$QEMU_IMG" compare -q before image
"$QEMU_IMG" check -q -r all image >/dev/null || [ $? -eq 0 ]
"$QEMU_IMG" snapshot -c s image
"$QEMU_IO" -c 'write -P 7 0 64k' image >/dev/null
"$QEMU_IMG" snapshot -a s image
"$QEMU_IO" -r -c 'read -P 1 0 64k' -c 'read -P 1 512M 64k' image >/dev/null
"${STOCK_QEMU_IMG:-$QEMU_IMG}" check -q image
