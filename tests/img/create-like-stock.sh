# create: the line it prints, options and refusals, backing files seen and unseen; what is created.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
FILTER=filter_info
seed "$STOCK_QEMU_IMG" create -f qcow2 base.qcow2 2M
seed "$STOCK_QEMU_IMG" create -f raw r.raw 3000k
seed sh -c 'printf "%1777s" abc > odd'
seeded
step() {
    each rm -f out out.data
    run_both create "$@"
    [ -e stock/out ] || { [ ! -e ours/out ] || fail "create $*: a file is left"; return 0; }
    [ "$(stat -c %s stock/out)" = "$(stat -c %s ours/out)" ] || fail "create $*: length"
    in_dir stock s "$STOCK_QEMU_IMG" info -U --output=json out
    in_dir ours o "$STOCK_QEMU_IMG" info -U --output=json out
    cmp -s s.out.f o.out.f || { fail "create $*: info"; diff s.out.f o.out.f; }
}
for options in '' -q '-f qcow2' '-f raw' '-f qcow2 -o cluster_size=4k' '-f qcow2 -o cluster_size=3k' '-f qcow2 -o preallocation=metadata' \
               '-f qcow2 -o preallocation=full' '-f qcow2 -o preallocation=falloc' '-f raw -o preallocation=full' \
               '-f raw -o preallocation=falloc' '-f raw -o preallocation=metadata' '-f raw -o preallocation=off' '-f raw -o nocow=on' \
               '-f raw -o extent_size_hint=0' '-f raw -o cluster_size=4k' '-f qcow2 -o compat=0.10' '-f qcow2 -o compat=v2' \
               '-f qcow2 -o compat=nonsense' '-f qcow2 -o lazy_refcounts=on' '-f qcow2 -o lazy_refcounts=on,compat=0.10' \
               '-f qcow2 -o refcount_bits=1' '-f qcow2 -o refcount_bits=3' '-f qcow2 -o refcount_bits=8,compat=0.10' \
               '-f qcow2 -o compression_type=zstd' '-f qcow2 -o compression_type=zstd,compat=0.10' '-f qcow2 -o compression_type=lzo' \
               '-f qcow2 -o extended_l2=on' '-f qcow2 -o extended_l2=on,cluster_size=8k' '-f qcow2 -o extended_l2=on,compat=0.10' \
               '-f qcow2 -o data_file=out.data' '-f qcow2 -o data_file=out.data,data_file_raw=on' '-f qcow2 -o data_file_raw=on' \
               '-f qcow2 -o data_file=out.data,compat=0.10' '-f qcow2 -o data_file=' '-f qcow2 -o data_file=out.data,preallocation=full' \
               '-f qcow2 -o nonsense=1' '-f qcow2 -o cluster_size' '-f qcow2 -o lazy_refcounts' '-f qcow2 -o nolazy_refcounts' \
               '-f qcow2 -o size=3M' '-f nonsense' '-f null-co' '-f throttle' '-f qcow2 -o ,' '-f qcow2 -o a,' '-o help' '-f qcow2 -o help' \
               '-f raw -o help' '-f nonsense -o help' '-f qcow2 -o cluster_size=4k -o refcount_bits=8' '-f qcow2 -o encryption=on' \
               '-f qcow2 -o encrypt.format=nonsense' '-f qcow2 -e' '-f qcow2 -6' '--object secret,id=s,data=x'; do
    step $options out 1M
done
for size in '' 0 1 511 512 1000 1k 1.5M 1E 8E -1 9E 1X nonsense 1e6 0x10000 18446744073709551616; do
    step -f qcow2 out $size
    step out $size
done
for options in '-b base.qcow2 -F qcow2' '-b base.qcow2' '-b r.raw -F raw' '-b odd -F raw' '-b missing -F qcow2' '-u -b missing -F qcow2' \
               '-u -b missing' '-b base.qcow2 -F raw' '-b base.qcow2 -F nonsense' '-u -b base.qcow2 -F nonsense' '-F qcow2' '-b out -F qcow2' \
               '-o backing_file=base.qcow2,backing_fmt=qcow2' '-o backing_file=base.qcow2' '-o backing_fmt=qcow2' \
               '-o backing_file=base.qcow2 -b base.qcow2 -F qcow2' '-b base.qcow2 -F qcow2 -o preallocation=metadata' \
               '-b base.qcow2 -F qcow2 -o data_file=out.data,data_file_raw=on' '-b base.qcow2 -F qcow2 -o compat=0.10' \
               '-b base.qcow2 -o backing_fmt=qcow2' '-b base.qcow2 -F qcow2 -u' '-b r.raw -F qcow2' '-b json:{"driver":"null-co"} -F null-co'; do
    step -f qcow2 $options out
    step -f qcow2 $options out 5M
    step -f raw $options out 1M
done
step -f qcow2 -b '' out 1M
step -f qcow2 -u -b '' out 1M
step -f qcow2 -b "$(printf 'n%.0s' $(seq 1100))" -u -F raw out 1M
step -f qcow2 out 1M 2M
run_both create
run_both create -f qcow2
run_both create -f qcow2 missing/out 1M
run_both create -f qcow2 . 1M
run_both create -f qcow2 file:out 1M
run_both create -f qcow2 'json:{"driver":"file","filename":"out"}' 1M
finish
