# throttle, copy-on-read, preallocate, compress, quorum, blkverify, blkdebug over images: output, exit codes and content as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_speed
raw() { seed "$STOCK_QEMU_IMG" create -f raw "$1" 1M; seed "$STOCK_QEMU_IO" -f raw -c "write -P $2 0 1M" "$1"; }
start() {
    fresh
    for i in 1 2 3; do raw c$i.raw 7; done
    seed "$STOCK_QEMU_IMG" create -f qcow2 -b c1.raw -F raw over.qcow2
    seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 1M
    seeded
}
io() { io_both --image-opts "$@"; }
# compress
start
for options in driver=compress,file.driver=qcow2,file.file.filename=a.qcow2 driver=compress,file.driver=raw,file.file.filename=c1.raw \
               driver=compress,file.driver=qcow2,file.file.filename=missing driver=compress driver=compress,file.driver=qcow2,file.file.filename=a.qcow2,nonsense=1; do
    io -c 'write -P 3 0 64k' -c 'write -P 4 128k 512' -c 'write -z 256k 64k' -c 'read -P 3 0 64k' -c map -c length $options
done
with_filter filter_info run_both info --image-opts driver=compress,file.driver=qcow2,file.file.filename=a.qcow2
io -d unmap -c 'discard 0 64k' -c 'truncate 2M' -c 'truncate 1M' -c info driver=compress,file.driver=qcow2,file.file.filename=a.qcow2
same_image a.qcow2
same_stock_view a.qcow2 map --output=json
# copy-on-read
for options in driver=copy-on-read,file.driver=qcow2,file.file.filename=over.qcow2 driver=copy-on-read,file.driver=raw,file.file.filename=c1.raw \
               driver=copy-on-read,file.driver=qcow2,file.file.filename=over.qcow2,bottom=nonsense driver=copy-on-read,read-only=on,file.driver=qcow2,file.file.filename=over.qcow2; do
    io -c 'read -P 7 0 1k' -c 'read 300k 100k' -c map $options
done
io_both -C -c 'read -P 7 700k 1k' over.qcow2
same_image over.qcow2
same_stock_view over.qcow2 map --output=json
# throttle: the group's object, options by group, unknown and conflicting ones
group=driver=throttle,throttle-group=g,file.driver=qcow2,file.file.filename=a.qcow2
for object in throttle-group,id=g throttle-group,id=g,x-iops-total=100 throttle-group,id=g,x-bps-total=1048576,x-bps-total-max=4194304 \
              throttle-group,id=g,x-bps-total=5,x-bps-read=5 throttle-group,id=g,x-iops-total-max=5 throttle-group,id=h \
              throttle-group,id=g,x-bps-total=1,x-bps-total-max=2,x-bps-total-max-length=0 \
              throttle-group,id=g,x-nonsense=1 throttle-group,id=g,x-bps-total=-1 throttle-group,id=g,limits.iops-total=100; do
    io --object $object -d unmap -c 'write -P 5 0 64k' -c 'read -P 5 0 4k' -c 'write -z 4k 1k' -c 'discard 64k 64k' -c 'truncate 2M' -c 'truncate 1M' -c map $group
done
io -c 'read 0 512' driver=throttle,file.driver=raw,file.file.filename=c1.raw
same_image a.qcow2
# The limit is kept: after a burst of 1 MiB a second the next megabyte takes one.
started=$(date +%s%N)
(cd ours && "$QEMU_IO" --image-opts --object throttle-group,id=g,x-bps-total=1048576 -c 'read 0 512k' -c 'read 0 512k' -c 'read 0 512k' \
    driver=throttle,throttle-group=g,file.driver=raw,file.file.filename=c1.raw) >/dev/null || fail 'throttled reads'
