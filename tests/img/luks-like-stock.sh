# LUKS volumes and encrypted qcow2 images: options, messages, info, measure and key slots are stock's, and each
# program reads what the other wrote.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock

# What is random or measured by the clock.
filter_luks() {
    filter_info | filter_speed | sed -E 's/(uuid"?: )[^,]*/\1X/; s/(iters"?: )[0-9]+/\1X/; s/[0-9.]+ [KMG]iB \(?/X (/'
}
FILTER=filter_luks
secrets="--object secret,id=s0,data=hello --object secret,id=s1,data=goodbye --object secret,id=empty,data="
fast=iter-time=10
luks() { echo "driver=luks,file.filename=$1,key-secret=${2:-s0}"; }
qcow2() { echo "driver=qcow2,file.filename=$1,encrypt.key-secret=${2:-s0}"; }

# Creating: every option, and what is wrong with them.
for options in "" key-secret=none "key-secret=s0,cipher-alg=foo" "key-secret=s0,cipher-mode=foo" "key-secret=s0,ivgen-alg=foo" \
    "key-secret=s0,hash-alg=foo" "key-secret=s0,ivgen-hash-alg=foo" "key-secret=s0,cipher-alg=des" \
    "key-secret=s0,iter-time=x" "key-secret=s0,preallocation=foo" \
    "key-secret=s0,$fast,cipher-alg=aes-128,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256,hash-alg=sha1" \
    "key-secret=s0,$fast,cipher-alg=serpent-256,preallocation=falloc" \
    "key-secret=s0,$fast,cipher-alg=cast5-128,cipher-mode=cbc,hash-alg=ripemd160" "key-secret=s0,$fast,bogus=1"; do
    fresh
    run_both create $secrets -f luks ${options:+-o "$options"} a.luks 3M
    run_both info a.luks
done
for options in encryption=on "encryption=on,encrypt.key-secret=s0" "encrypt.format=foo" "encrypt.key-secret=s0" \
    "encrypt.format=luks" "encrypt.format=luks,encrypt.key-secret=none" "encryption=on,encrypt.format=aes" \
    "encrypt.format=aes,encrypt.key-secret=s0,encrypt.cipher-alg=aes-256" "encrypt.format=luks,encrypt.key-secret=s0,encrypt.cipher-alg=foo" \
    "encrypt.format=luks,encrypt.key-secret=s0,encrypt.$fast,compat=0.10,cluster_size=512" \
    "encrypt.format=luks,encrypt.key-secret=s0,encrypt.$fast,preallocation=metadata,extended_l2=on"; do
    fresh
    run_both create $secrets -f qcow2 -o "$options" a.qcow2 3M
    run_both info --output=json a.qcow2
    run_both check $secrets --image-opts "$(qcow2 a.qcow2)"
done

# Opening with the wrong secret, none, or the wrong format.
fresh
seed "$STOCK_QEMU_IMG" create $secrets -f luks -o key-secret=s0,$fast a.luks 3M
seed "$STOCK_QEMU_IMG" create $secrets -f qcow2 -o encrypt.format=luks,encrypt.key-secret=s0,encrypt.$fast a.qcow2 3M
seed "$STOCK_QEMU_IMG" create $secrets -f qcow2 -o encrypt.format=aes,encrypt.key-secret=s0 b.qcow2 3M
seeded
for secret in s1 none empty; do
    io_both $secrets --image-opts "$(luks a.luks $secret)" -c "read 0 512"
    io_both $secrets --image-opts "$(qcow2 a.qcow2 $secret)" -c "read 0 512"
done
io_both a.luks -c "read 0 512"
io_both a.qcow2 -c "read 0 512"
io_both b.qcow2 -c "read 0 512"
io_both $secrets --image-opts "$(qcow2 a.qcow2),encrypt.format=aes" -c "read 0 512"
io_both $secrets --image-opts "$(qcow2 b.qcow2),encrypt.format=luks" -c "read 0 512"

# The same writes by both; each reads both.
program() {
    for image in "$(luks a.luks)" "$(qcow2 a.qcow2)" "$(qcow2 b.qcow2)"; do
        "$1" $secrets --image-opts "$image" -c "write -P 1 0 1M" -c "write -P 2 100k 70000" -c "write -z 512k 64k" \
            -c "write -P 3 1000000 5" -c "discard 2M 64k" -c "write -P 4 2500k 512" >/dev/null || fail "writes by $1"
    done
}
(cd stock && program "$STOCK_QEMU_IO")
(cd ours && program "$QEMU_IO")
for image in "$(luks a.luks)" "$(qcow2 a.qcow2)" "$(qcow2 b.qcow2)"; do
    for reader in "$STOCK_QEMU_IMG" "$QEMU_IMG"; do
        for dir in stock ours; do
            (cd $dir && "$reader" convert $secrets --image-opts "$image" -O raw plain.raw && sha256sum <plain.raw) >>sums 2>&1
        done
    done
    [ "$(sort -u sums | wc -l)" -eq 1 ] || { fail "content of $image"; cat sums; }
    rm -f sums
    for prog in "$STOCK_QEMU_IMG" "$QEMU_IMG"; do
        case $image in *qcow2*) (cd ours && "$prog" check $secrets --image-opts "$image" >/dev/null) || fail "check of $image" ;; esac
    done
    run_both map $secrets --image-opts "$image" --output=json
