# bench: what it announces, refuses and leaves in the image.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_speed
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 4M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 4M' a.qcow2
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1000k
seeded
for options in '' '-d 1' '-d 3 -s 64k' '-s 512 -S 8k' '-o 1M' '-o 3000k -s 100k -S 1M' '-t none' '-i threads' '-n -t none' '-q' '-U' \
               '-d -1' '-d nonsense' '-s nonsense' '-s 9E' '-S nonsense' '-o nonsense' '-t nonsense' '-i nonsense' '-f qcow2' \
               '-f raw' '--pattern 5' '--pattern 256' '--pattern -1' '--pattern nonsense' '--flush-interval 5' \
               '--flush-interval nonsense' '--image-opts' '-s 0' '--no-drain'; do
    run_both bench -c 20 $options a.qcow2
done
for options in '' '-s 64k -S 128k --pattern 7' '-d 2 --flush-interval 4' '-d 2 --flush-interval 4 --no-drain' '-d 8 --flush-interval 4' \
               '-o 100k --pattern 0x55 -s 5000' '-c 0' '-t directsync -s 4k' '-t writethrough' '-o 5M'; do
    run_both bench -w -c 20 $options a.qcow2
    same_image a.qcow2
done
run_both bench -w -c 5 -f raw r.raw
same_content r.raw -f raw -F raw
run_both bench -c 5 -f raw missing
run_both bench -c nonsense a.qcow2
run_both bench -c -1 a.qcow2
run_both bench -c 5 --image-opts driver=qcow2,file.filename=a.qcow2
run_both bench -c 5 -s 8M a.qcow2
finish
