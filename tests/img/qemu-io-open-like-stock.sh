#!/bin/bash
# Proves that qemu-io opens, reopens, prompts and exits as the stock program does.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/lib.sh"
requires_stock

# Node names are numbered and end in random digits.
filter_io() { sed -E "s/ops; .*/ops; T/; s/'#block[0-9]+'/'#blockN'/"; }
FILTER=filter_io

seed "$STOCK_QEMU_IMG" create -q -f qcow2 base 1M
seed "$STOCK_QEMU_IMG" create -q -f qcow2 -b base -F qcow2 disk 1M
seed truncate -s 1M disk.raw
seeded
opts=driver=qcow2,file.filename=disk

while IFS= read -r line; do
    eval "io_both $line"
done <<'LINES'
-c 'read 0 1'
-c info
-c close
-c 'open disk' -c length
-c 'o disk' -c c -c l
-c 'open disk' -c 'open disk'
-c 'open disk' -c close -c close
-c 'open missing'
-c 'open -Z disk'
-c 'open disk disk.raw'
-c 'open -o'
-c 'open -o a=b'
-c 'open -o driver=qcow2,file.filename=disk' -c info
-c 'open -o driver=raw disk' -c info
-c 'open -o driver=file disk' -c info
-c 'open -o driver=foo disk'
-c 'open -o foo=1 disk'
-c 'open -o id=1 disk'
-c 'open -o lazy-refcounts disk'
-c 'open -o force-share=off -U disk'
-c 'open -t foo disk'
-c 'open -d foo disk'
-c 'open -i foo disk'
-c 'open -i native disk'
-c 'open -k disk'
-c 'open -n disk' -c 'read -q 0 512'
-c 'open -r disk' -c 'write 0 512'
-c 'open -s disk' -c 'write -q 0 512' -c map
-c 'open -C disk' -c 'read -q 0 512' -c map
-c 'open -U disk' -c l
-c 'open -rU disk' -c l
missing
-f raw missing
-f foo disk
-f qcow2 disk.raw
''
-r disk -c 'write 0 1' -c 'discard 0 64k' -c 'truncate 1M' -c 'write -z 0 1' -c 'aio_write 0 1' -c flush
-s disk -c 'write -q 0 512' -c map
-rC disk
-U disk
-Ur disk -c l
-t foo disk
-d foo disk
-i foo disk
-i native disk -c l
-k disk
-m disk -c 'write -q 0 64k' -c 'read -P 0xcd 0 64k'
-t unsafe disk -c 'write -q 0 512'
-t writethrough disk -c 'write -q 0 512'
-d unmap disk -c l
--image-opts disk
--image-opts $opts -c l
--image-opts -f qcow2 $opts
--image-opts ''
--image-opts $opts,foo=1
--object foo,id=a disk
--object secret,id=a,data=x disk -c l
--object help
disk -c 'read 0 1' -c foo -c l
disk -c foo -c quit -c l
disk -c quit -c foo
disk -c 'abort' -c l
disk -c 'sigraise 15' -c l
disk -c 'sigraise 0' -c l
-c reopen disk
-c reopen
-c 'reopen -r' -c 'write 0 1' disk
-C -c 'reopen -r' -c 'write -q 0 1' -c 'reopen -w' disk
-c 'reopen -r' -c 'reopen -w' -c 'write -q 0 1' disk
-r -c 'reopen -w' -c 'write -q 0 1' disk
-c 'reopen -c none' disk
-c 'reopen -c writethrough' -c 'write -q 0 1' disk
-c 'reopen -o lazy-refcounts=on' -c info disk
-c 'reopen -o lazy-refcounts=foo' disk
-c 'reopen -o lazy-refcounts' disk
-c 'reopen -o foo=1' disk
-c 'reopen -o read-only=on' disk
-c 'reopen -o driver=raw' disk
-c 'reopen -o file.filename=x' disk
-c 'reopen -o backing=foo' disk
-T foo disk -c quit
-T enable=foo,bar=1 disk -c quit
-T events=/missing disk -c quit
LINES

# The prompt: what is typed comes on standard input.
for text in 'length\nfoo\nread -q 0 1\n\n  \nq\n' 'length\n' 'length' '' 'foo\n' 'read 0 0 1 2\n' 'close\nlength\nquit\nfoo'; do
    for dir in stock ours; do
        [ $dir = stock ] && program=$STOCK_QEMU_IO || program=$QEMU_IO
        (cd "$dir" && printf "$text" | "$program" disk >../p.$dir 2>&1; echo "exit $?" >>../p.$dir)
    done
    cmp -s p.stock p.ours || { fail "prompt: $text"; diff p.stock p.ours; }
done
finish
