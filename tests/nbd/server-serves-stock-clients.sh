#!/bin/bash
# qemu-nbd serves stock clients: facts, maps and content that nbdinfo, nbdcopy and stock qemu-io see equal those of the
# stock server on an equal image; a snapshot is read out; the image checks clean afterwards.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$(dirname "$0")/../img/lib.sh"
requires_stock
requires nbdinfo nbdcopy "${STOCK_QEMU_NBD:-}"
servers=
stop_servers() { [ -n "$servers" ] && kill $servers 2>/dev/null; wait $servers 2>/dev/null; servers=; }
trap stop_servers EXIT

# serve DIR PROGRAM ARGS...: in the background on $TEST_DIR/DIR/socket, once it listens.
serve() {
    local dir=$1 program=$2
    shift 2
    (cd "$TEST_DIR/$dir" && exec "$program" -k "$TEST_DIR/$dir/socket" -t "$@") &
    servers="$servers $!"
    for _ in $(seq 200); do [ -S "$TEST_DIR/$dir/socket" ] && return; sleep 0.05; done
    fail "$program does not listen"
}
both() { serve stock "$STOCK_QEMU_NBD" "$@"; serve ours "$QEMU_NBD" "$@"; }
uri() { echo "nbd+unix:///${2:-}?socket=$TEST_DIR/$1/socket"; }
# look NAME COMMAND...: run with URI replaced by each server's; outputs must be equal.
look() {
    local name=$1 dir
    shift
    for dir in stock ours; do
        "${@//URI/$(uri $dir $name)}" 2>&1 | filter_speed | sed "s|/$dir/|/DIR/|g" >"$TEST_DIR/look.$dir"
    done
    cmp -s look.stock look.ours || { fail "$*"; diff look.stock look.ours | head -n 20; }
}

seed "$STOCK_QEMU_IMG" create -q -f qcow2 base.qcow2 16M
seed "$STOCK_QEMU_IO" -c "write -P 1 0 3M" base.qcow2
seed "$STOCK_QEMU_IMG" create -q -f qcow2 -b base.qcow2 -F qcow2 a.qcow2
seed "$STOCK_QEMU_IO" -c "write -P 2 1M 1M" -c "write -z 4M 1M" -c "write -P 3 8M 64k" a.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add a.qcow2 bm
seed "$STOCK_QEMU_IMG" snapshot -c one a.qcow2
seed "$STOCK_QEMU_IO" -c "write -P 4 0 2M" a.qcow2
seeded

both -r -f qcow2 -x disk -D "a disk" -A -B bm -e 3 a.qcow2
for command in "nbdinfo URI" "nbdinfo --json URI" "nbdinfo --list URI" "nbdinfo --map URI" "nbdinfo --map=qemu:allocation-depth URI" \
    "nbdinfo --map=qemu:dirty-bitmap:bm URI" "nbdinfo --size URI" "nbdinfo --map=nope URI" "$STOCK_QEMU_NBD --version"; do
    look disk $command
done
look other nbdinfo URI
look disk "$STOCK_QEMU_IO" -r -f raw URI -c "read -P 4 0 2M" -c "read -P 0 4M 1M" -c "write 0 512"
for dir in stock ours; do
    for program in "$STOCK_QEMU_NBD" "$QEMU_NBD"; do
        "$program" -L -k "$TEST_DIR/$dir/socket" >>lists
    done
done
[ "$(sort lists | uniq -c | awk '{ print $1 % 4 }' | sort -u)" = 0 ] || { fail "lists differ"; cat lists; }
nbdcopy "$(uri ours disk)" copy.raw && "$STOCK_QEMU_IMG" compare -U -f raw -F qcow2 copy.raw ours/a.qcow2 >/dev/null || fail "nbdcopy"
stop_servers

both -f qcow2 -l snapshot.name=one a.qcow2
nbdcopy "$(uri ours)" one.raw && nbdcopy "$(uri stock)" one-stock.raw && cmp one.raw one-stock.raw || fail "snapshot"
stop_servers

# Writes of every kind through both servers; the images end equal.
both -f qcow2 -e 0 --discard=unmap a.qcow2
for dir in stock ours; do
    "$STOCK_QEMU_IO" -f raw "$(uri $dir)" -c "write -P 9 100 5000" -c "write -z 6M 1M" -c "write -z -u 7M 1M" -c "discard 2M 512k" \
        -c "write -f -P 7 12M 2M" -c flush -c "aio_write -P 5 10M 1M" -c "aio_write -P 6 11M 1M" -c aio_flush >/dev/null || fail "writes on $dir"
    "$STOCK_QEMU_IO" -f raw "$(uri $dir)" -c "read -P 7 12M 2M" -c "read -P 5 10M 1M" -c "read -P 0 7M 1M" >/dev/null || fail "reads on $dir"
done
nbdcopy --connections=4 copy.raw "$(uri ours)" && nbdcopy --connections=4 copy.raw "$(uri stock)" || fail "nbdcopy into a server"
stop_servers
same_image a.qcow2

# What is wrong on the command line; the end with the last client.
filter_name() { sed "s|/[^ ]*/qemu-nbd|qemu-nbd|g"; }
FILTER=filter_name
nbd_both() { pair "$STOCK_QEMU_NBD" "$QEMU_NBD" "$@"; }
for args in "" "a b" "-e x a.qcow2" "--cache=foo a.qcow2" "--aio=foo a.qcow2" "--discard=foo a.qcow2" "-k rel a.qcow2" "-o foo a.qcow2" \
    "--foo" "-n -n a.qcow2" "-L a.qcow2" "-f foo -k /nonexist/s a.qcow2" "nofile"; do
    nbd_both $args
done
(cd ours && "$QEMU_NBD" --fork --pid-file=pid -k "$TEST_DIR/ours/once" -f qcow2 -r a.qcow2) || fail "fork"
[ -s ours/pid ] && kill -0 "$(cat ours/pid)" || fail "pid file"
nbdinfo "nbd+unix:///?socket=$TEST_DIR/ours/once" >/dev/null || fail "client of the forked server"
for _ in $(seq 100); do [ -e ours/once ] || break; sleep 0.05; done
[ -e ours/once ] && fail "the server outlives its only client"
finish
