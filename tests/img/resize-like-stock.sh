# resize: absolute and relative sizes, --shrink, --preallocation, warnings; content kept.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f qcow2 a.qcow2 4M
seed "$STOCK_QEMU_IO" -c 'write -P 5 0 4M' a.qcow2
seed "$STOCK_QEMU_IMG" create -f raw a.raw 4M
seeded
strict=-s
# Ranges and their states, without places in the file, neighbours joined.
ranges() {
    python3 -c '
import json, sys
joined = []
for part in json.load(sys.stdin):
    what = {k: v for k, v in part.items() if k not in ("start", "length", "offset")}
    if joined and joined[-1][2] == what:
        joined[-1][1] = part["start"] + part["length"]
    else:
        joined.append([part["start"], part["start"] + part["length"], what])
print(*joined, sep="\n")'
}
step() {
    run_both resize "$@" a.qcow2 "$size"
    same_image a.qcow2 $strict
    with_filter ranges same_stock_view a.qcow2 map --output=json
    run_both resize -f raw "$@" a.raw "$size"
    same_content a.raw -f raw -F raw
    same_stock_view a.raw map -f raw --output=json
    same_stock_view a.raw info -f raw
}
for size in 8M +1M +1.5M 16M 2M -1M -100M 0 9E +8E foo +foo + ''; do
    step
done
for size in 3M -1M 1000k -99M 0 8M; do
    step --shrink
done
# With falloc and full stock writes its refcount table anew each time, ours only when it has to be larger: from here on
# the places in the file differ, and its size by a cluster each time.
strict=
for size in +1M 1M; do
    for mode in off falloc full nonsense; do
        step --preallocation=$mode
    done
done
run_both resize --preallocation=metadata a.qcow2 +1M
same_image a.qcow2
run_both resize -q a.qcow2 +1M
run_both resize missing +1
run_both resize -f raw a.raw
run_both resize --image-opts driver=qcow2,file.filename=a.qcow2 +1M
run_both resize --shrink a.raw 1M
finish
