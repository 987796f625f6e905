# Unknown options, missing arguments and operands: the same words and exit codes as stock, for every command.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
# (measure answers an unknown option with the help text and success: left out on purpose)
usage_errors() {
    run_both
    run_both nonsense
    run_both -x
    run_both --nonsense
    run_both -T
    run_both -T no-such-event info missing
    for c in create info check convert compare map snapshot bench commit rebase amend dd bitmap; do
        # (--output of snapshot is ours)
        [ $c = snapshot ] || run_both $c --output=nonsense missing
        for args in '' --nonsense -Z -qZ -f --object --image-opts=3 'missing' 'a b c d e' '-f nonsense missing' \
                    '--image-opts -f raw missing' '--image-opts foo=bar' \
                    '--object nonsense missing' '--object secret,id=a missing' '--object iothread,id=a missing' \
                    '--object help' '-t nonsense missing' '-T nonsense missing'; do
            run_both $c $args
        done
    done
    for args in '' a 'a b c' '-f raw x' '--nonsense x +1M' '--preallocation=foo x +1M' 'x foo' 'x +foo' 'x +'; do
        run_both resize $args
    done
    for args in '' 'a b' '--size 1 a' '-f raw' '-f raw --size 1' '--size x' '--size 9E' '--output=foo --size 1'; do
        run_both measure $args
    done
}
usage_errors

# A value is judged as it is met: before what follows, and although another one comes later.
seed "$STOCK_QEMU_IMG" create -q -f qcow2 a.qcow2 1M
seed "$STOCK_QEMU_IMG" create -q -f qcow2 -b a.qcow2 -F qcow2 o.qcow2
seeded
while IFS= read -r line; do
    run_both $line
done <<'LINES'
bench -c x --flush-interval=1 -c 2 a.qcow2
bench -s 5G --flush-interval=x -w -c 2 a.qcow2
bench -i foo -t foo -p a.qcow2
bench -S 9E -S x a.qcow2
check -r foo --nonsense
check -r -T none -U a.qcow2
bitmap -F qcow2
bitmap -g x --nonsense
convert -m 17 -6 a.qcow2 n
convert -S 513 -m 99 a.qcow2 n
convert -r x -S 4k a.qcow2 n
commit -r x --nonsense
map --start-offset=x --nonsense
map --max-length=0x1M a.qcow2
measure --size x --nonsense
measure --output=foo
measure --size 0x1M
resize --preallocation=foo --nonsense a.qcow2 2M
amend -o compression_type=zstd a.qcow2
amend -o compression_type=foo,lazy_refcounts=foo a.qcow2
amend -p -o lazy_refcounts=on a.qcow2
amend -p -o compat=0.10 a.qcow2
amend -p -o compat=1.1 a.qcow2
amend -p -o size=2M a.qcow2
commit -p -f raw o.qcow2
commit -p -b nope o.qcow2
compare -p a.qcow2 a.qcow2
rebase -p -T foo -b a.qcow2 -F qcow2 o.qcow2
info --image-opts driver=raw,file.filename=nope,read-only
check --image-opts nope,noread-only
convert -n --target-image-opts a.qcow2 driver=qcow2,file.filename=o.qcow2,discard
LINES
finish
