#!/bin/bash
# Our NBD client against stock's server, beside stock's client: names, errors, facts, maps, requests, bitmaps; then our server.
#
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
[ -n "${STOCK_QEMU_NBD:-}" ] && [ -n "${QEMU_NBD:-}" ] || skip "needs qemu-nbd"
SERVER=$STOCK_QEMU_NBD

# serve ARGS...: in each folder its own server on the socket `s`; stop: end both.
serve() {
    local dir
    for dir in stock ours; do
        (cd "$dir" && "$SERVER" -t --fork --pid-file=pid -k "$PWD/s" "$@") || fail "serve: $*"
    done
}
stop() {
    local pid
    for pid in $(cat stock/pid ours/pid); do
        kill "$pid"
        while [ -e "/proc/$pid" ] && ! grep -q 'State:.*Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.05; done
    done
}
trap 'kill $(cat stock/pid ours/pid 2>/dev/null) 2>/dev/null' EXIT
FILTER=filter_io
filter_io() { filter_info | filter_speed | sed -E 's/, [0-9]+ ops.*//; s/; X .*//'; }

names() {
    local name
    for name in nbd: nbd:foo nbd:unix: nbd:unix:/nope nbd:unix:/nope:exportname=y nbd:unix:a:exportname= nbd:// nbd:/// \
        'nbd://x?foo=1' nbd+unix:// nbd+unix:///x 'nbd+unix:///x?socket=/nope' 'nbd+unix://?socket=/nope' \
        'nbd+unix://host/x?socket=/nope' 'nbd+unix:///x?socket=/nope&a=b' 'nbd+unix:///x?socket=/a%20b' nbd+tcp:a:1 \
        nbd+foo://x nbd://:1/ nbd://localhost:99999 nbd://localhost:x nbds://x 'json:{"driver":"nbd"}' \
        'json:{"driver":"nbd","port":"1"}' 'json:{"driver":"nbd","path":"/nope"}' \
        'json:{"driver":"nbd","path":"/nope","host":"x"}' 'json:{"driver":"nbd","path":"/nope","port":"x"}' \
        'json:{"driver":"nbd","server":{"type":"unix"}}' 'json:{"driver":"nbd","server":{"type":"foo"}}' \
        'json:{"driver":"nbd","server":{"path":"/x"}}' 'json:{"driver":"nbd","server":{"type":"inet","host":"localhost"}}' \
        'json:{"driver":"nbd","server":{"type":"inet","host":"localhost","port":"1","x":1}}' \
        'json:{"driver":"nbd","server":{"type":"unix","path":"/x"},"path":"/x"}' \
        'json:{"driver":"nbd","path":"/nope","tls-creds":"x"}' 'json:{"driver":"nbd","path":"/nope","reconnect-delay":"x"}' \
        'json:{"driver":"nbd","filename":"nbd:localhost:1"}' "nbd:unix:$(printf 'a%.0s' $(seq 200))" \
        "json:{\"driver\":\"nbd\",\"path\":\"/nope\",\"export\":\"$(printf 'a%.0s' $(seq 5000))\"}"; do
        run_both info "$name"
    done
    run_both info --image-opts driver=nbd,server.type=inet,server.host=localhost,server.port=1,server.ipv4=maybe
    run_both create -f raw -o help nbd:foo
    run_both create -f nbd x 1M
    run_both create -f qcow2 nbd:unix:/nope 1M
}

requests() {
    io_both -f raw -c "read -P 1 0 1M" -c "read -P 2 5M 100k" -c "write -P 3 2M 4k" -c "write -z 3M 64k" -c "discard 4M 1M" \
        -c flush -c "read -P 3 2M 4k" -c length -c "truncate 5M" -c "truncate 20M" -c "write 10M 1" -c "alloc 0 10M" \
        -c map -c "write -f -P 4 1M 512" -c "writev -P 5 6M 512 1k 3" -c "read -v 6M 32" "$1"
    run_both info "$1"
    run_both info --output=json -f raw "$1"
    run_both map "$1"
    run_both map --output=json "$1"
    run_both measure -O qcow2 "$1"
    run_both compare -f raw d "$1"
    run_both create -f qcow2 -b "$1" -F raw overlay
    STILLFRAME_ALLOW_PROTOCOLS=nbd run_both info --backing-chain overlay      # ours opens no such name of its own accord
    run_both resize -f raw "$1" 50M
    run_both convert -n -O raw d "$1"
}

