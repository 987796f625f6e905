# convert --salvage on a source that fails, -T/--trace, --object, SIGUSR1 and SIGINT.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f raw r.raw 2M
seed "$STOCK_QEMU_IO" -f raw -c 'write -P 1 0 2M' r.raw
seed sh -c 'printf "[inject-error]\nevent = \"none\"\nerrno = \"5\"\nsector = \"100\"\nonce = \"off\"\n" > rules'
seed sh -c 'printf "[inject-error]\nevent = \"none\"\niotype = \"block-status\"\nerrno = \"5\"\nsector = \"100\"\nonce = \"off\"\n" > status'
seed truncate -s 64M long.raw
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 1M
seed sh -c 'echo bdrv_open_common > events'
seeded
# Messages name the failing place; how often a place is met depends on how reads are cut.
unique() { sort -u; }
for options in '' '--salvage' '--salvage -q' '--salvage -n'; do
    with_filter unique run_both convert $options -m 1 -f raw -O raw blkdebug:rules:r.raw out.raw
    with_filter unique run_both convert $options -m 1 -f raw -O raw blkdebug:status:r.raw out.raw
    [ "${options:-none}" = none ] || same_content out.raw -f raw -F raw
done
run_both convert --salvage -C -O raw r.raw out.raw
run_both convert --salvage -c -O qcow2 -f raw r.raw out.qcow2
for object in secret,id=s,data=abc 'secret,id=s' 'secret,data=x' 'secret,id=1,data=x' 'iothread,id=t' 'nonsense,id=x' 'throttle-group,id=g,x-iops-total=100' \
              'secret,id=s,data=abc,nonsense=1' 'secret,id=s,file=missing' 'secret,id=s,data=abc,format=base64' 'authz-simple,id=a,identity=x' \
              '{"qom-type":"secret","id":"s","data":"x"}' '{"qom-type":"secret"' ''; do
    run_both info --object "$object" a.qcow2
done
run_both info --object secret,id=s,data=x --object secret,id=s,data=y a.qcow2
# -T: events go to stderr in the form of the log backend.
first_word() { sed -E 's/^[0-9]+@[0-9.]+://' | cut -d ' ' -f 1 | sort -u; }
for trace in bdrv_open_common 'enable=bdrv_open_common' 'events=events' 'enable=bdrv_open_common,file=out.log' 'nonsense' 'enable=nonsense' \
             'events=missing' '-bdrv_open_common' 'nonsense=1'; do
    in_dir stock s "$STOCK_QEMU_IMG" -T "$trace" info a.qcow2
    in_dir ours o "$QEMU_IMG" -T "$trace" info a.qcow2
    [ "$(cat s.rc)" = "$(cat o.rc)" ] || fail "-T $trace: exit code $(cat s.rc) $(cat o.rc)"
done
"$QEMU_IMG" -T bdrv_open_common info ours/a.qcow2 2>&1 >/dev/null | grep -q bdrv_open_common || fail 'no trace on stderr'
# SIGUSR1: one line of progress on stderr; the run ends well.  SIGINT: the run ends by the signal, a bench or convert alike.
signalled() {
    local program=$1 signal=$2
    (cd ours && exec "$program" convert -r 16M -S 0 -f raw -O raw long.raw slow.raw >"$TEST_DIR/sig.out" 2>"$TEST_DIR/sig.err") &
    local pid=$!
    # (the first progress is made when the target is there)
    for _ in $(seq 100); do [ -e ours/slow.raw ] && break; sleep 0.02; done
    sleep 0.1
    kill -"$signal" $pid
    wait $pid
    echo "$signal: $? $(grep -cE '^ +\([0-9.]+/100%\)$' sig.err)"
    rm -f ours/slow.raw
}
[ "$(signalled "$STOCK_QEMU_IMG" USR1)" = "$(signalled "$QEMU_IMG" USR1)" ] ||
    fail "USR1: $(signalled "$STOCK_QEMU_IMG" USR1) $(signalled "$QEMU_IMG" USR1)"
[ "$(signalled "$STOCK_QEMU_IMG" INT)" = "$(signalled "$QEMU_IMG" INT)" ] ||
    fail "INT: $(signalled "$STOCK_QEMU_IMG" INT) $(signalled "$QEMU_IMG" INT)"
finish
