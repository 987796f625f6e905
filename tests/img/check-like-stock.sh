# check and check -r: text, JSON and exit codes 0, 1, 2, 3, 63 on clean and damaged images.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock
seed "$STOCK_QEMU_IMG" create -f raw r.raw 1M
seed "$STOCK_QEMU_IMG" create -f qcow2 clean.qcow2 1M
seed "$STOCK_QEMU_IO" -c 'write 0 64k' -c 'write -z 128k 64k' clean.qcow2
seed "$STOCK_QEMU_IMG" convert -c -O qcow2 clean.qcow2 packed.qcow2
# Entry 5 of the only refcount block (at 0x20000) counts the data cluster.
damage() { cp clean.qcow2 "$1" && printf "$2" | dd of="$1" bs=1 seek=$((0x20000 + 10)) conv=notrunc status=none; }
(cd stock && damage leak.qcow2 '\0\2' && damage low.qcow2 '\0\0')
(cd stock && cp clean.qcow2 leak9.qcow2 && printf '\0\1' | dd of=leak9.qcow2 bs=1 seek=$((0x20000 + 12)) conv=notrunc status=none)
seeded
for f in clean packed leak leak9 low; do
    run_both check $f.qcow2
    run_both check --output=json $f.qcow2
    run_both check -q $f.qcow2
    run_both check -U $f.qcow2
    for how in leaks all; do
        for form in human json; do
            each cp $f.qcow2 work.qcow2
            run_both check -r $how --output=$form work.qcow2
            run_both check work.qcow2
        done
        each cp $f.qcow2 work.qcow2
        run_both check -q -r $how work.qcow2
    done
done
run_both check r.raw
run_both check --output=json -f raw r.raw
run_both check -f raw clean.qcow2
run_both check -r nonsense clean.qcow2
run_both check -r all -U clean.qcow2
run_both check -T none clean.qcow2
run_both check --image-opts driver=qcow2,file.filename=clean.qcow2
finish