done

# Snapshots of an encrypted image.
for program in "$STOCK_QEMU_IMG stock" "$QEMU_IMG ours"; do
    set -- $program
    (cd "$2" && "$1" snapshot $secrets --image-opts -c one "$(qcow2 a.qcow2)") || fail "snapshot by $2"
done
(cd ours && "$QEMU_IO" $secrets --image-opts "$(qcow2 a.qcow2)" -c "write -P 9 0 2M" >/dev/null)
(cd ours && "$STOCK_QEMU_IO" $secrets --image-opts "$(qcow2 a.qcow2)" -c "read -P 9 0 2M" >/dev/null) || fail "write after a snapshot"
(cd ours && "$QEMU_IMG" snapshot $secrets --image-opts -a one "$(qcow2 a.qcow2)") || fail "apply"
(cd ours && "$STOCK_QEMU_IO" $secrets --image-opts "$(qcow2 a.qcow2)" -c "read -P 2 100k 70000" >/dev/null) || fail "content after apply"

# Creating over an image in use fails, and the image stays.
"$STOCK_QEMU_IMG" create -q -f qcow2 ours/used.qcow2 1M
coproc "$STOCK_QEMU_IO" -f qcow2 ours/used.qcow2
echo "read 0 512" >&"${COPROC[1]}"
read -r _ <&"${COPROC[0]}"
sum=$(sha256sum <ours/used.qcow2)
(cd ours && "$QEMU_IMG" create $secrets -f luks -o key-secret=s0,$fast used.qcow2 3M >/dev/null 2>&1) && fail "created over an image in use"
[ "$sum" = "$(sha256sum <ours/used.qcow2)" ] || fail "the image in use is gone or changed"
echo quit >&"${COPROC[1]}"
wait

# Conversion into encrypted targets, measured sizes.
seed() { :; }
for target in "luks key-secret=s0,$fast" "qcow2 encrypt.format=luks,encrypt.key-secret=s0,encrypt.$fast"; do
    set -- $target
    (cd ours && "$QEMU_IMG" convert $secrets -O "$1" -o "$2" plain.raw "t.$1") || fail "convert to $1"
    (cd ours && "$STOCK_QEMU_IMG" compare $secrets --image-opts driver=raw,file.filename=plain.raw "$($1 t.$1)" >/dev/null) || fail "compare $1"
done
run_both measure $secrets -O luks -o key-secret=s0,$fast --size 1G
run_both measure -O luks --size 1G
run_both measure $secrets -O luks -o key-secret=s0,$fast,cipher-alg=aes-128 -f raw plain.raw
run_both measure $secrets -O qcow2 -o encrypt.format=luks,encrypt.key-secret=s0,encrypt.$fast --size 1G
run_both measure $secrets -O qcow2 -o encrypt.format=luks --size 1G
run_both measure $secrets -O qcow2 -o encrypt.format=luks,encrypt.key-secret=s0,encrypt.cipher-alg=aes-128,cluster_size=4k --size 1G
run_both resize $secrets --image-opts "$(luks a.luks)" 5M
run_both resize $secrets --image-opts "$(qcow2 a.qcow2)" 5M

# Key slots.
amend() { run_both amend $secrets --image-opts "$@"; }
for kind in "luks a.luks -" "qcow2 a.qcow2 encrypt."; do
    set -- $kind
    prefix=${3#-}
    p() { local out= option; for option; do out=$out${out:+,}$prefix$option; done; echo "$out"; }
    image=$($1 "$2")
    amend -o "$(p state=foo)" "$image"
    amend -o "$(p state=active)" "$image"
    amend -o "$(p keyslot=1)" "$image"
    amend -o "$(p state=active new-secret=s1 old-secret=s0)" "$image"
    amend -o "$(p state=active new-secret=none)" "$image"
    amend -o "$(p state=active new-secret=s1 keyslot=8)" "$image"
    amend -o "$(p state=active new-secret=s1 keyslot=0 iter-time=10)" "$image"
    amend -o "$(p state=active new-secret=s1 keyslot=3 iter-time=10)" "$image"
    io_both $secrets --image-opts "$($1 "$2" s1)" -c "read 0 512"
    run_both info "$2"
    amend -o "$(p state=inactive)" "$image"
    amend -o "$(p state=inactive keyslot=7)" "$image"
    amend -o "$(p state=inactive keyslot=9)" "$image"
    amend -o "$(p state=inactive new-secret=s1)" "$image"
    amend -o "$(p state=inactive keyslot=1 iter-time=10)" "$image"
    amend -o "$(p state=inactive old-secret=empty)" "$image"
    amend -o "$(p state=inactive old-secret=s0 keyslot=3)" "$image"
    amend -o "$(p state=inactive old-secret=s0)" "$image"
    run_both info "$2"
    amend -o "$(p state=inactive keyslot=3)" "$($1 "$2" s1)"
    amend -o "$(p state=inactive old-secret=s1)" "$($1 "$2" s1)"
    io_both $secrets --image-opts "$image" -c "read 0 512"
    io_both $secrets --image-opts "$($1 "$2" s1)" -c "read 0 512"
done
amend -o encrypt.state=active,encrypt.new-secret=s1 "$(qcow2 b.qcow2)"
finish
