#!/bin/bash
# qemu-nbd refuses wrong, missing and repeated options with stock's words and exit codes, in stock's order, and closes the image
# then (no bitmap stays in use); what it offers with each good option is what stock offers.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
requires "${STOCK_QEMU_NBD:-}"
filter_program() { sed -E 's#[^ `]*/qemu-nbd#qemu-nbd#g'; }
FILTER=filter_program

seed "$STOCK_QEMU_IMG" create -q -f raw a.raw 1M
seed "$STOCK_QEMU_IO" -f raw -c "write -P 1 0 64k" a.raw
seed "$STOCK_QEMU_IMG" create -q -f qcow2 a.qcow2 4M
seed "$STOCK_QEMU_IO" -c "write -P 1 0 64k" -c "write -z 2M 64k" a.qcow2
seed "$STOCK_QEMU_IMG" snapshot -c s1 a.qcow2
seed "$STOCK_QEMU_IO" -c "write -P 2 1M 64k" a.qcow2
seed "$STOCK_QEMU_IMG" bitmap --add a.qcow2 b0
seed "$STOCK_QEMU_IMG" bitmap --add a.qcow2 b1
seeded

# Lines that end with an error: LINE SOCKET-OPTION is put in front.
errors() {
    cat <<'LINES'

a b
nope
-f raw nope
-f qcow2 a.raw
-f foo a.raw
--image-opts a.raw -f raw
--image-opts driver=raw,file.filename=nope
-o 1k -f raw a.raw
-o x
-o -1 -f raw a.raw
-o -1
-o 9E a b
-o 1048577 -f raw a.raw
-o 4194305 -f qcow2 a.qcow2
-e x
-e -1
-p
-k relative
--cache=foo
-n --cache=none a.raw
--cache=none --cache=none
--aio=foo
--aio=threads --aio=threads
--aio=native -f raw a.raw
--discard=foo
--discard=on --discard=off
--detect-zeroes=foo
--detect-zeroes=unmap
--detect-zeroes=unmap --discard=unmap -f raw a.raw
-l nope -f qcow2 a.qcow2
-l snapshot.foo=2 -f qcow2 a.qcow2
-l snapshot.id=9
-l snapshot.id=9 -f qcow2 a.qcow2
-s -l s1 -f qcow2 a.qcow2
-B nope -f qcow2 a.qcow2
--tls-creds=x -f raw a.raw
--tls-authz=x -f raw a.raw
--tls-hostname=x -f raw a.raw
--object foo,id=s
--object secret
--nonsense
-Z
-P 1 -f raw a.raw
--partition=1 a.raw
-x
-d
-d /nope
-d /dev/null
-c
-c /dev/null
-c /nope -f raw a.raw
-c /dev/null -f raw nope
-c /dev/null -L
-c /dev/null --list a.raw
-L a.raw
-L -x a
-L -D x
-L -B b
-L -A
-L -o 3
-L -l s
-L -r
-L -s
LINES
}
while IFS= read -r line; do
    case $line in
        -L*) where="-k $TEST_DIR/none" ;;
        "-c /nope"* | "-c /dev/null -f"*) where="-k $TEST_DIR/device.sock" ;;
        *) where="-k $TEST_DIR/sock" ;;
    esac
    rm -f "$TEST_DIR/sock" "$TEST_DIR/device.sock"
    pair "$STOCK_QEMU_NBD" "$QEMU_NBD" $where $line
done < <(errors)
long=$(printf 'y%.0s' $(seq 4097))
pair "$STOCK_QEMU_NBD" "$QEMU_NBD" -x "$long" -f raw a.raw
pair "$STOCK_QEMU_NBD" "$QEMU_NBD" -D "$long" -f raw a.raw
(cd ours && "$STOCK_QEMU_IMG" info a.qcow2) | grep -q in-use && fail "a bitmap stays in use"

# What is offered: the list of a server of each kind, asked for by stock.
offer() {
    local side program pid listing
    for side in stock ours; do
        [ $side = stock ] && program=$STOCK_QEMU_NBD || program=$QEMU_NBD
        rm -f "$TEST_DIR/sock" "$TEST_DIR/pid"
        (cd $side && exec "$program" -k "$TEST_DIR/sock" -t --fork --pid-file="$TEST_DIR/pid" "$@") >"$TEST_DIR/$side.said" 2>&1 </dev/null ||
            { fail "$side: $*"; cat "$TEST_DIR/$side.said"; continue; }
        "$STOCK_QEMU_NBD" --list -k "$TEST_DIR/sock" >"$TEST_DIR/$side.list" 2>&1
        pid=$(cat "$TEST_DIR/pid")
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep .02; done
    done
    cmp -s stock.list ours.list || { fail "list: $*"; diff stock.list ours.list; }
    cmp -s stock.said ours.said || { fail "words: $*"; diff stock.said ours.said; }
}
for options in "-f raw a.raw" "-r -f raw a.raw" "-o 512 -f raw a.raw" "-o 0x10000 -f raw a.raw" "-o 1048575 -f raw a.raw" "-o 1048576 -f raw a.raw" "-f qcow2 a.qcow2" \
               "-r -s -f qcow2 a.qcow2" "-s -f qcow2 a.qcow2" "-l s1 -f qcow2 a.qcow2" "-l snapshot.id=1 -f qcow2 a.qcow2" "-e 5 -f raw a.raw" \
               "-B b0 -B b1 -f qcow2 a.qcow2" "-B b1 -A -f qcow2 a.qcow2" "-B b0 -B b0 -f qcow2 a.qcow2" "-A -f qcow2 a.qcow2" \
               "-x exp -D desc -f qcow2 a.qcow2" "-D x -r -f raw a.raw" "--discard=unmap --detect-zeroes=unmap -f qcow2 a.qcow2" "-n -f raw a.raw" \
               "--image-opts driver=qcow2,file.filename=a.qcow2" "--image-opts driver=raw,offset=512,file.filename=a.raw"; do
    offer $options
done

# A client that finds no export of its name says goodbye: the server has nothing to complain about.
rm -f sock pid
(cd ours && "$QEMU_NBD" -k "$TEST_DIR/sock" -t -x exp --pid-file="$TEST_DIR/pid" -f raw a.raw 2>"$TEST_DIR/err") &
while [ ! -s pid ]; do sleep .02; done
"$QEMU_IMG" info nbd+unix:///other?socket=sock >/dev/null 2>&1 && fail "an export of another name"
kill "$(cat pid)"
wait
[ -s err ] && { fail "the server complains"; cat err; }
finish
