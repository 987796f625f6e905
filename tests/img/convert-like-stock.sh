# convert: formats, zero detection, compression, workers, backing files, snapshots, several sources, existing targets.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
filter_counts() { grep -E '"(allocated|compressed|total)-clusters"'; }
seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 2M
seed "$STOCK_QEMU_IO" -c 'write -P 1 0 1M' -c 'write -P 0 256k 256k' base.qcow2
seed "$STOCK_QEMU_IMG" create -f qcow2 -b base.qcow2 -F qcow2 a.qcow2 5M
seed "$STOCK_QEMU_IO" -c 'write -P 2 768k 300k' -c 'write -z 900k 64k' -c 'write -P 3 3M 70000' -c 'write -P 0 4M 512k' a.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c s1 a.qcow2
seed "$STOCK_QEMU_IO" -c 'write -P 4 0 100k' a.qcow2
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1000k
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 5 100k 3k' -c 'write -P 5 999k 1k' r.raw
seed sh -c 'printf "%1777s" abc > odd'
seeded
# convert ARGS from the sources to `out`, and what it holds; fmt: the format to look at it with.
step() {
    [ -n "${keep:-}" ] || each rm -f out
    run_both convert "$@" out
    case "$*" in *missing*) return 0 ;; esac
    [ -e stock/out ] || return 0
    same_content out -f "${fmt:-raw}" -F "${fmt:-raw}"
    [ "${fmt:-raw}" = raw ] || clean out
    [ "${fmt:-raw}" = raw ] || same_stock_view out info --output=json
    # Clusters of the target: as many; in which order, and how much of each is written, is not the subject.
    [ "${fmt:-raw}" = raw ] || with_filter filter_counts same_stock_view out check --output=json
}
for source in a.qcow2 base.qcow2 '-f raw r.raw' '-f raw odd'; do
    step $source
    step -O raw -S 0 $source
    step -S 64k $source
    fmt=qcow2 step -O qcow2 $source
    fmt=qcow2 step -O qcow2 -S 0 $source
    fmt=qcow2 step -O qcow2 -W -m 4 $source
    fmt=qcow2 step -O qcow2 -m 1 -o cluster_size=4k,refcount_bits=64 $source
    fmt=qcow2 step -O qcow2 -c $source
    fmt=qcow2 step -O qcow2 -c -m 1 -o compression_type=zstd,cluster_size=64k $source
    fmt=qcow2 step -O qcow2 -m 1 -o preallocation=metadata $source
    fmt=qcow2 step -O qcow2 -m 1 -o preallocation=falloc $source
    fmt=qcow2 step -O qcow2 -m 1 -o extended_l2=on $source
done
for options in -C '-t none' '-t writethrough' '-T none' '-T nonsense' -U '-r 100M' '-r nonsense' '-m 0' '-m 17' '-m nonsense' \
               '-S nonsense' '-S 1' '-S 513' '-S -1' '-C -S 4k' '-C -c' '-O nonsense' '-O null-co' '-f nonsense' '-f raw' '-o nonsense' \
               '-o nonsense=1' '-o backing_file=base.qcow2' '-B base.qcow2' '-c' '-o size=1M' '-o preallocation=full' '-l nonsense' \
               '-l s1' '-l 1' '-l snapshot.id=1' '-l snapshot.name=s1' '-l snapshot.id=2,snapshot.name=s1' '-l snapshot.foo=1' '-q' \
               '--salvage' '--target-is-zero' '-n' '--bitmaps' '--skip-broken-bitmaps' '-F raw' '--image-opts' '-e' '-6' '-s s1'; do
    with_filter filter_hint step $options a.qcow2
done
for options in '-B base.qcow2 -F qcow2' '-B base.qcow2 -F qcow2 -c' '-B base.qcow2' '-B base.qcow2 -F nonsense' '-B missing -F qcow2' \
               '-o backing_file=base.qcow2,backing_fmt=qcow2' '-B base.qcow2 -F qcow2 -S 0' '-B r.raw -F raw' '-l s1 -B base.qcow2 -F qcow2' \
               '-B base.qcow2 -F qcow2 -n' '-B base.qcow2 -F qcow2 --bitmaps' '-B base.qcow2 -o backing_file=x,backing_fmt=raw'; do
    fmt=qcow2 step -m 1 -O qcow2 $options a.qcow2
done
# Several sources, one after the other.
fmt=qcow2 step -O qcow2 a.qcow2 base.qcow2
step -O raw base.qcow2 base.qcow2 a.qcow2
step -f raw odd r.raw odd
step -l s1 a.qcow2 base.qcow2
step --bitmaps -O qcow2 a.qcow2 base.qcow2
# Into something that is there: -n, --target-is-zero, --target-image-opts.
target() { each rm -f out; each "$STOCK_QEMU_IMG" create -f "$1" out "$2"; each "$STOCK_QEMU_IO" -f "$1" -c 'write -P 9 0 128k' -c 'write -P 9 4M 64k' out; }
for options in '-n' '-n -S 0' '-n -c' '-n --target-is-zero' '-n -W' '-n -o size=1M'; do
    target qcow2 5M
    keep=1 fmt=qcow2 step -O qcow2 -m 1 $options a.qcow2
    target raw 5M
    keep=1 step -O raw $options a.qcow2
done
target qcow2 6M
keep=1 fmt=qcow2 step -n -O qcow2 a.qcow2
target qcow2 4500k
keep=1 fmt=qcow2 step -n -O qcow2 a.qcow2
target qcow2 5M
run_both convert -n --target-image-opts -m 1 a.qcow2 driver=qcow2,file.filename=out
same_content out
run_both convert --target-image-opts a.qcow2 driver=qcow2,file.filename=out
run_both convert -n --target-image-opts -O qcow2 a.qcow2 driver=qcow2,file.filename=out
run_both convert --image-opts -n --target-image-opts driver=qcow2,file.filename=a.qcow2 driver=qcow2,file.filename=out
run_both convert -n -O qcow2 a.qcow2 missing
run_both convert a.qcow2
run_both convert
run_both convert missing out
run_both convert a.qcow2 missing/out
run_both convert -O qcow2 -o help
run_both convert -O raw -o help a.qcow2 out
for form in -p '-p -q'; do
    with_filter filter_progress run_both convert $form -O raw a.qcow2 out
done
finish