conversations() {
    fresh
    seed "$STOCK_QEMU_IMG" create -q -f raw d 10M
    seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 0 1M' -c 'write -P 2 5M 100k' d
    seeded
    serve -x e -f raw d
    requests "nbd+unix:///e?socket=s"
    [ "$SERVER" = "$QEMU_NBD" ] || requests 'json:{"driver":"nbd","server":{"type":"unix","path":"s"},"export":"e"}'
    run_both info nbd:unix:s
    run_both info 'nbd+unix:///other?socket=s'
    cmp stock/d ours/d || fail "the disks differ"
    run_both create -f raw nbd:unix:s:exportname=e 10M
    run_both create -f raw nbd:unix:s:exportname=e 11M
    run_both create -f qcow2 nbd:unix:s:exportname=e 5M
    io_both -c 'write -P 9 0 1M' -c 'read -P 9 0 1M' nbd:unix:s:exportname=e
    run_both info nbd:unix:s:exportname=e
    stop
    serve -r -f raw d
    io_both -c 'write 0 1k' -f raw nbd:unix:s
    io_both -r -c 'read 0 1k' -c 'write 0 1k' -f raw nbd:unix:s
    stop
}

contexts() {
    local c
    fresh
    seed "$STOCK_QEMU_IMG" create -q -f qcow2 q 10M
    seed "$STOCK_QEMU_IMG" bitmap --add q b
    seed "$STOCK_QEMU_IO" -c 'write 1M 1M' -c 'write 3M 64k' q
    seeded
    serve -r -A -B b -f qcow2 q
    for c in qemu:dirty-bitmap:b qemu:dirty-bitmap:c base:allocation qemu:allocation-depth foo; do
        run_both map --output=json --image-opts "driver=nbd,server.type=unix,server.path=s,x-dirty-bitmap=$c"
    done
    stop
}

# A server that comes back: the request waits; one that does not come back within the delay: it fails.
reconnect() {
    local pid answer
    fresh
    truncate -s 1M ours/d
    (cd ours && "$SERVER" -t --fork --pid-file=pid -k "$PWD/s" -f raw d && cp pid ../stock/pid)
    coproc IO { cd ours && exec "$QEMU_IO" --image-opts driver=nbd,path=s,reconnect-delay=60; }
    exec 7<&"${IO[0]}" 8>&"${IO[1]}"
    echo "write -P 7 0 64k" >&8
    read -r -d '>' _ <&7; read -r -d '>' _ <&7
    pid=$(cat ours/pid)
    kill "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.05; done
    rm -f ours/s
    echo "read -P 7 0 64k" >&8
    (cd ours && "$SERVER" -t --fork --pid-file=pid -k "$PWD/s" -f raw d)
    read -r -d '>' answer <&7
    case $answer in *"read 65536/65536"*) ;; *) fail "after the server came back: $answer" ;; esac
    echo quit >&8
    wait "$IO_PID"
    kill "$(cat ours/pid)"
    exec 7<&- 8>&-
    while [ -e "/proc/$(cat ours/pid)" ]; do sleep 0.05; done
    "$QEMU_IO" -c quit --image-opts driver=nbd,path=s,open-timeout=1 >late.txt 2>&1 && fail "opened without a server"
    grep -q "Failed to connect to 's'" late.txt || fail "open-timeout: $(cat late.txt)"
}

names
conversations
contexts
reconnect
SERVER=$QEMU_NBD
conversations
contexts
finish
