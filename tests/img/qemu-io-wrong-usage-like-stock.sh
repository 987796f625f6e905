#!/bin/bash
# Proves that qemu-io refuses wrong commands, arguments and combinations with the stock texts and exit codes.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock

filter_io() { sed -E 's/ops; .*/ops; T/; s/,[0-9:.]+,[0-9.]+,[0-9.]+$/,T/'; }
FILTER=filter_io

seed truncate -s 1M disk.raw
seed sh -c ': > empty'
seeded
while IFS= read -r line; do
    [ -n "$line" ] && io_both -f raw -c "$line" disk.raw
done <<'LINES'
foo
foo bar
read
read 0
read 0 1 2
read -Z 0 1
read -1 5
read -P xyz 0 1
read -P 256 0 1
read -P -1 0 1
read -l 10 0 512
read -s 10 0 512
read -P 1 -s abc 0 512
read -P 1 -l abc 0 512
read -P 1 -s -1 0 512
read -P 1 -s 500 -l 100 0 512
read -P 1 -s 600 0 512
read -b 1 511
read -b 0 511
read abc 512
read 0 abc
read 1.5 512
read 0 2G
read 9E 1
read 0 16E
read 2M 512
read 1M 1
readv 0
readv -Z 0 1
readv 0 abc
readv abc 1
readv 0 512 abc
readv 0 2G
readv 0 1G 1G
readv 1M 512
readv -P 256 0 1
write 0
write -Z 0 1
write 0 1 2
write -P 256 0 512
write -P abc 0 512
write -z -P 1 0 512
write -s empty -z 0 512
write -s empty -P 1 0 512
write -s empty 0 512
write -s missing 0 512
write -s missing abc 1
write -u 0 512
write -n 0 512
write -n -u 0 512
write -b -z 0 512
write -b -z -f 0 1
write -f -b 0 512
write -f -c 0 512
write -f -b -n 0 1
write -c 1 1
write -c 0 1
write -b 1 511
write -c 0 64k
write abc 512
write 0 -1
write 0 2G
write 0 9E
write 1k 1Q
write 1M 512
writev -P 300 0 512
writev -Z 0 1
writev abc 512
writev 0 abc
writev 0 1G 1G
writev 1M 512
aio_read
aio_read 0
aio_read -Z 0 1
aio_read -P 1000 0 1
aio_read abc 1
aio_read 0 abc
aio_read 0 2G
aio_read 1M 512
aio_read -i 0 512
aio_write -Z 0 1
aio_write -P 1000 0 1
aio_write -u 0 512
aio_write -z 0 512 512
aio_write -zu 1 1 1
aio_write -z abc 1
aio_write -z 0 abc
aio_write abc 1
aio_write 0 abc
aio_write 1M 512
aio_write -i 0 512
aio_flush x
flush x
length x
info x
map x
close x
alloc
alloc 1 2 3
alloc abc
alloc 0 abc
alloc -1
alloc 0 -1
discard
discard -Z 0 1
discard 1 2 3
discard abc 1
discard 0 abc
discard 0 4G
discard 2M 64k
truncate
truncate abc
truncate -1
truncate -m foo 6M
truncate -m
truncate 16E
truncate 9E
sleep
sleep abc
sleep -1
sleep 1x
sleep 1 2
sigraise abc
sigraise -1
sigraise 99
sigraise
break a
break a b
resume x
remove_break x
wait_break
abort x
help zzz
help a b
open
reopen x
reopen -Z
reopen -r -w
reopen -w -r
reopen -r -r
reopen -c foo
reopen -o
reopen -r -o read-only=on
reopen -c none -o cache.direct=on
length;
"length"
LINES
finish
