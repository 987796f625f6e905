# Direct streams into new clusters: writes that go to the disk together leave what they wrote, zeroes behind it, and, when
# the disk has no room for them, a sound image.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock

# stream OPTIONS OF THE IMAGE, ENGINE, DEPTH, SIZE, COUNT, OFFSET, MORE...: written with 7s by ours, judged by stock.
stream() {
    local options=$1 engine=$2 depth=$3 size=$4 count=$5 offset=$6
    shift 6
    rm -f a.qcow2 want.raw
    "$STOCK_QEMU_IMG" create -q -f qcow2 -o "$options" a.qcow2 64M
    truncate -s 64M want.raw
    "$STOCK_QEMU_IO" -f raw -c "write -P 7 $offset $((size * count))" want.raw >/dev/null
    "$QEMU_IMG" bench -q -w -t none -i "$engine" -d "$depth" -s "$size" -c "$count" -o "$offset" --pattern 7 "$@" a.qcow2 \
        >log 2>&1 && "$STOCK_QEMU_IMG" compare -f qcow2 -F raw a.qcow2 want.raw >>log 2>&1 &&
        "$STOCK_QEMU_IMG" check a.qcow2 >>log 2>&1 || { fail "$options $engine $depth $size $count $offset $*"; cat log; }
}

for engine in threads native io_uring; do
    case $engine in
        threads) set -- cluster_size=64k ;;
        native) set -- cluster_size=4k cluster_size=64k ;;
        io_uring) set -- cluster_size=128k,lazy_refcounts=on extended_l2=on,cluster_size=16k ;;
    esac
    for options; do
        stream "$options" "$engine" 64 4096 1000 0
        stream "$options" "$engine" 64 4096 1003 12288
        stream "$options" "$engine" 64 4096 1000 61440
        stream "$options" "$engine" 64 512 3000 0
        stream "$options" "$engine" 7 6656 500 0
        stream "$options" "$engine" 3 40960 100 0
        stream "$options" "$engine" 64 4096 1024 0 --flush-interval 64
        stream "$options" "$engine" 200 4096 2000 0 --flush-interval 1000 --no-drain
    done
done

# No room: whoever wrote is told, and what the image names is there.
"$STOCK_QEMU_IMG" create -q -f qcow2 a.qcow2 64M
(trap '' XFSZ; ulimit -f 4096; "$QEMU_IMG" bench -w -t none -d 64 -c 4000 --pattern 7 a.qcow2) >log 2>&1
[ $? -eq 1 ] && grep -q "Failed request: File too large" log || { fail "a write into no room"; cat log; }
"$STOCK_QEMU_IMG" check a.qcow2 >log 2>&1
case $? in 0|3) ;; *) fail "a write into no room leaves damage"; cat log ;; esac
finish
