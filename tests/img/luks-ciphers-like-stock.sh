# Ciphers of LUKS volumes: what stock makes and opens with a cipher, mode, vector and hash, ours does too, and each reads the other's.
# SPDX-License-Identifier: GPL-2.0-or-later
. "$TEST_SRC/img/lib.sh"
requires_stock

secret="--object secret,id=s,data=x"
try() {
    local options="key-secret=s,iter-time=10,cipher-alg=$1,cipher-mode=$2,ivgen-alg=$3${4:+,ivgen-hash-alg=$4}${5:+,hash-alg=$5}"
    local image="driver=luks,file.filename=a.luks,key-secret=s"
    fresh
    run_both create $secret -f luks -o "$options" a.luks 256k
    [ -s stock/a.luks ] || return
    (cd stock && "$STOCK_QEMU_IO" $secret --image-opts -c 'write -P 7 0 64k' -c 'write -P 9 70000 3000' "$image") >/dev/null || fail "$options: stock writes"
    (cd ours && "$QEMU_IO" $secret --image-opts -c 'write -P 7 0 64k' -c 'write -P 9 70000 3000' "$image") >/dev/null || fail "$options: ours writes"
    mv stock/a.luks x.luks && mv ours/a.luks stock/a.luks && mv x.luks ours/a.luks
    io_both $secret --image-opts -c 'read -q -P 7 0 64k' -c 'read -q -P 9 70000 3000' "$image"
}
try twofish-192 xts plain64
try twofish-192 xts essiv sha256
try serpent-192 xts plain64
try twofish-128 cbc essiv md5 ripemd160
try serpent-256 ecb essiv sha1
try aes-256 ecb essiv sha256
try cast5-128 cbc plain64
finish