[ $((($(date +%s%N) - started) / 1000000)) -ge 800 ] || fail 'the throttle let everything through'
# quorum
two() { echo "driver=quorum,vote-threshold=$1,$2children.0.driver=raw,children.0.file.filename=c1.raw,children.1.driver=raw,children.1.file.filename=c2.raw"; }
three() { echo "$(two "$1" "$2"),children.2.driver=raw,children.2.file.filename=c3.raw"; }
start
each "$STOCK_QEMU_IO" -f raw -c 'write -P 9 64k 1k' c2.raw
for options in "$(two 2 '')" "$(two 1 '')" "$(two 3 '')" "$(two 0 '')" "$(three 2 '')" "$(three 3 '')" "$(three 2 read-pattern=fifo,)" \
               "$(three 2 read-pattern=nonsense,)" "$(two 2 blkverify=on,)" "$(three 2 blkverify=on,)" "$(two 1 blkverify=on,)" \
               "$(three 2 rewrite-corrupted=on,blkverify=on,)" driver=quorum driver=quorum,vote-threshold=1 \
               "$(three 2 nonsense=1,)" "$(three nonsense '')"; do
    io -c 'read -P 7 0 64k' -c 'read 60k 8k' -c 'write -P 3 512k 4k' -c 'read -P 3 512k 4k' -c 'write -z 600k 1k' -c 'discard 700k 4k' -c flush -c length "$options"
    for i in 1 2 3; do same_content c$i.raw -f raw -F raw; done
done
io -c 'read -P 7 60k 8k' "$(three 2 rewrite-corrupted=on,)"
for i in 1 2 3; do same_content c$i.raw -f raw -F raw; done
cmp -s ours/c1.raw ours/c2.raw || fail 'quorum did not rewrite'
# A child that cannot be flushed is outvoted, as one that cannot be written.
for kind in flush write read; do
    io -c 'write -P 3 0 4k' -c flush -c 'read -P 3 0 4k' "driver=quorum,vote-threshold=2,children.0.driver=raw,children.0.file.driver=blkdebug,children.0.file.image.filename=c1.raw,\
children.0.file.inject-error.0.event=none,children.0.file.inject-error.0.iotype=$kind,children.1.driver=raw,children.1.file.filename=c2.raw,children.2.driver=raw,children.2.file.filename=c3.raw"
done
for i in 1 2 3; do same_content c$i.raw -f raw -F raw; done
# blkverify
start
each "$STOCK_QEMU_IO" -f raw -c 'write -P 9 64k 1k' c2.raw
io_both -c 'read 0 64k' -c 'write -P 4 128k 64k' -c 'read -P 4 128k 64k' -c 'read 60k 8k' -c 'read 0 1' blkverify:c1.raw:c2.raw
io -c 'read 0 64k' driver=blkverify,raw.driver=file,raw.filename=c1.raw,test.driver=raw,test.file.filename=c2.raw
io -c 'write -P 4 512k 64k' driver=blkverify,raw.filename=c1.raw,test.driver=raw,test.file.filename=c3.raw
io_both -c 'read 0 1' blkverify:c1.raw
io_both -c 'read 0 1' blkverify:c1.raw:missing
for i in 1 2 3; do same_content c$i.raw -f raw -F raw; done
# preallocate
start
for options in '' ,prealloc-size=256k ,prealloc-align=64k ,prealloc-align=1 ,prealloc-size=1 ,nonsense=1 ,prealloc-align=0 ,prealloc-size=-1; do
    io -c 'write -P 2 1M 64k' -c 'write -P 2 1500k 1k' -c length "driver=raw,file.driver=preallocate,file.file.filename=c1.raw$options"
    [ "$(stat -c %s stock/c1.raw)" = "$(stat -c %s ours/c1.raw)" ] || fail "preallocate$options: length"
    same_content c1.raw -f raw -F raw
    each truncate -s 1M c1.raw
done
io -c 'write -P 2 0 300k' driver=qcow2,file.driver=preallocate,file.file.filename=a.qcow2
same_image a.qcow2
finish
