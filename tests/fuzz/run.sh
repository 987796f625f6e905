#!/bin/sh
# Build the fuzzing entries with clang (libFuzzer, ASan, UBSan) and run each for SECONDS (default 60).
# Usage: tests/fuzz/run.sh [SECONDS].  New inputs are kept under build-fuzz/corpus-NAME.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
out=$src/build-fuzz
command -v clang >/dev/null || { echo "clang is missing: apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
mkdir -p "$out"
flags="-g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -fwrapv -D_GNU_SOURCE -w"
include="-I$src/include -I$src/block -I$src/util $(pkg-config --cflags glib-2.0)"
data="cutils error hbitmap iov json-lex json-order json-parse json-print options options-keyval options-list path qdict-names qobject size trace zero"
sources=
for f in $data; do sources="$sources $src/util/$f.c"; done
for name in header json options; do
    extra=
    [ "$name" = header ] && extra="$src/block/qcow2-header.c"
    # shellcheck disable=SC2086
    clang $flags $include "$src/tests/fuzz/fuzz-$name.c" $sources $extra $(pkg-config --libs glib-2.0) -o "$out/fuzz-$name"
    mkdir -p "$out/corpus-$name"
    "$out/fuzz-$name" -max_total_time="$seconds" -max_len=66000 -rss_limit_mb=512 -timeout=10 -print_final_stats=1 \
        "$out/corpus-$name" "$src/tests/fuzz/corpus/$name" 2>"$out/fuzz-$name.log" ||
        { tail -n 40 "$out/fuzz-$name.log" >&2; exit 1; }
    sed -n 's/^stat::number_of_executed_units: */'"$name"': executions /p' "$out/fuzz-$name.log"
done
# Whole images need the block room: a build tree of its own with clang.
tree=$out/tree
[ -f "$tree/build.ninja" ] || CC=clang meson setup "$tree" "$src" -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=false \
    -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
ninja -C "$tree" block/libblock.a crypto/libstillcrypto.a qapi/libqapi.a util/libutil.a >/dev/null
# shellcheck disable=SC2086
clang $flags $include "$src/tests/fuzz/fuzz-image.c" -Wl,--start-group "$tree/block/libblock.a" "$tree/crypto/libstillcrypto.a" \
    "$tree/qapi/libqapi.a" "$tree/util/libutil.a" -Wl,--end-group \
    $(pkg-config --libs glib-2.0 zlib libzstd liburing libgcrypt gnutls) -laio -lpthread -o "$out/fuzz-image"
mkdir -p "$out/corpus-image"
"$out/fuzz-image" -max_total_time="$seconds" -max_len=66000 -rss_limit_mb=1024 -timeout=10 -artifact_prefix="$out/" \
    "$out/corpus-image" "$src/tests/fuzz/corpus/image" || { echo "fuzz-image: see the input under $out" >&2; exit 1; }
