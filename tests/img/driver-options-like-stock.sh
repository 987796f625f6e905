# Options of blkdebug, null-co, null-aio, raw's window, detect-zeroes, discard, cache and json: names: texts, codes and content as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_both
filter_both() { filter_info | filter_speed | sed 's/#block[0-9]*/#block/g'; }
seed "$STOCK_QEMU_IMG" create -f qcow2 d 1M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 64k' d
seed "$STOCK_QEMU_IMG" create -f raw r 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 -b d -F qcow2 o
seeded
each sh -c 'printf "[bad]\n" > c1; printf "[inject-error]\nevent = \"nope\"\n" > c2; printf "[set-state]\nevent = \"write_aio\"\nnew_state = \"x\"\n" > c3
    printf "[inject-error]\nerrno = \"5\"\n" > c4; printf "[inject-error]\nevent = \"read_aio\"\niotype = \"foo\"\n" > c5
    printf "[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nonce = \"on\"\n" > c6'
for rules in c1 c2 c3 c4 c5 c6 missing; do
    io_both -c 'read 0 512' -c 'read 0 512' "blkdebug:$rules:d"
    io_both --image-opts -c 'read 0 512' "driver=qcow2,file.driver=blkdebug,file.config=$rules,file.image.filename=d"
done
for option in align=1000 align=4096 max-transfer=65536 opt-write-zero=4096,max-write-zero=65536,max-discard=131072 \
              align=4096,max-transfer=512 opt-discard=100 align=x take-child-perms.0=foo unshare-child-perms.0=write foo=1; do
    io_both --image-opts -c 'write 0 1M' -c 'read 100 1000' -c 'write -z 0 200k' -c 'discard 0 300k' \
        "driver=raw,file.driver=blkdebug,file.$option,file.image.filename=r"
done
for options in null-co null-aio null-co,size=0 null-co,size=513 null-aio,read-zeroes=on null-aio,latency-ns=1000 null-co,foo=1; do
    io_both --image-opts -c 'write 0 512' -c 'read -P 0 0 512' -c length -c map -c 'discard 0 512' "driver=$options"
    run_both map --output=json --image-opts "driver=$options"
done
run_both info null-co://
io_both -c 'read 0 512' null-aio://
# Windows that end inside a sector are left out: the stock programs abort there.
for window in offset=512,size=1024 offset=1M offset=2M size=2M size=513 size=x offset=1M,size=512 offset=0,size=0; do
    io_both --image-opts -c 'write -P 3 0 512' -c 'read 0 512' -c 'write 1k 512' -c length -c map "driver=raw,$window,file.filename=r"
    run_both resize --image-opts "driver=raw,$window,file.filename=r" 4M
    run_both map --output=json --image-opts "driver=raw,$window,file.filename=r"
done
same_content r -f raw -F raw
for option in detect-zeroes=on detect-zeroes=unmap detect-zeroes=x detect-zeroes=unmap,discard=unmap discard=off discard=x cache.direct=on \
              cache.direct=x read-only=on auto-read-only=on force-share=on node-name=a node-name=1a; do
    io_both --image-opts -c 'write -P 0 0 64k' -c map "driver=qcow2,$option,file.filename=d"
done
same_image d
for name in '{"driver":"qcow2","file":{"driver":"file","filename":"d"}}' '{"driver":"raw","file.filename":"r"}' '{"file.filename":"d"}' '' \
            '{' '[]' '{"driver":"nope"}' '{"driver":"qcow2"}' '{"driver":"file","filename":"r","foo":1}' '{"driver":"qcow2","file":"x"}' \
            '{"driver":"raw","size":512,"file":{"driver":"file","filename":"r"}}' \
            '{"driver":"qcow2","file":{"driver":"file","filename":"o"},"backing":null}'; do
    run_both info --output=json "json:$name"
done
finish
