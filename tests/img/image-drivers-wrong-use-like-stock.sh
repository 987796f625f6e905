# throttle-group objects, raw windows, null and LUKS used wrongly or to their ends; bitmaps made void by other programs: texts and codes as with stock.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_both
filter_both() { filter_info | filter_speed; }
SECRET=secret,id=s,data=word
seed "$STOCK_QEMU_IMG" create -f raw r 1M
seed "$QEMU_IMG" create --object $SECRET -f luks -o key-secret=s,iter-time=10,cipher-alg=aes-128 l 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 b 1M
seed "$STOCK_QEMU_IMG" bitmap --add b bits
seed cp b b2
# The header's autoclear bits (8 bytes at 88): a program that knows no bitmaps clears them.
seed sh -c 'printf "\0\0\0\0\0\0\0\0" | dd of=b bs=1 seek=88 conv=notrunc status=none; printf "\0\0\0\0\0\0\0\4" | dd of=b2 bs=1 seek=88 conv=notrunc status=none'
seeded
big=1000000000000000
for limits in x-bps-total=1,x-bps-read=1 x-bps-total=1,x-bps-write=1 x-iops-total=2,x-iops-write=2 \
              x-bps-total-max=2,x-bps-read-max=2 x-bps-total-max=2,x-bps-write-max=2 x-bps-total=$big x-bps-total=${big}0 x-bps-total=1,x-bps-total-max=${big}0 \
              x-bps-total=9,x-bps-total-max-length=0 x-bps-total=9,x-bps-total-max-length=4 x-bps-total=9,x-bps-total-max=9,x-bps-total-max-length=4 \
              x-bps-total=9,x-bps-total-max=$big,x-bps-total-max-length=4294967295 x-bps-total-max=9 x-bps-total=9,x-bps-total-max=8 \
              x-bps-total-max-length=4294967296 x-bps-total-max-length=x x-bps-total=-1 x-bps-total=x x-iops-size=4096 x-iops-size=4096,x-iops-read=9 \
              x-iops-size=4096,x-iops-write=9 x-iops-size=4096,x-iops-total=9 x-bps=1 bps-total=1 x-bps-total-foo=1 limits.bps-total=9 limits.bps-total=x \
              limits.foo=1 limits.bps-total=-1 limits.bps-total=9,limits.bps-total-max=8 foo=1; do
    run_both info --object "throttle-group,id=g,$limits" -f raw r
done
run_both info --object throttle-group,id=g --object throttle-group,id=g -f raw r
# Bursts, and requests that count as several: all that is written is there, however long it takes.
for limits in x-bps-total=20000000,x-bps-total-max=40000000,x-bps-total-max-length=2 x-iops-total=2000,x-iops-size=4096 x-iops-write=500,x-iops-write-max=1000 \
              x-iops-read=100,x-iops-read-max=200,x-iops-read-max-length=3,x-iops-size=65536; do
    io_both --object "throttle-group,id=g,$limits" --image-opts -c 'write -P 5 0 1M' -c 'read -P 5 0 1M' -c 'write -P 6 4k 512k' -c 'read -P 6 4k 512k' \
        -c 'write -P 5 0 1M' driver=throttle,throttle-group=g,file.driver=raw,file.file.driver=file,file.file.filename=r
done
same_content r -f raw -F raw
for name in null-co://x null-aio://x null-co:// null-aio:// null-co: null-co:/; do
    run_both info "$name"
done
for options in null-co,latency-ns=-1 null-co,latency-ns=1000 null-aio,size=1M,read-zeroes=on,latency-ns=5; do
    io_both --image-opts -c 'read 0 512' -c 'reopen -o read-zeroes=on' -c 'read -P 0 0 512' "driver=$options"
    run_both info --output=json --image-opts "driver=$options"
done
run_both resize --image-opts driver=raw,offset=1M,file.driver=file,file.filename=r 9223372036854774784
run_both resize --image-opts driver=raw,offset=512,file.driver=null-co,file.size=1M 9223372036854774784
io_both --image-opts -c 'read 1024 512' -c 'write 1024 512' -c 'write 512 1024' -c 'discard 1024 512' -c 'write -z 1000 100' driver=raw,offset=512,size=1024,file.driver=file,file.filename=r
run_both create --object $SECRET -f luks -o key-secret=s,iter-time=10 big 9223372036854774784
run_both create --object $SECRET -f luks -o key-secret=s,iter-time=10,preallocation=wrong big 1M
run_both create -f luks big 1M
run_both resize --object $SECRET --image-opts driver=luks,key-secret=s,file.driver=file,file.filename=l 9223372036854774784
run_both resize --object $SECRET --image-opts driver=luks,key-secret=s,file.driver=file,file.filename=l 2M
for options in '' -okey-secret=s -okey-secret=none -okey-secret=s,cipher-alg=none -ocipher-alg=none; do
    run_both measure --object $SECRET -O luks $options --size 1M
    run_both measure --object $SECRET -O luks $options -f raw r
    run_both measure --object $SECRET -O qcow2 -o "encrypt.format=aes,${options:+encrypt.${options#-o}}" --size 1M
    run_both measure --object $SECRET -O qcow2 -o "encrypt.format=luks,${options:+encrypt.${options#-o}}" --size 1M
done
# A disk that fails in the part that holds the data (it begins at 2 MiB - 28,672).
for way in read write; do
    io_both --object $SECRET --image-opts -c 'write -P 7 0 64k' -c 'read -P 7 0 64k' -c 'reopen -r' -c 'read 64k 512' -c 'read 2000k 8k' -c flush \
        "driver=luks,key-secret=s,file.driver=blkdebug,file.image.driver=file,file.image.filename=l,file.inject-error.0.event=none,file.inject-error.0.iotype=$way,file.inject-error.0.sector=4100"
done
io_both --object $SECRET --image-opts -c 'write -P 9 0 2M' -c 'read -P 9 0 2M' -c 'reopen -r' -c 'read -P 9 1M 4k' -c 'write 0 512' \
    driver=luks,key-secret=s,file.driver=file,file.filename=l
for image in b b2; do
    run_both info $image
    io_both -r -c 'read 0 512' $image
    io_both -c 'read 0 512' $image
    run_both check $image
    run_both info $image
done
finish
