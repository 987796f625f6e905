#!/bin/bash
# Proves that qemu-io's commands do to an image, and say about it, what the stock ones do (times apart).
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock

filter_io() { sed -E 's/ops; .*/ops; T/; s/,[0-9:.]+,[0-9.]+,[0-9.]+$/,T/'; }
FILTER=filter_io

commands() {
    cat <<'LINES'
write 0 64k
write -q -P 0x11 64k 512
write -C 128k 3k
write -z 192k 64k
write -z -u 64k 64k
write -z -n 256k 64k
write -s source 300000 10000
write -f 1 1
write -p 0x200 0x200
write 0 0
writev 512k 512 1k 1
writev -P 5 600k 1 2 3
writev -C 610k 512 512
writev -q -f 620k 512
r 0 512
read -v 65530 40
read -v 299990 33
read -P 0xcd 1k 512
read -P 1 1k 512
read -P 0xcd -s 10 -l 100 1k 512
read -P 1 -s 10 1k 512
read -vP 1 1k 16
read -C 0 512
read -q 0 512
read 0 0
readv -v 524280 16 5
readv -P 5 600k 6
readv -P 1 0 512
readv -qv 0 16
readv -C 0 512 512
readv 0 512 0
aio_read 0 512
aio_read -v 524280 16
aio_read -P 1 1k 512
aio_read -P 0xcd -q 1k 512
aio_write 700k 512 512
aio_write -P 7 800k 64k
aio_write -q 810k 1
aio_write -f 820k 1k
aio_write -z 64k 64k
aio_write -zu 128k 64k
aio_flush
flush
l
i
map
alloc 0
alloc 64k 192k
alloc 0 9M
alloc 9M
alloc 3 5
discard 0 64k
discard -C 64k 64k
discard -q 512k 64k
discard 1 1
truncate 5M
truncate -m off 3M
length
map
sleep 1

  length  
LINES
}

for format in raw qcow2; do
    fresh
    seed "$STOCK_QEMU_IMG" create -q -f "$format" disk 4M
    seed sh -c 'seq 200 > source'
    seeded
    while IFS= read -r line; do
        io_both -f "$format" -c "$line" disk
    done < <(commands)
    same_content disk -f "$format" -F "$format"
done
clean disk

# Above a backing file, compressed, and into the VM state.
fresh
seed "$STOCK_QEMU_IMG" create -q -f qcow2 base 1M
seed "$STOCK_QEMU_IO" -c 'write -q -P 9 0 1M' base
seed "$STOCK_QEMU_IMG" create -q -f qcow2 -b base -F qcow2 disk 2M
seeded
for line in 'write -P 1 4k 4k' 'write -c 128k 64k' 'write -z 300k 100k' 'discard 512k 128k' map 'alloc 0 2M' \
    'read -P 9 0 4k' 'write -b -P 3 512 1k' 'read -b -P 3 512 1k' 'write -b -c 0 512' info; do
    io_both -c "$line" disk
done
same_image disk
finish
